"""What a child process is told by its parent: lines on standard input, and by their end that it has to stop."""

from __future__ import annotations

import os
import select
import sys
import threading
from typing import Final

from stream.clock import Clock, HeldClock, clock_from_text

__all__ = ["Orders"]

_PARENT_CHECK_S: Final = 0.5
_READ_BYTES: Final = 65_536


class Orders:
    """The lines, as they come. Belongs to one thread at a time.

    They end when standard input closes, which the kernel sees to however the parent ends; also when the parent is
    another one than at first: it is gone, but a child that it forked still holds the pipe.
    It reads the descriptor itself: Python can't end while a thread waits inside `sys.stdin`.
    """

    def __init__(self) -> None:
        self._descriptor = sys.stdin.fileno()
        self._parent = os.getppid()
        self._rest = b""

    def next_line(self) -> str:
        """The next line without its end; empty once there are no more. Blocks."""
        while b"\n" not in self._rest:
            readable, _, _ = select.select([self._descriptor], [], [], _PARENT_CHECK_S)
            if readable:
                part = os.read(self._descriptor, _READ_BYTES)
                if not part:
                    return ""
                self._rest += part
            elif os.getppid() != self._parent:
                return ""
        line, self._rest = self._rest.split(b"\n", 1)
        return line.decode()

    def follow(self, clock: Clock, stop: threading.Event) -> None:
        """From now on, in a thread: a line releases a `HeldClock`; `stop` is set at the end. Doesn't block."""
        threading.Thread(target=self._follow, args=(clock, stop), name="orders", daemon=True).start()

    def _follow(self, clock: Clock, stop: threading.Event) -> None:
        try:
            while line := self.next_line():
                if isinstance(clock, HeldClock):
                    clock.release(clock_from_text(line))
        finally:
            stop.set()
