"""(b) The worker on the embedded stack, beside a bare pipeline in the same run.

Both consume one and the same log, as fast as they can, each in a process of its own and with an app of its own. They
take turns, so that a machine that is slow for a while is slow for both. Counted is from the first tenth of the events
to the last one: starting, compiling and joining the group are over by then.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psutil
import redis
from confluent_kafka import Consumer, TopicPartition

from bench.bare import BareWork
from bench.events import Traffic
from bench.local import PARTITIONS, WORKER, child, local_stack, make_topics, produce_events, wait_until
from rules.catalog import load_catalog
from rules.program import compile_catalog
from stream.embedded import Stack
from stream.settings import Settings
from stream.worker.position import decode_position
from stream.worker.store import keys_of

__all__ = ["Pair", "Turn", "WorkerFigures", "measure_worker"]

_TIMEOUT_S = 600.0
_READ_S = 30.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One process over the log; the CPU time is its own, without Kafka's and Redis's."""

    events_per_s: float
    cpu_us_an_event: float
    redis_bytes_an_event: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Worker and bare pipeline, one right after the other. ratio: the worker's events/s over the other's."""

    worker: Turn
    bare: Turn
    messages: int

    @property
    def ratio(self) -> float:
        return self.worker.events_per_s / self.bare.events_per_s


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """All pairs; the figures to quote are medians."""

    events: int
    days: float
    catalog: str
    pairs: tuple[Pair, ...]

    @property
    def ratio(self) -> float:
        return statistics.median(pair.ratio for pair in self.pairs)


def measure_worker(traffic: Traffic, catalog: str, folder: Path, pairs: int) -> WorkerFigures:
    """Measure; blocks for as long as it takes to make the events and to run through them twice a pair."""
    with local_stack(folder) as (stack, settings):
        make_topics(settings, stack, "bench")
        count = produce_events(stack, traffic)
        with redis.Redis.from_url(stack.redis) as store:
            measured = [_pair(count, catalog, folder, stack, settings, store, number) for number in range(pairs)]
    return WorkerFigures(count, traffic.days, catalog, tuple(measured))


def _pair(count: int, catalog: str, folder: Path, stack: Stack, settings: Settings, store: Any, number: int) -> Pair:
    ours = make_topics(settings, stack, f"worker-{number}")
    with child([*WORKER, catalog], ours, folder) as process:
        worker = _follow(process, count, store, lambda: _worker_count(store, ours.app))
    program = compile_catalog(load_catalog(catalog))
    messages = _read_messages(stack, ours.segment_changes_topic)
    work = BareWork(
        events=count,
        redis_bytes_an_event=worker.redis_bytes_an_event,
        properties=list(program.properties),
        traits=list(program.traits),
        rows=_read_rows(store, ours.app),
        messages=messages,
    )
    (folder / "bare.msgpack").write_bytes(msgspec.msgpack.encode(work))

    bare_settings = make_topics(settings, stack, f"bare-{number}")
    with child(["-m", "bench.bare", str(folder)], bare_settings, folder) as process:
        bare = _follow(process, count, store, lambda: int(store.get(f"{bare_settings.app}:bare") or 0))
    return Pair(worker, bare, len(messages))


def _follow(process: subprocess.Popen[bytes], count: int, store: Any, done: Callable[[], int]) -> Turn:
    """What the process does from the first tenth of the events to the last one."""
    wait_until(lambda: done() >= count // 10, process, "the first tenth of the events", _TIMEOUT_S)
    watched = psutil.Process(process.pid)
    before = (done(), time.perf_counter(), _cpu_s(watched), _redis_bytes(store))
    wait_until(lambda: done() >= count, process, "all events", _TIMEOUT_S)
    after = (done(), time.perf_counter(), _cpu_s(watched), _redis_bytes(store))
    events, wall_s, cpu_s, sent = (later - earlier for later, earlier in zip(after, before, strict=True))
    return Turn(events / wall_s, cpu_s / events * 1e6, sent / events)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _redis_bytes(store: Any) -> int:
    return int(store.info("stats")["total_net_input_bytes"])


def _worker_count(store: Any, app: str) -> int:
    """How many records the worker's positions have passed."""
    positions = store.mget([keys_of(app, partition).position for partition in range(PARTITIONS)])
    return sum(decode_position(stored, partition).next_offset for partition, stored in enumerate(positions) if stored)


def _read_rows(store: Any, app: str) -> dict[str, bytes]:
    rows: dict[str, bytes] = {}
    for partition in range(PARTITIONS):
        for key in store.scan_iter(f"{{{app}:{partition}}}:r:*", count=1_000):
            rows.update({user.decode(): row for user, row in store.hgetall(key).items()})
    return rows


def _read_messages(stack: Stack, topic: str) -> list[tuple[bytes, bytes, list[tuple[str, bytes]]]]:
    """Everything on a topic, partition by partition."""
    consumer: Any = Consumer(
        {"bootstrap.servers": stack.kafka, "group.id": "bench.reader", "auto.offset.reset": "earliest"}
    )
    places = [TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)]
    wanted = sum(consumer.get_watermark_offsets(place, _READ_S)[1] for place in places)
    consumer.assign(places)
    found: list[tuple[bytes, bytes, list[tuple[str, bytes]]]] = []
    deadline_s = time.monotonic() + _READ_S
    while len(found) < wanted:
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"only {len(found)} of {wanted} messages could be read from {topic}")
        messages = [message for message in consumer.consume(10_000, 0.1) if message.error() is None]
        found += [(message.key(), message.value(), message.headers() or []) for message in messages]
    consumer.close()
    return found
