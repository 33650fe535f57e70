"""Moments as people write them in a catalog: RFC 3339, or the local time of the catalog's time zone."""

from __future__ import annotations

import re
import zoneinfo
from datetime import UTC, datetime, timedelta, timezone, tzinfo

__all__ = ["MomentError", "format_moment", "parse_moment"]

_MOMENT = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?) ?(?P<offset>[Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class MomentError(ValueError):
    """A text that is no moment, or one before 1970."""


def parse_moment(text: str, zone_name: str) -> int:
    """The Unix milliseconds of `2026-11-01T09:00:00Z`, `2026-11-01 09:00` or `2026-11-01`.

    Without an offset it is the local time of the zone, of an hour that comes twice the first. Raises MomentError.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise MomentError("a time is written as in 2026-11-01T09:00:00Z, or 2026-11-01 09:00 in the catalog's zone")
    time = match["time"] or "00:00"
    whole, _, fraction = time.partition(".")
    try:
        naive = datetime.fromisoformat(f"{match['day']}T{whole}")
    except ValueError as error:
        raise MomentError("there is no such day or time of day") from error
    try:
        ms = (naive.replace(tzinfo=_zone(match["offset"], zone_name)) - _EPOCH) // timedelta(milliseconds=1)
    except OverflowError as error:
        raise MomentError("the time is too late") from error
    if ms < 0:
        raise MomentError("the time is before 1970")
    return ms + int(f"{fraction:0<3}"[:3] or 0)


def format_moment(ms: int) -> str:
    """The moment as events carry it, such as `2026-11-01T09:00:00.000Z`."""
    return (_EPOCH + timedelta(milliseconds=ms)).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _zone(offset: str | None, zone_name: str) -> tzinfo:
    if offset is None:
        return UTC if zone_name == "UTC" else zoneinfo.ZoneInfo(zone_name)
    if offset in "Zz":
        return UTC
    hours, minutes = int(offset[1:3]), int(offset[4:6])
    if hours > 23 or minutes > 59:
        raise MomentError("there is no such offset from UTC")
    return timezone((-1 if offset[0] == "-" else 1) * timedelta(hours=hours, minutes=minutes))
