"""The next switch waits until every partition is done with the last."""

from __future__ import annotations

import pytest

from stream.control.gate import is_settled
from stream.worker.overview import Overview, PartitionStanding
from stream.worker.position import Position, Walk
from stream.worker.reports import Pause


def standing(**parts: object) -> PartitionStanding:
    fields: dict[str, object] = {
        "step": 1,
        "next_offset": 0,
        "log_time_ms": 0,
        "watermark_ms": 0,
        "catalog": "shop",
        "catalog_version": 1,
        "model_versions": {"worth": 3},
        "walk": None,
        "partition_count": 2,
        "topic_id": "",
        "origins": {},
        "published": {},
    }
    return PartitionStanding(0, Position(**{**fields, **parts}), owner="one", stage="running")  # type: ignore[arg-type]


DONE = standing()


@pytest.mark.parametrize(
    ("others", "written", "settled"),
    [
        ([], {"worth": 3}, True),
        ([DONE], {"worth": 3}, True),
        ([DONE], {"worth": 4}, False),
        ([standing(walk=Walk(5))], {}, False),
        ([standing(model_versions={})], {"worth": 3}, False),
        ([standing(model_versions={}, models_waiting={"worth": 3})], {"worth": 3}, True),
        ([PartitionStanding(1, None)], {"worth": 3}, True),
        ([PartitionStanding(1, None, owner="one")], {}, False),
        ([PartitionStanding(1, None, owner="one", pause=Pause("redis_lost", "It is lost.", "Rebuild."))], {}, True),
    ],
)
def test_all_partitions_of_workers_must_be_done(
    others: list[PartitionStanding], written: dict[str, int], *, settled: bool
) -> None:
    assert is_settled(Overview((DONE, *others), {}), written) is settled
