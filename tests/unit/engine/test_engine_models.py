"""Models in the engine, case by case; `tests/property/test_engine_models.py` holds it to the reference."""

from __future__ import annotations

from typing import Any

import pytest

from rules.catalog import Catalog
from rules.history import hash_of_user
from rules.program import compile_catalog
from rules.reference_models import next_model_moment_ms
from stream.engine import Engine, SampleRow, row_catalog_version, row_clusters, row_models_stamp
from tests.unit.engine.kept_engine import DAY_MS, NOON_MS, KeptEngine, catalog_of

HOUR_MS = DAY_MS // 24
MOMENT_MS = next_model_moment_ms(hash_of_user("ann"), NOON_MS)
SHOP = """
tags:
  orders: count("Order", last="30d")
  quiet: since("Order")
models:
  style:
    kind: clusters
    features: [orders]
    names: {2: Regulars}
  rfm:
    kind: quantiles
    fields: {recency: quiet, frequency: orders}
  churn:
    kind: classifier
    features: [orders, quiet]
    label: {absent: Order, within: 14d}
segments:
  regular: {when: cluster(style) == "Regulars"}
  fresh: {when: 'quantile(rfm, recency) >= 2'}
  often: {when: 'quantile(rfm, frequency) == 3'}
  leaving: {when: score(churn) > 0.5}
  known: {when: has(score(churn))}
"""


def made(catalog: Catalog, name: str, version: int = 1, **learned: Any) -> dict[str, Any]:
    """A snapshot of a catalog's model; features are taken as they are."""
    model = catalog.models[name]
    plain = {"transform": "identity", "unit": 1.0, "centre": 0.0, "scale": 1.0, "missing": 0.0}
    features = [{"name": field, **plain} for field in model.fields]
    about = {"model": name, "version": version, "kind": model.kind, "fingerprint": model.fingerprint}
    return {**about, "features": features, **learned}


def style(catalog: Catalog, version: int = 1, margin: float = 0, **centres: float) -> dict[str, Any]:
    """Clusters c1, c2 … of one feature."""
    clusters = [{"id": int(name[1:]), "centre": [centre]} for name, centre in centres.items()]
    return made(catalog, "style", version, margin=margin, clusters=clusters)


def kept_with(body: str = SHOP, *, sampled: bool = False, **snapshots: dict[str, Any]) -> KeptEngine:
    return KeptEngine(catalog_of(body), snapshots=snapshots, sampled=sampled)


def test_a_change_of_cluster_tells_both_with_their_names_and_the_snapshots_version() -> None:
    catalog = catalog_of(SHOP, version=4)
    kept = KeptEngine(catalog, snapshots={"style": style(catalog, 7, c1=0, c2=2)})
    kept.event(NOON_MS, "Visit")
    kept.event(NOON_MS + 1, "Order")
    kept.event(NOON_MS + 2, "Order")
    assert kept.headers[1] == (
        ("content-type", b"application/cloudevents+json"),
        ("segment", b"style"),
        ("change", b"changed"),
        ("cause", b"event"),
    )
    assert kept.changes[1] == {
        "user": "ann",
        "incarnation": 1,
        "version": 2,
        "cause": "event",
        "catalog_version": 4,
        "model_versions": {"style": 7},
        "tags": {"orders": 2},
        "record": {"partition": 0, "offset": 3},
        "model": "style",
        "from": 1,
        "to": 2,
        "from_name": None,
        "to_name": "Regulars",
    }
    assert kept.told() == ["style:>1", "style:1>2", "+regular"]
    assert +kept.sizes == {"style=2": 1, "regular": 1}
    (profile,) = kept.engine.profiles(["ann"])
    assert (profile.clusters, profile.cluster_since_ms) == ({"style": 2}, {"style": NOON_MS + 2})
    assert row_clusters(kept.rows["ann"], ["style", "other"]) == {"style": (2, NOON_MS + 2)}


