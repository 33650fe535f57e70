"""The reference against hand-worked cases, and the cases themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rules.catalog import parse_catalog
from rules.reference import Reference
from tests.golden.golden_cases import CASES, brief_profile, load_case


@pytest.mark.parametrize("name", CASES)
def test_the_reference_does_what_was_worked_out_by_hand(name: str) -> None:
    case = load_case(name)
    reference = Reference(parse_catalog(case.catalog), sampled=case.samples is not None)
    changes: list[dict[str, Any]] = []
    rejects: dict[int, str] = {}
    for offset, record in enumerate(case.records):
        if record.value is None:
            if record.catalog is not None:
                changes += reference.switch(parse_catalog(record.catalog), record.watermark_ms)
            elif record.snapshot is not None:
                changes += reference.switch_model(record.snapshot, record.watermark_ms)
            else:
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
    case.check_profiles([brief_profile(profile) for profile in reference.profiles(case.until_ms)])
    case.check_samples(reference.samples)


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
