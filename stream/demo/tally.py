"""What the demo has seen so far, counted from the subscriber's side. Written by its threads, read by its views.

Nothing here comes from the worker itself: sizes are entries less exits of the changes received, and latency is from
handing an event to the Kafka client to having the change in hand, both on this process's clock.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from tagstream.contracts import Change

__all__ = ["Moves", "SeenChange", "Snapshot", "Tally", "percentile_ms"]

_NOW_S: Final = 10.0  # latency "now" is that of the last seconds
_RATE_S: Final = 1.0
_KEPT_RATES: Final = 90
_KEPT_CHANGES: Final = 40
_KEPT_BY_TIME: Final = 400
_LIVE_S: Final = 1.0
_LIVE_CHANGES: Final = 10
"""So many changes in a row within a second of their events: all partitions have caught up with the past."""
_KEPT_PLACES: Final = 300_000


@dataclass(frozen=True, slots=True)
class SeenChange:
    """One change as it is shown. Times in ms; `stayed_ms` is None for an entry."""

    at_ms: int
    user: str
    segment: str
    entered: bool
    cause: str
    stayed_ms: int | None
    tags: dict[str, object]

    @property
    def by_time(self) -> bool:
        """Whether time alone brought it about."""
        return self.cause == "time"


@dataclass(slots=True)
class Moves:
    """Entries and exits of one segment since the live part began, and how many of them time alone brought about."""

    entered: int = 0
    exited: int = 0
    entered_by_time: int = 0
    exited_by_time: int = 0

    @property
    def total(self) -> int:
        return self.entered + self.exited


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state at one moment; plain copies. `live_s` is None until the worker has caught up with the shop's past.

    `recent_s`: latencies of the last seconds, sorted, in seconds.
    """

    live_s: float | None
    sent: int
    past: int
    changes: int
    live_changes: int
    live_by_time: int
    event_rate: float
    change_rate: float
    event_rates: tuple[float, ...]
    recent_s: tuple[float, ...]
    sizes: dict[str, int]
    moves: dict[str, Moves]
    last: tuple[SeenChange, ...]
    by_time: tuple[SeenChange, ...]
    dead_letters: dict[str, int]


@dataclass(slots=True)
class _Live:
    since_s: float
    sent: int
    changes: int = 0
    by_time: int = 0


