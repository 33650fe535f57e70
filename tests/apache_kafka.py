"""Apache Kafka for tests marked `kafka`: one node of its own, fetched through Maven, ended with the test process."""

from __future__ import annotations

import secrets
import subprocess
from functools import partial
from pathlib import Path

import psutil

from stream.clock import SystemClock
from stream.embedded import Addresses
from stream.embedded.probes import is_broker
from stream.embedded.server import HOST, PortTakenError, Server, free_ports

ROOT = Path(__file__).parent.parent
CLUSTER = "dGFnc3RyZWFtLWxvY2FsMQ"
"""The cluster's id, as `deploy/kafka/start` sets it."""

START_S = 60.0
"""On two busy cores; alone it is up in 4 s."""


class ApacheKafka:
    """One broker, whose port and data stay the same over `kill` and `start`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clock = SystemClock()
        self._port, self._controller_port = free_ports(2)
        self._server: Server | None = None

    @property
    def brokers(self) -> str:
        return f"{HOST}:{self._port}"

    def addresses(self, redis: str) -> Addresses:
        """This Kafka and a Redis, as a configured pair."""
        return Addresses(self.brokers, redis, embedded=False)

    def start(self) -> None:
        """Start it and wait until it answers; the first time on ports of its own choice."""
        first = not (self._folder / "data").exists()
        for _ in range(5):
            try:
                self._start()
            except PortTakenError:
                if not first:
                    raise
                self._port, self._controller_port = free_ports(2)
            else:
                return
        raise AssertionError("five times somebody else took Kafka's port")

    def _start(self) -> None:
        run = self._folder / f"run-{secrets.token_hex(4)}"
        run.mkdir()
        ports = [str(self._port), str(self._controller_port)]
        command = [str(ROOT / "deploy/kafka/start"), *ports, str(self._folder / "data")]
        self._server = Server("Apache Kafka", command, run, partial(is_broker, self._port, CLUSTER))
        try:
            self._server.wait_ready(self._clock, self._clock.monotonic_s() + START_S)
        except BaseException:
            self._server.close()
            raise

    def kill(self) -> None:
        """End it at once, as a crash would."""
        for process in self.processes()[1:]:  # its launcher then ends by itself
            process.kill()
        self.close()

    def processes(self) -> list[psutil.Process]:
        """Its launcher and itself, as long as it runs."""
        if self._server is None:
            return []
        launcher = psutil.Process(self._server.launcher_pid)
        return [launcher, *launcher.children(recursive=True)]

    def close(self) -> None:
        """End it in order. Idempotent."""
        if self._server is not None:
            self._server.close()
            self._server = None


def start_apache_kafka(folder: Path) -> ApacheKafka:
    """Fetch Kafka if it is not here yet, and start it. A clear sentence from the scripts where Java or Maven lacks."""
    fetched = subprocess.run([ROOT / "deploy/kafka/fetch"], capture_output=True, text=True, check=False, timeout=600)
    assert fetched.returncode == 0, fetched.stderr + fetched.stdout
    kafka = ApacheKafka(folder)
    kafka.start()
    return kafka
