"""The store in memory: what the scripts do to Redis, in plain Python. For tests; a second reading of the rules."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from stream.engine.result import NEVER_MS
from stream.worker.errors import DoubtError
from stream.worker.position import STEPS_PER_OWNER
from stream.worker.store import (
    BUCKETS,
    StepWrite,
    Taken,
    buckets_of,
    fenced,
    malformed_position,
    unpublished_outbox,
)

__all__ = ["MemoryStore"]


@dataclass(slots=True)
class _Partition:
    position: bytes | None = None
    outbox: bytes | None = None
    rows: dict[str, bytes] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    due: dict[str, int] = field(default_factory=dict)
    filled: dict[str, bytes] = field(default_factory=dict)

    @property
    def first_due_ms(self) -> int | None:
        return min(self.due.values(), default=None)


class MemoryStore:
    """A `Store` that forgets everything with the process. Safe to share between threads."""

    def __init__(self, partition_count: int = 4) -> None:
        self._lock = threading.Lock()
        self._partition_count = partition_count
        self._partitions: dict[int, _Partition] = {}
        self._reports: dict[str, bytes] = {}

    def check(self) -> None:
        """Memory drops nothing."""

    def acquire(
        self, partition: int, *, committed_step: int | None, mark: bytes, first: bytes | None, first_mark: bytes = b""
    ) -> Taken | None:
        with self._lock:
            kept = self._kept(partition)
            before = kept.position
            if before is not None:
                lines = before.split(b"\n", 2)
                if len(lines) != 3:
                    raise malformed_position(partition)
                step, body = int(lines[0], 16), lines[2]
                behind = committed_step is not None and step < committed_step
                line = mark if behind else lines[1]
            elif first is None:
                return None
            else:
                step, line, body = 0, first_mark, first
            step = (max(step, committed_step or 0) // STEPS_PER_OWNER + 1) * STEPS_PER_OWNER
            kept.position = b"%016x\n%s\n%s" % (step, line, body)
            return Taken(before, kept.position, kept.outbox, kept.first_due_ms)

    def commit(self, partition: int, write: StepWrite) -> int | None:
        with self._lock:
            kept = self._kept(partition)
            if kept.position is None or int(kept.position[:16], 16) != write.expected_step:
                raise fenced(partition)
            if kept.outbox is not None and int(kept.outbox[:16], 16) > write.published_step:
                raise unpublished_outbox(partition)
            kept.rows.update(write.rows)
            for segment, change in write.sizes.items():
                if change:
                    kept.sizes[segment] = kept.sizes.get(segment, 0) + change
            for segment, users in write.left.items():
                kept.members.setdefault(segment, set()).difference_update(users)
            for segment, users in write.entered.items():
                kept.members.setdefault(segment, set()).update(users)
            for user, due_ms in write.due:
                if due_ms >= NEVER_MS:
                    kept.due.pop(user, None)
                else:
                    kept.due[user] = due_ms
            kept.filled.update(write.filled)
            gone = set(write.unfilled)
            kept.filled = {user: row for user, row in kept.filled.items() if self._bucket(user) not in gone}
            for name in write.gone_sizes:
                kept.sizes.pop(name, None)
            for segment in write.gone_sets:
                kept.members.pop(segment, None)
            kept.outbox = write.outbox or None
            kept.position = write.position
            return kept.first_due_ms

    def commit_all(self, writes: Sequence[tuple[int, StepWrite]]) -> list[int | Exception | None]:
        outcomes: list[int | Exception | None] = []
        for partition, write in writes:
            try:
                outcomes.append(self.commit(partition, write))
            except DoubtError as error:
                outcomes.append(error)
        return outcomes

    def rows(self, partition: int, users: Sequence[str]) -> list[bytes | None]:
        with self._lock:
            kept = self._kept(partition)
            return [kept.rows.get(user) for user in users]

    def filled(self, partition: int, users: Sequence[str]) -> list[bytes | None]:
        with self._lock:
            kept = self._kept(partition)
            return [kept.filled.get(user) for user in users]

    def bucket_lengths(self, partition: int) -> list[int]:
        return [len(rows) for rows in self.buckets(partition, range(BUCKETS))]

    def buckets(self, partition: int, numbers: Sequence[int]) -> list[list[tuple[str, bytes]]]:
        with self._lock:
            rows = sorted(self._kept(partition).rows.items())
        found: dict[int, list[tuple[str, bytes]]] = {number: [] for number in numbers}
        for user, row in rows:
            if (number := self._bucket(user)) in found:
                found[number].append((user, row))
        return [found[number] for number in numbers]

    def due(self, partition: int, watermark_ms: int, limit: int) -> list[str]:
        with self._lock:
            entries = [
                (due_ms, user.encode(), user)
                for user, due_ms in self._kept(partition).due.items()
                if due_ms <= watermark_ms
            ]
        return [user for _, _, user in sorted(entries)[:limit]]

    def position(self, partition: int) -> bytes | None:
        with self._lock:
            return self._kept(partition).position

    def has_rows(self, partition: int) -> bool:
        with self._lock:
            return bool(self._kept(partition).rows)

    def sizes(self, partition: int) -> dict[str, int]:
        with self._lock:
            return dict(self._kept(partition).sizes)

    def members(self, partition: int, segment: str) -> Iterator[str]:
        with self._lock:
            users = list(self._kept(partition).members.get(segment, ()))
        yield from users

    def scan(self, partition: int) -> Iterator[tuple[str, bytes]]:
        with self._lock:
            rows = list(self._kept(partition).rows.items())
        yield from rows

    def report(self, worker: str, text: bytes | None) -> None:
        with self._lock:
            if text is None:
                self._reports.pop(worker, None)
            else:
                self._reports[worker] = text

    def reports(self) -> dict[str, tuple[int, bytes]]:
        with self._lock:
            return {worker: (0, text) for worker, text in self._reports.items()}

    def close(self) -> None:
        """Nothing to let go of."""

    def _bucket(self, user: str) -> int:
        return buckets_of([user], self._partition_count)[0]

    def _kept(self, partition: int) -> _Partition:
        return self._partitions.setdefault(partition, _Partition())
