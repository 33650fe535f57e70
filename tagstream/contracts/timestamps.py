"""Moments on the wire: RFC 3339 with an offset or Z, cut to whole milliseconds, from 1970 on.

A second 60 is a leap second only at 23:59:60 UTC, and counts as the second that follows.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

__all__ = ["Timestamp", "from_ms", "parse_timestamp", "to_ms", "to_text"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_RFC_3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)


def to_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970-01-01T00:00:00Z of an aware moment; the rest is cut off."""
    return (moment - _EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """The moment, in UTC, so many milliseconds after 1970-01-01T00:00:00Z."""
    return _EPOCH + milliseconds * _MILLISECOND


def to_text(moment: datetime) -> str:
    """`2026-11-22T08:30:00.125Z`: RFC 3339 in UTC with three digits of a second."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_timestamp(text: str) -> datetime:
    """The moment a text names, in UTC and cut to ms. Raises `ValueError` with a sentence."""
    found = _RFC_3339.fullmatch(text)
    if found is None:
        shown = text if len(text) <= 40 else text[:40] + "…"
        raise ValueError(f"{shown!r} is no RFC 3339 time with an offset; write it as 2026-11-22T08:30:00.125Z")
    year, month, day, hour, minute, second, fraction, sign, offset_hours, offset_minutes = found.groups()
    offset = timedelta()
    if sign is not None:
        if int(offset_hours) > 23 or int(offset_minutes) > 59:
            raise ValueError(f"{text!r} has no such offset; offsets go from -23:59 to +23:59")
        offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
        offset = -offset if sign == "-" else offset
    is_leap = second == "60"
    try:
        local = datetime(
            int(year), int(month), int(day), int(hour), int(minute), 59 if is_leap else int(second), tzinfo=UTC
        )
        moment = local - offset + timedelta(seconds=int(is_leap))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is no moment of the calendar: {error}") from error
    if is_leap and (moment.hour, moment.minute) != (0, 0):
        raise ValueError(f"{text!r} has a leap second where there is none; they are at 23:59:60 UTC")
    return moment + int((fraction or "0")[:3].ljust(3, "0")) * _MILLISECOND


def _validate(value: Any) -> datetime:
    if isinstance(value, str):
        try:
            moment = parse_timestamp(value)
        except ValueError as error:
            raise PydanticCustomError("timestamp", "{sentence}", {"sentence": str(error)}) from error
    elif isinstance(value, datetime):
        if value.utcoffset() is None:
            raise PydanticCustomError(
                "timestamp", "a datetime without a time zone could be any moment; give it one, e.g. datetime.UTC"
            )
        moment = from_ms(to_ms(value))
    else:
        raise PydanticCustomError(
            "timestamp",
            "must be RFC 3339 text such as 2026-11-22T08:30:00.125Z (or a datetime with a time zone), not {kind}",
            {"kind": type(value).__name__},
        )
    if moment < _EPOCH:
        raise PydanticCustomError("timestamp", "lies before 1970; times start at 1970-01-01T00:00:00Z")
    return moment


Timestamp = Annotated[
    datetime,
    BeforeValidator(_validate),
    PlainSerializer(to_text, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-22T08:30:00.125Z"]}),
]
"""A moment as a model's field: an aware `datetime` in UTC here, RFC 3339 text with milliseconds on the wire."""
