"""Reading and writing a compacted topic: all of it from its start, once or for as long as somebody follows it.

What the records mean is for `catalogs` and `models` to say.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from types import TracebackType
from typing import Any, Final, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from stream.clock import SystemClock
from stream.embedded import Addresses
from stream.errors import ConfigurationError, TagstreamError
from stream.kafka_clients import client_options, error_of, kafka_error

__all__ = ["Follower", "publish_record", "read_topic", "written_by"]

log = logging.getLogger("tagstream.compacted")

_CALL_S: Final = 5.0
_SILENCE_S: Final = 15.0
_FOLLOW_S: Final = 0.2
_READ_S: Final = 0.01  # the embedded broker waits it out, even where there is something
_AGAIN_S: Final = 1.0
_BATCH: Final = 100
_MESSAGE_BYTES: Final = 8_388_608


def written_by() -> str:
    """The version of tagstream that runs here."""
    try:
        return metadata.version("tagstream")
    except metadata.PackageNotFoundError:  # a checkout that was never installed
        return "(a checkout)"


def read_topic(addresses: Addresses, topic: str, client_id: str, add: Callable[[Message], None]) -> None:
    """Hand every record of a topic to `add`, as of now. Blocks.

    Raises UnavailableError; ConfigurationError if the topic isn't there; what `add` raises.
    """
    clock = SystemClock()
    with _Reading(addresses, topic, client_id, fetch_wait_s=_READ_S) as reading:
        heard_s = clock.monotonic_s()
        while not reading.at_end:
            for message in reading.messages(_READ_S):
                heard_s = clock.monotonic_s()
                add(message)
            if clock.monotonic_s() - heard_s > _SILENCE_S:
                raise kafka_error(KafkaError(KafkaError._TIMED_OUT), addresses.kafka)  # noqa: SLF001


def publish_record(
    addresses: Addresses,
    topic: str,
    client_id: str,
    key: bytes,
    value: bytes | None,
    time_ms: int,
    *,
    idempotent: bool = False,
) -> None:
    """Publish a record on the topic's first partition; no value takes the key away. Blocks until it is there.

    idempotent: it is there once, also where the client had to try twice.

    Raises UnavailableError, or ConfigurationError if Kafka refuses.
    """
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failures.append(error)

    producer: Any = Producer(
        {
            **client_options(addresses.kafka, client_id),
            "acks": "all",
            "enable.idempotence": idempotent,
            "linger.ms": 0,
            "message.max.bytes": _MESSAGE_BYTES,
            "message.timeout.ms": int(_SILENCE_S * 1000),
            "error_cb": _log_error,
        }
    )
    try:
        producer.produce(topic, value, key, partition=0, timestamp=time_ms, on_delivery=delivered)
        left = producer.flush(_SILENCE_S + _CALL_S)
    except KafkaException as exception:
        raise kafka_error(error_of(exception), addresses.kafka) from exception
    if failures or left:
        error = failures[0] if failures else KafkaError(KafkaError._TIMED_OUT)  # noqa: SLF001
        raise kafka_error(error, addresses.kafka)


class Follower:
    """Hands a topic's records to `add` by a thread of its own, from the topic's start, for as long as it is open.

    After an error that may pass it begins again from the start: `add` must bear with records that come again.
    caught_up: set once the topic has been read to its end.  problem: what ended the thread, if anything did.
    """

    def __init__(self, addresses: Addresses, topic: str, client_id: str, add: Callable[[Message], None]) -> None:
        self.caught_up = threading.Event()
        self.problem: TagstreamError | None = None
        self._addresses = addresses
        self._topic = topic
        self._client_id = client_id
        self._add = add
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follow-{topic}")

    def start(self) -> None:
        """Begin to read. Once."""
        self._thread.start()

    def close(self) -> None:
        """Read no more. Idempotent."""
        self._end.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self._follow()
            except TagstreamError as error:
                if not error.retriable:
                    self.problem = error
                    self.caught_up.set()
                    return
                log.debug("the topic %s can't be followed: %s", self._topic, error)
                self._end.wait(_AGAIN_S)
            except Exception as error:  # the thread's outer loop: whoever waits for it must hear of it
                log.debug("the topic %s can't be followed", self._topic, exc_info=error)
                self.problem = TagstreamError(
                    f"The topic {self._topic} can't be read: {type(error).__name__}: {error}.",
                    remedy="Something was written to it that this version of tagstream does not bear with.",
                )
                self.caught_up.set()
                return

    def _follow(self) -> None:
        with _Reading(self._addresses, self._topic, self._client_id, fetch_wait_s=_FOLLOW_S) as reading:
            while not self._end.is_set():
                for message in reading.messages(_FOLLOW_S):
                    self._add(message)
                if reading.at_end:
                    self.caught_up.set()


class _Reading:
    """A consumer of a topic from its start, in no group. A context manager."""

    def __init__(self, addresses: Addresses, topic: str, client_id: str, *, fetch_wait_s: float) -> None:
        self._topic = topic
        self._brokers = addresses.kafka
        self._consumer: Any = Consumer(
            {
                **client_options(addresses.kafka, client_id),
                "group.id": client_id,  # never joined, never committed to
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_uncommitted" if addresses.embedded else "read_committed",
                "fetch.wait.max.ms": int(fetch_wait_s * 1000),
                "error_cb": _log_error,
            }
        )
        self._unread: set[int] = set()

    @property
    def at_end(self) -> bool:
        """Whether every partition has been read to its end."""
        return not self._unread

    def __enter__(self) -> Self:
        try:
            self._unread = set(self._partitions())
            self._consumer.assign([TopicPartition(self._topic, each, OFFSET_BEGINNING) for each in self._unread])
        except KafkaException as exception:
            self._consumer.close()
            raise kafka_error(error_of(exception), self._brokers) from exception
        except BaseException:
            self._consumer.close()
            raise
        return self

    def _partitions(self) -> Iterable[int]:
        described = self._consumer.list_topics(self._topic, _CALL_S).topics[self._topic]
        if described.error is None:
            return list(described.partitions)
        if described.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise ConfigurationError(f"{self._topic}: The topic is not there.", remedy="Run `tagstream topics create`.")
        raise KafkaException(described.error)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def messages(self, timeout_s: float) -> Iterator[Message]:
        """What comes within the timeout, perhaps nothing."""
        try:
            found = self._consumer.consume(_BATCH, timeout_s)
        except KafkaException as exception:
            raise kafka_error(error_of(exception), self._brokers) from exception
        for message in found:
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                self._unread.discard(message.partition())
            elif not error.retriable():
                raise kafka_error(error, self._brokers)


def _log_error(error: KafkaError) -> None:
    log.debug("librdkafka: %s", error.str())
