"""`tagstream lag`: how far the workers are behind, by partition."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from stream.commands.options import AsJson
from stream.commands.output import counted, moment, print_json, print_line, print_table

if TYPE_CHECKING:
    from stream.embedded import Addresses
    from stream.settings import Settings

__all__ = ["lag"]


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """Where a partition stands. `next_offset`, `lag`, `watermark`, `catalog` are None if no worker ever took it."""

    partition: int
    next_offset: int | None
    end_offset: int
    lag: int | None
    watermark: str | None
    catalog: str | None


def lag(as_json: AsJson = False) -> None:
    """How far the workers are behind the log, by partition: the next record to read, the log's end, how far time is.

    Progress is what Redis says, where it is kept; the offsets that Kafka holds for the group may be a second older.
    """
    from stream.commands.log_reader import open_log
    from stream.commands.logs import quiet_libraries
    from stream.embedded import resolve_addresses
    from stream.settings import load_settings

    quiet_libraries()
    settings = load_settings()
    addresses = resolve_addresses(settings)
    with open_log(addresses, settings.events_topic, client=f"tagstream-lag-{settings.app}") as log:
        ends = log.ends()
    found = _lags(settings, addresses, ends)
    total = sum(each.end_offset if each.lag is None else each.lag for each in found)
    if as_json:
        print_json({"topic": settings.events_topic, "lag": total, "partitions": [asdict(each) for each in found]})
        return
    rows = [
        tuple("–" if value is None else f"{value:,}" if isinstance(value, int) else value for value in _cells(each))
        for each in found
    ]
    print_table(
        {"partition": ">", "next": ">", "end": ">", "lag": ">", "time has passed to": "<", "catalog": "<"}, rows
    )
    print_line()
    print_line(f"{counted(total, 'record')} behind on {settings.events_topic}")


def _cells(each: PartitionLag) -> tuple[object, ...]:
    return (each.partition, each.next_offset, each.end_offset, each.lag, each.watermark, each.catalog)


def _lags(settings: Settings, addresses: Addresses, ends: list[int]) -> list[PartitionLag]:
    from stream.worker.position import decode_position
    from stream.worker.redis_store import RedisStore

    store = RedisStore(
        addresses.redis, app=settings.app, partition_count=len(ends), timeout_ms=settings.redis_timeout_ms
    )
    found = []
    with closing(store):
        for partition, end in enumerate(ends):
            stored = store.position(partition)
            if stored is None:
                found.append(PartitionLag(partition, None, end, None, None, None))
                continue
            position = decode_position(stored, partition)
            found.append(
                PartitionLag(
                    partition,
                    position.next_offset,
                    end,
                    max(end - position.next_offset, 0),
                    moment(position.watermark_ms) if position.watermark_ms > 0 else None,
                    f"{position.catalog} {position.catalog_version}",
                )
            )
    return found
