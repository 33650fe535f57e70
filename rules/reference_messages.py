"""What the reference hands out: the outcome of a record, profiles, and changes as CloudEvents."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

__all__ = ["Outcome", "ReferenceProfile", "cloud_event"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one record brought about: changes, or why there are none.

    changes: CloudEvents as plain dicts, in the order of the user's versions.  reason: the code of a reject.
    """

    changes: list[dict[str, object]] = field(default_factory=list)
    reason: str | None = None
    duplicate: bool = False
    misplaced: bool = False


@dataclass(frozen=True, slots=True)
class ReferenceProfile:
    """One user as of a moment.

    tags: durations in ms, missing None.  segments: those held, in the catalog's order, and since_ms: when each was
    entered.  levels: the level of each tier, in the catalog's order.  clusters: by model, and since when.
    """

    user: str
    version: int
    incarnation: int
    tags: dict[str, object]
    segments: list[str]
    since_ms: dict[str, int]
    levels: dict[str, str]
    clusters: dict[str, int] = field(default_factory=dict)
    cluster_since_ms: dict[str, int] = field(default_factory=dict)


def cloud_event(change: str, data: dict[str, object], now_ms: int, app: str, partition: int) -> dict[str, object]:
    """The CloudEvent of one transition; its id follows from app, user, incarnation and version."""
    identity = f"{app}\x1f{data['user']}\x1f{data['incarnation']}\x1f{data['version']}"
    return {
        "specversion": "1.0",
        "id": hashlib.sha256(identity.encode("utf-8")).hexdigest()[:32],
        "source": f"/tagstream/{app}/{partition}",
        "type": change,
        "subject": data["user"],
        "time": _timestamp_text(now_ms),
        "datacontenttype": "application/json",
        "data": data,
    }


def _timestamp_text(t_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    moment = EPOCH + timedelta(milliseconds=t_ms)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
