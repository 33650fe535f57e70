"""The engine alone over a log of events: no Kafka, no Redis, bounded memory but for one encoded row a user.

A file has no log time, so the watermark stands still before all time while records are read (`feed`), and moves once,
to `until`, at the end (`finish`). The log is partition 0 of 1, and a record's offset its place among all of them.
What comes out does not depend on how the records are cut into batches.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from operator import itemgetter

import numpy as np

from rules.catalog import Catalog
from rules.program import Program
from stream.engine import Engine, Message, Profile, Records, Standing, StepResult

__all__ = ["BEFORE_ALL_TIME_MS", "Replay"]

BEFORE_ALL_TIME_MS = -(2**62)
"""The watermark of a log that has no log time: nothing is ever due by it."""

_USERS_AT_ONCE = 2_000
"""How many users are moved through time, or written out, at once; well below the rows that any table holds."""


class Replay:
    """One log, fed in order. Rows that the engine has no room for are kept beside it, encoded.

    horizon_ms: events with a newer timestamp lie too far ahead and are rejected.
    row_budget_bytes: how much memory the engine's own table may take.
    """

    def __init__(self, catalog: Catalog | Program, *, app: str, horizon_ms: int, row_budget_bytes: int) -> None:
        self._engine = Engine(
            catalog, app=app, partition=0, partition_count=1, row_budget_bytes=row_budget_bytes, archive={}
        )
        self._horizon_ms = horizon_ms
        self._step = 0
        self.records = 0
        self.accepted = 0
        self.duplicates = 0
        self.sizes: Counter[str] = Counter()

    def users(self) -> list[str]:
        """Everybody there is, ordered by user."""
        return sorted(self._engine.users())

    def feed(self, values: Sequence[bytes]) -> Iterator[StepResult]:
        """Take the next records of the log. Yields what each step brings; indices in it count from `values`' start."""
        count = len(values)
        batch = self._engine.decode(
            Records(
                values=list(values),
                offsets=np.arange(self.records, self.records + count, dtype=np.int64),
                watermark_ms=np.full(count, BEFORE_ALL_TIME_MS, dtype=np.int64),
                horizon_ms=np.full(count, self._horizon_ms, dtype=np.int64),
                forwarded=np.zeros(count, dtype=np.bool_),
            )
        )
        self.records += count
        start = 0
        while start < count:
            self._step += 1
            result = self._engine.process(batch, start, self._step)
            self._count(result)
            yield result
            start = result.end

    def newest_ms(self) -> int | None:
        """The timestamp of the newest accepted event, None if there is none. Before `finish` only."""
        return max((moment for _, moment, _ in self._standing(self.users())), default=None)

    def finish(self, until_ms: int) -> Iterator[list[Message]]:
        """Let time pass to `until_ms`: the changes that time alone brings, by moment, then user, then version.

        Users are moved to ever later moments, as many of them at once as are due next: so the order is right over all
        of them while only a few are looked at.
        """
        waiting = [(due, user) for user, _, due in self._standing(self.users()) if due <= until_ms]
        heapq.heapify(waiting)
        while waiting:
            watermark = waiting[0][0]
            users: list[str] = []
            while waiting and (len(users) < _USERS_AT_ONCE or waiting[0][0] == watermark):
                watermark, user = heapq.heappop(waiting)
                users.append(user)
            changes: list[tuple[int, bytes, Message]] = []
            for some in _pieces(users):
                changes += self._pass_time(some, watermark)
                for user, _, due in self._standing(some):
                    if due <= until_ms:
                        heapq.heappush(waiting, (due, user))
            if changes:
                changes.sort(key=itemgetter(0, 1))  # stable: a user's changes of one moment stay in version order
                yield [message for _, _, message in changes]

    def profiles(self, at_ms: int) -> Iterator[Profile]:
        """Every user as of a moment, ordered by user. Alters nothing."""
        for some in _pieces(self.users()):
            self._engine.bring(some)
            yield from self._engine.profiles(some, at_ms)

    def standing_of(self, user: str, at_ms: int) -> Standing:
        """All that is known of a user as of a moment. Alters nothing."""
        self._engine.bring([user])
        return self._engine.standing_of(user, at_ms)

    def _pass_time(self, users: list[str], watermark_ms: int) -> Iterator[tuple[int, bytes, Message]]:
        """Apply all flips of these users up to the watermark: moment, user and message of each change."""
        self._engine.bring(users)
        self._step += 1
        result = self._engine.process_due(users, watermark_ms, self._step)
        self._count(result)
        for time_ms, message in zip(result.change_times_ms, result.changes, strict=True):
            yield time_ms, message.key, message

    def _standing(self, users: list[str]) -> Iterator[tuple[str, int, int]]:
        """Each user, the newest moment at which it was evaluated, and when time changes something next (ms)."""
        for some in _pieces(users):
            self._engine.bring(some)
            yield from self._engine.standing(some)

    def _count(self, result: StepResult) -> None:
        for name, difference in result.sizes.items():
            self.sizes[name] += difference
        self.accepted += result.accepted
        self.duplicates += result.duplicates


def _pieces(users: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(users), _USERS_AT_ONCE):
        yield users[start : start + _USERS_AT_ONCE]
