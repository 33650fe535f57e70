"""Lives of one customer under a pack, by the reference: what the tests of the packs are made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from rules.catalog import Catalog
from rules.reference import Reference

__all__ = ["DAY", "HOUR", "MINUTE", "START", "Step", "every", "identify", "levels_of", "lived", "page", "track"]

START = datetime(2025, 3, 1, 9, 0, tzinfo=UTC)
FAR_MS = 10**15
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
SIGNS = {"tagstream.segment.entered": "+", "tagstream.segment.exited": "-"}

Step = tuple[timedelta, dict[str, Any]]


def track(event: str, **properties: object) -> dict[str, Any]:
    return {"type": "track", "event": event, "properties": properties}


def page(path: str) -> dict[str, Any]:
    return {"type": "page", "properties": {"path": path}}


def identify(**traits: object) -> dict[str, Any]:
    return {"type": "identify", "traits": traits}


def every(pause: timedelta, times: int, event: dict[str, Any], start: timedelta = timedelta()) -> Iterator[Step]:
    """The same event again and again."""
    return ((start + number * pause, event) for number in range(times))


def lived(catalog: Catalog, segment: str, steps: list[Step], until: timedelta) -> list[str]:
    """When one customer entered (+) and left (-) a segment, as spans since the start."""
    return [
        f"{SIGNS[change['type']]}{datetime.fromisoformat(change['time']) - START}"
        for change in changes_of(catalog, steps, until)
        if change["data"].get("segment") == segment
    ]


def levels_of(catalog: Catalog, tier: str, steps: list[Step], until: timedelta) -> list[str]:
    """The levels that one customer came to on a tier, each with the span since the start."""
    return [
        f"{change['data']['to']} {datetime.fromisoformat(change['time']) - START}"
        for change in changes_of(catalog, steps, until)
        if change["data"].get("tier") == tier
    ]


def changes_of(catalog: Catalog, steps: list[Step], until: timedelta) -> list[dict[str, Any]]:
    reference = Reference(catalog)
    changes: list[dict[str, Any]] = []
    for offset, (after, event) in enumerate(steps):
        told = {"userId": "li.na", "timestamp": (START + after).isoformat(), **event}
        outcome = reference.feed(json.dumps(told).encode(), offset, -FAR_MS, FAR_MS)
        assert outcome.reason is None
        changes += outcome.changes
    return changes + reference.advance(round((START + until).timestamp() * 1000))
