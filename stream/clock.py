"""The only place that reads the machine's clock. Everything else is handed a `Clock`.

No result depends on a clock (time passes with the log): clocks stamp records on the embedded stack, bound how far ahead
an event may lie, and measure latency.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

__all__ = ["Clock", "HeldClock", "ManualClock", "ScaledClock", "SystemClock", "clock_from_text"]


class Clock(Protocol):
    """What time it is, and how long something took."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00Z. May jump, also backwards."""
        ...

    def monotonic_s(self) -> float:
        """Seconds since some fixed moment; never goes back. Real seconds, however fast `now_ms` runs."""
        ...

    def sleep_s(self, seconds: float) -> None:
        """Block the calling thread for so many seconds of `monotonic_s`."""
        ...


class _RealSeconds:
    """What all clocks have in common but the tests': seconds pass as they do."""

    def monotonic_s(self) -> float:
        return time.monotonic()

    def sleep_s(self, seconds: float) -> None:
        time.sleep(max(seconds, 0.0))


class SystemClock(_RealSeconds):
    """The machine's own clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class ScaledClock(_RealSeconds):
    """A clock that starts at a moment of choice and runs `speed` times as fast as the real one.

    The demo's clock starts in the past and runs fast, so that exits by time alone happen while somebody watches.
    `origin_s` is the reading of the machine's monotonic clock at which `start_ms` was; that clock is one and the same
    for all processes of a machine, so a process that is given (`start_ms`, `speed`, `origin_s`) shares the clock.
    """

    def __init__(self, start_ms: int, speed: float, *, origin_s: float | None = None) -> None:
        if not speed > 0:
            raise ValueError(f"a clock's speed must be above 0, not {speed}")
        self.start_ms = start_ms
        self.speed = speed
        self.origin_s = time.monotonic() if origin_s is None else origin_s

    @property
    def text(self) -> str:
        """What `clock_from_text` in another process of this machine makes the same clock of."""
        return f"scaled:{self.start_ms}:{self.speed!r}:{self.origin_s!r}"

    def now_ms(self) -> int:
        return self.start_ms + int((time.monotonic() - self.origin_s) * 1000 * self.speed)


class HeldClock(_RealSeconds):
    """Stands at a moment until it is released; from then on it is another clock. Safe to share between threads.

    A process can be at work with it before anybody knows when time will begin to pass.
    """

    def __init__(self, at_ms: int) -> None:
        self.at_ms = at_ms
        self._released: Clock | None = None

    @property
    def text(self) -> str:
        """What `clock_from_text` makes the same clock of, not released."""
        return f"held:{self.at_ms}"

    def release(self, clock: Clock) -> None:
        """Be this clock from now on."""
        self._released = clock

    def now_ms(self) -> int:
        released = self._released
        return self.at_ms if released is None else released.now_ms()


class ManualClock:
    """A clock that stands still until it is moved: for tests. `sleep_s` moves it. Safe to share between threads."""

    def __init__(self, now_ms: int = 0) -> None:
        self._lock = threading.Lock()
        self._now_ms = now_ms
        self._monotonic_s = 0.0

    def now_ms(self) -> int:
        with self._lock:
            return self._now_ms

    def monotonic_s(self) -> float:
        with self._lock:
            return self._monotonic_s

    def sleep_s(self, seconds: float) -> None:
        self.advance_ms(round(max(seconds, 0.0) * 1000))

    def advance_ms(self, milliseconds: int) -> None:
        """Move both readings forward."""
        if milliseconds < 0:
            raise ValueError("time doesn't go back; use set_ms for a clock that jumps")
        with self._lock:
            self._now_ms += milliseconds
            self._monotonic_s += milliseconds / 1000

    def set_ms(self, now_ms: int) -> None:
        """Let `now_ms` jump, as the clock of a machine does that is set anew; `monotonic_s` stays."""
        with self._lock:
            self._now_ms = now_ms


def clock_from_text(text: str) -> ScaledClock | HeldClock:
    """The clock that `ScaledClock.text` or `HeldClock.text` describes. Raises ValueError on any other text."""
    try:
        match text.split(":"):
            case ["held", at_ms]:
                return HeldClock(int(at_ms))
            case ["scaled", start_ms, speed, origin_s]:
                return ScaledClock(int(start_ms), float(speed), origin_s=float(origin_s))
    except ValueError:
        pass
    raise ValueError(
        f"no clock: {text!r}; expected held:AT_MS or scaled:START_MS:SPEED:ORIGIN_S, such as scaled:0:3600.0:812.5"
    )
