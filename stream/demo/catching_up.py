"""How far the worker is with the shop's past: its positions in Redis, against where the past ends in Kafka."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from stream.clock import Clock
from stream.errors import TagstreamError
from stream.worker.overview import look_over
from stream.worker.store import Store

__all__ = ["PATIENCE_S", "CatchingUp"]

PATIENCE_S: Final = 60.0
"""On a busy machine a step of a partition may take seconds, but something goes on somewhere."""


class CatchingUp:
    """Looks at the store; belongs to one thread.

    ends: by partition, the offset after the past's last event.
    """

    def __init__(self, store: Store, ends: Mapping[int, int], clock: Clock) -> None:
        self._store = store
        self._ends = dict(ends)
        self._clock = clock
        self._progress_s = clock.monotonic_s()
        self.total = sum(self._ends.values())
        """Events of the past."""
        self.done = 0
        """Those that the worker is done with."""

    @property
    def is_done(self) -> bool:
        return self.done >= self.total

    @property
    def is_stuck(self) -> bool:
        """Whether it has come no further for a minute."""
        return self._clock.monotonic_s() - self._progress_s > PATIENCE_S

    @property
    def text(self) -> str:
        """`91,267 of 122,317 events`."""
        return f"{self.done:,} of {self.total:,} events"

    def look(self) -> None:
        """Take in how far it has come. Blocks for a look at Redis."""
        with suppress(TagstreamError):  # whatever is wrong: nothing comes of it, and it counts as stuck in the end
            standings = look_over(self._store, 1 + max(self._ends, default=-1)).partitions
            done = sum(
                min(each.position.next_offset, self._ends.get(each.partition, 0))
                for each in standings
                if each.position is not None
            )
            if done > self.done:
                self.done, self._progress_s = done, self._clock.monotonic_s()
