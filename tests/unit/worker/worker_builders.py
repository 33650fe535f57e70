"""Small builders for tests of the worker's parts."""

from __future__ import annotations

import json

import msgspec
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message

from stream.worker.position import Position

FIRST = Position(
    step=2**32,
    next_offset=0,
    log_time_ms=0,
    watermark_ms=0,
    catalog="shop",
    catalog_version=1,
    model_versions={},
    walk=None,
    partition_count=4,
    topic_id="t",
    origins={},
    published={},
)


def position(**changes: object) -> Position:
    """A position with these fields changed."""
    return msgspec.structs.replace(FIRST, **changes)


def message(
    offset: int,
    time_ms: int = 1_000,
    value: bytes | None = b"{}",
    *,
    key: bytes | None = None,
    headers: list[tuple[str, str | bytes | None]] | None = None,
) -> Message:
    """A fetched record of partition 3."""
    return Message(
        topic="app.events",
        partition=3,
        offset=offset,
        key=key,
        value=value,
        headers=headers,
        timestamp=(TIMESTAMP_LOG_APPEND_TIME, time_ms),
    )


def tick(offset: int, time_ms: int) -> Message:
    return message(offset, time_ms, None, headers=[("tagstream", b"tick")])


def forwarded(offset: int, origin: str, time_ms: int = 1_000) -> Message:
    return message(offset, time_ms, headers=[("tagstream", b"forward"), ("tagstream-origin", origin.encode())])


def change_value(user: str, version: int, *, partition: int = 3, incarnation: int = 0, segment: str = "vip") -> bytes:
    """A change as far as the worker looks into it."""
    data = {"user": user, "incarnation": incarnation, "version": version, "segment": segment}
    return json.dumps({"source": f"/tagstream/app/{partition}", "data": data}).encode()
