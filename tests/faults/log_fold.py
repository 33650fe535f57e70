"""The pure fold of a log: what should have come out, computed in one go by one engine per partition.

It shares nothing with the worker but the engine: ticks, forwarded events and time are read off the records anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from rules.catalog import Catalog
from stream.engine import NEVER_MS, Engine, Records, StepResult
from tagstream.ids import dead_letter_id, forward_id

HOUR_MS = 3_600_000


def read_topic(brokers: str, topic: str, *, isolation: str) -> dict[int, list[Message]]:
    """All messages of a topic by partition, in log order."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "fold",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "isolation.level": isolation,
        }
    )
    try:
        partitions = set(consumer.list_topics(topic, 10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        found: dict[int, list[Message]] = {partition: [] for partition in partitions}
        while partitions:
            for message in consumer.consume(5_000, 0.2):
                error = message.error()
                if error is None:
                    found[message.partition() or 0].append(message)
                else:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    partitions.discard(message.partition())
        return found
    finally:
        consumer.close()


def messages_of_topic(partitions: Mapping[int, list[Message]]) -> list[Message]:
    """All of them, partition by partition."""
    return [message for partition in sorted(partitions) for message in partitions[partition]]


@dataclass
class Fold:
    """What comes out of one partition: changes in order, ids of dead letters with reasons, ids of forwards."""

    changes: list[bytes] = field(default_factory=list)
    dead_letters: dict[str, str] = field(default_factory=dict)
    forwards: set[str] = field(default_factory=set)
    sizes: dict[str, int] = field(default_factory=dict)
    rows: dict[str, bytes] = field(default_factory=dict)


def fold(
    catalog: Catalog, messages: list[Message], *, app: str, partition: int, partition_count: int, grace_ms: int
) -> Fold:
    """Run a partition's whole log through one engine, then let time pass to its end."""
    engine = Engine(catalog, app=app, partition=partition, partition_count=partition_count)
    folded = Fold()
    due: dict[str, int] = {}
    watermark_ms = 0
    for records, reached_ms in _batches(messages, grace_ms):
        watermark_ms = reached_ms
        batch = engine.decode(records)
        engine.load(batch.cold, [folded.rows.get(user) for user in batch.cold])
        start = 0
        while start < len(records):
            result = engine.process(batch, start, 1)
            start = result.end
            _keep(folded, due, result)
            for reject in result.rejects:
                folded.dead_letters[dead_letter_id(app, partition, int(records.offsets[reject.index]))] = reject.reason
            folded.forwards |= {forward_id(app, partition, int(records.offsets[i])) for i in result.misplaced}
    while users := [user for user, due_ms in due.items() if due_ms <= watermark_ms]:
        cold = engine.cold(users)
        engine.load(cold, [folded.rows.get(user) for user in cold])
        _keep(folded, due, engine.process_due(users, watermark_ms, 1))
    return folded


def _keep(folded: Fold, due: dict[str, int], result: StepResult) -> None:
    folded.changes += [change.value for change in result.changes]
    folded.rows.update(result.rows)
    for segment, change in result.sizes.items():
        folded.sizes[segment] = folded.sizes.get(segment, 0) + change
    for user, due_ms in result.due:
        due[user] = due_ms
        if due_ms >= NEVER_MS:
            del due[user]


def _batches(messages: list[Message], grace_ms: int, size: int = 1_000) -> Iterator[tuple[Records, int]]:
    """The log in pieces, and the watermark after each."""
    origins: dict[str, int] = {}
    greatest_ms = 0
    kept: list[tuple[Message, int, bool]] = []
    for message in messages:
        time_ms = message.timestamp()[1]
        greatest_ms = max(greatest_ms, time_ms)
        headers = headers_of(message)
        mark = headers.get("tagstream")
        if mark == b"tick":
            assert (message.key(), message.value()) == (None, None)
        elif mark == b"forward":
            partition, offset = headers["tagstream-origin"].decode().split(":")
            if int(offset) > origins.get(partition, -1):
                origins[partition] = int(offset)
                kept.append((message, greatest_ms - grace_ms, True))
        else:
            kept.append((message, greatest_ms - grace_ms, False))
        if len(kept) == size:
            yield _records(kept), greatest_ms - grace_ms
            kept = []
    yield _records(kept), greatest_ms - grace_ms


def _records(kept: list[tuple[Message, int, bool]]) -> Records:
    return Records(
        values=[message.value() for message, _, _ in kept],
        offsets=np.array([message.offset() for message, _, _ in kept], np.int64),
        watermark_ms=np.array([max(watermark_ms, 0) for _, watermark_ms, _ in kept], np.int64),
        horizon_ms=np.array([message.timestamp()[1] + HOUR_MS for message, _, _ in kept], np.int64),
        forwarded=np.array([forwarded for _, _, forwarded in kept], np.bool_),
    )


def headers_of(message: Message) -> Mapping[str, bytes]:
    headers = message.headers() or []
    assert isinstance(headers, list)
    return {name: value for name, value in headers if isinstance(value, bytes)}
