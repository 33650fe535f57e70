"""The reference, the engine and the `replay` command against hand-worked cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rules.catalog import parse_catalog
from rules.reference import Reference
from stream.engine import Engine
from stream.engine.result import Records
from tests.golden.golden_cases import CASES, GoldenCase, load_case


@pytest.mark.parametrize("name", CASES)
def test_the_reference_does_what_was_worked_out_by_hand(name: str) -> None:
    case = load_case(name)
    reference = Reference(parse_catalog(case.catalog))
    changes: list[dict[str, Any]] = []
    rejects: dict[int, str] = {}
    for offset, record in enumerate(case.records):
        if record.value is None:
            changes += reference.advance(record.watermark_ms)
            assert len(changes) == record.expect
            continue
        outcome = reference.feed(record.value, offset, record.watermark_ms, record.horizon_ms)
        changes += outcome.changes
        if outcome.reason is not None:
            rejects[offset] = outcome.reason
    changes += reference.advance(case.until_ms)

    case.check_changes(changes)
    case.check_rejects(rejects)
    profiles = reference.profiles(case.until_ms)
    case.check_profiles(
        [{"user": p.user, "version": p.version, "tags": p.tags, "segments": p.segments} for p in profiles]
    )


@pytest.mark.parametrize("batch_size", [1, 1000])
@pytest.mark.parametrize("name", CASES)
def test_the_engine_does_what_was_worked_out_by_hand(name: str, batch_size: int) -> None:
    case = load_case(name)
    engine = Engine(parse_catalog(case.catalog), app="tagstream", partition=0, partition_count=1)
    changes: list[dict[str, Any]] = []
    rejects: dict[int, str] = {}
    users: set[str] = set()
    batch_offsets: list[int] = []
    for offset, record in enumerate(case.records):
        if record.value is not None:
            batch_offsets.append(offset)
        last = offset == len(case.records) - 1
        if batch_offsets and (last or record.value is None or len(batch_offsets) == batch_size):
            _feed(engine, case, batch_offsets, changes, rejects, users)
            batch_offsets = []
        if record.value is None:
            changes += _looked_at(engine, users, record.watermark_ms)
            assert len(changes) == record.expect
    changes += _looked_at(engine, users, case.until_ms)

    case.check_changes(changes)
    case.check_rejects(rejects)
    profiles = engine.profiles(sorted(users), case.until_ms)
    case.check_profiles(
        [{"user": p.user, "version": p.version, "tags": p.tags, "segments": p.segments} for p in profiles]
    )


def _feed(
    engine: Engine,
    case: GoldenCase,
    offsets: list[int],
    changes: list[dict[str, Any]],
    rejects: dict[int, str],
    users: set[str],
) -> None:
    records = Records(
        values=[case.records[offset].value for offset in offsets],
        offsets=np.array(offsets, np.int64),
        watermark_ms=np.array([case.records[offset].watermark_ms for offset in offsets], np.int64),
        horizon_ms=np.array([case.records[offset].horizon_ms for offset in offsets], np.int64),
        forwarded=np.zeros(len(offsets), np.bool_),
    )
    batch = engine.decode(records)
    engine.load(list(batch.cold), [None] * len(batch.cold))
    start = 0
    while start < len(batch):
        result = engine.process(batch, start, 1)
        changes += [json.loads(message.value) for message in result.changes]
        rejects.update({offsets[reject.index]: reject.reason for reject in result.rejects})
        users.update(user for user, _ in result.rows)
        start = result.end


def _looked_at(engine: Engine, users: set[str], watermark_ms: int) -> list[dict[str, Any]]:
    result = engine.process_due(sorted(users), watermark_ms, 2)
    changes = [json.loads(message.value) for message in result.changes]
    return sorted(changes, key=lambda change: (change["time"], change["subject"]))


def test_a_case_that_is_not_met_fails() -> None:
    case = load_case("equal_timestamps_keep_the_order_of_the_log")

    with pytest.raises(AssertionError):
        case.check_changes([])
    with pytest.raises(AssertionError):
        case.check_rejects({0: "not_json"})


def test_every_case_states_its_arithmetic_first() -> None:
    unexplained = [
        name
        for name in CASES
        if not (Path(__file__).parent / f"{name}.yaml").read_text(encoding="utf-8").startswith("# ")
    ]
    assert unexplained == []
