from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from rules.catalog import Catalog, load_catalog
from rules.interpret import History, value_of
from rules.nodes import (
    Aggregate,
    And,
    ClusterOf,
    Compare,
    Level,
    Membership,
    Node,
    NumberValue,
    Property,
    QuantileOf,
    ScoreOf,
    Trait,
    children,
)
from rules.packs import pack_file, pack_names, pack_text
from rules.reference import Reference
from stream.examples import run_examples

FAR_MS = 10**15
DAY_MS = 86_400_000


@pytest.fixture(scope="module", params=pack_names())
def pack(request: pytest.FixtureRequest) -> Catalog:
    return load_catalog(request.param)


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from walk(child)


def nodes_of(catalog: Catalog) -> Iterator[Node]:
    for tag in catalog.tags.values():
        yield from walk(tag.expression)
    for segment in catalog.segments.values():
        yield from walk(segment.when)
        yield from walk(segment.exit) if segment.exit is not None else ()
    for tier in catalog.tiers.values():
        for level in tier.levels.values():
            yield from walk(level.when)


def test_a_pack_is_found_by_its_name() -> None:
    assert pack_names() == ("banking", "insurance", "retail", "saas")
    assert pack_file("retail").name == "retail.yaml"
    with pytest.raises(KeyError):
        pack_text("no_such_pack")


def test_a_pack_has_no_warnings(pack: Catalog) -> None:
    assert pack.warnings == ()


def test_an_editor_finds_the_schema_from_the_first_line(pack: Catalog) -> None:
    assert pack.text.startswith("# yaml-language-server: $schema=../../docs/catalog.schema.json\n")


def test_everything_has_a_chinese_and_an_english_title_of_its_own(pack: Catalog) -> None:
    titles = [segment.titles for segment in pack.segments.values()]
    titles += [tier.titles for tier in pack.tiers.values()]
    titles += [model.titles for model in pack.models.values()]
    for named in [*titles, *(level.titles for tier in pack.tiers.values() for level in tier.levels.values())]:
        assert sorted(named) == ["en", "zh"]
        assert re.search("[\u4e00-\u9fff]|VIP", named["zh"])
        assert not re.search("[\u4e00-\u9fff]", named["en"])
    for language in ("zh", "en"):
        assert len({named[language] for named in titles}) == len(titles)
    for tier in pack.tiers.values():
        assert len({level.title for level in tier.levels.values()}) == len(tier.levels)


def test_there_are_segments_of_all_kinds(pack: Catalog) -> None:
    assert len(pack.segments) >= 15
    kinds = [segment.kind for segment in pack.segments.values()]
    assert set(kinds) == {"demographic", "behaviour", "value", "interest", "predictive"}
    assert min(kinds.count(kind) for kind in kinds) >= 3


def test_there_is_a_tier_for_the_life_cycle_and_one_for_the_value(pack: Catalog) -> None:
    assert {name: tier.kind for name, tier in pack.tiers.items()} == {"lifecycle": "behaviour", "value": "value"}


def test_there_are_clusters_rfm_and_two_classifiers(pack: Catalog) -> None:
    assert [model.kind for model in pack.models.values()] == ["clusters", "quantiles", "classifier", "classifier"]
    assert [model.name for model in pack.models.values()][1:3] == ["rfm", "churn"]
    assert pack.models["rfm"].fields == ("recency", "frequency", "monetary")
    assert pack.models["rfm"].lower_is_better == (True, False, False)


def test_before_anything_is_learned_nobody_is_in_what_models_decide(pack: Catalog) -> None:
    learned = {name for name, segment in pack.segments.items() if reads_models(pack, segment.when)}
    assert {name for name, segment in pack.segments.items() if segment.kind == "predictive"} < learned
    for example in pack.examples:
        reference = Reference(pack)
        for offset, event in enumerate(example.events):
            reference.feed(event, offset, -FAR_MS, FAR_MS)
        assert learned.isdisjoint(reference.profile(example.user).segments), example.name


