"""Runs of the reference, and a form of changes in which two can be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings

from rules.catalog import Catalog
from rules.reference import Reference
from rules.reference_models import ReferenceSample
from stream.engine import SampleRow
from tests.property.random_logs import Fed, ModelSwitch, Switch

APP = "tagstream"


def share(part: float) -> settings:
    """The profile's settings with a part of its examples, for tests whose examples are dear."""
    return settings(max_examples=max(1, round(settings().max_examples * part)))


def canonical(value: object) -> str:
    """JSON of a value, fields in order, numbers written one way: 1 is 1.0, 0 is -0.0, but 1 is not true."""
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) + 0.0
    return value


def samples_by_user(samples: Sequence[SampleRow] | Sequence[ReferenceSample]) -> dict[str, list[str]]:
    """Samples (as texts) of each user, in their order."""
    grouped: dict[str, list[str]] = {}
    for each in samples:
        told = [each.model, each.at_ms, each.why, each.values, each.label, each.opened_ms]
        grouped.setdefault(each.user, []).append(canonical(told))
    return grouped


def by_user(changes: list[str]) -> dict[str, list[str]]:
    """Changes (canonical texts) of each user, in their order."""
    grouped: dict[str, list[str]] = {}
    for change in changes:
        grouped.setdefault(json.loads(change)["subject"], []).append(change)
    return grouped


@dataclass
class ReferenceRun:
    """What the reference makes of a log."""

    reference: Reference
    changes: list[str] = field(default_factory=list)
    rejects: dict[int, str] = field(default_factory=dict)
    misplaced: list[int] = field(default_factory=list)
    accepted: int = 0
    duplicates: int = 0


def run_reference(
    catalog: Catalog,
    fed: Sequence[Fed | Switch | ModelSwitch | int],
    until_ms: int,
    *,
    partition: int = 0,
    partition_count: int = 1,
    snapshots: Mapping[str, Mapping[str, Any]] | None = None,
    sampled: bool = False,
) -> ReferenceRun:
    """The fold of a log, with all flips up to `until_ms`."""
    run = ReferenceRun(
        Reference(
            catalog,
            app=APP,
            partition=partition,
            partition_count=partition_count,
            snapshots=snapshots,
            sampled=sampled,
        )
    )
    for record in fed:
        if isinstance(record, int):
            continue
        if isinstance(record, Switch):
            run.changes += map(canonical, run.reference.switch(record.catalog, record.watermark_ms))
            continue
        if isinstance(record, ModelSwitch):
            run.changes += map(canonical, run.reference.switch_model(record.snapshot, record.watermark_ms))
            continue
        outcome = run.reference.feed(
            record.value, record.offset, record.watermark_ms, record.horizon_ms, forwarded=record.forwarded
        )
        run.changes += map(canonical, outcome.changes)
        if outcome.reason is not None:
            run.rejects[record.offset] = outcome.reason
        elif outcome.misplaced:
            run.misplaced.append(record.offset)
        elif outcome.duplicate:
            run.duplicates += 1
        else:
            run.accepted += 1
    run.changes += map(canonical, run.reference.advance(until_ms))
    return run
