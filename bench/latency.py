"""(c) From an event to the change that it brings, as a subscriber sees it: the whole way, on the embedded stack.

Events are sent at an even pace by librdkafka, with a linger of 10 ms, which counts (the embedded broker's work
grows with the number of batches in a log, so small ones cost more than they save); `tagstream.Subscriber`
hands out the changes. A change whose cause is an event names that event's place in the log, so each is matched with the
moment at which its event was sent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import Producer

from bench.events import Traffic
from bench.local import PARTITIONS, WORKER, child, local_stack, make_topics, wait_until
from stream.clock import SystemClock
from stream.embedded import Stack
from stream.engine.murmur import hash_users
from stream.settings import Settings
from tagstream import Subscriber

__all__ = ["LatencyFigures", "Place", "measure_latency", "send_live"]

_DAY_S = 86_400
_LEAD_S = 0.5
_SETTLED_S = 60.0
_TAIL_S = 5.0

Place = tuple[int, int]
"""Partition and offset of a record."""


@dataclass(frozen=True, slots=True)
class LatencyFigures:
    """rate: events/s that were sent.  changes: how many were matched with their events.  The rest: ms."""

    rate: float
    seconds: float
    changes: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    worst_ms: float


class _Receiver(threading.Thread):
    """Notes when the change of each event is handed out by a subscriber."""

    def __init__(self, stack: Stack, settings: Settings) -> None:
        super().__init__(name="subscriber")
        self._subscriber = Subscriber(
            stack.kafka, group="bench.subscriber", app=settings.app, start="earliest", isolation="read_uncommitted"
        )
        self.seen: list[tuple[Place, float]] = []

    def run(self) -> None:
        with self._subscriber as changes:
            for change in changes:
                now_s = time.perf_counter()
                record = change.data.record
                if record is not None:
                    self.seen.append(((record.partition, record.offset), now_s))

    def stop(self) -> None:
        self._subscriber.stop()
        self.join()


def measure_latency(catalog: str, folder: Path, *, rate: int, seconds: float, warm_up_s: float) -> LatencyFigures:
    """Measure. Changes of the first `warm_up_s` do not count: everybody is new then, and the caches are cold."""
    with local_stack(folder) as (stack, settings):
        ours = make_topics(settings, stack, "latency")
        receiver = _Receiver(stack, ours)
        with child([*WORKER, catalog], ours, folder) as process:
            receiver.start()
            try:
                sent: dict[Place, float] = {}
                send_live(stack, ours, rate, 1.0, sent)
                wait_until(lambda: bool(receiver.seen), process, "the first change", _SETTLED_S)
                send_live(stack, ours, rate, warm_up_s, {})
                sent.clear()
                elapsed_s = send_live(stack, ours, rate, seconds, sent)
                _let_settle(lambda: len(receiver.seen))
            finally:
                receiver.stop()
    waits_ms = [(seen_s - sent[place]) * 1000 for place, seen_s in receiver.seen if place in sent]
    if not waits_ms:
        raise RuntimeError("no change came of the events that were sent")
    p50, p90, p99, worst = np.percentile(waits_ms, [50, 90, 99, 100]).tolist()
    return LatencyFigures(len(sent) / elapsed_s, elapsed_s, len(waits_ms), p50, p90, p99, worst)


def send_live(
    stack: Stack,
    settings: Settings,
    rate: int,
    seconds: float,
    sent: dict[Place, float],
    linger_ms: int = 10,
    enough: threading.Event | None = None,
) -> float:
    """Send events at an even pace, wait until all are taken. `sent` gets the moment of each. Seconds that it took.

    enough: ends it earlier.
    """
    producer: Any = Producer({"bootstrap.servers": stack.kafka, "linger.ms": linger_ms, "socket.nagle.disable": True})
    count = int(rate * seconds)
    start_ms = SystemClock().now_ms() + int(_LEAD_S * 1000)
    traffic = Traffic(count, seed=start_ms, start_ms=start_ms, days=seconds / _DAY_S)
    events = list(traffic.timed())
    partitions = (hash_users([user for user, _, _ in events]) % PARTITIONS).tolist()
    begin_s = time.perf_counter() + max(0.0, (start_ms - SystemClock().now_ms()) / 1000)

    def noting(moment_s: float) -> Callable[[Any, Any], None]:
        def delivered(error: Any, message: Any) -> None:
            if error is None:
                sent[message.partition(), message.offset()] = moment_s

        return delivered

    for (user, at_ms, value), partition in zip(events, partitions, strict=True):
        if enough is not None and enough.is_set():
            break
        wait_s = begin_s + (at_ms - start_ms) / 1000 - time.perf_counter()
        if wait_s > 0:
            producer.poll(0)
            time.sleep(wait_s)
        now_s = time.perf_counter()
        producer.produce(settings.events_topic, value, user, partition, noting(now_s), SystemClock().now_ms())
    elapsed_s = time.perf_counter() - begin_s
    producer.flush()
    return elapsed_s


def _let_settle(count: Callable[[], int]) -> None:
    """Wait until no change has come for a while."""
    before, quiet_since_s = count(), time.perf_counter()
    while time.perf_counter() - quiet_since_s < _TAIL_S:
        time.sleep(0.1)
        if count() != before:
            before, quiet_since_s = count(), time.perf_counter()
        if time.perf_counter() - quiet_since_s > 1.0:
            return
