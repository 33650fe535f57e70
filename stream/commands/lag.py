"""`tagstream lag`: how far the workers are behind, by partition."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from stream.commands.options import AsJson
from stream.commands.output import counted, print_json, print_line, print_table
from stream.commands.standings import catalog_text, look_with_ends, pauses, print_pauses, progress_text, watermark_text

if TYPE_CHECKING:
    from stream.worker.overview import PartitionStanding

__all__ = ["lag"]


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """Where a partition stands. What Redis would tell is None if no worker ever took it, or it can't be read."""

    partition: int
    next_offset: int | None
    end_offset: int
    lag: int | None
    watermark: str | None
    catalog: str | None
    state: str


def lag(as_json: AsJson = False) -> None:
    """How far the workers are behind the log, by partition: the next record to read, the log's end, how far time is.

    Progress is what Redis says, where it is kept; the offsets that Kafka holds for the group may be a second older.
    """
    from stream.commands.given_settings import given_settings
    from stream.commands.log_reader import open_log
    from stream.commands.logs import quiet_libraries
    from stream.embedded import resolve_addresses
    from stream.worker.overview import open_store

    quiet_libraries()
    settings = given_settings()
    addresses = resolve_addresses(settings)
    with (
        open_log(addresses, settings.events_topic, client=f"tagstream-lag-{settings.app}") as log,
        closing(open_store(settings, addresses, log.partition_count)) as store,
    ):
        overview, ends = look_with_ends(store, log)
    found = [_lag(each, ends[each.partition]) for each in overview.partitions]
    total = sum(each.end_offset if each.lag is None else each.lag for each in found)
    if as_json:
        partitions = [asdict(each) for each in found]
        paused = pauses(overview)
        print_json({"topic": settings.events_topic, "lag": total, "partitions": partitions, "paused": paused})
        return
    rows = [
        tuple("–" if value is None else f"{value:,}" if isinstance(value, int) else value for value in _cells(each))
        for each in found
    ]
    print_table(
        {
            "partition": ">",
            "next": ">",
            "end": ">",
            "lag": ">",
            "time has passed to": "<",
            "catalog": "<",
            "state": "<",
        },
        rows,
    )
    print_line()
    print_line(f"{counted(total, 'record')} behind on {settings.events_topic}")
    print_pauses(overview)


def _cells(each: PartitionLag) -> tuple[object, ...]:
    return (each.partition, each.next_offset, each.end_offset, each.lag, each.watermark, each.catalog, each.state)


def _lag(standing: PartitionStanding, end: int) -> PartitionLag:
    position = standing.position
    return PartitionLag(
        standing.partition,
        None if position is None else position.next_offset,
        end,
        None if position is None else max(end - position.next_offset, 0),
        watermark_text(standing),
        catalog_text(standing),
        progress_text(standing),
    )
