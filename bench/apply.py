"""(d) A new version of the catalog over many users, while events go on: how long it takes, and what live events notice.

Everybody is known to the worker before, by one event, some by two. The new version has two segments more: one over
what was counted already, one over something new, which is read again from the log. Half of all users enter one of them.
Live events are sent at an even pace before and meanwhile; each is matched with its changes as in (c), by a reader that
looks at headers first, so that it keeps up with whatever the walk brings out.

The embedded broker gets slower with every batch that lies in its logs, whatever is done meanwhile. So all of it happens
a second time, on a stack of its own, but for the applying; the same seconds of that say what the walk costs.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sized
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from bench.latency import Place, send_live
from bench.local import PARTITIONS, WORKER, child, local_stack, make_topics, wait_until
from rules.catalog import Catalog, load_catalog, parse_catalog
from stream.clock import SystemClock
from stream.embedded import Stack
from stream.engine.murmur import hash_users
from stream.settings import Settings
from stream.worker.apply_run import ApplyRun
from stream.worker.applying import check_applicable, with_version
from stream.worker.overview import look_over, open_store
from stream.worker.redis_store import RedisStore
from tagstream.contracts.changes import CAUSE_HEADER

__all__ = ["AFTER_S", "ApplyFigures", "Run", "measure_apply", "with_more_segments"]

Percentiles = tuple[float, float, float]
"""p50, p90 and p99, in ms."""

_TIMEOUT_S = 300.0
_LINGER_MS = 25
"""Of live events: so the broker has fewer batches in its logs, and gets slower later."""
AFTER_S = 3.0
"""So long after the last live event its change is waited for; what comes later is late."""
_SEGMENTS = """
  bench_buyers: {when: 'count("Order Completed") >= 1'}
  bench_dear: {when: 'count("Product Viewed", where=property("price") >= 100) >= 1'}
"""
_ORDERS = 3  # every so many users has ordered, too
_DEAR = 4  # and has looked at something dear


@dataclass(frozen=True, slots=True)
class ApplyFigures:
    """users: whom the walk visited.  changes: with cause `catalog`.

    prepared_s: from publishing the text to the switch, the reading of the log again among it.  changes_s: from the
    switch to the last of its changes, at a reader.  done_s: from the switch to the end of `apply`.
    before_ms, preparing_ms, during_ms: p50, p90, p99 of live events before, while workers got ready, in the walk.
    undisturbed_ms: the same of as many seconds as the walk took, at the same age of the log, without any walk.
    late, undisturbed_late: changes of live events that came more than AFTER_S after the last of the events; they are in
    the percentiles too.
    """

    users: int
    rate: float
    changes: int
    prepared_s: float
    changes_s: float
    done_s: float
    before_ms: Percentiles
    preparing_ms: Percentiles
    during_ms: Percentiles
    undisturbed_ms: Percentiles
    late: int
    undisturbed_late: int


@dataclass(frozen=True, slots=True)
class _Applied:
    """Moments (s) since live events began, and what was seen of the switch's changes."""

    began_s: float
    switched_s: float
    done_s: float
    last_s: float
    changes: int


@dataclass(frozen=True, slots=True)
class Run:
    """waits: of each change, when its event was sent (s, since live events began), and how long it took (ms).

    late: how many came more than AFTER_S after the last of the events.
    """

    events: int
    seconds: float
    waits: list[tuple[float, float]]
    late: int
    applied: _Applied | None

    @classmethod
    def of(
        cls,
        sent: dict[Place, float],
        seen: list[tuple[Place, float]],
        *,
        began_s: float,
        time_up_s: float,
        applied: _Applied | None,
    ) -> Run:
        """Match changes with their events. All moments are of one clock."""
        matched = [(sent[place], seen_s) for place, seen_s in seen if place in sent]
        waits = [(sent_s - began_s, (seen_s - sent_s) * 1000) for sent_s, seen_s in matched]
        late = sum(seen_s > time_up_s for _, seen_s in matched)
        return cls(len(sent), max(sent.values()) - min(sent.values()), waits, late, applied)

    def between(self, start_s: float, end_s: float) -> Percentiles:
        """p50, p90, p99 of the changes of events that were sent in this time."""
        waits_ms = [wait_ms for sent_s, wait_ms in self.waits if start_s <= sent_s < end_s]
        if not waits_ms:
            return (float("nan"),) * 3
        p50, p90, p99 = np.percentile(waits_ms, [50, 90, 99]).tolist()
        return p50, p90, p99