def test_a_user_stays_within_the_margin() -> None:
    catalog = catalog_of(SHOP)
    kept = kept_with(style=style(catalog, margin=0.5, c1=0, c2=3))
    kept.event(NOON_MS, "Order")
    kept.event(NOON_MS + 1, "Order")  # the distances are 2 and 1, and 1 is not below half of 2
    assert kept.told() == ["style:>1"]
    kept.event(NOON_MS + 2, "Order")
    assert kept.told() == ["style:1>2", "+regular"]


def test_time_moves_a_user_to_another_cluster_at_the_model_moment_only() -> None:
    catalog = catalog_of(SHOP)
    kept = kept_with(style=style(catalog, c1=0, c2=1))
    kept.event(NOON_MS, "Order")
    assert kept.told() == ["style:>2", "+regular"]
    kept.look(NOON_MS + 32 * DAY_MS)
    moved_ms = NOON_MS + 30 * DAY_MS
    changes = [(data["model"], data["to"]) for data in kept.changes if "model" in data]
    assert changes == [("style", 1)]
    assert kept.told() == ["style:2>1@time", "-regular@time"]
    (profile,) = kept.engine.profiles(["ann"])
    assert moved_ms <= profile.cluster_since_ms["style"] < moved_ms + 2 * DAY_MS
    assert (profile.cluster_since_ms["style"] + hash_of_user("ann")) % DAY_MS == 0


def test_a_new_snapshot_is_looked_at_by_the_walk_or_before_the_next_event_of_a_user() -> None:
    catalog = catalog_of(SHOP)
    kept = kept_with(style=style(catalog, c1=0, c2=2))
    for user in ("ann", "bo"):
        kept.event(NOON_MS, "Order", user)
    kept.told()
    kept.switch_model(style(catalog, 2, c2=1, c3=5), NOON_MS + HOUR_MS)
    kept.event(NOON_MS + 2 * HOUR_MS, "Visit", "bo")
    assert [(data["user"], data["to"], data["record"]) for data in kept.changes if "model" in data] == [("bo", 2, None)]
    assert kept.told() == ["style:1>2@model", "+regular@model"]
    result = kept.walk()
    assert result.change_times_ms == [NOON_MS + HOUR_MS] * 2
    assert kept.told() == ["style:1>2@model", "+regular@model"]
    assert [row_models_stamp(row) for row in kept.rows.values()] == [2, 2]
    assert kept.walk().rows == []


def test_the_cause_is_the_catalog_where_both_have_changed() -> None:
    catalog = catalog_of(SHOP)
    kept = kept_with(style=style(catalog, c1=0))
    kept.event(NOON_MS, "Order")
    later = catalog_of(SHOP, version=2)
    kept.told()
    kept.switch(later, NOON_MS + 1)
    kept.snapshots = {"style": style(later, 5, c2=0)}
    kept.engine = kept._engine(catalog, NOON_MS + 1)
    kept.walk()
    assert kept.told() == ["style:1>2@catalog", "+regular@catalog"]
    assert [(row_catalog_version(row), row_models_stamp(row)) for row in kept.rows.values()] == [(2, 5)]


@pytest.mark.parametrize(
    ("after", "tags"),
    [
        ("segments:\n  all: {when: has(since())}", {}),
        (SHOP.replace("features: [orders]", "features: [quiet]"), {"quiet": 0}),
    ],
)
def test_a_model_that_is_gone_or_declared_anew_puts_users_into_no_cluster(after: str, tags: dict[str, int]) -> None:
    catalog = catalog_of(SHOP)
    kept = kept_with(style=style(catalog, c2=1))
    kept.event(NOON_MS, "Order")
    kept.told()
    kept.switch(catalog_of(after, version=2), NOON_MS)
    kept.walk()
    change = next(data for data in kept.changes if "model" in data)
    assert (change["from"], change["to"], change["from_name"], change["tags"]) == (2, None, "Regulars", tags)
    assert (change["cause"], change["model_versions"]) == ("catalog", {})
    assert row_clusters(kept.rows["ann"], ["style"]) == {}
    assert kept.sizes["style=2"] == 0


