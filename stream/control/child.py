"""A control process as the child of another: starting it, giving it its orders, noticing its end, ending it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from types import TracebackType
from typing import IO, Final, Self

from stream.control.pace import Pace
from stream.control.process import SYSTEM_CLOCK, work_line
from stream.embedded import Addresses
from stream.errors import TagstreamError
from stream.settings import Settings

__all__ = ["ControlChild"]

_STOP_S: Final = 20.0
_LOG_TAIL_BYTES: Final = 2_000


class ControlChild:
    """A context manager: leaving it stops the process, within a deadline, and waits for it.

    log: where its standard error goes; None: where this process's goes.
    """

    def __init__(
        self, settings: Settings, addresses: Addresses, *, pace: Pace | None = None, log: IO[bytes] | None = None
    ) -> None:
        self.ready = threading.Event()
        """Set once it has loaded what it needs."""
        self._log = log
        self._process = subprocess.Popen(
            [sys.executable, "-m", "stream.control.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C in the terminal must reach its parent only
        )
        self._send(work_line(settings, addresses, pace))
        self._waiting = threading.Thread(target=self._wait_ready, name="control child", daemon=True)
        self._waiting.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, clock_text: str = SYSTEM_CLOCK) -> None:
        """Let it work by this clock (its `text`)."""
        self._send(clock_text.encode() + b"\n")

    def release(self, clock_text: str) -> None:
        """The clock that was given to `start` is held: from now on it is this one."""
        self._send(clock_text.encode() + b"\n")

    def check(self) -> None:
        """Raise TagstreamError if it has ended."""
        if self.ended is not None:
            raise TagstreamError(f"The control process has ended. It said last: {self.said() or 'nothing.'}")

    def said(self) -> str:
        """The end of its log, where it has one of its own."""
        if self._log is None:
            return ""
        self._log.seek(0, 2)
        self._log.seek(max(self._log.tell() - _LOG_TAIL_BYTES, 0))
        return self._log.read().decode("utf-8", "replace").strip()

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
            with contextlib.suppress(BrokenPipeError):  # it has ended, with something unread
                self._process.stdin.close()
        if not self.ready.is_set():  # it is importing; there is nothing to publish
            self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._waiting.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _send(self, line: bytes) -> None:
        if self._process.stdin is None:
            return
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError:
            self._process.wait(_STOP_S)

    def _wait_ready(self) -> None:
        if self._process.stdout is not None and self._process.stdout.readline():
            self.ready.set()
