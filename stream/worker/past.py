"""The retained events log, read again from its beginning beside the group, for partitions that fill new aggregates."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream.errors import TagstreamError, UnavailableError
from stream.kafka_clients import client_options, error_of, kafka_error

__all__ = ["PastDeletedError", "PastReader"]

log = logging.getLogger("tagstream.worker")

_KEPT_MESSAGES: Final = 20_000
_KEPT_BYTES: Final = 16 * 1024 * 1024
_FETCH: Final = 5_000
_QUEUE_KIB: Final = 16 * 1024
_OUT_OF_RANGE: Final = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})  # noqa: SLF001


class PastDeletedError(TagstreamError):
    """The log was cut while it was being read: what came before is not enough."""


@dataclass(slots=True)
class _Part:
    """end: the offset after the log's end, where it has been read to its end.  next_offset: after the last message."""

    messages: deque[Message] = field(default_factory=deque)
    size: int = 0
    end: int = -1
    deleted: bool = False
    is_paused: bool = False


class PastReader:
    """Reads several partitions, each from an offset of its own. Belongs to one thread; doesn't block."""

    def __init__(self, brokers: str, topic: str, *, app: str, client_id: str, embedded: bool) -> None:
        self._brokers = brokers
        self._topic = topic
        self._parts: dict[int, _Part] = {}
        self._consumer: Any = None
        self._configuration = {
            **client_options(brokers, client_id),
            "group.id": f"{app}.past",  # never joined, never committed to
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "isolation.level": "read_uncommitted" if embedded else "read_committed",
            "queued.max.messages.kbytes": _QUEUE_KIB,
            "error_cb": lambda error: log.debug("librdkafka: %s", error.str()),
        }

    def is_reading(self, partition: int) -> bool:
        return partition in self._parts

    def begin(self, partition: int, offset: int) -> None:
        """Read the partition from this offset on."""
        self.stop(partition)
        self._parts[partition] = _Part()
        self._open().incremental_assign([TopicPartition(self._topic, partition, offset)])

    def stop(self, partition: int) -> None:
        """Read it no more. Idempotent."""
        if self._parts.pop(partition, None) is not None:
            self._consumer.incremental_unassign([TopicPartition(self._topic, partition)])
            if not self._parts:
                self._consumer.close()
                self._consumer = None

    def take(self, partition: int, limit: int, until: int) -> list[Message]:
        """At most `limit` messages that come next and lie below the offset `until`; none if none are there yet.

        Raises PastDeletedError, UnavailableError.
        """
        part = self._parts[partition]
        if len(part.messages) < limit:
            self._fetch()
        if part.deleted:
            raise PastDeletedError(f"The log of partition {partition} was cut while it was being read again.")
        taken: list[Message] = []
        while part.messages and len(taken) < limit and (part.messages[0].offset() or 0) < until:
            taken.append(part.messages.popleft())
            part.size -= len(taken[-1])
        if part.is_paused and len(part.messages) < _KEPT_MESSAGES // 2 and part.size < _KEPT_BYTES // 2:
            part.is_paused = False
            self._consumer.resume([TopicPartition(self._topic, partition)])
        return taken

    def has_passed(self, partition: int, offset: int) -> bool:
        """Whether nothing below the offset is left to take."""
        part = self._parts[partition]
        if part.messages:
            return (part.messages[0].offset() or 0) >= offset
        return part.end >= offset

    def close(self) -> None:
        """Read nothing more. Idempotent."""
        for partition in list(self._parts):
            self.stop(partition)
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _open(self) -> Any:
        if self._consumer is None:
            self._consumer = Consumer(self._configuration)
        return self._consumer

    def _fetch(self) -> None:
        """Take over what the client has fetched meanwhile."""
        try:
            found = self._consumer.consume(_FETCH, 0.0)
        except KafkaException as exception:
            raise kafka_error(error_of(exception), self._brokers) from exception
        for message in found:
            part = self._parts.get(message.partition() or 0)
            if part is None:
                continue
            error = message.error()
            if error is not None:
                self._note(error, message, part)
                continue
            part.messages.append(message)
            part.size += len(message)
        for partition, part in self._parts.items():
            if not part.is_paused and (len(part.messages) >= _KEPT_MESSAGES or part.size >= _KEPT_BYTES):
                part.is_paused = True
                self._consumer.pause([TopicPartition(self._topic, partition)])

    def _note(self, error: KafkaError, message: Message, part: _Part) -> None:
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
            part.end = max(part.end, message.offset() or 0)
        elif error.code() in _OUT_OF_RANGE:
            part.deleted = True
        elif not error.retriable():
            problem = kafka_error(error, self._brokers)
            if not isinstance(problem, UnavailableError):
                raise problem
