"""What has been published already: read back from the topics after Redis or the group's offsets lost something.

Two uses. `missing` finds which messages of an outbox are not there. A `ReplayGuard` leaves out, while records are
processed a second time, what came of them the first time; a change that comes out differently stops the partition.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream.clock import Clock
from stream.embedded import Addresses
from stream.kafka_clients import client_options, error_of, kafka_error
from stream.settings import Settings
from stream.worker.errors import REBUILD, PauseError
from stream.worker.outbox import Outgoing
from stream.worker.position import Committed, Position
from tagstream.topics import EVENTS, EVENTS_DLQ, SEGMENT_CHANGES

__all__ = ["PublishedTopics", "ReplayGuard", "load_guard", "missing", "published_topics"]

log = logging.getLogger("tagstream.worker")

_CALL_S: Final = 5.0
_SILENCE_S: Final = 15.0
_BATCH: Final = 5_000


@dataclass(frozen=True, slots=True)
class PublishedTopics:
    """The topics that steps publish on. topics: name by kind."""

    brokers: str
    app: str
    topics: Mapping[str, str]
    embedded: bool
    clock: Clock

    def read(self, kind: str, start: Mapping[int, int]) -> Iterator[Message]:
        """All messages of a topic from these offsets (the rest from its beginning) to its end as of now.

        Blocks. Raises UnavailableError; PauseError if the topic doesn't reach back so far.
        """
        consumer = Consumer(
            {
                **client_options(self.brokers, f"tagstream-{self.app}-look"),
                "group.id": f"{self.app}.look",  # never joined, never committed to
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "isolation.level": "read_uncommitted" if self.embedded else "read_committed",
            }
        )
        try:
            places = self._places(consumer, self.topics[kind], start)
            consumer.assign(places)
            yield from self._until_ends(consumer, {place.partition for place in places})
        except KafkaException as exception:
            raise kafka_error(error_of(exception), self.brokers) from exception
        finally:
            consumer.close()

    def _places(self, consumer: Any, topic: str, start: Mapping[int, int]) -> list[TopicPartition]:
        described = consumer.list_topics(topic, _CALL_S).topics[topic]
        if described.error is not None:
            raise KafkaException(described.error)
        places = []
        for partition in described.partitions:
            place = TopicPartition(topic, partition, start.get(partition, OFFSET_BEGINNING))
            low, high = consumer.get_watermark_offsets(place, _CALL_S) or (0, 0)
            if place.offset > high:  # the topic was made anew since
                place.offset = OFFSET_BEGINNING
            elif 0 <= place.offset < low:
                raise PauseError(
                    "changes_deleted",
                    f"Redis has lost data, and partition {partition} of {topic} begins at offset {low} only: "
                    f"what was published from offset {place.offset} on can't be looked up.",
                    remedy="Rebuild the partition; keep the topic for longer.",
                )
            places.append(place)
        return places

    def _until_ends(self, consumer: Any, partitions: set[int]) -> Iterator[Message]:
        heard_s = self.clock.monotonic_s()
        while partitions:
            messages = consumer.consume(_BATCH, 0.1)
            if messages:
                heard_s = self.clock.monotonic_s()
            elif self.clock.monotonic_s() - heard_s > _SILENCE_S:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001
            for message in messages:
                error = message.error()
                if error is None:
                    if message.partition() in partitions:
                        yield message
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                    partitions.discard(message.partition())
                elif not error.retriable():
                    raise KafkaException(error)


def published_topics(settings: Settings, addresses: Addresses, clock: Clock) -> PublishedTopics:
    """Those of an app."""
    topics = {
        EVENTS: settings.events_topic,
        SEGMENT_CHANGES: settings.segment_changes_topic,
        EVENTS_DLQ: settings.events_dlq_topic,
    }
    return PublishedTopics(addresses.kafka, settings.app, topics, addresses.embedded, clock)


def missing(topics: PublishedTopics, position: Position, messages: Sequence[Outgoing]) -> list[Outgoing]:
    """Those of the messages that are not on their topics. position: the one that was stored with them."""
    found: set[bytes] = set()
    for kind in {message.kind for message in messages}:
        wanted = {_digest(message.key, message.value) for message in messages if message.kind == kind}
        for there in topics.read(kind, position.published.get(kind, {})):
            digest = _digest(there.key(), there.value() or b"")
            if digest in wanted:
                found.add(digest)
    return [message for message in messages if _digest(message.key, message.value) not in found]


def _digest(key: bytes | None, value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=16, key=(key or b"")[:64]).digest()


class _Data(msgspec.Struct):
    version: int
    incarnation: int


class _Change(msgspec.Struct):
    source: str
    data: _Data


_decode_change = msgspec.json.Decoder(_Change).decode


@dataclass(slots=True)
class ReplayGuard:
    """Knows the changes of a partition that were published since its position was written.

    until: the K that Redis was found behind.  digests: by user and incarnation, by version, of each change read.
    newest: the newest version read, by user and incarnation.
    """

    partition: int
    until: Committed
    digests: dict[tuple[bytes, int], dict[int, bytes]] = field(default_factory=dict)
    newest: dict[tuple[bytes, int], int] = field(default_factory=dict)

    def learn(self, key: bytes, value: bytes) -> None:
        """Take a published change in."""
        data = _decode_change(value).data
        user = (key, data.incarnation)
        self.digests.setdefault(user, {})[data.version] = _digest(key, value)
        self.newest[user] = max(self.newest.get(user, 0), data.version)

    def users(self) -> list[str]:
        """The users whose changes are waited for."""
        return sorted({user.decode() for user, _ in self.digests})

    def forget(self, user: str, incarnation: int, version: int) -> None:
        """What a stored row has counted already isn't computed again: don't wait for it."""
        key = (user.encode(), incarnation)
        left = {number: digest for number, digest in self.digests.pop(key, {}).items() if number > version}
        if left:
            self.digests[key] = left

    def unpublished(self, changes: Sequence[Outgoing]) -> list[Outgoing]:
        """Those of the recomputed changes that were not published yet.

        Raises PauseError if one was published, but differently.
        """
        left = []
        for change in changes:
            key = change.key or b""
            data = _decode_change(change.value).data
            user = (key, data.incarnation)
            if data.version > self.newest.get(user, 0):
                left.append(change)
                continue
            digests = self.digests.get(user, {})
            digest = digests.pop(data.version, None)
            if not digests:
                self.digests.pop(user, None)
            if digest is not None and digest != _digest(key, change.value):
                raise PauseError(
                    "differs_from_published",
                    f"Change {data.version} of user {key.decode(errors='replace')!r} of partition {self.partition}, "
                    "computed again after Redis lost data, differs from the one that was published.",
                    remedy=f"Was the catalog changed under its old version? Start with what it was before. {REBUILD}",
                )
        return left

    def done(self, next_offset: int) -> bool:
        """Whether everything that was published has been passed."""
        return next_offset >= self.until.offset and not self.digests


def load_guard(topics: PublishedTopics, partition: int, position: Position) -> ReplayGuard | None:
    """The guard that a position with a mark asks for. Blocks while the changes are read; raises as `read` does."""
    if position.replay_to is None:
        return None
    guard = ReplayGuard(partition, position.replay_to)
    source = f"/tagstream/{topics.app}/{partition}"
    for message in topics.read(SEGMENT_CHANGES, position.published.get(SEGMENT_CHANGES, {})):
        value = message.value()
        if value is None or source.encode() not in value:
            continue
        try:
            change = _decode_change(value)
        except msgspec.DecodeError:
            log.warning("message %s of %s is no change of ours", message.offset(), message.topic())
            continue
        if change.source == source:
            guard.learn(message.key() or b"", value)
    return guard
