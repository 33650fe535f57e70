"""Real Redis servers for tests, from the same binary that the embedded stack uses."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import redis

from stream.embedded.binaries import redis_executable
from stream.embedded.server import free_ports

SLOTS = 16_384
BUS_OFFSET = 10_000  # a cluster's nodes talk to each other on the port that is so much higher


@contextlib.contextmanager
def redis_server(*options: str, port: int | None = None) -> Iterator[str]:
    """A Redis on loopback, in memory; its URL."""
    port = port or free_ports(1)[0]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [
                *(str(redis_executable()), "--bind", "127.0.0.1", "--port", str(port), "--dir", folder),
                *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction", *options),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        url = f"redis://127.0.0.1:{port}/0"
        try:
            wait_for_redis(url)
            yield url
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def redis_cluster() -> Iterator[str]:
    """A Redis Cluster of one node that has all slots."""
    port = next(port for port in free_ports(20) if port + BUS_OFFSET < 65_536)
    with redis_server("--cluster-enabled", "yes", port=port) as url, connected(url) as client:
        client.execute_command("CLUSTER", "ADDSLOTS", *range(SLOTS))
        deadline_s = time.monotonic() + 10
        while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO", NEVER_DECODE=True):
            assert time.monotonic() < deadline_s
        yield url


@contextlib.contextmanager
def connected(url: str) -> Iterator[Any]:
    """A client of a test's own, closed at the end."""
    client = redis.Redis.from_url(url)
    try:
        yield client
    finally:
        client.close()


def wait_for_redis(url: str) -> None:
    deadline_s = time.monotonic() + 10
    with connected(url) as client:
        while True:
            try:
                client.ping()
            except redis.AuthenticationError:
                return  # it answers, which is all
            except redis.ConnectionError:
                assert time.monotonic() < deadline_s
            else:
                return
