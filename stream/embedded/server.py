"""One server of the embedded stack: started by its launcher on a free loopback port, watched until it answers."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from stream.clock import Clock
from stream.errors import EmbeddedStackError

__all__ = ["HOST", "PortTakenError", "Server", "free_ports"]

HOST = "127.0.0.1"
_LAUNCHER = Path(__file__).with_name("launcher.py")
_POLL_S = 0.01
_CLOSE_S = 5.0
_LOG_TAIL_BYTES = 2_000
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "JAVA_HOME")
_IN_USE = ("address in use", "address already in use", "addrinuse")


class PortTakenError(Exception):
    """Somebody took the port between its choice and the server's bind. Choose another one."""


def free_ports(count: int) -> list[int]:
    """So many different loopback ports that are free at this moment; another process may still take one."""
    with contextlib.ExitStack() as stack:
        ports = []
        for _ in range(count):
            probe = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            probe.bind((HOST, 0))
            ports.append(int(probe.getsockname()[1]))
        return ports


class Server:
    """A running server and its launcher.

    name: for messages.  folder: holds its log; the launcher removes it once the starter is gone.
    answers: called with no arguments until it returns True; False, or an OSError, means not yet.
    """

    def __init__(self, name: str, command: list[str], folder: Path, answers: Callable[[], bool]) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        self._answers = answers
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(folder), str(self._log)]
        # A new session: Ctrl-C in the terminal must reach the starter only. A bare environment: the broker reads its
        # settings from variables as well, and must not take over somebody else's.
        self._launcher = subprocess.Popen(
            [*launcher, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
        )

    @property
    def running(self) -> bool:
        return self._launcher.poll() is None

    @property
    def launcher_pid(self) -> int:
        return self._launcher.pid

    def wait_ready(self, clock: Clock, deadline_s: float) -> None:
        """Block until it answers. Raises PortTakenError, or EmbeddedStackError past `deadline_s` or if it ends."""
        while True:
            if not self.running:
                log = self.log_tail()
                if any(text in log.lower() for text in _IN_USE):
                    raise PortTakenError(self.name)
                raise EmbeddedStackError(f"The embedded {self.name} ended at its start. It said: {log or 'nothing.'}")
            with contextlib.suppress(OSError):
                if self._answers():
                    return
            if clock.monotonic_s() > deadline_s:
                raise EmbeddedStackError(
                    f"The embedded {self.name} did not answer in time. It said: {self.log_tail() or 'nothing.'}",
                    remedy="Try again; the machine may be busy.",
                )
            clock.sleep_s(_POLL_S)

    def log_tail(self) -> str:
        """The end of what the server printed."""
        try:
            text = self._log.read_bytes()
        except FileNotFoundError:
            return ""
        return text[-_LOG_TAIL_BYTES:].decode("utf-8", "replace").strip()

    def ask_to_end(self) -> None:
        """Let go of the launcher; it ends the server. Does not block. Idempotent."""
        if self._launcher.stdin is not None:
            self._launcher.stdin.close()

    def close(self) -> None:
        """End the server and wait until it has ended. Idempotent."""
        self.ask_to_end()
        try:
            self._launcher.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            self._launcher.kill()
            self._launcher.wait()
