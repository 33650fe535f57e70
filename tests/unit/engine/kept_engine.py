"""An engine with what its worker keeps of it: rows, due times, sizes, sets of members."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rules.catalog import Catalog, parse_catalog
from rules.models import fits
from rules.program import compile_catalog
from stream.engine import NEVER_MS, Engine, Records, SampleRow, StepResult

__all__ = ["DAY_MS", "NOON_MS", "KeptEngine", "catalog_of"]

DAY_MS = 86_400_000
NOON_MS = 1_767_268_800_000
"""2026-01-01T12:00:00Z."""


def catalog_of(body: str, version: int = 1, timezone: str = "UTC") -> Catalog:
    """A catalog of this body, of whose conditions some may be silly."""
    text = f"catalog: shop\nversion: {version}\ntimezone: {timezone}\n{body}"
    return parse_catalog(text, with_lint=False)


@dataclass
class KeptEngine:
    """The engine of one catalog after the other; `changes` are the messages' data, `headers` those of each.

    snapshots: those in force, by model.  sampled: users give `samples`.
    """

    catalog: Catalog
    snapshots: dict[str, dict[str, Any]] = field(default_factory=dict)
    sampled: bool = False
    rows: dict[str, bytes] = field(default_factory=dict)
    due_ms: dict[str, int] = field(default_factory=dict)
    sizes: Counter[str] = field(default_factory=Counter)
    sets: dict[str, set[str]] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    headers: list[tuple[tuple[str, bytes], ...]] = field(default_factory=list)
    samples: list[SampleRow] = field(default_factory=list)
    offset: int = 0
    step: int = 0

    def __post_init__(self) -> None:
        self.engine = self._engine(None, None)

    def _engine(self, previous: Catalog | None, switched_ms: int | None) -> Engine:
        program = compile_catalog(self.catalog, previous, self.snapshots, sampled=self.sampled)
        return Engine(program, app="test", partition=0, partition_count=1, switched_ms=switched_ms)

    def switch(self, catalog: Catalog, watermark_ms: int) -> None:
        """The switch record: what is due comes first, then everything is under the new catalog."""
        self.look(watermark_ms)
        self.catalog, previous = catalog, self.catalog
        self.snapshots = {name: each for name, each in self.snapshots.items() if fits(each, catalog)}
        self.engine = self._engine(previous, watermark_ms)

    def switch_model(self, snapshot: dict[str, Any], watermark_ms: int) -> None:
        """The switch record of a model."""
        self.look(watermark_ms)
        self.snapshots = {**self.snapshots, snapshot["model"]: snapshot}
        self.engine = self._engine(None, watermark_ms)

    def restart(self) -> None:
        """A new engine of the same catalog, without the previous one."""
        self.engine = self._engine(None, None)

    def walk(self) -> StepResult:
        """Bring all rows over."""
        users = sorted(self.rows)
        self.load(users)
        self.step += 1
        return self._keep(self.engine.bring_over(users, self.step))

    def load(self, users: list[str], filled: dict[str, bytes] | None = None) -> None:
        """Have the users' rows in the engine."""
        cold = self.engine.cold(users)
        rows = [self.rows.get(user) for user in cold]
        self.engine.load(cold, rows, None if filled is None else [filled.get(user) for user in cold])

    def event(
        self, at_ms: int, name: str, user: str = "ann", watermark_ms: int = 0, **properties: object
    ) -> StepResult:
        """A `track`."""
        fields: dict[str, object] = {"type": "track", "event": name, "properties": properties}
        return self._feed(user, at_ms, fields, watermark_ms)

    def identify(self, at_ms: int, user: str = "ann", **traits: object) -> StepResult:
        """An `identify`."""
        return self._feed(user, at_ms, {"type": "identify", "traits": traits}, 0)

    def _feed(self, user: str, at_ms: int, fields: dict[str, object], watermark_ms: int) -> StepResult:
        timestamp = f"{np.datetime64(at_ms, 'ms')}Z"
        value = json.dumps({"userId": user, "timestamp": timestamp, **fields}).encode()
        self.offset += 1
        records = Records(
            [value],
            np.array([self.offset], np.int64),
            np.array([watermark_ms], np.int64),
            np.array([2**62], np.int64),
            np.zeros(1, np.bool_),
        )
        batch = self.engine.decode(records)
        self.engine.load(batch.cold, [self.rows.get(user) for user in batch.cold])
        self.step += 1
        result = self.engine.process(batch, 0, self.step)
        assert result.end == 1
        return self._keep(result)

    def look(self, watermark_ms: int) -> None:
        """Apply what is due at or before the watermark."""
        while due := sorted(user for user, due_ms in self.due_ms.items() if due_ms <= watermark_ms):
            self.load(due)
            self.step += 1
            self._keep(self.engine.process_due(due, watermark_ms, self.step))

    def told(self) -> list[str]:
        """The changes since the last call: `+segment`, `-segment`, `tier:from>to`, with `@cause` unless an event.

        Clusters are told as tiers are, by their numbers.
        """
        told = []
        for data in self.changes:
            if "tier" in data or "model" in data:
                text = f"{data.get('tier', data.get('model'))}:{data['from'] or ''}>{data['to'] or ''}"
            else:
                text = f"{'-' if 'stayed_ms' in data else '+'}{data['segment']}"
            told.append(text if data["cause"] == "event" else f"{text}@{data['cause']}")
        self.changes.clear()
        return told

    def _keep(self, result: StepResult) -> StepResult:
        for message in result.changes:
            self.changes.append(json.loads(message.value)["data"])
            self.headers.append(message.headers)
        self.samples += result.samples
        self.rows.update(result.rows)
        for user, due_ms in result.due:
            if due_ms == NEVER_MS:
                self.due_ms.pop(user, None)
            else:
                self.due_ms[user] = due_ms
        self.sizes.update(result.sizes)
        for name in {*result.entered, *result.left}:
            entered, left = Counter(result.entered.get(name)), Counter(result.left.get(name))
            members = self.sets.setdefault(name, set())
            assert members.isdisjoint(entered - left)
            assert members.issuperset(left - entered)
            members.update(entered - left)
            members.difference_update(left - entered)
        return result
