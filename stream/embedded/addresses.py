"""Where Kafka and Redis are: as configured, or an embedded stack that runs in some process of this user.

A running stack leaves its addresses in `stack.json` of the runtime folder and holds a lock on `stack.lock` beside it.
The kernel drops the lock with the process, so a file that a killed process left is known to be stale.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from stream.clock import Clock
from stream.errors import ConfigurationError, EmbeddedStackError, UnavailableError
from stream.settings import Settings, masked_url

__all__ = ["Addresses", "Advertisement", "find_stack", "resolve_addresses", "runtime_folder"]

_LOCK_WAIT_S = 1.0
_held: set[int] = set()  # handles of locks; a forked child has them too, and would keep the lock past our end


def _let_go() -> None:
    for handle in _held:
        os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


@dataclass(frozen=True, slots=True)
class Addresses:
    """kafka: `host:port[,host:port…]`.  redis: a URL, perhaps with a password (show `redis_shown` to people)."""

    kafka: str
    redis: str
    embedded: bool

    @property
    def redis_shown(self) -> str:
        return masked_url(self.redis)


def runtime_folder(settings: Settings) -> Path:
    """The runtime folder, made if it isn't there, readable by its user only. Raises ConfigurationError.

    Who can write to it could lead commands to servers of theirs, hence the checks.
    """
    path = settings.runtime_path()
    remedy = "Set TAGSTREAM_RUNTIME_DIR to a folder of your own."
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and found.st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(
            f"The runtime folder {path} can't be made: {error.strerror}.", remedy=remedy
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ConfigurationError(f"The runtime folder {path} is no folder of this user.", remedy=remedy)
    return path


class Advertisement:
    """The address file and its lock, held while a stack runs. `publish` writes the file, `close` removes it."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._file = folder / "stack.json"
        self._lock = os.open(folder / "stack.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._take(clock)
        except BaseException:
            os.close(self._lock)
            raise
        _held.add(self._lock)
        self._file.unlink(missing_ok=True)  # a killed process left it

    def _take(self, clock: Clock) -> None:
        deadline_s = clock.monotonic_s() + _LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Somebody who only looks holds it for some microseconds; a stack holds it as long as it runs.
                if clock.monotonic_s() < deadline_s:
                    clock.sleep_s(0.02)
                    continue
                raise EmbeddedStackError(
                    "An embedded stack of yours is running already.",
                    remedy="Use that one, end it, or set TAGSTREAM_RUNTIME_DIR to another folder for a second one.",
                ) from None
            return

    def publish(self, addresses: Addresses) -> None:
        """Write the file, whole or not at all."""
        draft = self._file.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps({"pid": os.getpid(), **asdict(addresses)}), encoding="utf-8")
        draft.replace(self._file)

    def close(self) -> None:
        self._file.unlink(missing_ok=True)
        _held.discard(self._lock)
        os.close(self._lock)


@contextlib.contextmanager
def _looked_at(lock: Path) -> Iterator[bool]:
    """Whether a stack holds the lock."""
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        yield True
    else:
        yield False
    finally:
        os.close(handle)


def find_stack(settings: Settings) -> Addresses | None:
    """The addresses of this user's running embedded stack, or None. Changes nothing."""
    folder = settings.runtime_path()
    with _looked_at(folder / "stack.lock") as running:
        if not running:
            return None
        try:
            found = json.loads((folder / "stack.json").read_text(encoding="utf-8"))
            os.kill(int(found.pop("pid")), 0)  # a child that C code forked may hold the lock after its end
            return Addresses(**found)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None  # still starting, or just ended


def resolve_addresses(settings: Settings, *, redis_needed: bool = True) -> Addresses:
    """Where Kafka and Redis are for a command: as configured, else the running embedded stack.

    Raises ConfigurationError if only one of the two is configured (`redis_needed=False`: Kafka alone will do, and
    `redis` is then empty), UnavailableError if neither is and no stack runs.
    """
    if settings.kafka and (settings.redis or not redis_needed):
        return Addresses(settings.kafka, settings.redis or "", embedded=False)
    if settings.kafka or settings.redis:
        have, lack = ("Kafka", "Redis") if settings.kafka else ("Redis", "Kafka")
        raise ConfigurationError(
            f"{have} is configured but {lack} is not.",
            remedy=f"Set TAGSTREAM_{lack.upper()} too, or neither to use the embedded stack.",
        )
    found = find_stack(settings)
    if found is None:
        raise UnavailableError(
            "No Kafka and Redis are configured, and no embedded stack is running.",
            remedy="Run `tagstream up` in another terminal, or set TAGSTREAM_KAFKA and TAGSTREAM_REDIS.",
        )
    return found
