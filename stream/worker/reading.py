"""What others may read of the workers' state: profiles, members, sizes, positions. Changes nothing.

State comes before output: a membership may be seen here a moment before its message is visible.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rules.catalog import Catalog
from stream.embedded import Addresses
from stream.engine import Engine, Profile, row_members
from stream.errors import ConfigurationError, TagstreamError
from stream.settings import Settings
from stream.worker.position import Position, decode_position
from stream.worker.redis_store import RedisStore
from tagstream.partitioning import partition_of

__all__ = ["NothingYetError", "Reader"]


class NothingYetError(TagstreamError):
    """No worker has written anything for this app."""


@dataclass(frozen=True, slots=True)
class Member:
    """A user in a segment, and since when (ms)."""

    user: str
    since_ms: int


class Reader:
    """Reads what the workers of an app keep in Redis. A context manager.

    catalog: the one that the workers run with.  All calls block; they raise UnavailableError if Redis isn't there,
    NothingYetError if no worker has run for the app, ConfigurationError if they run another catalog.
    """

    def __init__(self, settings: Settings, addresses: Addresses, catalog: Catalog) -> None:
        self._settings = settings
        self._addresses = addresses
        self._catalog = catalog
        first = self._open(1)
        try:
            position = self._position(first, 0)
        finally:
            first.close()
        if position is None:
            raise NothingYetError(
                f"No worker has written anything for the app {settings.app} in Redis at {addresses.redis_shown}.",
                remedy="Start one with `tagstream up` or `tagstream worker`, or set TAGSTREAM_APP to the app's name.",
            )
        if (position.catalog, position.catalog_version) != (catalog.name, catalog.version):
            raise ConfigurationError(
                f"The workers run version {position.catalog_version} of the catalog {position.catalog}, "
                f"not version {catalog.version} of {catalog.name}.",
                remedy="Name the catalog that they run with --catalog.",
            )
        self._partition_count = position.partition_count
        self._store = self._open(position.partition_count)
        self._engine: Engine | None = None

    def profile(self, user: str, at_ms: int | None = None) -> Profile | None:
        """One user as of a moment (default: the newest that the row knows of), or None if there is no such user."""
        partition = partition_of(user, self._partition_count)
        (row,) = self._store.rows(partition, [user])
        if row is None:
            return None
        engine = Engine(
            self._catalog,
            app=self._settings.app,
            partition=partition,
            partition_count=self._partition_count,
            row_budget_bytes=1,
        )
        engine.load([user], [row])
        return engine.profiles([user], at_ms)[0]

    def members(self, segment: str) -> Iterator[Member]:
        """The members of a segment, in no order. An indexed segment's come at once, others from a scan of all rows."""
        indexed = self._catalog.segments[segment].indexed
        for partition in range(self._partition_count):
            rows = self._indexed(partition, segment) if indexed else self._store.scan(partition)
            for user, row in rows:
                since_ms = row_members(row, [segment]).get(segment)
                if since_ms is not None:
                    yield Member(user, since_ms)

    def _indexed(self, partition: int, segment: str) -> Iterator[tuple[str, bytes]]:
        users = list(self._store.members(partition, segment))
        for user, row in zip(users, self._store.rows(partition, users), strict=True):
            if row is not None:
                yield user, row

    def sizes(self) -> dict[str, int]:
        """The number of members of each segment of the catalog, in its order."""
        sizes = dict.fromkeys(self._catalog.segments, 0)
        for partition in range(self._partition_count):
            for segment, size in self._store.sizes(partition).items():
                if segment in sizes:
                    sizes[segment] += size
        return sizes

    def positions(self) -> dict[int, Position]:
        """Where each partition stands that has been taken at least once."""
        found = ((partition, self._position(self._store, partition)) for partition in range(self._partition_count))
        return {partition: position for partition, position in found if position is not None}

    def close(self) -> None:
        """Let go of the connection. Idempotent."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, partition_count: int) -> RedisStore:
        return RedisStore(
            self._addresses.redis,
            app=self._settings.app,
            partition_count=partition_count,
            timeout_ms=self._settings.redis_timeout_ms,
        )

    @staticmethod
    def _position(store: RedisStore, partition: int) -> Position | None:
        stored = store.position(partition)
        return None if stored is None else decode_position(stored, partition)
