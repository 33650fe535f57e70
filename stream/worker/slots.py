"""A worker's name: the same after a restart, never shared by two at once on one machine.

The name makes the transactional id. A worker that starts again under its old id ends what its former life left open at
once, where a new id would let readers wait for the transaction's timeout.
"""

from __future__ import annotations

import fcntl
import os
import socket
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from stream.worker.errors import SharedNameError

__all__ = ["WorkerName", "claim_name"]


class WorkerName:
    """A name and the lock that keeps it. The kernel drops the lock with the process, however it ends."""

    def __init__(self, name: str, lock: int) -> None:
        self.name = name
        self._lock: int | None = lock

    def close(self) -> None:
        """Let the name go. Idempotent."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def claim_name(app: str, folder: Path, worker: str | None = None, *, host: str | None = None) -> WorkerName:
    """The given name, or host and the lowest slot whose lock file in `folder` is free. Does not block.

    Raises SharedNameError if the given name is taken on this machine.
    """
    if worker is not None:
        lock = _locked(folder / f"worker-{app}-{worker}.lock")
        if lock is None:
            raise SharedNameError(
                f"A worker named {worker} is running on this machine already.",
                remedy="Give each worker a TAGSTREAM_WORKER of its own, or unset it.",
            )
        return WorkerName(worker, lock)
    host = host or socket.gethostname()
    for slot in count():
        lock = _locked(folder / f"worker-{app}-slot-{slot}.lock")
        if lock is not None:
            return WorkerName(f"{host}-{slot}", lock)
    raise AssertionError  # count() has no end


def _locked(path: Path) -> int | None:
    """The lock's handle, or None if somebody holds it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
