"""What `status`, `lag` and `doctor` say alike of where partitions stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from stream.commands.output import moment, print_line

if TYPE_CHECKING:
    from stream.worker.overview import Overview, PartitionStanding
    from stream.worker.store import Store

__all__ = [
    "Ends",
    "catalog_text",
    "look_with_ends",
    "models_text",
    "pauses",
    "print_pauses",
    "progress_text",
    "watermark_text",
]


class Ends(Protocol):
    """The log, as far as it is asked where it ends."""

    @property
    def partition_count(self) -> int: ...

    def ends(self) -> list[int]: ...


def look_with_ends(store: Store, log: Ends) -> tuple[Overview, list[int]]:
    """Where all partitions stand, and where the log ends: as both move on, the ends are read after the positions."""
    from stream.worker.overview import look_over

    overview = look_over(store, log.partition_count)
    return overview, log.ends()


def watermark_text(standing: PartitionStanding) -> str | None:
    """How far time has passed on the partition."""
    position = standing.position
    return moment(position.watermark_ms) if position is not None and position.watermark_ms > 0 else None


def catalog_text(standing: PartitionStanding) -> str | None:
    """The catalog that it runs: `retail 3`."""
    position = standing.position
    return None if position is None else f"{position.catalog} {position.catalog_version}"


def models_text(standing: PartitionStanding) -> str | None:
    """The snapshots that it evaluates with, and those that wait for another catalog: `rfm 3, churn 2 (5 waits)`."""
    position = standing.position
    if position is None:
        return None
    waiting = position.models_waiting
    found = []
    for name in sorted({*position.model_versions, *waiting}):
        version = position.model_versions.get(name)
        waits = f" ({waiting[name]} waits)" if name in waiting else ""
        found.append(f"{name} {'–' if version is None else version}{waits}")
    return ", ".join(found)


def progress_text(standing: PartitionStanding) -> str:
    """What it is at: the walk after a switch (of a model: which), getting ready for the next catalog, nothing."""
    from stream.worker.store import BUCKETS

    position = standing.position
    if standing.pause is not None:
        return f"paused: {standing.pause.reason}"
    if position is None:
        return standing.stage or "never taken"
    if position.walk is not None:
        model = None if position.switch is None else position.switch.model
        return f"walk {position.walk.bucket}/{BUCKETS}" + ("" if model is None else f" for {model}")
    backfill = position.backfill
    if backfill is not None and backfill.version > position.catalog_version:
        if backfill.caught_up:
            return f"ready for {backfill.version}"
        if backfill.next_offset is not None:
            return f"backfill {backfill.next_offset:,}/{position.next_offset:,}"
    return standing.stage or "no worker"


def pauses(overview: Overview) -> list[dict[str, object]]:
    """For JSON: the partitions that can't go on, why, and what to do."""
    return [
        {
            "partition": each.partition,
            "reason": each.pause.reason,
            "message": each.pause.message,
            "remedy": each.pause.remedy,
        }
        for each in overview.paused()
        if each.pause is not None
    ]


def print_pauses(overview: Overview) -> None:
    """For people."""
    for each in overview.paused():
        if each.pause is not None:
            print_line()
            print_line(f"partition {each.partition} is paused ({each.pause.reason}): {each.pause.message}")
            if each.pause.remedy:
                print_line(f"  {each.pause.remedy}")
