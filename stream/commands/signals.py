"""Ending a long-running command: the first SIGTERM or Ctrl-C asks it to stop, the second Ctrl-C doesn't ask.

So does a terminal that goes away (SIGHUP), for nothing to be left behind; not under `nohup`, which ignores that.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from stream.commands.output import note

__all__ = ["stop_on_signals"]


@contextmanager
def stop_on_signals(note_text: str = "Stopping after the step at hand …") -> Iterator[threading.Event]:
    """An event that SIGTERM, SIGHUP or SIGINT sets; after that SIGINT interrupts as usual. Main thread only."""
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with suppress(OSError):  # the terminal may be gone
            note(note_text)

    asking = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        asking.append(signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in asking}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
