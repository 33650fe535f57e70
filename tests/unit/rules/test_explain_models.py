"""What models say, explained: since when, by which boundary, and what would flip it."""

from __future__ import annotations

from typing import Any

import pytest

from rules.catalog import Catalog, parse_catalog
from rules.explain import Explained, Explanation, Seen, explain, part_about
from rules.explain.quantiles import LearnedModels
from rules.history import Event
from rules.interpret import History, value_of
from rules.models import Model
from rules.nodes import Kind
from rules.reference import Reference
from tests.unit.rules.explain_standings import Life, comes_true, hash_of
from tests.unit.rules.test_explain_tree import NOW

HOUR = 3_600_000
DAY = 24 * HOUR
CATALOG = """
catalog: shop
version: 1
tags:
  bought: count("Bought", last="30d")
models:
  ways: {kind: clusters, features: [bought], names: {2: Buyers}}
  rfm:
    kind: quantiles
    bins: 4
    fields: {recency: since("Bought"), frequency: bought}
  churn: {kind: classifier, features: [bought], label: {absent: any, within: 14d}}
segments:
  buyers: {when: cluster(ways) == "Buyers"}
  risk: {when: score(churn) >= 0.7 and bought < 5}
  often: {when: "quantile(rfm, frequency) >= 3"}
  lately: {when: "quantile(rfm, recency) == 4"}
  other: {when: in_segment(often)}
  few: {when: "quantile(rfm, frequency) >= 3 and bought < 99"}
"""
FEATURE = {"name": "bought", "transform": "identity", "unit": 1, "centre": 0, "scale": 1, "missing": 0}


def learned(catalog: Catalog) -> dict[str, dict[str, Any]]:
    def head(model: Model) -> dict[str, Any]:
        return {"model": model.name, "version": 1, "kind": model.kind, "fingerprint": model.fingerprint}

    clusters = [{"id": 1, "centre": [1]}, {"id": 2, "centre": [9]}]
    recency = {"name": "recency", "boundaries": [DAY, 7 * DAY, 30 * DAY], "lower_is_better": True}
    frequency = {"name": "frequency", "boundaries": [1, 3.5, 8], "lower_is_better": False}
    return {
        "ways": {**head(catalog.models["ways"]), "features": [FEATURE], "margin": 0.1, "clusters": clusters},
        "rfm": {**head(catalog.models["rfm"]), "fields": [recency, frequency]},
        "churn": {
            **head(catalog.models["churn"]),
            "features": [FEATURE],
            "logistic": {"weights": [0], "intercept": 2},
        },
    }


def shop(*, is_learned: bool = True) -> Life:
    catalog = parse_catalog(CATALOG)
    life = Life(catalog, reference=Reference(catalog, snapshots=learned(catalog) if is_learned else {}))
    life.track(NOW - 5 * HOUR, "Bought")
    life.track(NOW - 2 * HOUR, "Bought")
    return life


def explained(life: Life, name: str) -> Explanation:
    snapshots = life.reference.models.snapshots
    found = explain(life.catalog, life.standing(NOW), name, user_hash=hash_of(), snapshots=snapshots)
    for flip in found.flips:
        assert comes_true(life, name, flip, NOW) is None
    return found


def leaf(tree: Explained) -> tuple[Explained, tuple[Seen, ...]]:
    while tree.parts:
        tree = tree.parts[0]
    return tree, tree.seen


def test_a_cluster_is_shown_with_its_name_and_since_when() -> None:
    life = shop()
    for _ in range(9):
        life.track(NOW - HOUR, "Bought")
    tree, (seen,) = leaf(explained(life, "buyers").conditions[0].tree)

    assert (tree.text, tree.verdict) == ("cluster(ways) == 2", True)
    assert seen == Seen(None, 'cluster(ways) ("Buyers")', 2.0, Kind.NUMBER, NOW - HOUR)