def test_a_score_moves_segments_and_is_missing_without_a_snapshot() -> None:
    catalog = catalog_of(SHOP)
    kept = kept_with()
    kept.event(NOON_MS, "Order")
    assert kept.told() == []
    logistic = {"intercept": 1.5, "weights": [-1.0, 0.0]}
    kept.switch_model(made(catalog, "churn", logistic=logistic), NOON_MS)
    kept.walk()
    assert kept.told() == ["+leaving@model", "+known@model"]
    kept.event(NOON_MS + 1, "Order")
    assert kept.told() == ["-leaving"]
    kept.restart()
    kept.load(["ann"])
    facts = {type(fact).__name__: reading for fact, reading in kept.engine.standing_of("ann", 0).facts.items()}
    assert facts["ScoreOf"].value == pytest.approx(0.3775406687981454)
    assert facts["ScoreOf"].time_ms == NOON_MS + 1
    trees = [{"nodes": [[0, 2, 1, 2], [-1, 0.9, 0, 0], [-1, 0.1, 0, 0]]}, {"nodes": [[-1, 0.5, 0, 0]]}]
    kept.switch_model(made(catalog, "churn", 2, trees=trees), NOON_MS + 2)
    kept.walk()
    assert kept.told() == ["+leaving@model"]  # (0.9 + 0.5) / 2


def rfm(catalog: Catalog) -> dict[str, Any]:
    recency = {"name": "recency", "boundaries": [3_600_000.5, 7_200_000.0], "lower_is_better": True}
    frequency = {"name": "frequency", "boundaries": [1.0, 2.0], "lower_is_better": False}
    return made(catalog, "rfm", fields=[recency, frequency])


def test_a_quantile_changes_when_the_value_passes_a_boundary_whether_by_time_or_by_an_event() -> None:
    catalog = catalog_of(SHOP)
    kept = kept_with(rfm=rfm(catalog))
    for at_ms in (NOON_MS, NOON_MS + 1):
        kept.event(at_ms, "Order")
    assert kept.told() == ["+fresh"]
    kept.event(NOON_MS + 2, "Order")
    assert kept.told() == ["+often"]
    times: list[int] = []
    kept.restart()
    kept.load(["ann"])
    while not times:
        (_, _, due_ms) = kept.engine.standing(["ann"])[0]
        times += kept.engine.process_due(["ann"], due_ms, 99).change_times_ms
    # The score is 2 up to and with two hours, and 1 from the millisecond after on.
    assert times == [NOON_MS + 2 + 2 * HOUR_MS + 1]


def test_quantiles_alone_have_nobody_looked_at_once_a_day() -> None:
    catalog = catalog_of(
        'tags:\n  orders: count("Order")\nmodels:\n  rfm: {kind: quantiles, fields: {f: orders}}\n'
        "segments:\n  often: {when: 'quantile(rfm, f) == 2'}"
    )
    field = {"name": "f", "boundaries": [1.0], "lower_is_better": False}
    kept = KeptEngine(catalog, snapshots={"rfm": made(catalog, "rfm", fields=[field])})
    kept.event(NOON_MS, "Order")
    kept.event(NOON_MS, "Order")
    assert (kept.told(), kept.due_ms) == (["+often"], {})


