"""Which snapshots a partition evaluates with, and which wait for another catalog."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from confluent_kafka import Message

from rules.catalog import Catalog, parse_catalog
from stream.models import PublishedModels, UnreadableModelError, unfit_reason
from stream.worker.in_force import ModelsInForce, at_a_catalog, at_a_snapshot, at_the_start
from stream.worker.position import Switch, Walk, decode_position
from stream.worker.row_headers import is_stale
from tests.integration.model_runs import MODELS, catalog, rfm, worth
from tests.unit.worker.worker_builders import position
from tests.unit.worker.worker_rows import stored_row

HERE = catalog()
THERE = catalog(MODELS.replace("features: [spent]", "features: {spent: spent + orders}"), 2)


def record(key: bytes | None, value: bytes | None) -> Message:
    return Message(topic="app.models", partition=0, offset=0, key=key, value=value)


def of(*snapshots: Mapping[str, Any]) -> PublishedModels:
    found = PublishedModels("app.models")
    for each in snapshots:
        found.add(record(f"{each['model']}@{each['version']}".encode(), json.dumps(each).encode()))
    return found


def test_snapshots_are_found_by_model_and_version() -> None:
    models = of(worth(HERE, version=2), rfm(HERE), worth(HERE, version=10))
    assert (models.names, models.versions("worth"), models.newest("worth")) == (["worth", "rfm"], [2, 10], 10)
    assert models.record("worth", 2)["version"] == 2
    assert (models.newest("none"), models.versions("none")) == (None, [])
    with pytest.raises(KeyError):
        models.record("worth", 3)
    models.add(record(b"worth@10", None))
    assert models.newest("worth") == 2


def centres(models: PublishedModels, version: int = 1) -> list[list[float]]:
    return [each["centre"] for each in models.record("worth", version)["clusters"]]


def test_of_two_under_one_key_the_first_counts() -> None:
    models = of(worth(HERE, (1.0, 2.0)), worth(HERE, (3.0, 4.0)))
    assert centres(models) == [[1.0], [2.0]]


def test_of_two_contents_of_a_version_the_first_counts_and_goes_when_it_is_deleted() -> None:
    models = PublishedModels("app.models")
    for key, given in ((b"worth@1#0a", (1.0, 2.0)), (b"worth@1#0b", (3.0, 4.0)), (b"worth@1#0a", (5.0, 6.0))):
        models.add(record(key, json.dumps(worth(HERE, given)).encode()))
    assert (centres(models), models.keys("worth", 1)) == ([[1.0], [2.0]], [b"worth@1#0a", b"worth@1#0b"])
    models.add(record(b"worth@1#0a", None))
    assert (centres(models), models.versions("worth")) == ([[3.0], [4.0]], [1])
    models.add(record(b"worth@1#0b", None))
    assert (models.names, models.keys("worth", 1), models.fingerprint("worth", 1)) == ([], [], None)


def test_which_declaration_a_snapshot_is_of_can_be_asked_of_any() -> None:
    models = of(worth(HERE), worth(THERE, version=2))
    models.add(record(b"worth@3", b"nonsense"))
    models.add(record(b"worth@4", b'{"fingerprint": 4}'))
    here, there = (each.models["worth"].fingerprint for each in (HERE, THERE))
    assert [models.fingerprint("worth", version) for version in (1, 2, 3, 4, 5)] == [here, there, None, None, None]


def repr_start(key: bytes | None) -> str:
    return repr(key)[:20]


@pytest.mark.parametrize(
    "key",
    [
        None,
        b"",
        b"worth",
        b"worth@",
        b"worth@x",
        b"@1",
        "worth@²".encode(),
        b"worth@" + b"9" * 5_000,
        b"Worth@1",
        b"worth@1#",
    ],
    ids=repr_start,
)
def test_a_record_that_names_no_model_and_version_is_passed_over(key: bytes | None) -> None:
    models = PublishedModels("app.models")
    models.add(record(key, b"{}"))
    assert models.names == []


@pytest.mark.parametrize(
    "changes",
    [
        {"clusters": []},
        {"clusters": [{"id": 1, "centre": ["far"]}]},
        {"margin": None},
        {"version": 2},
        {"version": 0},
        {"model": "rfm"},
        {"kind": "oracle"},
        {"features": [{"name": "spent"}]},
        {"features": 3},
    ],
)
def test_one_that_cannot_be_applied_has_a_sentence_and_raises_nothing_else(changes: dict[str, Any]) -> None:
    models = PublishedModels("app.models")
    models.add(record(b"worth@1", json.dumps({**worth(HERE), **changes}).encode()))
    problem = models.problem("worth", 1)
    assert problem is not None
    assert problem.startswith("The snapshot worth@1 on the topic app.models can't be applied: ")
    with pytest.raises(UnreadableModelError):
        models.record("worth", 1)


def test_a_number_that_is_none_is_not_applied() -> None:
    text = json.dumps(worth(HERE)).replace("100.0", "NaN")
    models = PublishedModels("app.models")
    models.add(record(b"worth@1", text.encode()))
    assert "only finite ones" in (models.problem("worth", 1) or "")


def test_a_snapshot_fits_the_declaration_it_was_learned_for() -> None:
    assert unfit_reason(worth(HERE), HERE) is None
    assert "declared otherwise" in (unfit_reason(worth(HERE), THERE) or "")
    gone = parse_catalog("catalog: shop\nversion: 4\nsegments:\n  one: {when: 'has(since())'}\n", with_lint=False)
    assert "does not have" in (unfit_reason(worth(HERE), gone) or "")
    features = [*worth(HERE)["features"], *worth(HERE)["features"]]
    assert "other features" in (unfit_reason({**worth(HERE), "features": features}, HERE) or "")


def test_a_snapshot_that_is_newer_comes_into_force_or_waits_until_a_catalog_can_use_it() -> None:
    models = of(worth(HERE), worth(THERE, version=2), worth(HERE, version=3), rfm(HERE))
    first = at_a_snapshot(ModelsInForce(), models, HERE, "worth", 1)
    second = at_a_snapshot(first, models, HERE, "worth", 2)
    assert (first, second) == (ModelsInForce({"worth": 1}), ModelsInForce({"worth": 1}, {"worth": 2}))
    assert at_a_snapshot(second, models, HERE, "worth", 1) == second
    assert at_a_snapshot(second, models, HERE, "rfm", 1) == ModelsInForce({"rfm": 1, "worth": 1}, {"worth": 2})
    assert at_a_snapshot(second, models, HERE, "worth", 3) == ModelsInForce({"worth": 3})
    assert at_a_snapshot(second, models, THERE, "worth", 3) == ModelsInForce({"worth": 2}, {"worth": 3})


@pytest.mark.parametrize(
    ("into", "before", "after"),
    [
        (THERE, ModelsInForce({"worth": 1}, {"worth": 2}), ModelsInForce({"worth": 2})),
        (HERE, ModelsInForce({"worth": 2}), ModelsInForce({"worth": 1}, {"worth": 2})),
        (THERE, ModelsInForce({"worth": 1}, {}), ModelsInForce({}, {"worth": 1})),
        (HERE, ModelsInForce({"worth": 1}, {"worth": 2}), ModelsInForce({"worth": 1}, {"worth": 2})),
        (HERE, ModelsInForce({"rfm": 1}, {"worth": 3}), ModelsInForce({"rfm": 1, "worth": 1}, {"worth": 3})),
    ],
)
def test_a_catalog_takes_the_newest_snapshots_that_fit_it(
    into: Catalog, before: ModelsInForce, after: ModelsInForce
) -> None:
    models = of(worth(HERE), worth(THERE, version=2), worth(THERE, version=3), rfm(HERE))
    assert at_a_catalog(before, models, into) == after


def test_a_declaration_of_long_ago_finds_its_snapshot_though_others_came_meanwhile() -> None:
    models = of(worth(HERE), worth(THERE, version=2), worth(THERE, version=3))
    there = at_a_catalog(ModelsInForce({"worth": 1}), models, THERE)
    for version in (2, 3):
        there = at_a_snapshot(there, models, THERE, "worth", version)
    assert there == ModelsInForce({"worth": 3})
    assert at_a_catalog(there, models, HERE) == ModelsInForce({"worth": 1}, {"worth": 3})


def test_where_a_log_was_cut_the_newest_snapshots_made_before_it_begins_are_in_force() -> None:
    snapshots = [{**worth(HERE, version=number), "made_at": 1_000 * number} for number in (1, 2, 3)]
    models = of(*snapshots, {**worth(THERE, version=4), "made_at": 3_500})
    assert at_the_start(models, HERE, 2_600, {}) == ModelsInForce({"worth": 2})
    assert at_the_start(models, HERE, 900, {}) == ModelsInForce()
    assert at_the_start(models, HERE, 900, {"worth": 3}) == ModelsInForce({"worth": 3})
    assert at_the_start(models, HERE, None, {}) == ModelsInForce({"worth": 3}, {"worth": 4})


def test_a_position_says_what_is_in_force_and_what_waits_and_old_ones_can_be_read() -> None:
    crossed = Switch(None, 5, kind="model", model="worth", catalog_changes={"buyer": {"entered": 2}})
    here = position(model_versions={"rfm": 2, "worth": 3}, models_waiting={"worth": 4}, switch=crossed, walk=Walk(7))
    assert decode_position(here.encode(), 3) == here
    assert (here.models_stamp, here.taken_over) == (5, None)
    assert position(switch=Switch(1, 5), walk=Walk(7)).taken_over == 1
    assert position(switch=Switch(1, 5)).taken_over is None
    assert crossed.changes_by_catalog == {"buyer": {"entered": 2}}
    old = here.encode().replace(b',"models_waiting":{"worth":4}', b"").replace(b',"kind":"model","model":"worth"', b"")
    assert decode_position(old, 3).models_waiting == {}


def test_a_row_of_another_catalog_or_of_other_models_is_stale() -> None:
    row = stored_row(HERE, {"worth": worth(HERE, version=3)})
    assert not is_stale(row, position(catalog_version=1, model_versions={"worth": 3}))
    assert is_stale(row, position(catalog_version=1, model_versions={"worth": 4}))
    assert is_stale(row, position(catalog_version=2, model_versions={"worth": 3}))
