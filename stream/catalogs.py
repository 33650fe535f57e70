"""The catalogs of an app: the compacted topic `catalog`, where the text of every version stays.

A version is published once. Should two be published under one key at the same moment, the first one is it, for
everybody who reads the topic.
"""

from __future__ import annotations

import logging
import threading

from confluent_kafka import Message

from rules.catalog import Catalog, parse_catalog
from rules.errors import CatalogError
from stream.clock import Clock
from stream.compacted import Follower, publish_record, read_topic, written_by
from stream.embedded import Addresses
from stream.errors import ConfigurationError
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
]

_VERSION_DIGITS = 15

log = logging.getLogger("tagstream.catalogs")


class UnreadableCatalogError(ConfigurationError):
    """A catalog was applied that this version of tagstream can't read."""


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
        if not (name and digits.isascii() and digits.isdecimal() and len(digits) <= _VERSION_DIGITS):
            raise self._unreadable(f"with the key {(key or b'')[:100]!r}", "this version of tagstream writes none such")
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
    read_topic(addresses, settings.catalog_topic, _client_id(settings), catalogs.add)
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
    value = encode_applied_catalog(record)
    publish_record(addresses, settings.catalog_topic, _client_id(settings), record.key, value, now_ms)


class CatalogFollower(Follower):
    """Reads the topic by a thread of its own for as long as it is open. catalogs: what has been read."""

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self.catalogs = AppliedCatalogs(settings.catalog_topic)
        super().__init__(addresses, settings.catalog_topic, _client_id(settings), self.catalogs.add)


def _client_id(settings: Settings) -> str:
    return f"tagstream-{settings.app}-catalogs"