def test_samples_are_taken_once_a_day_and_a_classifiers_waits_for_its_label() -> None:
    kept = kept_with(sampled=True)
    kept.event(NOON_MS, "Order")
    assert kept.samples == []
    kept.look(MOMENT_MS)
    quiet_ms = float(MOMENT_MS - NOON_MS)
    assert kept.samples == [
        SampleRow("style", "ann", MOMENT_MS, "moment", (1.0,)),
        SampleRow("rfm", "ann", MOMENT_MS, "moment", (quiet_ms, 1.0)),
        SampleRow("churn", "ann", MOMENT_MS, "moment", (1.0, quiet_ms)),
    ]
    kept.samples.clear()
    kept.look(MOMENT_MS + DAY_MS)
    assert [sample.model for sample in kept.samples] == ["style", "rfm"]  # the classifier's is still open
    kept.samples.clear()
    kept.restart()
    kept.event(MOMENT_MS + DAY_MS + 1, "Visit")
    kept.event(MOMENT_MS + DAY_MS + 2, "Order")
    label = SampleRow("churn", "ann", MOMENT_MS + DAY_MS + 2, "label", (1.0, quiet_ms), False, MOMENT_MS)
    assert kept.samples == [label]
    kept.look(MOMENT_MS + 2 * DAY_MS)
    opened_ms = MOMENT_MS + 2 * DAY_MS
    kept.samples.clear()
    kept.restart()
    kept.look(opened_ms + 14 * DAY_MS)
    labels = [sample for sample in kept.samples if sample.why == "label"]
    assert [(sample.at_ms, sample.label, sample.opened_ms) for sample in labels] == [
        (opened_ms + 14 * DAY_MS, True, opened_ms)
    ]
    # What is settled at a moment makes room for what is opened at it.
    assert [sample.why for sample in kept.samples if sample.model == "churn"] == ["label", "moment"]


def test_an_event_from_before_the_sample_is_no_label() -> None:
    kept = kept_with(sampled=True)
    kept.event(NOON_MS, "Visit")
    kept.look(MOMENT_MS)
    kept.samples.clear()
    kept.event(MOMENT_MS, "Order")
    assert kept.samples == []
    kept.event(MOMENT_MS + 1, "Order")
    assert [sample.why for sample in kept.samples] == ["label"]


def test_an_open_sample_of_another_declaration_is_dropped() -> None:
    kept = kept_with(sampled=True)
    kept.event(NOON_MS, "Order")
    kept.look(MOMENT_MS)
    kept.samples.clear()
    kept.switch(catalog_of(SHOP.replace("within: 14d", "within: 13d"), version=2), MOMENT_MS)
    kept.walk()
    kept.event(MOMENT_MS + 1, "Order")
    assert kept.samples == []


def test_events_are_sampled_where_the_model_asks_for_it_and_for_its_share() -> None:
    body = SHOP.replace("names: {2: Regulars}", "names: {2: Regulars}\n    sample: {at: events, share: 0.5}")
    kept = kept_with(body, sampled=True)
    for number in range(400):
        kept.event(NOON_MS + number, "Visit")
    whys = {(sample.model, sample.why) for sample in kept.samples}
    assert whys == {("style", "event")}
    assert 160 < len(kept.samples) < 240


def test_a_snapshot_of_another_declaration_is_refused() -> None:
    catalog = catalog_of(SHOP)
    snapshot = style(catalog, c1=0) | {"fingerprint": "0"}
    with pytest.raises(ValueError, match="catalog shop version 1 has no such models: style"):
        compile_catalog(catalog, None, {"style": snapshot})


def test_a_program_with_snapshots_is_the_same_however_often_it_is_compiled() -> None:
    catalog = catalog_of(SHOP)
    snapshots = {"style": style(catalog, 2, c1=0, c2=1), "rfm": rfm(catalog)}
    first, second = (compile_catalog(catalog, None, snapshots, sampled=True) for _ in range(2))
    assert [str(field) for field in first.tables] == [str(field) for field in second.tables]
    assert (first.model_versions, first.models_stamp) == ({"style": 2, "rfm": 1}, 3)


def test_a_trait_and_a_segment_of_one_name_do_not_take_each_others_place_in_rows() -> None:
    kept = KeptEngine(
        catalog_of('segments:\n  vip: {when: trait("vip")}\n  both: {when: in_segment(vip) and trait("vip")}')
    )
    kept.identify(NOON_MS, vip=True)
    assert kept.told() == ["+vip", "+both"]
    engine = Engine(kept.catalog, app="test", partition=0, partition_count=1)
    engine.load(["ann"], [kept.rows["ann"]])
    traits = {type(fact).__name__: reading.value for fact, reading in engine.standing_of("ann", 0).facts.items()}
    assert traits["Trait"] is True
