"""Ending a long-running command: the first SIGTERM or Ctrl-C asks it to stop, the second Ctrl-C doesn't ask."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from stream.commands.output import note

__all__ = ["stop_on_signals"]


@contextmanager
def stop_on_signals(note_text: str = "Stopping after the step at hand …") -> Iterator[threading.Event]:
    """An event that SIGTERM or SIGINT sets, once; after that SIGINT interrupts as usual. Main thread only."""
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        note(note_text)

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