class _Record(msgspec.Struct):
    partition: int
    offset: int


class _Data(msgspec.Struct):
    record: _Record | None


class _Change(msgspec.Struct):
    data: _Data


class _Reader(threading.Thread):
    """Notes when the change of each live event comes, and when those of the catalog do."""

    def __init__(self, stack: Stack, topic: str) -> None:
        super().__init__(name="reader")
        self.seen: list[tuple[Place, float]] = []
        self.catalog: list[float] = []
        self._end = threading.Event()
        self._consumer: Any = Consumer(
            {"bootstrap.servers": stack.kafka, "group.id": "bench.reader", "fetch.wait.max.ms": 10}
        )
        self._consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in range(PARTITIONS)])

    def run(self) -> None:
        decode = msgspec.json.Decoder(_Change).decode
        while not self._end.is_set():
            for message in self._consumer.consume(1_000, 0.01):
                now_s = time.perf_counter()
                if message.error() is not None:
                    continue
                if dict(message.headers())[CAUSE_HEADER] == b"catalog":
                    self.catalog.append(now_s)
                    continue
                record = decode(message.value()).data.record
                if record is not None:
                    self.seen.append(((record.partition, record.offset), now_s))
        self._consumer.close()

    def stop(self) -> None:
        self._end.set()
        self.join()


def with_more_segments(first: Catalog) -> Catalog:
    """The next version, with the segments that the walk is to fill. Raises ValueError if they can't be put into it."""
    text, count = re.subn(r"(?m)^segments:[ \t]*$", lambda found: found[0] + _SEGMENTS, first.text)
    if count != 1:
        raise ValueError(f"{first.name} has no line that is segments: and nothing else, so none can be put below it")
    return parse_catalog(with_version(text, first.version + 1))


def measure_apply(catalog: str, folder: Path, *, users: int, rate: int, before_s: float) -> ApplyFigures:
    """Measure. The catalog is applied after `before_s` of live events."""
    first = load_catalog(catalog)
    second = with_more_segments(first)
    run = _run(first, folder / "applied", users, rate, before_s, second)
    if run.applied is None:
        raise RuntimeError("nothing was applied")
    applied = run.applied
    control = _run(first, folder / "undisturbed", users, rate, max(applied.done_s, applied.last_s), None)
    walk_s = applied.switched_s, max(applied.done_s, applied.last_s)
    return ApplyFigures(
        users=users,
        rate=run.events / run.seconds,
        changes=applied.changes,
        prepared_s=applied.switched_s - applied.began_s,
        changes_s=applied.last_s - applied.switched_s,
        done_s=applied.done_s - applied.switched_s,
        before_ms=run.between(0.0, applied.began_s),
        preparing_ms=run.between(applied.began_s, applied.switched_s),
        during_ms=run.between(*walk_s),
        undisturbed_ms=control.between(*walk_s),
        late=run.late,
        undisturbed_late=control.late,
    )


