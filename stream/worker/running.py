"""A partition while it runs: everything that lies between two steps, and the steps of records and of due users.

What a switch of the catalog or of a model adds to that is in `changeover`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import Message

from stream.engine import NEVER_MS, Batch, Engine, RowFormatError, StepResult
from stream.switches import SwitchRecord
from stream.worker.errors import REBUILD, PauseError
from stream.worker.intake import Intake, cut_batch, take_in
from stream.worker.letters import Letters
from stream.worker.position import Position
from stream.worker.published import ReplayGuard
from stream.worker.row_headers import row_header
from stream.worker.steps import Beside, Step, build_step
from stream.worker.store import Store

__all__ = ["Attempt", "Published", "Running"]

Published = dict[str, dict[int, int]]
"""By kind of topic and partition, the offset after the last message known to be published."""

_NOTHING: Final[Mapping[str, object]] = {}
_BESIDE_NOTHING: Final = Beside()


@dataclass(slots=True)
class Attempt:
    """What a step is being computed from, to name it if that fails. at: offset or user.  size: records or users."""

    kind: str
    at: int | str
    size: int


@dataclass(slots=True)
class _Work:
    intake: Intake
    batch: Batch | None
    start: int = 0


@dataclass(slots=True)
class Running:
    """A partition between two steps.

    published_step: the newest step known to be published.  due_ms: the smallest due time in the store.
    fetched: messages not yet in a batch.  uncommitted_s: since when K is behind, in monotonic seconds.
    heard_s: when the last record came.  ticked_s: when the last tick went.
    switch: the switch record that comes next: nothing behind it is taken in before the partition has crossed it.
    """

    position: Position
    engine: Engine
    letters: Letters
    store: Store
    guard: ReplayGuard | None
    published_step: int
    due_ms: int | None
    heard_s: float
    fetched: list[Message] = field(default_factory=list)
    uncommitted_s: float | None = None
    ticked_s: float | None = None
    attempt: Attempt = field(default_factory=lambda: Attempt("batch", 0, 0))
    switch: SwitchRecord | None = None
    _work: _Work | None = None

    @property
    def has_records(self) -> bool:
        return self._work is not None or (self.switch is None and bool(self.fetched))

    @property
    def has_due(self) -> bool:
        return self.due_ms is not None and self.due_ms <= self.position.watermark_ms

    def accept(self, messages: list[Message], now_s: float) -> None:
        """Take fetched messages in. A record below the position has been processed: it is skipped (I6)."""
        self.heard_s = now_s
        if (messages[0].offset() or 0) < self.position.next_offset:
            messages = [message for message in messages if (message.offset() or 0) >= self.position.next_offset]
        self.fetched += messages

    def batch_step(self, limit: int | None, *, grace_ms: int, now_ms: int, published: Published) -> Step | None:
        """Compute the next step of records; None if there are none, or a switch comes first. Blocks for cold rows."""
        if self._work is None:
            if not self.fetched or self.switch is not None:
                return None
            count = cut_batch(self.fetched, limit)
            self.attempt = Attempt("batch", self.fetched[0].offset() or 0, count)
            intake = take_in(
                self.fetched[:count], self.position, app=self.letters.app, grace_ms=grace_ms, now_ms=now_ms
            )
            if intake.switch is not None and not intake.messages:
                self.switch = intake.switch
                return None
            del self.fetched[: len(intake.messages)]
            self._work = _Work(intake, self._decoded(intake))
        work = self._work
        step_number = self.position.step + 1
        result = StepResult() if work.batch is None else self.engine.process(work.batch, work.start, step_number)
        result.rejects = work.intake.rejects(result.rejects)
        step = self.built("batch", result, published, intake=work.intake)
        work.start = result.end
        if work.start >= len(work.intake.records):
            self._work = None
        return step

    def due_step(
        self,
        limit: int,
        *,
        published: Published,
        watermark_ms: int | None = None,
        moved: Mapping[str, object] = _NOTHING,
    ) -> Step | None:
        """Compute the next step of users that are due at W; None if nobody is. Blocks.

        watermark_ms: default the position's.  moved: what else the step sets in the position.
        """
        watermark_ms = self.position.watermark_ms if watermark_ms is None else watermark_ms
        if self.due_ms is None or self.due_ms > watermark_ms or self._work is not None:
            return None
        users = self.store.due(self.letters.partition, watermark_ms, limit)
        if not users:
            self.due_ms = None
            return None
        self.attempt = Attempt("due", users[0], len(users))
        rowless = self._load(self.engine.cold(users))
        result = self.engine.process_due(users, watermark_ms, self.position.step + 1)
        # Nobody is due without a row; an entry that is there all the same must go, or it would come up for ever.
        result.due += [(user, NEVER_MS) for user in rowless]
        return self.built("due", result, published, moved=moved)

    def load(self, users: Sequence[str], rows: Sequence[bytes | None]) -> None:
        """Bring rows, as they were just read, into the engine; those of an older catalog with what was filled."""
        partition, position = self.letters.partition, self.position
        filled: list[bytes | None] | None = None
        try:
            headers = [None if row is None else row_header(row) for row in rows]
            for user, header in zip(users, headers, strict=True):
                # By the step that was written last: a taking raises the position's own above every row.
                if header is not None and header.step > position.written_step:
                    raise PauseError(
                        "row_newer",
                        f"The row of user {user!r} of partition {partition} in Redis is newer than the position.",
                        remedy=f"Redis was restored from parts, or written to by hand. {REBUILD}",
                    )
            if position.walk is not None and position.walk.filled:
                stale = [
                    user
                    for user, header in zip(users, headers, strict=True)
                    if header is not None and header.catalog_version != position.catalog_version
                ]
                found = dict(zip(stale, self.store.filled(partition, stale), strict=True))
                filled = [found.get(user) for user in users]
            self.engine.load(users, rows, filled)
        except RowFormatError as error:
            raise PauseError(
                "row_unreadable",
                f"A row of partition {partition} in Redis can't be read: {error}.",
                remedy=f"A newer version wrote it: upgrade this worker. {REBUILD}",
            ) from error

    def built(
        self,
        kind: str,
        result: StepResult,
        published: Published,
        *,
        intake: Intake | None = None,
        moved: Mapping[str, object] = _NOTHING,
        beside: Beside = _BESIDE_NOTHING,
    ) -> Step:
        """A step of this partition, put together."""
        return build_step(
            self.position,
            result,
            intake,
            kind=kind,
            letters=self.letters,
            guard=self.guard,
            published=published,
            published_step=self.published_step,
            moved=moved,
            beside=beside,
        )

    def _decoded(self, intake: Intake) -> Batch | None:
        if not len(intake.records):
            return None
        batch = self.engine.decode(intake.records)
        self._load(batch.cold)
        return batch

    def _load(self, users: list[str]) -> list[str]:
        """Bring rows into the engine; those of the users who have none."""
        if not users:
            return []
        rows = self.store.rows(self.letters.partition, users)
        self.load(users, rows)
        return [user for user, row in zip(users, rows, strict=True) if row is None]
