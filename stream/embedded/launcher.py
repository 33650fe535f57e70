"""Runs one server and ends it with the process that asked for it, however that process ends.

A process of its own (`python -I -S launcher.py FOLDER LOG COMMAND…`), standard library only, so it is up in
milliseconds. It ends the server, then itself and the folder, as soon as one of these is true:

1. its standard input has closed: a pipe whose other end only the starter holds, so the kernel closes it even at SIGKILL
   (a parent-death signal would not do: it is sent when the starting *thread* ends, and there is none on macOS);
2. its parent is another one than at first: the starter is gone, but a child it forked still holds the pipe;
3. it gets SIGTERM.

When the server ends by itself, so does the launcher, and the folder with the log stays for the starter to read. On
Linux the server gets SIGKILL when the launcher is killed; that is sound there, as the launcher has one thread.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from types import FrameType

PARENT_CHECK_S = 0.5
TERMINATE_S = 2.0
_PR_SET_PDEATHSIG = 1


def _die_with_launcher() -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    launcher = os.getpid()

    def in_child() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != launcher:  # it ended between the fork and the call above
            os._exit(1)

    return in_child


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(TERMINATE_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def run(folder: str, log: str, command: list[str]) -> int:
    """Run `command` until it or the starter ends; its exit code, 0 if the starter ended, 127 if it can't be run."""
    starter = os.getppid()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    stop = False

    def on_term(_number: int, _frame: FrameType | None) -> None:
        nonlocal stop
        stop = True

    signal.signal(signal.SIGTERM, on_term)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    with open(log, "ab", buffering=0) as output:  # noqa: PTH123  # pathlib would double the start time
        try:
            server = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_die_with_launcher(),  # noqa: PLW1509  # there is one thread: the hook is safe
            )
        except OSError as error:
            output.write(f"{command[0]}: {error.strerror}\n".encode())
            return 127
    while True:
        readable, _, _ = select.select([0, wake_read], [], [], PARENT_CHECK_S)
        if wake_read in readable:
            os.read(wake_read, 4096)
        code = server.poll()
        if code is not None:
            return code if code >= 0 else 128 - code
        if stop or os.getppid() != starter or (0 in readable and not os.read(0, 4096)):
            _end(server)
            shutil.rmtree(folder, ignore_errors=True)
            return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the starter's to answer: it may still need the server
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    sys.exit(run(sys.argv[1], sys.argv[2], sys.argv[3:]))
