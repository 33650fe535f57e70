"""How much background work (the walk, the backfill) is done at once, and when next: live events come first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["Pace"]

_BUSY_S: Final = 0.025
_IDLE_S: Final = 0.1
_REST: Final = 0.5
"""While events come, background work rests half as long as it took: an event waits for one piece at most."""
_NOTHING_REST_S: Final = 0.02
_SMALLEST: Final = 256
"""Committing and publishing a step takes 5 ms (a transaction 20) however few users it has; these take about as long."""
_LARGEST: Final = 8_192


@dataclass(slots=True)
class Pace:
    """Adapts the size of a piece to the time that pieces take. Times are monotonic seconds.

    size: users or records of the next piece.  next_s: not before then.
    """

    size: int = _SMALLEST
    next_s: float = 0.0

    def is_time(self, now_s: float) -> bool:
        """Whether a piece may be done now."""
        return now_s >= self.next_s

    def done(self, started_s: float, now_s: float, *, busy: bool) -> None:
        """A piece has been done. busy: live events are coming."""
        took_s, wanted_s = now_s - started_s, _BUSY_S if busy else _IDLE_S
        if took_s > wanted_s:
            self.size = max(self.size // 2, _SMALLEST)
        elif took_s < wanted_s / 2:
            self.size = min(self.size * 2, _LARGEST)
        self.next_s = now_s + (took_s * _REST if busy else 0.0)

    def nothing(self, now_s: float) -> None:
        """There was nothing to do yet."""
        self.next_s = now_s + _NOTHING_REST_S
