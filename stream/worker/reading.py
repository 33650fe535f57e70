"""What others may read of the workers' state: profiles, standings, members, sizes, positions. Changes nothing.

State comes before output: a membership may be seen here a moment before its message is visible. While a new catalog or
model is on its way, each partition is read with what it runs, and a row that the walk has not come to yet is shown as
it will be brought over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from rules.catalog import Catalog
from rules.program import Program, compile_catalog
from stream.embedded import Addresses
from stream.engine import Engine, Profile, RowFormatError, Standing, StepResult, row_members
from stream.engine.rows import row_levels
from stream.errors import ConfigurationError, TagstreamError
from stream.models import PublishedModels, read_models
from stream.settings import Settings
from stream.worker.errors import PauseError
from stream.worker.position import Position, decode_position
from stream.worker.redis_store import RedisStore
from stream.worker.row_headers import is_stale
from stream.worker.store import BUCKETS
from tagstream.partitioning import partition_of

__all__ = ["CatalogOf", "Member", "NothingYetError", "Reader", "only"]

CatalogOf = Callable[[str, int, str], Catalog]
"""The catalog of a name and version, of the installation with that id of the events topic; ConfigurationError if it is
not to be had."""

_PARTITIONS_TRIED: Final = 64
"""Positions looked for until one can be read; all name the number of partitions."""
_ROWS_AT_ONCE: Final = 500
_Item = TypeVar("_Item")
_ProgramKey = tuple[int, int | None, tuple[tuple[str, int], ...]]
_NOTHING: Final[Mapping[str, bytes | None]] = {}


class NothingYetError(TagstreamError):
    """No worker has written anything for this app."""


class UnreadableRowError(TagstreamError):
    """A stored row is of a format that this program does not know."""


@dataclass(frozen=True, slots=True)
class Member:
    """A user in a segment or on a level, and since when (ms)."""

    user: str
    since_ms: int


def only(catalog: Catalog) -> CatalogOf:
    """For a reader that is to know one catalog alone."""

    def catalog_of(name: str, version: int, _: str) -> Catalog:
        if (name, version) != (catalog.name, catalog.version):
            raise ConfigurationError(
                f"The workers run version {version} of the catalog {name}, "
                f"not version {catalog.version} of {catalog.name}.",
                remedy="Name the catalog that they run with --catalog.",
            )
        return catalog

    return catalog_of


class Reader:
    """Reads what the workers of an app keep in Redis. A context manager.

    catalogs: the catalog that the workers run, or where to find it by name and version. Snapshots of models in force
    are read from their topic when they are needed first.  All calls block; they raise UnavailableError if a server
    isn't there, NothingYetError if no worker has run for the app, ConfigurationError if the catalog or a snapshot in
    force is not to be had, UnreadableRowError and PauseError for what can't be read.
    """

    def __init__(self, settings: Settings, addresses: Addresses, catalogs: Catalog | CatalogOf) -> None:
        self._settings = settings
        self._addresses = addresses
        self._catalog_of = only(catalogs) if isinstance(catalogs, Catalog) else catalogs
        self._programs: dict[_ProgramKey, Program] = {}
        self._models: PublishedModels | None = None
        self._store = self._open(settings.partitions)
        try:
            position = self._any_position()
            self._partition_count = position.partition_count
            if self._partition_count != settings.partitions:
                self._store.close()
                self._store = self._open(self._partition_count)
            self.catalog = self._catalog_of(position.catalog, position.catalog_version, position.topic_id)
            """The catalog of the first partition that can be read; while a new one comes others may have another."""
        except BaseException:
            self.close()
            raise

    def profile(self, user: str, at_ms: int | None = None) -> Profile | None:
        """One user as of a moment (default: the newest that the row knows of), or None if there is no such user."""
        engine = self._engine_with(user, self.position_of(user))
        return None if engine is None else engine.profiles([user], at_ms)[0]

    def standing(
        self, user: str, part: Callable[[Catalog], Catalog] | None = None
    ) -> tuple[Catalog, Position, Standing] | None:
        """All that is known of a user, as far as time has passed for the user; None if there is no such user.

        part: makes the part of the catalog that is of interest, which is quicker than all of it.
        """
        position = self.position_of(user)
        engine = self._engine_with(user, position, part)
        if engine is None:
            return None
        return self.catalog_of(position), position, engine.standing_of(user, max(position.watermark_ms, 0))

    def catalog_of(self, position: Position) -> Catalog:
        """The catalog that a partition runs."""
        return self._catalog_of(position.catalog, position.catalog_version, position.topic_id)

    def snapshots_of(self, position: Position) -> dict[str, Mapping[str, Any]]:
        """By model, the snapshot that a partition evaluates with. Blocks the first time that there is one."""
        found: dict[str, Mapping[str, Any]] = {}
        for name, version in position.model_versions.items():
            if self._models is None or version not in self._models.versions(name):
                self._models = read_models(self._settings, self._addresses)
            try:
                found[name] = self._models.record(name, version)
            except KeyError as error:
                raise ConfigurationError(
                    f"The workers evaluate with the snapshot {name}@{version}, and the topic "
                    f"{self._settings.models_topic} does not have it.",
                    remedy="It was deleted, or the topic was made anew: publish that version again.",
                ) from error
        return found

    def pages(self, partition: int, position: Position, rows_at_once: int) -> Iterator[tuple[int, dict[str, bytes]]]:
        """All rows of a partition under the catalog that it runs, stale ones brought over, some at a time.

        Yields how many of the `BUCKETS` have been read, and users with their rows; each time Redis has been asked for
        about `rows_at_once` rows, and is asked for no more until the next are wanted.
        """
        lengths = self._store.bucket_lengths(partition)
        start = 0
        while start < BUCKETS:
            end, count = start, 0
            while end < BUCKETS and (end == start or count + lengths[end] <= rows_at_once):
                count += lengths[end]
                end += 1
            rows = dict(pair for bucket in self._store.buckets(partition, range(start, end)) for pair in bucket)
            stale = {user: row for user, row in rows.items() if _is_stale(row, position)}
            if stale:
                rows |= dict(self._brought_over(partition, position, stale)[1].rows)
            start = end
            yield end, rows

    def members(self, name: str, level: str | None = None) -> Iterator[Member]:
        """The members of a segment, or the users on a level of a tier, in no order.

        Those of an indexed segment come at once, others from a scan of all rows.
        """
        for partition, position in self.positions().items():
            catalog = self.catalog_of(position)
            segment = catalog.segments.get(name)
            if segment is None and name not in catalog.tiers:
                continue
            # While the walk is under way the sets do not have everybody yet.
            is_indexed = segment is not None and segment.indexed and position.walk is None
            rows = self._indexed(partition, name) if is_indexed else self._store.scan(partition)
            for some in _batches(rows):
                fresh = [(user, row) for user, row in some if not _is_stale(row, position)]
                for user, row in fresh:
                    since_ms = _since(row, catalog, name, level)
                    if since_ms is not None:
                        yield Member(user, since_ms)
                stale = dict(some)
                for user, _ in fresh:
                    del stale[user]
                if stale:
                    yield from self._stale_members(partition, position, stale, name, level)

    def sizes(self) -> dict[str, int]:
        """How many users are in each segment and, as `tier=level`, on each level of the catalog, in its order."""
        sizes = dict.fromkeys(self.catalog.segments, 0)
        for tier in self.catalog.tiers.values():
            sizes |= {f"{tier.name}={level}": 0 for level in tier.levels}
        for partition in range(self._partition_count):
            for name, size in self._store.sizes(partition).items():
                if name in sizes:
                    sizes[name] += size
        return sizes

    def positions(self) -> dict[int, Position]:
        """Where each partition stands that has been taken at least once; without those that can't be read."""
        found = {}
        for partition in range(self._partition_count):
            try:
                position = self._position(partition)
            except PauseError:
                continue
            if position is not None:
                found[partition] = position
        return found

    def position_of(self, user: str) -> Position:
        """Where the user's partition stands. PauseError if that can't be read."""
        partition = partition_of(user, self._partition_count)
        position = self._position(partition)
        if position is None:
            raise NothingYetError(
                f"No worker has written anything yet for partition {partition}, where {user!r} belongs.",
                remedy="Wait until the workers have taken all partitions; `tagstream lag` shows them.",
            )
        return position

    def close(self) -> None:
        """Let go of the connection. Idempotent."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Rows

    def _engine_with(
        self, user: str, position: Position, part: Callable[[Catalog], Catalog] | None = None
    ) -> Engine | None:
        """An engine that holds the user's row, brought over if it is stale; None if there is no such user."""
        partition = partition_of(user, self._partition_count)
        (row,) = self._store.rows(partition, [user])
        if row is None:
            return None
        if part is None or _is_stale(row, position):
            return self._brought_over(partition, position, {user: row})[0]
        catalog = part(self.catalog_of(position))
        snapshots = {name: each for name, each in self.snapshots_of(position).items() if name in catalog.models}
        engine = self._new_engine(partition, position, compile_catalog(catalog, None, snapshots))
        _load(engine, {user: row})
        return engine

    def _brought_over(self, partition: int, position: Position, rows: Mapping[str, bytes]) -> tuple[Engine, StepResult]:
        """A throwaway engine with some rows of a partition, and what bringing over the stale ones has come to."""
        users = list(rows)
        stale = [user for user in users if _is_stale(rows[user], position)]
        engine = self._new_engine(partition, position, self._program(position, is_taking_over=bool(stale)))
        # What is filled for the next catalog lies in the same place: only the walk's own is meant.
        is_filled = bool(stale) and position.walk is not None and position.walk.filled
        _load(engine, rows, dict(zip(stale, self._store.filled(partition, stale), strict=True)) if is_filled else {})
        return engine, engine.bring_over(stale, 0)

    def _new_engine(self, partition: int, position: Position, program: Program) -> Engine:
        return Engine(
            program,
            app=self._settings.app,
            partition=partition,
            partition_count=self._partition_count,
            row_budget_bytes=1,
            switched_ms=None if position.switch is None else position.switch.watermark_ms,
            models_stamp=position.models_stamp,
        )

    def _program(self, position: Position, *, is_taking_over: bool) -> Program:
        previous = position.taken_over if is_taking_over else None
        key = (position.catalog_version, previous, tuple(sorted(position.model_versions.items())))
        if key not in self._programs:
            before = None if previous is None else self._catalog_of(position.catalog, previous, position.topic_id)
            snapshots = self.snapshots_of(position)
            self._programs[key] = compile_catalog(self.catalog_of(position), before, snapshots)
        return self._programs[key]

    def _stale_members(
        self, partition: int, position: Position, rows: Mapping[str, bytes], name: str, level: str | None
    ) -> Iterator[Member]:
        engine, _ = self._brought_over(partition, position, rows)
        for profile in engine.profiles(list(rows)):
            if level is None:
                if name in profile.since_ms:
                    yield Member(profile.user, profile.since_ms[name])
            elif profile.levels.get(name) == level:
                since_ms = engine.standing_of(profile.user, 0).units[name].since_ms
                yield Member(profile.user, since_ms or 0)

    def _indexed(self, partition: int, segment: str) -> Iterator[tuple[str, bytes]]:
        for users in _batches(self._store.members(partition, segment)):
            for user, row in zip(users, self._store.rows(partition, users), strict=True):
                if row is not None:
                    yield user, row

    # Positions

    def _any_position(self) -> Position:
        """The first position that can be read. Raises NothingYetError if there is none at all."""
        unreadable: PauseError | None = None
        for partition in range(_PARTITIONS_TRIED):
            try:
                position = self._position(partition)
            except PauseError as error:
                unreadable = unreadable or error
                continue
            if position is not None:
                return position
        if unreadable is not None:
            raise unreadable
        raise NothingYetError(
            f"No worker has written anything for the app {self._settings.app} in Redis at "
            f"{self._addresses.redis_shown}.",
            remedy="Start one with `tagstream up` or `tagstream worker`, or set TAGSTREAM_APP to the app's name.",
        )

    def _position(self, partition: int) -> Position | None:
        stored = self._store.position(partition)
        return None if stored is None else decode_position(stored, partition)

    def _open(self, partition_count: int) -> RedisStore:
        return RedisStore(
            self._addresses.redis,
            app=self._settings.app,
            partition_count=partition_count,
            timeout_ms=self._settings.redis_timeout_ms,
        )


