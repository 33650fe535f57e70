"""Changes to publish in tests, as a worker writes them."""

from __future__ import annotations

from dataclasses import dataclass

from tagstream.contracts import (
    Change,
    ClusterChanged,
    LevelChanged,
    SegmentEntered,
    SegmentExited,
    change_headers,
    encode_change,
)
from tagstream.contracts.timestamps import parse_timestamp
from tagstream.ids import change_id


def segment_change(
    user: str, version: int, *, segment: str = "vip", exited: bool = False, incarnation: int = 7, cause: str = "event"
) -> Change:
    """A change with everything that the contract asks for."""
    data = {
        "user": user,
        "incarnation": incarnation,
        "version": version,
        "cause": cause,
        "catalog_version": 3,
        "model_versions": {},
        "tags": {"spend_90d": 3120.5, "orders": 4, "gender": "F", "is_new": False, "last_visit": None},
        "record": {"partition": 1, "offset": 41},
        "segment": segment,
        "kind": "value",
        "title": "贵宾 / VIP",
    }
    envelope = {
        "specversion": "1.0",
        "id": change_id("shop", user, incarnation, version),
        "source": "/tagstream/shop/1",
        "subject": user,
        "time": parse_timestamp("2026-11-22T08:30:00.125Z"),
        "datacontenttype": "application/json",
    }
    if exited:
        return SegmentExited.model_validate(
            {**envelope, "type": "tagstream.segment.exited", "data": {**data, "stayed_ms": 90_000}}
        )
    return SegmentEntered.model_validate({**envelope, "type": "tagstream.segment.entered", "data": data})


@dataclass(frozen=True)
class Published:
    """A record of `segment-changes`."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


def published(change: Change) -> Published:
    return Published(change.user.encode(), encode_change(change), change_headers(change))


def level_change(user: str, version: int, *, before: str | None = "active", after: str | None = "lost") -> LevelChanged:
    """A move from one level to another."""
    data = segment_change(user, version).data.model_dump(exclude={"segment"})
    envelope = segment_change(user, version).model_dump(exclude={"data", "type"})
    return LevelChanged.model_validate(
        {
            **envelope,
            "type": "tagstream.level.changed",
            "data": {**data, "tier": "lifecycle", "from": before, "to": after},
        }
    )


def cluster_change(user: str, version: int, *, before: int | None = 2, after: int | None = 3) -> ClusterChanged:
    """A move from one cluster to another, of which only the second has a name."""
    data = segment_change(user, version).data.model_dump(exclude={"segment", "kind", "title"})
    envelope = segment_change(user, version).model_dump(exclude={"data", "type"})
    names = {"from_name": None, "to_name": None if after is None else "Night owls"}
    return ClusterChanged.model_validate(
        {
            **envelope,
            "type": "tagstream.cluster.changed",
            "data": {**data, "model": "behaviour", "from": before, "to": after, **names},
        }
    )


def unknown_change(user: str, version: int, *, incarnation: int = 7) -> Published:
    """A change of a kind that this version doesn't know."""
    value = encode_change(segment_change(user, version, incarnation=incarnation))
    value = value.replace(b"tagstream.segment.entered", b"tagstream.mood.changed").replace(b'"segment":"vip",', b"")
    return Published(user.encode(), value, (("mood", b"sunny"), ("change", b"changed")))
