"""A partition that this worker owns: its stage, and while it runs, everything that lies between two steps."""

from __future__ import annotations

import enum
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import Message

from stream.engine import NEVER_MS, Batch, Engine, RowFormatError, StepResult, row_step
from stream.worker.errors import REBUILD, PauseError
from stream.worker.intake import Intake, cut_batch, take_in
from stream.worker.letters import Letters
from stream.worker.position import Position
from stream.worker.protocol import Acquired
from stream.worker.published import ReplayGuard
from stream.worker.steps import Step, build_step
from stream.worker.store import Store

__all__ = ["Attempt", "Owned", "Running", "Stage"]

_FAILURES_BEFORE_HALVING: Final = 2
_LARGEST_LIMIT: Final = 8_192


class Stage(enum.Enum):
    """Where an owned partition is on its way."""

    WAITING = "waiting"  # to be acquired at `retry_s`
    ACQUIRING = "acquiring"
    RUNNING = "running"
    PAUSED = "paused"  # as waiting, but somebody has to act


@dataclass(slots=True)
class Attempt:
    """What a step is being computed from, to name it if that fails. size: records or users."""

    kind: str
    at: int | str
    size: int


@dataclass(slots=True)
class Owned:
    """A partition assigned to this worker.

    limits: by kind of step (`batch`, `due`), how many records or users a step may have after one failed.
    """

    partition: int
    stage: Stage = Stage.WAITING
    retry_s: float = 0.0
    attempts: int = 0
    pause: PauseError | None = None
    task: Future[Acquired] | None = None
    running: Running | None = None
    limits: dict[str, int] = field(default_factory=dict)
    _failed: tuple[str, int | str] | None = None
    _failures: int = 0

    def note_failure(self, attempt: Attempt, error: Exception, *, halve_at_once: bool = False) -> PauseError | None:
        """Count a failed step. Twice on the same input halves it; where one record or user is left, say so."""
        again = self._failed == (attempt.kind, attempt.at)
        self._failed, self._failures = (attempt.kind, attempt.at), self._failures + 1 if again else 1
        narrowed = attempt.kind in self.limits  # it has been halved before: no second try at each size
        if not (halve_at_once or narrowed or self._failures >= _FAILURES_BEFORE_HALVING):
            return None
        if attempt.size > 1:
            self.limits[attempt.kind] = attempt.size // 2
            return None
        what = f"The record at offset {attempt.at}" if attempt.kind == "batch" else f"The user {attempt.at!r}"
        return PauseError(
            "step_fails",
            f"{what} of partition {self.partition} can't be processed: {type(error).__name__}: {error}.",
            remedy="Report it with the record; the partition is tried again from time to time.",
        )

    def note_success(self, kind: str) -> None:
        """A step went through: smaller ones grow again."""
        self.attempts = 0
        limit = self.limits.pop(kind, None)
        if limit is not None and limit < _LARGEST_LIMIT:
            self.limits[kind] = limit * 2


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
    _work: _Work | None = None

    @property
    def has_records(self) -> bool:
        return self._work is not None or bool(self.fetched)

    @property
    def has_due(self) -> bool:
        return self.due_ms is not None and self.due_ms <= self.position.watermark_ms

    def accept(self, messages: list[Message], now_s: float) -> None:
        """Take fetched messages in. A record below the position has been processed: it is skipped (I6)."""
        self.heard_s = now_s
        if (messages[0].offset() or 0) < self.position.next_offset:
            messages = [message for message in messages if (message.offset() or 0) >= self.position.next_offset]
        self.fetched += messages

    def batch_step(
        self,
        limit: int | None,
        *,
        grace_ms: int,
        now_ms: int,
        published: dict[str, dict[int, int]],
    ) -> Step | None:
        """Compute the next step of records; None if there are none. Blocks for cold rows."""
        if self._work is None:
            if not self.fetched:
                return None
            count = cut_batch(self.fetched, limit)
            self.attempt = Attempt("batch", self.fetched[0].offset() or 0, count)
            intake = take_in(self.fetched[:count], self.position, grace_ms=grace_ms, now_ms=now_ms)
            del self.fetched[: len(intake.messages)]
            self._work = _Work(intake, self._decoded(intake))
        work = self._work
        step_number = self.position.step + 1
        result = StepResult() if work.batch is None else self.engine.process(work.batch, work.start, step_number)
        step = self._built(result, work.intake, published)
        work.start = result.end
        if work.start >= len(work.intake.records):
            self._work = None
        return step

    def due_step(self, limit: int, *, published: dict[str, dict[int, int]]) -> Step | None:
        """Compute the next step of users that are due at W; None if nobody is. Blocks."""
        if not self.has_due or self._work is not None:
            return None
        partition, watermark_ms = self.letters.partition, self.position.watermark_ms
        users = self.store.due(partition, watermark_ms, limit)
        if not users:
            self.due_ms = None
            return None
        self.attempt = Attempt("due", users[0], len(users))
        rowless = self._load(self.engine.cold(users))
        result = self.engine.process_due(users, watermark_ms, self.position.step + 1)
        # Nobody is due without a row; an entry that is there all the same must go, or it would come up for ever.
        result.due += [(user, NEVER_MS) for user in rowless]
        return self._built(result, None, published)

    def _decoded(self, intake: Intake) -> Batch | None:
        if not len(intake.records):
            return None
        batch = self.engine.decode(intake.records)
        self._load(batch.cold)
        return batch

    def _load(self, users: list[str]) -> list[str]:
        """Bring rows into the engine, in one round trip; those of the users who have none."""
        if not users:
            return []
        partition = self.letters.partition
        rows = self.store.rows(partition, users)
        try:
            for user, row in zip(users, rows, strict=True):
                if row is not None and row_step(row) > self.position.step:
                    raise PauseError(
                        "row_newer",
                        f"The row of user {user!r} of partition {partition} in Redis is newer than the position.",
                        remedy=f"Redis was restored from parts, or written to by hand. {REBUILD}",
                    )
            self.engine.load(users, rows)
        except RowFormatError as error:
            raise PauseError(
                "row_unreadable",
                f"A row of partition {partition} in Redis can't be read: {error}.",
                remedy=f"A newer version wrote it: upgrade this worker. {REBUILD}",
            ) from error
        return [user for user, row in zip(users, rows, strict=True) if row is None]

    def _built(self, result: StepResult, intake: Intake | None, published: dict[str, dict[int, int]]) -> Step:
        return build_step(
            self.position,
            result,
            intake,
            letters=self.letters,
            guard=self.guard,
            published=published,
            published_step=self.published_step,
        )