@dataclass(slots=True)
class Tally:
    """Counts; safe to share between threads. All `now_s` are readings of one monotonic clock."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _live: _Live | None = None
    _sent: int = 0
    _past: int = 0
    _changes: int = 0
    _sizes: Counter[str] = field(default_factory=Counter)
    _moves: dict[str, Moves] = field(default_factory=dict)
    _last: deque[SeenChange] = field(default_factory=lambda: deque(maxlen=_KEPT_CHANGES))
    _by_time: deque[SeenChange] = field(default_factory=lambda: deque(maxlen=_KEPT_BY_TIME))
    _letters: Counter[str] = field(default_factory=Counter)
    _placed: dict[tuple[int, int], float] = field(default_factory=dict)
    _early: dict[tuple[int, int], list[float]] = field(default_factory=dict)
    _first_offset: dict[int, int] = field(default_factory=dict)
    _young: int = 0
    _latencies: list[float] = field(default_factory=list)
    _recent: deque[tuple[float, float]] = field(default_factory=deque)
    _rates: deque[tuple[float, int, int]] = field(default_factory=lambda: deque(maxlen=_KEPT_RATES))

    def add_sent(self, count: int, *, past: bool) -> None:
        """So many events were handed to Kafka; `past`: of the time before the clock caught up."""
        with self._lock:
            self._sent += count
            self._past += count if past else 0

    def add_place(self, partition: int, offset: int, sent_s: float) -> None:
        """Where an event lies that was handed to Kafka at `sent_s`. May come after the change it brought about."""
        place = (partition, offset)
        with self._lock:
            if len(self._placed) >= _KEPT_PLACES:
                for old in list(self._placed)[: _KEPT_PLACES // 2]:
                    del self._placed[old]
            self._placed[place] = sent_s
            self._first_offset.setdefault(partition, offset)
            for seen_s in self._early.pop(place, ()):
                self._add_latency(sent_s, seen_s)

    def add_change(self, change: Change, now_s: float) -> None:
        """A change is in the subscriber's hands."""
        if change.segment is None:
            return
        seen = SeenChange(
            at_ms=round(change.time.timestamp() * 1000),
            user=change.user,
            segment=change.segment,
            entered=change.entered,
            cause=change.cause,
            stayed_ms=getattr(change, "stayed_ms", None),
            tags=dict(change.tags),
        )
        with self._lock:
            self._changes += 1
            self._sizes[seen.segment] += 1 if seen.entered else -1
            self._last.append(seen)
            if change.record is not None:
                place = (change.record.partition, change.record.offset)
                sent_s = self._placed.get(place)
                if sent_s is not None:
                    self._add_latency(sent_s, now_s)
                elif self._live is None and place[1] < self._first_offset.get(place[0], place[1] + 1):
                    self._young = 0  # an event of the past: this partition is not there yet
                else:
                    self._early.setdefault(place, []).append(now_s)
            if self._live is not None:
                self._count_move(self._live, seen)

    def add_dead_letter(self, reason: str) -> None:
        """A record came back as a dead letter."""
        with self._lock:
            self._letters[reason] += 1

    @property
    def is_live(self) -> bool:
        """Whether changes follow their events at once: the shop's past has been worked through."""
        return self._live is not None

    def go_live(self, now_s: float) -> None:
        """Count as live from now on, caught up or not."""
        with self._lock:
            self._go_live(now_s)

    def snapshot(self, now_s: float) -> Snapshot:
        """A copy of the counts."""
        with self._lock:
            if not self._rates or now_s - self._rates[-1][0] >= _RATE_S:
                self._rates.append((now_s, self._sent, self._changes))
            while self._recent and now_s - self._recent[0][0] > _NOW_S:
                self._recent.popleft()
            rates = list(self._rates)
            events = [_rate(a, b, 1) for a, b in itertools.pairwise(rates)]
            live = self._live
            return Snapshot(
                live_s=None if live is None else now_s - live.since_s,
                sent=self._sent,
                past=self._past if live is None else live.sent,
                changes=self._changes,
                live_changes=0 if live is None else live.changes,
                live_by_time=0 if live is None else live.by_time,
                event_rate=events[-1] if events else 0.0,
                change_rate=_rate(rates[-2], rates[-1], 2) if len(rates) > 1 else 0.0,
                event_rates=tuple(events),
                recent_s=tuple(sorted(latency for _, latency in self._recent)),
                sizes=dict(self._sizes),
                moves={
                    name: Moves(m.entered, m.exited, m.entered_by_time, m.exited_by_time)
                    for name, m in self._moves.items()
                },
                last=tuple(self._last),
                by_time=tuple(self._by_time),
                dead_letters=dict(self._letters),
            )

    def latencies_s(self) -> tuple[float, ...]:
        """Of the whole live part, sorted, in seconds."""
        with self._lock:
            return tuple(sorted(self._latencies))

    def _go_live(self, now_s: float) -> None:
        if self._live is None:
            self._live = _Live(now_s, self._sent)
            self._early.clear()

    def _add_latency(self, sent_s: float, seen_s: float) -> None:
        latency_s = max(seen_s - sent_s, 0.0)
        if self._live is None:
            self._young = self._young + 1 if latency_s <= _LIVE_S else 0
            if self._young == _LIVE_CHANGES:
                self._go_live(seen_s)
        if self._live is not None and sent_s >= self._live.since_s:
            self._latencies.append(latency_s)
            self._recent.append((seen_s, latency_s))

    def _count_move(self, live: _Live, seen: SeenChange) -> None:
        moves = self._moves.setdefault(seen.segment, Moves())
        live.changes += 1
        if seen.entered:
            moves.entered += 1
            moves.entered_by_time += seen.by_time
        else:
            moves.exited += 1
            moves.exited_by_time += seen.by_time
        if seen.by_time:
            live.by_time += 1
            self._by_time.append(seen)


def percentile_ms(latencies_s: tuple[float, ...], share: float) -> float | None:
    """The nearest-rank percentile of sorted latencies, in ms; None of nothing."""
    if not latencies_s:
        return None
    return latencies_s[min(int(share * len(latencies_s)), len(latencies_s) - 1)] * 1000


def _rate(before: tuple[float, int, int], after: tuple[float, int, int], column: int) -> float:
    seconds = after[0] - before[0]
    return (after[column] - before[column]) / seconds if seconds > 0 else 0.0
