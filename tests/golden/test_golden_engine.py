"""The engine against the hand-worked cases, in batches of one and as large as they come."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rules.catalog import parse_catalog
from tests.golden.golden_cases import CASES, brief_profile, load_case
from tests.property.engine_runs import EngineRun
from tests.property.random_logs import Fed


@pytest.mark.parametrize("batch_size", [1, 1000])
@pytest.mark.parametrize("name", CASES)
def test_the_engine_does_what_was_worked_out_by_hand(name: str, batch_size: int) -> None:
    case = load_case(name)
    run = EngineRun(parse_catalog(case.catalog), sampled=case.samples is not None)
    changes: list[dict[str, Any]] = []
    batch: list[Fed] = []
    for offset, record in enumerate(case.records):
        if record.value is not None:
            batch.append(Fed(record.value, offset, record.watermark_ms, record.horizon_ms))
        if batch and (record.value is None or len(batch) == batch_size):
            run.feed(batch)
            batch = []
        if record.value is None:
            changes += _new_changes(run)
            if record.catalog is not None:
                run.switch(parse_catalog(record.catalog), record.watermark_ms)
            elif record.snapshot is not None:
                run.switch_model(record.snapshot, record.watermark_ms)
            else:
                run.look(record.watermark_ms)
            changes += _by_time(_new_changes(run))
            run.walk(sorted(run.stale))
            changes += _new_changes(run)
            assert len(changes) == record.expect
    if batch:
        run.feed(batch)
    changes += _new_changes(run)
    run.look(case.until_ms)
    changes += _by_time(_new_changes(run))

    case.check_changes(changes)
    case.check_rejects(run.rejects)
    users = sorted(run.rows)
    case.check_profiles([brief_profile(profile) for profile in run.engine.profiles(users, case.until_ms)])
    case.check_samples(run.samples)


def _new_changes(run: EngineRun) -> list[dict[str, Any]]:
    """The changes since this was last asked."""
    changes = [json.loads(value) for value in run.values]
    run.values.clear()
    return changes


def _by_time(changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(changes, key=lambda change: (change["time"], change["subject"]))
