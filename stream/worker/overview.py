"""Where every partition of an app stands, for people and for `apply`: positions, and what workers say of themselves.

Changes nothing, and bears with whatever it finds: a position that can't be read is one line of it, not its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stream.embedded import Addresses
from stream.settings import Settings
from stream.worker.errors import PauseError
from stream.worker.position import Position, decode_position
from stream.worker.redis_store import RedisStore
from stream.worker.reports import Pause, Report, read_reports
from stream.worker.store import Store

__all__ = ["Overview", "PartitionStanding", "look_over", "open_store"]


@dataclass(frozen=True, slots=True)
class PartitionStanding:
    """One partition. position: None if no worker ever took it, or if it can't be read.

    owner, stage: the worker that has it, and how far that is with it.  pause: why it can't go on.
    """

    partition: int
    position: Position | None
    owner: str | None = None
    stage: str | None = None
    pause: Pause | None = None

    def is_prepared(self, version: int) -> bool:
        """Whether it holds a version of the catalog and may be switched to it at once, or has been."""
        position = self.position
        if position is None:
            return False
        backfill = position.backfill
        return position.catalog_version >= version or (
            backfill is not None
            and (backfill.version, backfill.base) == (version, position.catalog_version)
            and backfill.caught_up
            and position.walk is None
        )

    def has_switched(self, version: int) -> bool:
        """Whether it runs a version, or a newer one, and has visited all rows."""
        position = self.position
        return position is not None and position.catalog_version >= version and position.walk is None


@dataclass(frozen=True, slots=True)
class Overview:
    """partitions: all of the events topic, in order.  workers: those that are alive, by name."""

    partitions: tuple[PartitionStanding, ...]
    workers: dict[str, Report]

    @property
    def positions(self) -> list[Position]:
        """Those that can be read."""
        return [each.position for each in self.partitions if each.position is not None]

    @property
    def running_version(self) -> int | None:
        """The newest version of the catalog that any partition runs."""
        return max((position.catalog_version for position in self.positions), default=None)

    @property
    def previous_version(self) -> int | None:
        """The version before that one, as far as partitions know it."""
        running = self.running_version
        found = [each.switch.previous for each in self.positions if each.switch and each.catalog_version == running]
        return max((version for version in found if version is not None), default=None)

    def paused(self) -> Iterator[PartitionStanding]:
        """The partitions that can't go on."""
        return (each for each in self.partitions if each.pause is not None)


def open_store(settings: Settings, addresses: Addresses, partition_count: int) -> RedisStore:
    """The app's store; to be closed."""
    return RedisStore(
        addresses.redis, app=settings.app, partition_count=partition_count, timeout_ms=settings.redis_timeout_ms
    )


def look_over(store: Store, partition_count: int) -> Overview:
    """Look at all partitions. Blocks. Raises UnavailableError."""
    workers = read_reports(store)
    owners = {partition: name for name, report in workers.items() for partition in report.partitions}
    standings = []
    for partition in range(partition_count):
        owner = owners.get(partition)
        report = workers[owner] if owner is not None else None
        pause = None if report is None else report.paused.get(partition)
        position: Position | None = None
        try:
            stored = store.position(partition)
            position = None if stored is None else decode_position(stored, partition)
        except PauseError as error:
            pause = pause or Pause(error.reason, error.message, error.remedy)
        stage = None if report is None else report.partitions.get(partition)
        standings.append(PartitionStanding(partition, position, owner, stage, pause))
    return Overview(tuple(standings), workers)
