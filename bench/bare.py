"""The bare pipeline that the worker is held against: the same I/O, and nothing thought in between.

It consumes the same events with librdkafka, decodes them with msgspec into the same type as the engine's, writes the
rows of the batch's users to Redis, and one value as large as all else that the worker writes there (its outbox above
all), produces the same messages evenly over the run, and commits its offsets. It keeps no state, computes nothing, and
survives nothing. What it reaches is what this machine can do at most.

Run by `bench.worker` as a process of its own: `python -m bench.bare FOLDER`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import redis
from confluent_kafka import Consumer, Producer

from bench.local import EVENTS_TOPIC, PARTITIONS
from stream.embedded import resolve_addresses
from stream.engine.event_types import event_type, fields_of
from stream.engine.murmur import hash_users
from stream.settings import Settings, load_settings
from stream.worker.store import buckets_of

__all__ = ["BareWork", "main"]

_BATCH = 4_000
_WAIT_S = 0.02


class BareWork(msgspec.Struct):
    """What the worker wrote, to be written again. events: how many are to be consumed.

    redis_bytes_an_event: all that the worker sent to Redis.

    properties, traits: names that the catalog reads.  rows: by user.  messages: key, value and headers.
    """

    events: int
    redis_bytes_an_event: float
    properties: list[str]
    traits: list[str]
    rows: dict[str, bytes]
    messages: list[tuple[bytes, bytes, list[tuple[str, bytes]]]]


class _Clients(NamedTuple):
    consumer: Any
    producer: Any
    store: Any


def main(folder: Path) -> None:
    """Consume all events once. The count so far stands in Redis under `{app}:bare`, for whoever measures."""
    work = msgspec.msgpack.decode((folder / "bare.msgpack").read_bytes(), type=BareWork)
    settings = load_settings()
    addresses = resolve_addresses(settings)
    common = {"bootstrap.servers": addresses.kafka}
    clients = _Clients(
        Consumer(
            {
                **common,
                "group.id": settings.app,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "session.timeout.ms": 2_500,
                "heartbeat.interval.ms": 500,
                "fetch.wait.max.ms": 10,
            }
        ),
        Producer({**common, "acks": "all", "linger.ms": 0, "retry.backoff.ms": 20}),
        redis.Redis.from_url(addresses.redis),
    )
    clients.consumer.subscribe([EVENTS_TOPIC])
    _run(work, settings, clients)
    clients.consumer.close()


def _run(work: BareWork, settings: Settings, clients: _Clients) -> None:
    properties = fields_of("Properties", work.properties, [None] * len(work.properties))
    traits = fields_of("Traits", work.traits, [msgspec.UNSET] * len(work.traits))
    event = event_type(properties, traits)
    decode: Any = msgspec.json.Decoder(event).decode
    done = sent = 0
    while done < work.events:
        messages = clients.consumer.consume(_BATCH, _WAIT_S)
        values = [message.value() for message in messages if message.error() is None and message.value()]
        if not values:
            continue
        users = list(dict.fromkeys([decoded.user for decoded in map(decode, values)]))
        _write(clients.store, settings.app, users, work.rows, int(work.redis_bytes_an_event * len(values)))
        due = len(work.messages) * (done + len(values)) // work.events
        for key, value, headers in work.messages[sent:due]:
            clients.producer.produce(settings.segment_changes_topic, value=value, key=key, headers=headers)
        clients.producer.flush()
        clients.consumer.commit(asynchronous=False)
        sent, done = due, done + len(values)
        clients.store.set(f"{settings.app}:bare", done)


def _write(store: Any, app: str, users: list[str], rows: dict[str, bytes], size: int) -> None:
    """Write the users' rows, each partition's buckets together, and something else up to `size` bytes in all."""
    partitions = (hash_users(users) % PARTITIONS).tolist()
    buckets = buckets_of(users, PARTITIONS)
    by_key: dict[str, list[str | bytes]] = {}
    for user, partition, bucket in zip(users, partitions, buckets, strict=True):
        by_key.setdefault(f"{{{app}:{partition}}}:r:{bucket}", []).extend((user, rows.get(user, b"")))
    pipeline = store.pipeline(transaction=False)
    for key, items in by_key.items():
        pipeline.execute_command("HSET", key, *items)
    left = size - sum(len(user) + len(rows.get(user, b"")) for user in users)
    if left > 0:
        pipeline.execute_command("SET", f"{app}:rest", b"x" * left)
    pipeline.execute()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
