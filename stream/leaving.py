"""Leaving a process in time, whatever one of its threads hangs in."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from stream.clock import SystemClock

__all__ = ["leave_in_time"]


def leave_in_time(
    within_s: float, *, after: threading.Event | None = None, last: Callable[[], object] | None = None
) -> None:
    """End this process with 1 so many seconds after the event is set, if it is there still. Doesn't block.

    after: default is now.  last: done just before, as nothing else is any more: no `finally`, no `atexit`.
    """

    def leave() -> None:
        if after is not None:
            after.wait()
        SystemClock().sleep_s(within_s)
        try:
            if last is not None:
                last()
        finally:
            os._exit(1)

    threading.Thread(target=leave, name="leave in time", daemon=True).start()
