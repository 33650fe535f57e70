"""The catalogs of an app: the compacted topic `catalog`, where the text of every version stays.

A version is published once. Should two be published under one key at the same moment, the first one is it, for
everybody who reads the topic.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from importlib import metadata
from types import TracebackType
from typing import Any, Final, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from rules.catalog import Catalog, parse_catalog
from rules.errors import CatalogError
from stream.clock import Clock, SystemClock
from stream.embedded import Addresses
from stream.errors import ConfigurationError, TagstreamError
from stream.kafka_clients import client_options, error_of, kafka_error
from stream.settings import Settings
from tagstream.contracts.catalogs import CATALOG_FORMAT, AppliedCatalog, encode_applied_catalog, parse_applied_catalog
from tagstream.contracts.timestamps import from_ms, to_ms
from tagstream.errors import InvalidMessageError

__all__ = [
    "AppliedCatalogs",
    "CatalogFollower",
    "UnreadableCatalogError",
    "publish_catalog",
    "read_catalogs",
    "written_by",
]

log = logging.getLogger("tagstream.catalogs")

_CALL_S: Final = 5.0
_SILENCE_S: Final = 15.0
_FOLLOW_S: Final = 0.2
_READ_S: Final = 0.01  # the embedded broker waits it out, even where there is something
_AGAIN_S: Final = 1.0
_BATCH: Final = 100
_MESSAGE_BYTES: Final = 4_194_304


class UnreadableCatalogError(ConfigurationError):
    """A catalog was applied that this version of tagstream can't read."""


def written_by() -> str:
    """The version of tagstream that runs here."""
    try:
        return metadata.version("tagstream")
    except metadata.PackageNotFoundError:  # a checkout that was never installed
        return "(a checkout)"


class AppliedCatalogs:
    """The catalogs of one app as far as they have been read, by version. Safe to share between threads.

    All have one name, that of the first; what is published under another is passed over.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._lock = threading.Lock()
        self._values: dict[int, bytes] = {}
        self._catalogs: dict[int, Catalog] = {}
        self.name: str | None = None

    @property
    def versions(self) -> list[int]:
        """In the order in which they were applied, which is ascending but for two at the same moment."""
        with self._lock:
            return list(self._values)

    @property
    def first(self) -> int | None:
        """The version that the app began with."""
        return next(iter(self.versions), None)

    @property
    def newest(self) -> int | None:
        """The greatest version."""
        return max(self.versions, default=None)

    def add(self, message: Message) -> None:
        """Take a record of the topic in. Raises UnreadableCatalogError for one whose key doesn't tell what it is."""
        key, value = message.key(), message.value()
        name, _, digits = (key or b"").decode(errors="replace").rpartition("@")
        if not (name and digits.isascii() and digits.isdecimal()):
            raise self._unreadable(f"with the key {key!r}", "this version of tagstream writes none such")
        with self._lock:
            self.name = self.name or name
            if name != self.name:
                log.warning("%s: %s@%s is passed over, the app's catalog is %s", self._topic, name, digits, self.name)
            elif value is None:
                self._values.pop(int(digits), None)
            else:
                self._values.setdefault(int(digits), value)

    def record(self, version: int) -> AppliedCatalog:
        """A version as it was published. KeyError if it wasn't; UnreadableCatalogError."""
        with self._lock:
            value = self._values[version]
        what = f"{self.name}@{version}"
        try:
            record = parse_applied_catalog(value)
        except InvalidMessageError as error:
            raise self._unreadable(what, str(error)) from error
        if (record.name, record.version) != (self.name, version):
            raise self._unreadable(what, f"it says it is {record.name}@{record.version}", record.written_by)
        if record.format > CATALOG_FORMAT:
            raise self._unreadable(what, f"its format is {record.format}", record.written_by)
        return record

    def catalog(self, version: int) -> Catalog:
        """A version, parsed. KeyError if it wasn't published; UnreadableCatalogError."""
        found = self._catalogs.get(version)
        if found is None:
            record = self.record(version)
            try:
                # Without the search for conditions that can't hold: what was applied runs, whatever a newer `check`
                # thinks of it.
                found = parse_catalog(record.text, f"{record.name}@{record.version}", with_lint=False)
            except CatalogError as error:
                raise self._unreadable(f"{record.name}@{version}", str(error), record.written_by) from error
            self._catalogs[version] = found
        return found

    def applied_ms(self, version: int) -> int:
        """When a version was applied, in ms. Raises as `record` does."""
        return to_ms(self.record(version).applied_at)

    def _unreadable(self, what: str, why: str, by: str | None = None) -> UnreadableCatalogError:
        writer = "" if by is None else f"tagstream {by} wrote it, this is {written_by()}; "
        return UnreadableCatalogError(
            f"The catalog {what} on the topic {self._topic} can't be read: {writer}{why.rstrip('.')}.",
            remedy="If a newer version of tagstream wrote it, upgrade this one.",
        )


