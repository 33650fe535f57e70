"""The demo's side of its worker process: starting it, giving it its orders, noticing its end, ending it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from types import TracebackType
from typing import IO, Final, Self

from stream.errors import TagstreamError

__all__ = ["WorkerHandle"]

_STOP_S: Final = 15.0
_LOG_TAIL_BYTES: Final = 2_000


class WorkerHandle:
    """A worker process. A context manager: leaving it stops the worker and waits for it."""

    def __init__(self, work_line: bytes) -> None:
        self.ready = threading.Event()
        """Set once its engine is loaded."""
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed in __exit__
        self._process = subprocess.Popen(
            [sys.executable, "-m", "stream.demo.worker_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,  # Ctrl-C in the terminal must reach the demo only
        )
        self._send(work_line)
        self._waiting = threading.Thread(target=self._wait_ready, name="demo worker", daemon=True)
        self._waiting.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        if not self.ready.is_set():  # it is importing or compiling; there is no step to wait for
            self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._waiting.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    def tell(self, clock_line: bytes) -> None:
        """Let it work by this clock, which is held; then, when the shop opens, by the one that it becomes."""
        self._send(clock_line)

    def check(self) -> None:
        """Raise TagstreamError if it has ended."""
        if self._process.poll() is not None:
            raise TagstreamError(f"The demo's worker has ended. It said last: {self.said() or 'nothing.'}")

    def said(self) -> str:
        """The end of what it printed on standard error."""
        self._log.seek(0, 2)
        self._log.seek(max(self._log.tell() - _LOG_TAIL_BYTES, 0))
        return self._log.read().decode("utf-8", "replace").strip()

    def _send(self, line: bytes) -> None:
        if self._process.stdin is None:
            return
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError:
            self._process.wait(_STOP_S)
            self.check()

    def _wait_ready(self) -> None:
        if self._process.stdout is not None and self._process.stdout.readline():
            self.ready.set()
