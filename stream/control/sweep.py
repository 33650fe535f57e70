"""Old snapshots are deleted once nothing can come to need them; see `unneeded` for why that is so.

A snapshot is needed by whoever evaluates with it, or may yet: a partition at its position, and one that starts at the
beginning of the log that is still there, because Redis was lost or is to be refilled. Both only ever ask for the newest
snapshot of a declaration, up to the newest version that was switched to (`stream.worker.in_force`), and that version
never goes back. So of the snapshots of one declaration all can go that are older than the newest one which was in force
in every partition's position, and at the beginning of every partition's log, already.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import closing
from typing import Final

from stream.clock import Clock
from stream.compacted import publish_record
from stream.embedded import Addresses
from stream.errors import TagstreamError
from stream.models import PublishedModels, UnreadableModelError, read_models
from stream.settings import Settings
from stream.worker.in_force import reached_at_the_start
from stream.worker.lookup import new_lookup
from stream.worker.overview import Overview, look_over, open_store
from stream.worker.position import Position

__all__ = ["Sweep", "unneeded"]

log = logging.getLogger("tagstream.control")

_FIRST_S: Final = 60.0
_EVERY_S: Final = 3_600.0
_SWITCHED_WITHIN_MS: Final = 3_600_000
"""A snapshot's switch records are written right after it; if its process died in between, at the next start."""


def unneeded(models: PublishedModels, begins_ms: Iterable[int], positions: Iterable[Position]) -> list[tuple[str, int]]:
    """The snapshots that nobody can come to need any more: models and versions.

    begins_ms: the log time at the beginning of the log of each partition whose log has any record. All logs must
    have been cut: one that is whole needs all snapshots.  positions: of all partitions that have one.
    """
    begin_ms = min(begins_ms, default=None)
    begin_ms = None if begin_ms is None else begin_ms - _SWITCHED_WITHIN_MS
    standing = list(positions)
    found = []
    for name in models.names:
        versions = [each.model_versions.get(name, 0) for each in standing]
        waiting = [each.models_waiting.get(name, 0) for each in standing]
        named = {*versions, *waiting}
        reached_by_all = min([reached_at_the_start(models, name, begin_ms), *map(max, versions, waiting)])
        followed: set[tuple[object, ...]] = set()
        for version in reversed(models.versions(name)):
            use = _use(models, name, version)
            if use is None:  # it may be of use to a newer version of tagstream
                continue
            if use in followed and version not in named:
                found.append((name, version))
            if version <= reached_by_all:
                followed.add(use)
    return found


def _use(models: PublishedModels, name: str, version: int) -> tuple[object, ...] | None:
    """What decides which catalogs can use a snapshot; None where none can."""
    try:
        snapshot = models.record(name, version)
    except UnreadableModelError:
        return None
    parts = snapshot["fields" if snapshot["kind"] == "quantiles" else "features"]
    return snapshot["fingerprint"], snapshot["kind"], *(part.get("name") for part in parts)


class Sweep:
    """Deletes what is not needed, once in a while. Belongs to one thread; several processes may do it."""

    def __init__(self, settings: Settings, addresses: Addresses, clock: Clock) -> None:
        self._settings = settings
        self._addresses = addresses
        self._clock = clock
        self._next_s = clock.monotonic_s() + _FIRST_S

    def tick(self) -> None:
        """Sweep if it is time. Blocks. What goes wrong is said in the log, and tried again the next time."""
        if self._clock.monotonic_s() < self._next_s:
            return
        self._next_s = self._clock.monotonic_s() + _EVERY_S
        try:
            self.sweep()
        except TagstreamError as error:
            log.info("old snapshots stay for now: %s", error)

    def sweep(self) -> list[tuple[str, int]]:
        """Delete all that is unneeded now; which that was. Blocks. Raises UnavailableError or ConfigurationError."""
        settings, addresses = self._settings, self._addresses
        # In this order: what positions and logs need only becomes less meanwhile.
        lookup = new_lookup(settings, addresses, self._clock)
        partitions = lookup.facts().partition_count
        begins_ms = []
        for partition in range(partitions):
            low = lookup.low(partition)
            if low == 0:
                return []
            time_ms = lookup.time_of(partition, low)
            if time_ms is not None:
                begins_ms.append(time_ms)
        with closing(open_store(settings, addresses, partitions)) as store:
            overview = look_over(store, partitions)
        if not _all_can_be_read(overview):
            return []
        models = read_models(settings, addresses)
        found = unneeded(models, begins_ms, overview.positions)
        self.delete(models, found)
        return found

    def delete(self, models: PublishedModels, which: Iterable[tuple[str, int]]) -> None:
        """Take snapshots off the topic. Blocks; may be done again. Raises as `sweep`."""
        for name, version in which:
            # The one that counts goes last: until then it counts.
            for key in reversed(models.keys(name, version)):
                client = f"tagstream-{self._settings.app}-control"
                publish_record(self._addresses, self._settings.models_topic, client, key, None, self._clock.now_ms())
            log.info("model %s: version %d is deleted; nothing needs it any more.", name, version)


def _all_can_be_read(overview: Overview) -> bool:
    return all(each.position is not None or each.pause is None for each in overview.partitions)
