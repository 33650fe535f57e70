"""Moments, spans, amounts and events in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from rules.interpret import walk
from rules.nodes import Has, Node, Property
from rules.text import expression_text, string_text

__all__ = [
    "amount_text",
    "count_text",
    "event_text",
    "joined",
    "moment_text",
    "moment_utc",
    "span_text",
    "value_text",
    "where_text",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_UNITS = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000))


def moment_utc(t_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds, for programs."""
    return (_EPOCH + timedelta(milliseconds=t_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_text(t_ms: int, timezone: str) -> str:
    """A moment for people, in the catalog's time zone and in UTC, as exact as it is: `2026-12-01 17:00 (09:00 UTC)`."""
    exact = _EPOCH + timedelta(milliseconds=t_ms)
    local = exact.astimezone(ZoneInfo(timezone))
    if local.utcoffset() == timedelta(0):
        return f"{_written(exact)} UTC"
    in_utc = _written(exact) if local.date() != exact.date() else _written(exact)[11:]
    return f"{_written(local)} ({in_utc} UTC)"


def _written(moment: datetime) -> str:
    timespec = "milliseconds" if moment.microsecond else "seconds" if moment.second else "minutes"
    return moment.replace(tzinfo=None).isoformat(" ", timespec)


def span_text(ms: int) -> str:
    """A length of time in its two largest units, rounded down: `14 days`, `2 days 3 hours`."""
    parts: list[str] = []
    rest = ms
    for name, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts) or f"{ms} ms"


def count_text(count: int) -> str:
    """Numbers up to ten as words."""
    return _NUMBERS[count] if count < len(_NUMBERS) else f"{count:,}"


def amount_text(amount: float) -> str:
    """An amount, with two digits where it is not whole."""
    if amount == int(amount):
        return f"{int(amount):,}"
    text = f"{amount:,.2f}"
    return text if float(text.replace(",", "")) == amount else f"{amount:,.6f}".rstrip("0")


def value_text(value: object) -> str:
    """A value as expressions write it; missing as `missing`."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return string_text(value)
    if isinstance(value, int | float):
        return amount_text(float(value))
    return "there, of no comparable type"


def event_text(event: str | None) -> str:
    """An event's name in quotes; `event` for any."""
    return "event" if event is None else string_text(event)


def where_text(where: Node | None) -> str:
    """` with category == "beauty"`: a condition on an event's properties, these by their bare names."""
    if where is None:
        return ""
    if isinstance(where, Has) and isinstance(where.operand, Property):
        return f" with {where.operand.name}"
    names: dict[Node, str] = {node: node.name for node in walk(where) if isinstance(node, Property)}
    return f" with {expression_text(where, names)}"


def joined(parts: Sequence[str], word: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"
