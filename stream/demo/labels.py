"""How segments, moments and spans of time are written in the demo."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from rules.catalog import Catalog
from rules.nodes import Kind
from stream.demo.tally import SeenChange

__all__ = ["Label", "Labels", "span_text"]

_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Label:
    """A segment's titles in Chinese (may be empty) and English, and its kind."""

    chinese: str
    english: str
    kind: str


class Labels:
    """What is written for the names, tags and times of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.segments = {
            name: Label(segment.titles.get("zh", ""), segment.titles.get("en", segment.title), segment.kind)
            for name, segment in catalog.segments.items()
        }
        self._durations = {name for name, tag in catalog.tags.items() if tag.kind is Kind.DURATION}
        self._zone: tzinfo = ZoneInfo(catalog.timezone)

    def english(self, segment: str) -> str:
        """The English title, or the name of a segment that the catalog doesn't have."""
        label = self.segments.get(segment)
        return label.english if label else segment

    def moment(self, at_ms: int, *, exact: bool = False) -> str:
        """A moment in the catalog's zone: `Tue 11 Nov 20:14`, or `2025-11-11 20:14:03.120`."""
        local = (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(self._zone)
        return local.isoformat(" ", "milliseconds")[:23] if exact else local.strftime("%a %d %b %H:%M")

    def day(self, at_ms: int) -> str:
        """A date in the catalog's zone."""
        return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(self._zone).strftime("%d %b %Y")

    def tags(self, change: SeenChange) -> str:
        """The tags of a change with their values: `since_cart 2 h, orders_ever 3`."""
        return ", ".join(f"{name} {self._value(name, value)}" for name, value in change.tags.items())

    def _value(self, name: str, value: object) -> str:
        if value is None:
            return "–"
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, int | float):
            if name in self._durations:
                return span_text(int(value))
            return f"{value:,.2f}".rstrip("0").rstrip(".")
        return str(value)


def span_text(milliseconds: int) -> str:
    """A length of time in its two largest units: `3 d 4 h`, `2 h`, `0 s`."""
    rest, parts = abs(milliseconds), []
    for name, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts) or "0 s"
