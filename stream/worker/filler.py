"""Fills new aggregates of one partition from the past: a second engine over the log, with rows of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from confluent_kafka import Message

from stream.engine import Engine
from stream.worker.intake import cut_batch, take_in
from stream.worker.letters import Letters
from stream.worker.past import PastReader
from stream.worker.position import Backfill, Position
from stream.worker.store import Store

__all__ = ["NEAR_RECORDS", "Filled", "Filler"]

NEAR_RECORDS: Final = 500
"""So near to the partition the filling has caught up, as live events go on: the rest is done at the switch."""

_ANY_TIME_MS: Final = 2**62


@dataclass(frozen=True, slots=True)
class Filled:
    """What a step fills: rows by user, and how far it comes. records: how many it was made from."""

    backfill: Backfill
    rows: Sequence[tuple[str, bytes]]
    records: int


@dataclass(slots=True)
class Filler:
    """Goes through the log a second time. Only steps keep what it finds: after a failed one, make another."""

    letters: Letters
    store: Store
    engine: Engine
    past: PastReader
    grace_ms: int
    _kept: Sequence[Message] = ()

    def fill(self, position: Position, backfill: Backfill, limit: int, until: int) -> Filled | None:
        """The next records below the offset `until`; None if none have been fetched yet. Blocks for cold rows.

        Raises PastDeletedError.
        """
        partition, start = self.letters.partition, backfill.next_offset or 0
        if not self.past.is_reading(partition):
            self.past.begin(partition, start)
        messages = [*self._kept, *self.past.take(partition, limit - len(self._kept), until)]
        if not messages:
            if not self.past.has_passed(partition, until) or (backfill.caught_up and start >= until):
                return None
            reached = msgspec.structs.replace(backfill, next_offset=max(start, until), caught_up=True)
            return Filled(reached, (), 0)
        count = cut_batch(messages, limit)
        self._kept = messages[count:]
        # What is an event, which moment it has, and what is a repeat, follow from the log as they do for live events.
        before = msgspec.structs.replace(
            position,
            next_offset=start,
            log_time_ms=backfill.log_time_ms,
            watermark_ms=max(backfill.log_time_ms - self.grace_ms, 0),
            origins=backfill.origins,
        )
        app, grace_ms = self.letters.app, self.grace_ms
        intake = take_in(messages[:count], before, app=app, grace_ms=grace_ms, now_ms=_ANY_TIME_MS, stops=False)
        rows: dict[str, bytes] = {}
        at = 0
        if len(intake.records):
            batch = self.engine.decode(intake.records)
            self.engine.load(batch.cold, self.store.filled(partition, batch.cold))
            while at < len(intake.records):
                result = self.engine.process(batch, at, position.step + 1)
                rows.update(result.rows)
                at = result.end
        progress = intake.progress(before, at)
        filled = msgspec.structs.replace(
            backfill,
            next_offset=progress.next_offset,
            log_time_ms=progress.log_time_ms,
            origins=progress.origins,
            start_ms=int(intake.times_ms[0]) if backfill.start_ms is None else backfill.start_ms,
            caught_up=backfill.caught_up or until - progress.next_offset <= NEAR_RECORDS,
        )
        return Filled(filled, list(rows.items()), count)