def _load(engine: Engine, rows: Mapping[str, bytes], filled: Mapping[str, bytes | None] = _NOTHING) -> None:
    """Put rows into an engine, each with what a backfill has of it."""
    users = list(rows)
    try:
        engine.load(users, [rows[user] for user in users], [filled.get(user) for user in users] if filled else None)
    except RowFormatError as error:
        raise _unreadable(error) from error


def _is_stale(row: bytes, position: Position) -> bool:
    try:
        return is_stale(row, position)
    except RowFormatError as error:
        raise _unreadable(error) from error


def _batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """The items in lists of at most `_ROWS_AT_ONCE`."""
    rest = iter(items)
    while some := list(islice(rest, _ROWS_AT_ONCE)):
        yield some


def _since(row: bytes, catalog: Catalog, name: str, level: str | None) -> int | None:
    """Since when the user of a row is in the segment, or on the level; None if it isn't."""
    if level is None:
        return row_members(row, [name]).get(name)
    found = row_levels(row, {name: list(catalog.tiers[name].levels)}).get(name)
    return found[1] if found is not None and found[0] == level else None


def _unreadable(error: RowFormatError) -> UnreadableRowError:
    return UnreadableRowError(
        f"A user's row in Redis can't be read: {error}.",
        remedy="A newer version of Tagstream wrote it: upgrade this one.",
    )