def _run(first: Catalog, folder: Path, users: int, rate: int, before_s: float, second: Catalog | None) -> Run:
    """Live events for `before_s` and, where there is a second catalog, until it has been applied; on a fresh stack."""
    folder.mkdir()
    (folder / "first.yaml").write_text(first.text, encoding="utf-8")
    with local_stack(folder) as (stack, settings):
        ours = make_topics(settings, stack, "apply")
        count = _populate(stack, ours, users)
        with (
            child([*WORKER, str(folder / "first.yaml")], ours, folder) as process,
            closing(open_store(ours, stack.addresses, PARTITIONS)) as store,
        ):
            wait_until(
                lambda: sum(each.next_offset for each in look_over(store, PARTITIONS).positions) >= count,
                process,
                "everybody to be known",
                _TIMEOUT_S,
                0.2,
            )
            reader = _Reader(stack, ours.segment_changes_topic)
            reader.start()
            sent: dict[Place, float] = {}
            enough = threading.Event()
            arguments = (stack, ours, rate, _TIMEOUT_S, sent)
            live = threading.Thread(
                target=send_live, args=arguments, kwargs={"linger_ms": _LINGER_MS, "enough": enough}, name="live"
            )
            try:
                wait_until(lambda: _has_settled(reader.seen), process, "the past's changes", _TIMEOUT_S, 0.5)
                live.start()
                wait_until(lambda: bool(sent), process, "the first live event", _TIMEOUT_S)
                live_s = time.perf_counter()
                time.sleep(before_s)
                applied = None if second is None else _apply(second, ours, stack, store, reader, live_s)
                enough.set()
                live.join()
                time.sleep(AFTER_S)
                time_up_s = time.perf_counter()
                # What is late is waited for: left out, it would make the others look the better.
                wait_until(lambda: _has_read(store, sent), process, "the last live events", _TIMEOUT_S, 0.2)
                wait_until(lambda: _has_settled(reader.seen), process, "the last changes", _TIMEOUT_S)
            finally:
                enough.set()
                if live.is_alive():
                    live.join()
                reader.stop()
    return Run.of(sent, reader.seen, began_s=live_s, time_up_s=time_up_s, applied=applied)


def _has_read(store: RedisStore, sent: dict[Place, float]) -> bool:
    """Whether the worker is past all these records."""
    standings = look_over(store, PARTITIONS).partitions
    next_offsets = [0 if each.position is None else each.position.next_offset for each in standings]
    return all(offset < next_offsets[partition] for partition, offset in sent)


def _apply(
    second: Catalog, settings: Settings, stack: Stack, store: RedisStore, reader: _Reader, live_s: float
) -> _Applied:
    """Apply a catalog as the command does."""
    began_s = time.perf_counter()
    run = ApplyRun(settings, stack.addresses, SystemClock())
    outcome = check_applicable(second, *run.look(store))
    performed_s = time.perf_counter()
    report = run.perform(store, second, outcome, wait=True, timeout_s=_TIMEOUT_S)
    done_s = time.perf_counter()
    if not report.is_done:
        raise RuntimeError(f"the catalog was not applied: {report.problem}")
    while not _is_quiet(reader.catalog):
        pass
    switch_s = performed_s + report.switched_s
    last_s = max(reader.catalog, default=switch_s)
    return _Applied(began_s - live_s, switch_s - live_s, done_s - live_s, last_s - live_s, len(reader.catalog))


def _has_settled(noted: Sized) -> bool:
    return len(noted) > 0 and _is_quiet(noted)


def _is_quiet(noted: Sized) -> bool:
    """Waits a second; whether nothing was added meanwhile."""
    before = len(noted)
    time.sleep(1.0)
    return before == len(noted)


def _populate(stack: Stack, settings: Settings, users: int) -> int:
    """Put everybody's past into the log. How many records."""
    producer: Any = Producer({"bootstrap.servers": stack.kafka, "linger.ms": 20, "batch.size": 1_000_000})
    clock = SystemClock()
    names = [f"member-{number:06d}" for number in range(users)]
    partitions = (hash_users(names) % PARTITIONS).tolist()
    when = np.datetime_as_string(np.datetime64(clock.now_ms() - 60_000, "ms")) + "Z"
    count = 0
    for number, (name, partition) in enumerate(zip(names, partitions, strict=True)):
        price = 250 if number % _DEAR == 0 else 40
        events = [("Product Viewed", {"category": "home", "price": price})]
        if number % _ORDERS == 0:
            events.append(("Order Completed", {"revenue": 99.5}))
        for event, properties in events:
            value = msgspec.json.encode(
                {"type": "track", "event": event, "userId": name, "timestamp": when, "properties": properties}
            )
            while True:
                try:
                    producer.produce(settings.events_topic, value, name, partition, timestamp=clock.now_ms())
                    break
                except BufferError:
                    producer.poll(0.05)
            count += 1
    if producer.flush(60):
        raise RuntimeError("the past was not taken")
    return count
