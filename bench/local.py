"""The embedded stack of a benchmark, its events topic, and the processes that work on it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from bench.events import Traffic
from stream.embedded import Stack, start_stack
from stream.engine.murmur import hash_users
from stream.settings import Settings, load_settings
from stream.topics import ensure_topics

__all__ = [
    "EVENTS_TOPIC",
    "PARTITIONS",
    "WORKER",
    "child",
    "local_stack",
    "make_topics",
    "produce_events",
    "wait_until",
]

EVENTS_TOPIC = "bench.events"
PARTITIONS = 4
WORKER = ("-c", "from stream.cli import main; main()", "worker", "--catalog")
"""The worker's command, for Python; the catalog follows."""
_START_S = 60.0
_STOP_S = 20.0


@contextmanager
def local_stack(folder: Path) -> Iterator[tuple[Stack, Settings]]:
    """An embedded stack with a runtime folder of its own, so that it is nobody else's."""
    settings = load_settings({}, folder=folder, runtime_dir=folder / "runtime", partitions=PARTITIONS)
    with start_stack(settings) as stack:
        yield stack, settings


def make_topics(settings: Settings, stack: Stack, app: str) -> Settings:
    """The settings of an app that reads the one events topic and writes topics of its own, which are made."""
    ours = settings.model_copy(update={"app": app, "topic_events": EVENTS_TOPIC})
    ensure_topics(ours, stack.addresses)
    return ours


def produce_events(stack: Stack, traffic: Traffic) -> int:
    """Put the traffic into the events topic, each record with its event's time as log time. How many events."""
    producer: Any = Producer({"bootstrap.servers": stack.kafka, "linger.ms": 20, "batch.size": 1_000_000})
    failures: list[str] = []

    def delivered(error: Any, _: Any) -> None:
        if error is not None:
            failures.append(str(error))

    chunk: list[tuple[str, int, bytes]] = []

    def send() -> None:
        partitions = (hash_users([user for user, _, _ in chunk]) % PARTITIONS).tolist()
        for (user, log_ms, value), partition in zip(chunk, partitions, strict=True):
            record = {"key": user, "value": value, "partition": partition, "timestamp": log_ms}
            while True:
                try:
                    producer.produce(EVENTS_TOPIC, on_delivery=delivered, **record)
                    break
                except BufferError:
                    producer.poll(0.05)
        producer.poll(0)
        chunk.clear()

    count = 0
    for event in traffic.timed():
        chunk.append(event)
        count += 1
        if len(chunk) == 1_000:
            send()
    send()
    producer.flush(_START_S)
    if failures or len(producer):
        raise RuntimeError(f"{len(failures) + len(producer)} events were not taken: {failures[:1]}")
    return count


@contextmanager
def child(arguments: Sequence[str], settings: Settings, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process on the stack, asked to end afterwards; what it says goes to a file in `folder`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TAGSTREAM_")}
    environment["TAGSTREAM_RUNTIME_DIR"] = str(settings.runtime_path())
    environment["TAGSTREAM_APP"] = settings.app
    environment["TAGSTREAM_TOPIC_EVENTS"] = settings.events_topic
    environment["TAGSTREAM_PARTITIONS"] = str(settings.partitions)
    said = folder / f"{settings.app}.log"
    with said.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield process
        if process.poll() not in {None, 0}:
            raise RuntimeError(f"{arguments} ended with {process.returncode}: {_tail(said)}")
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(
    holds: Callable[[], bool], process: subprocess.Popen[bytes], what: str, timeout_s: float, every_s: float = 0.01
) -> None:
    """Wait for a condition. Raises RuntimeError when the process ends first, or the time is up."""
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        if process.poll() is not None:
            raise RuntimeError(f"the process ended with {process.returncode} before {what}")
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"{timeout_s:.0f} s were not enough for {what}")
        time.sleep(every_s)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2_000:].strip()
