"""A process that takes orders, as the child of another: starting it, telling it, noticing its end, ending it.

Its own side of that is in `orders`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from types import TracebackType
from typing import IO, Final, Self

from stream.errors import TagstreamError

__all__ = ["Child"]

_LOG_TAIL_BYTES: Final = 2_000


class Child:
    """A context manager: leaving it stops the process, within a deadline, and waits for it.

    module: what it runs.  first: its first order, a line.  name: for people.  stop_s: how long it may take to stop.
    keeps_log: what it prints on standard error is kept for `said`; else it goes where this process's goes.
    """

    def __init__(self, module: str, first: bytes, *, name: str, stop_s: float, keeps_log: bool) -> None:
        self.ready = threading.Event()
        """Set once it has loaded what it needs, and says so."""
        self._name = name
        self._stop_s = stop_s
        self._log: IO[bytes] | None = tempfile.TemporaryFile() if keeps_log else None  # noqa: SIM115  # `close` closes it
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,  # Ctrl-C in the terminal must reach its parent only
        )
        self.tell(first)
        self._waiting = threading.Thread(target=self._wait_ready, name=f"child {module}", daemon=True)
        self._waiting.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def tell(self, line: bytes) -> None:
        """Give it its next order. One that has ended hears nothing: `check` and `ended` tell."""
        if self._process.stdin is None:
            return
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError:
            self._process.wait(self._stop_s)

    def check(self) -> None:
        """Raise TagstreamError if it has ended."""
        if self.ended is not None:
            raise TagstreamError(f"{self._name} has ended. It said last: {self.said() or 'nothing.'}")

    def said(self) -> str:
        """The end of what it printed on standard error, where that is kept."""
        if self._log is None:
            return ""
        number = self._log.fileno()
        # Read at a place of its own: the process goes on writing where the file stands.
        tail = os.pread(number, _LOG_TAIL_BYTES, max(os.fstat(number).st_size - _LOG_TAIL_BYTES, 0))
        return tail.decode("utf-8", "replace").strip()

    @property
    def ended(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """Ask it to stop, wait, and end it if it doesn't. Idempotent."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):  # it has ended, with something unread
                self._process.stdin.close()
        if not self.ready.is_set():  # it is importing or compiling; there is nothing to wait for
            self._process.terminate()
        try:
            self._process.wait(self._stop_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._waiting.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        if self._log is not None:
            self._log.close()

    def _wait_ready(self) -> None:
        if self._process.stdout is not None and self._process.stdout.readline():
            self.ready.set()
