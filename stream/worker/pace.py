"""How much background work (the walk, the backfill) is done at once, and when next: live events come first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["Pace"]

_BUSY_S: Final = 0.02
_IDLE_S: Final = 0.05
_REST: Final = 1.0
"""While events come, background work rests as long as it took: half of the time is theirs, and the servers'."""
_NOTHING_REST_S: Final = 0.02
_LEAST_S: Final = 1e-4
_STEP: Final = 2.0
"""By so much a piece may be larger or smaller than the one before."""
_SMALLEST: Final = 128
"""Committing and publishing a step takes 5 ms (a transaction 20) however few users it has; these take about as long."""
_LARGEST_BUSY: Final = 512
_LARGEST_IDLE: Final = 2_048
"""Pieces that are quick because there was little to do must not make the next one huge."""


@dataclass(slots=True)
class Pace:
    """Adapts the size of a piece to the time that it takes to compute one. Times are monotonic seconds.

    What publishing takes does not count: smaller pieces would only publish more often, and a broker that is slow become
    slower.  size: users or records of the next piece.  next_s: not before then.
    """

    size: int = 256
    next_s: float = 0.0

    def is_time(self, now_s: float) -> bool:
        """Whether a piece may be done now."""
        return now_s >= self.next_s

    def done(self, started_s: float, now_s: float, computing_s: float, *, busy: bool) -> None:
        """A piece has been done, of which `computing_s` were spent computing. busy: live events are coming."""
        wanted_s, largest = (_BUSY_S, _LARGEST_BUSY) if busy else (_IDLE_S, _LARGEST_IDLE)
        factor = min(max(wanted_s / max(computing_s, _LEAST_S), 1 / _STEP), _STEP)
        self.size = max(min(round(self.size * factor), largest), _SMALLEST)
        self.next_s = now_s + ((now_s - started_s) * _REST if busy else 0.0)

    def nothing(self, now_s: float) -> None:
        """There was nothing to do yet."""
        self.next_s = now_s + _NOTHING_REST_S
