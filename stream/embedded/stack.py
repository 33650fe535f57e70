"""The embedded stack: a Kafka-compatible broker and Redis on loopback, in memory, that end with this process."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from stream.clock import Clock, SystemClock
from stream.embedded.addresses import Addresses, Advertisement, runtime_folder
from stream.embedded.binaries import broker_executable, redis_executable
from stream.embedded.probes import is_broker, is_redis
from stream.embedded.server import HOST, PortTakenError, Server, free_ports
from stream.errors import EmbeddedStackError
from stream.settings import Settings

__all__ = ["Stack", "start_stack"]

_ATTEMPTS = 5
START_S = 20.0
"""How long both servers may take to answer; seen: 0.1 s."""


class Stack:
    """A running embedded stack. A context manager; `close` ends it, and so does the end of this process."""

    def __init__(
        self, addresses: Addresses, servers: list[Server], folder: Path, advertisement: Advertisement | None
    ) -> None:
        self.addresses = addresses
        self._servers = servers
        self._folder = folder
        self._advertisement = advertisement
        self._owner = os.getpid()
        self._closing = threading.Lock()
        self._closed = False
        atexit.register(self.close)

    @property
    def kafka(self) -> str:
        return self.addresses.kafka

    @property
    def redis(self) -> str:
        return self.addresses.redis

    def check(self) -> None:
        """Raise EmbeddedStackError if one of the servers has ended. Does not block."""
        for server in self._servers:
            if not server.running:
                raise EmbeddedStackError(
                    f"The embedded {server.name} has ended. It said last: {server.log_tail() or 'nothing.'}",
                    remedy="Start again; what the stack held is gone, as it lives in memory.",
                )

    def close(self) -> None:
        """End both servers and wait for them. Idempotent; does nothing in a forked child."""
        if os.getpid() != self._owner:
            return
        with self._closing:
            if self._closed:
                return
            self._closed = True
            atexit.unregister(self.close)
            if self._advertisement is not None:
                self._advertisement.close()
            _end(self._servers, self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def start_stack(settings: Settings, *, advertise: bool = True, clock: Clock | None = None) -> Stack:
    """Start the embedded stack and wait until both servers answer.

    advertise: leave the addresses where commands in other terminals look; False for a stack of one's own beside
    another one.  Raises EmbeddedStackError: a binary is missing here, a stack is running already, a server won't start.
    """
    clock = clock or SystemClock()
    programs = (broker_executable(), redis_executable())
    runtime = runtime_folder(settings)
    advertisement = Advertisement(runtime, clock) if advertise else None
    try:
        addresses, servers, folder = _start_servers(programs, runtime, clock)
    except BaseException:
        if advertisement is not None:
            advertisement.close()
        raise
    stack = Stack(addresses, servers, folder, advertisement)
    if advertisement is not None:
        advertisement.publish(addresses)
    return stack


def _start_servers(programs: tuple[Path, Path], runtime: Path, clock: Clock) -> tuple[Addresses, list[Server], Path]:
    deadline_s = clock.monotonic_s() + START_S
    for _ in range(_ATTEMPTS):
        folder = Path(tempfile.mkdtemp(prefix="stack-", dir=runtime))  # made with mode 0700
        kafka_port, redis_port = free_ports(2)
        password = secrets.token_urlsafe(12)  # keeps the machine's other users out; who guesses a port is not enough
        servers: list[Server] = []
        try:
            servers.append(_broker(programs[0], folder, kafka_port))
            servers.append(_redis(programs[1], folder, redis_port, password))
            for server in servers:
                server.wait_ready(clock, deadline_s)
        except PortTakenError:
            _end(servers, folder)
            continue
        except BaseException:
            _end(servers, folder)
            raise
        return (
            Addresses(f"{HOST}:{kafka_port}", f"redis://:{password}@{HOST}:{redis_port}/0", embedded=True),
            servers,
            folder,
        )
    raise EmbeddedStackError(
        f"Each of {_ATTEMPTS} ports chosen was taken by another program at once.", remedy="Try again."
    )


def _end(servers: list[Server], folder: Path) -> None:
    for server in servers:  # both at the same time, then wait for each
        server.ask_to_end()
    for server in servers:
        server.close()
    shutil.rmtree(folder, ignore_errors=True)


def _broker(program: Path, folder: Path, port: int) -> Server:
    url = f"tcp://{HOST}:{port}"
    cluster = f"tagstream-{secrets.token_hex(8)}"
    command = [
        *(str(program), "broker", "--listener-url", url, "--advertised-listener-url", url),
        *("--storage-engine", "memory://tansu/", "--cluster-id", cluster),
    ]
    return Server("broker", command, folder, lambda: is_broker(port, cluster))


def _redis(program: Path, folder: Path, port: int, password: str) -> Server:
    configuration = folder / "redis.conf"  # a file: arguments can be read by everybody on the machine
    configuration.touch(mode=0o600)
    configuration.write_text(
        f'bind {HOST}\nport {port}\nrequirepass {password}\ndir "{folder}"\ndaemonize no\n'
        'save ""\nappendonly no\nmaxmemory-policy noeviction\ndatabases 1\n',
        encoding="utf-8",
    )
    return Server("Redis", [str(program), str(configuration)], folder, lambda: is_redis(port, password))