def test_a_score_is_shown_with_the_moment_at_which_it_was_computed() -> None:
    tree, (seen,) = leaf(explained(shop(), "risk").conditions[0].tree)

    assert (tree.text, tree.verdict) == ("score(churn) >= 0.7", True)
    assert (seen.text, seen.moment_ms) == ("score(churn)", NOW)
    assert seen.value == pytest.approx(0.88, abs=0.01)


def test_a_quantile_is_shown_with_what_it_is_computed_from() -> None:
    tree, (score, field) = leaf(explained(shop(), "often").conditions[0].tree)

    assert (tree.text, tree.verdict) == ("quantile(rfm, frequency) >= 3", False)
    assert (score.text, score.value) == ("quantile(rfm, frequency)", 2.0)
    assert (field.name, field.value) == ("bought", 2.0)


def test_the_boundary_is_to_be_passed_for_another_quantile() -> None:
    for name in ("often", "other", "few"):
        assert explained(shop(), name).flips[0].words == 'two more "Bought", within 30 days 6 hours'
    (waits,) = explained(shop(), "lately").flips
    assert waits.to == "out"
    assert waits.words == 'no "Bought" until 2026-11-23 06:00:00.001 UTC'
    assert waits.flips_ms == NOW - 2 * HOUR + DAY + 1


def test_what_only_a_model_can_change_is_said_so_without_numbers() -> None:
    (flip,) = explained(shop(), "buyers").flips
    assert flip.words == "when the model ways sees it so: cluster(ways) == 2"
    assert (flip.to, flip.flips_ms, flip.happenings) == ("in", None, ())
    words = [each.words for each in explained(shop(), "risk").flips]
    assert 'three more "Bought", within 30 days 6 hours' in words
    assert "when the model churn sees it so: score(churn) < 0.7" in words


def test_before_anything_is_learned_it_is_the_models_turn() -> None:
    found = explained(shop(is_learned=False), "often")
    tree, (score, _) = leaf(found.conditions[0].tree)

    assert (tree.verdict, score.value) == (None, None)
    assert [flip.words for flip in found.flips] == ["when the model rfm sees it so: quantile(rfm, frequency) >= 3"]


def test_the_part_about_a_segment_has_the_models_that_it_asks_and_what_they_read() -> None:
    part = part_about(parse_catalog(CATALOG), "often")
    assert (list(part.models), list(part.tags)) == (["rfm"], ["bought"])
    assert list(part_about(parse_catalog(CATALOG), "other").models) == ["rfm"]


@pytest.mark.parametrize("lower_is_better", [False, True])
@pytest.mark.parametrize(
    "condition",
    [
        *(
            f"quantile(rfm, frequency) {operator} {limit}"
            for operator in ("<", "<=", "==", "!=", ">=", ">")
            for limit in (1, 2, 2.5, 4)
        ),
        "2 < quantile(rfm, frequency)",
        "quantile(rfm, frequency) in [1, 3]",
        "quantile(rfm, frequency) not in [1, 4]",
        "quantile(rfm, frequency) in [1, 2, 3, 4]",
        "quantile(rfm, frequency) > 9",
        "not (quantile(rfm, frequency) == 2 or quantile(rfm, frequency) > 3)",
        "has(quantile(rfm, frequency))",
    ],
)
def test_comparisons_of_fields_say_what_those_of_quantiles_say(condition: str, lower_is_better: bool) -> None:
    field = 'trait("n")'
    text = CATALOG.replace("frequency: bought", f"frequency: {{value: '{field}'}}")
    catalog = parse_catalog(text + f"  tried: {{when: '{condition}'}}\n", with_lint=False)
    snapshots = learned(catalog)
    snapshots["rfm"]["fields"][1]["lower_is_better"] = lower_is_better
    when = catalog.segments["tried"].when
    by_field = LearnedModels(catalog.models, snapshots).by_field(when)

    for number in (None, 0, 1, 1.5, 3.5, 4, 8, 8.5):
        told = [Event("ann", "identify", None, 0, None, {}, {"n": number})]
        history = History(told, 0, models=catalog.models, snapshots=snapshots)
        assert value_of(by_field, history, 0) is value_of(when, history, 0), number