@pytest.mark.parametrize("recency", range(1, 6))
def test_the_groups_of_rfm_have_everybody_who_is_scored_once(pack: Catalog, recency: int) -> None:
    groups = [segment for name, segment in pack.segments.items() if name.startswith("rfm_")]
    assert len(groups) == 8
    for frequency in range(1, 6):
        for money in range(1, 6):
            history = scored(pack, {"recency": recency, "frequency": frequency, "monetary": money})
            inside: set[str] = set()
            for group in sorted(groups, key=lambda each: pack.order.index(each.name)):
                if value_of(group.when, replace(history, inside=inside), 0) is True:
                    inside.add(group.name)
            assert len(inside) == 1, (recency, frequency, money, inside)


def scored(pack: Catalog, scores: dict[str, int]) -> History:
    """Somebody with these scores: each field is a constant, and has as many boundaries below as that takes."""
    rfm = pack.models["rfm"]
    features = tuple(replace(each, expression=NumberValue(0)) for each in rfm.features)
    fields = [{"name": name, "boundaries": [-1] * (scores[name] - 1), "lower_is_better": False} for name in rfm.fields]
    return History((), 0, models={"rfm": replace(rfm, features=features)}, snapshots={"rfm": {"fields": fields}})


def reads_models(pack: Catalog, condition: Node) -> bool:
    """Whether a condition hangs on a model, by itself or through a segment that it needs."""
    if isinstance(condition, And):
        return any(reads_models(pack, part) for part in condition.operands)
    if isinstance(condition, Membership):
        return reads_models(pack, pack.segments[condition.segment].when)
    return isinstance(condition, Compare) and any(
        isinstance(node, ClusterOf | ScoreOf | QuantileOf) for node in walk(condition)
    )


def test_every_tag_is_read(pack: Catalog) -> None:
    text = re.sub("^ *#.*$", "", pack.text.split("\ntests:")[0], flags=re.MULTILINE)
    assert [name for name in pack.tags if len(re.findall(rf"\b{name}\b", text)) < 2] == []


def test_what_is_read_is_named_at_the_top(pack: Catalog) -> None:
    head = " ".join(line.removeprefix("# ") for line in pack.text.split("\ncatalog:")[0].splitlines())
    events = {node.event for node in nodes_of(pack) if isinstance(node, Aggregate)} - {None, "Page Viewed"}
    properties = {node.property for node in nodes_of(pack) if isinstance(node, Aggregate)} - {None}
    properties |= {node.name for node in nodes_of(pack) if isinstance(node, Property)}
    traits = {node.name for node in nodes_of(pack) if isinstance(node, Trait)}
    assert [name for name in sorted({*events, *properties, *traits} - {None}, key=str) if str(name) not in head] == []
    after = re.search(r"Traits read: ([^.]*)\.", head)
    assert after is not None
    assert {re.sub(r" \(.*", "", name) for name in after[1].split(", ")} == traits


def test_its_examples_hold_by_the_engine_and_by_the_reference(pack: Catalog) -> None:
    assert len(pack.examples) >= 15
    failed = [outcome.example.name for outcome in run_examples(pack) if not outcome.holds]
    assert failed == []


def test_an_exit_by_windows_alone_leaves_nobody_behind(pack: Catalog) -> None:
    """An exit that reads what goes missing with its events, and has no word for that, would keep members for ever."""
    windowed = {segment.name for segment in pack.segments.values() if segment.exit and reads_windows_only(segment.exit)}
    assert windowed
    for example in pack.examples:
        reference = Reference(pack)
        for offset, event in enumerate(example.events):
            reference.feed(event, offset, -FAR_MS, FAR_MS)
        reference.advance(example.at_ms + 500 * DAY_MS)
        left = set(reference.profile(example.user).segments) & windowed
        assert left == set(), example.name


def reads_windows_only(condition: Node) -> bool:
    return all(
        node.last_ms is not None if isinstance(node, Aggregate) else not isinstance(node, Trait | Level | Membership)
        for node in walk(condition)
    )
