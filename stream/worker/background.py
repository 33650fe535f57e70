"""When partitions get on with what catalogs give them to do, beside live events: a piece in each turn of the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from stream.clock import Clock
from stream.worker.pace import Pace
from stream.worker.partition import Owned
from stream.worker.running import Published, Running
from stream.worker.source import Source
from stream.worker.steps import Step

__all__ = ["Background", "PerformRound"]

PerformRound = Callable[[Callable[[Owned, Running], Step | None], Sequence[Owned]], int]
"""Performs one step of each of these partitions that has one; how many went through."""

_LIVE_S: Final = 0.25
"""So long after an event, events are taken to be coming."""
_HELD_MESSAGES: Final = 10_000
"""So many messages may wait behind a switch record before no more are fetched."""


class Background:
    """Belongs to the loop's thread."""

    def __init__(self, clock: Clock, source: Source) -> None:
        self._clock = clock
        self._source = source
        self._pace = Pace()
        self._heard_s: float | None = None
        self._last = -1

    def heard(self, now_s: float) -> None:
        """Events have come."""
        self._heard_s = now_s

    def wait_s(self, owned: Iterable[Owned], now_s: float, idle_s: float) -> float:
        """How long to wait for a record, at most `idle_s`: no longer than until a piece may be done."""
        at_work = _at_work(owned)
        if not at_work:
            return idle_s
        return 0.0 if _crossing(at_work) else min(max(self._pace.next_s - now_s, 0.0), idle_s)

    def perform(self, owned: Sequence[Owned], perform_round: PerformRound, published: Published) -> None:
        """Do a piece: at once where a switch keeps events waiting, else when it is time."""
        started_s = self._clock.monotonic_s()
        at_work = _at_work(owned)
        if at_work and (_crossing(at_work) or self._pace.is_time(started_s)):
            computing_s = self._piece(at_work, perform_round, published)
            ended_s = self._clock.monotonic_s()
            if computing_s is not None:
                is_live = self._heard_s is not None and ended_s - self._heard_s < _LIVE_S
                self._pace.done(started_s, ended_s, computing_s, busy=is_live)
            else:
                self._pace.nothing(ended_s)
        for each in owned:
            self._hold(each)

    def _piece(self, at_work: Sequence[Owned], perform_round: PerformRound, published: Published) -> float | None:
        """A piece of one partition, which has the next turn; a step's cost is mostly its own. None: none has one.

        Returns the seconds that it took to compute it.
        """
        computed_s = began_s = 0.0

        def compute(owned: Owned, _: Running) -> Step | None:
            nonlocal computed_s, began_s
            began_s = self._clock.monotonic_s()
            step = _step(owned, self._pace.size, published)
            computed_s = self._clock.monotonic_s()
            return step

        in_turn = sorted(at_work, key=lambda each: (each.partition <= self._last, each.partition))
        in_turn.sort(key=lambda each: not _crossing([each]))
        for each in in_turn:
            if perform_round(compute, [each]):
                self._last = each.partition
                return computed_s - began_s
        return None

    def _hold(self, owned: Owned) -> None:
        """Fetch no more of a partition while much waits behind a switch record."""
        running = owned.running
        if running is None:
            return
        if running.switch is None and owned.is_held:
            self._source.resume(owned.partition)
            owned.is_held = False
        elif running.switch is not None and not owned.is_held and len(running.fetched) > _HELD_MESSAGES:
            self._source.pause(owned.partition)
            owned.is_held = True


def _at_work(owned: Iterable[Owned]) -> list[Owned]:
    """The partitions that have something to do about catalogs."""
    return [each for each in owned if each.changeover is not None and each.changeover.has_work]


def _crossing(owned: Iterable[Owned]) -> bool:
    return any(each.changeover is not None and each.changeover.is_crossing for each in owned)


def _step(owned: Owned, size: int, published: Published) -> Step | None:
    if owned.changeover is None:
        return None
    limit = min([size, *(owned.limits.get(kind, size) for kind in ("walk", "fill", "due"))])
    return owned.changeover.step(limit, published=published)