def read_catalogs(settings: Settings, addresses: Addresses) -> AppliedCatalogs:
    """Everything that has been applied, as of now. Blocks.

    Raises UnavailableError; ConfigurationError if the topic isn't there.
    """
    catalogs = AppliedCatalogs(settings.catalog_topic)
    clock = SystemClock()
    with _Reading(settings, addresses, fetch_wait_s=_READ_S) as reading:
        heard_s = clock.monotonic_s()
        while not reading.at_end:
            for message in reading.messages(_READ_S):
                heard_s = clock.monotonic_s()
                catalogs.add(message)
            if clock.monotonic_s() - heard_s > _SILENCE_S:
                raise kafka_error(KafkaError(KafkaError._TIMED_OUT), addresses.kafka)  # noqa: SLF001
    return catalogs


def publish_catalog(settings: Settings, addresses: Addresses, catalog: Catalog, clock: Clock) -> None:
    """Publish a catalog's text. Blocks until it is there. Not idempotent: look first what has been applied.

    Raises UnavailableError, or ConfigurationError if Kafka refuses.
    """
    now_ms = clock.now_ms()
    record = AppliedCatalog(
        format=CATALOG_FORMAT,
        name=catalog.name,
        version=catalog.version,
        text=catalog.text,
        applied_at=from_ms(now_ms),
        written_by=written_by(),
    )
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failures.append(error)

    producer: Any = Producer(
        {
            **client_options(addresses.kafka, f"tagstream-{settings.app}-catalog"),
            "acks": "all",
            "linger.ms": 0,
            "message.max.bytes": _MESSAGE_BYTES,
            "message.timeout.ms": int(_SILENCE_S * 1000),
            "error_cb": _log_error,
        }
    )
    try:
        producer.produce(
            settings.catalog_topic,
            encode_applied_catalog(record),
            record.key,
            partition=0,
            timestamp=now_ms,
            on_delivery=delivered,
        )
        left = producer.flush(_SILENCE_S + _CALL_S)
    except KafkaException as exception:
        raise kafka_error(error_of(exception), addresses.kafka) from exception
    if failures or left:
        error = failures[0] if failures else KafkaError(KafkaError._TIMED_OUT)  # noqa: SLF001
        raise kafka_error(error, addresses.kafka)


class CatalogFollower:
    """Reads the topic by a thread of its own, from its start, for as long as it is open.

    caught_up: set once it has been read to its end.  problem: what ended the thread, if anything did.
    """

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self.catalogs = AppliedCatalogs(settings.catalog_topic)
        self.caught_up = threading.Event()
        self.problem: TagstreamError | None = None
        self._settings = settings
        self._addresses = addresses
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tagstream-catalogs")

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
                log.debug("the catalogs can't be followed: %s", error)
                self._end.wait(_AGAIN_S)

    def _follow(self) -> None:
        with _Reading(self._settings, self._addresses, fetch_wait_s=_FOLLOW_S) as reading:
            while not self._end.is_set():
                for message in reading.messages(_FOLLOW_S):
                    self.catalogs.add(message)
                if reading.at_end:
                    self.caught_up.set()


class _Reading:
    """A consumer of the topic from its start, in no group. A context manager."""

    def __init__(self, settings: Settings, addresses: Addresses, *, fetch_wait_s: float) -> None:
        self._topic = settings.catalog_topic
        self._brokers = addresses.kafka
        self._consumer: Any = Consumer(
            {
                **client_options(addresses.kafka, f"tagstream-{settings.app}-catalogs"),
                "group.id": f"{settings.app}.catalogs",  # never joined, never committed to
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
