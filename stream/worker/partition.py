"""A partition that this worker owns: its stage, and what became of its steps."""

from __future__ import annotations

import enum
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from stream.worker.changeover import Changeover
from stream.worker.errors import PauseError
from stream.worker.protocol import Acquired
from stream.worker.running import Attempt, Running

__all__ = ["Owned", "Stage"]

_FAILURES_BEFORE_HALVING: Final = 2
_LARGEST_LIMIT: Final = 8_192


class Stage(enum.Enum):
    """Where an owned partition is on its way."""

    WAITING = "waiting"  # to be acquired at `retry_s`
    ACQUIRING = "acquiring"
    RUNNING = "running"
    PAUSED = "paused"  # as waiting, but somebody has to act


@dataclass(slots=True)
class Owned:
    """A partition assigned to this worker.

    running, changeover: both there while it runs.  is_held: nothing is fetched, as enough waits behind a switch.
    limits: by kind of step (`batch`, `due`, `walk`, `fill`), how many records or users one may have after one failed.
    """

    partition: int
    stage: Stage = Stage.WAITING
    retry_s: float = 0.0
    attempts: int = 0
    pause: PauseError | None = None
    task: Future[Acquired] | None = None
    running: Running | None = None
    changeover: Changeover | None = None
    is_held: bool = False
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
        what = f"The record at offset {attempt.at}" if isinstance(attempt.at, int) else f"The user {attempt.at!r}"
        return PauseError(
            "step_fails",
            f"{what} of partition {self.partition} can't be processed: {type(error).__name__}: {error}.",
            remedy="Report it with the record; the partition is tried again from time to time.",
        )

    def drop(self) -> bool:
        """Let go of rows, records and whatever else lies between two steps; whether there was anything."""
        was_running, self.running, self.is_held = self.running is not None, None, False
        if self.changeover is not None:
            self.changeover.close()
            self.changeover = None
        return was_running

    def note_success(self, kind: str) -> None:
        """A step went through: smaller ones grow again."""
        self.attempts = 0
        limit = self.limits.pop(kind, None)
        if limit is not None and limit < _LARGEST_LIMIT:
            self.limits[kind] = limit * 2
