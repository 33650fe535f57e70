"""Calendar days and hours in a time zone, slowly and by the letter: what the reference takes them from.

A local day D begins at the first instant whose local date is D or later. So days never go back, even where a clock is
put back over midnight, and a date that a zone skipped begins together with the next one.
"""

from __future__ import annotations

import re
from calendar import isleap
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

__all__ = ["date_in_text", "day_begins_ms", "days_between", "local_day", "local_hour"]

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = date(1970, 1, 1).toordinal()
REACH_MS = 16 * HOUR_MS
"""Further than any zone's clock has been from UTC since 1970 (14 h), so a day has begun so long after midnight UTC."""
STEP_MS = 15 * MINUTE_MS
"""No zone has changed its clock twice within so short a time."""

DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ].*)?", re.DOTALL)


def date_in_text(text: str) -> date | None:
    """The date that a string is, or begins with before a `T` or a blank; None if there is no such date."""
    match = DATE.fullmatch(text)
    if match is None:
        return None
    try:
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return None


def local_day(now_ms: int, timezone: str) -> date:
    """The local day at a moment: the latest that has begun."""
    day = _clock(now_ms, timezone).date() + timedelta(days=1)
    while day_begins_ms(day, timezone) > now_ms:
        day -= timedelta(days=1)
    return day


def local_hour(t_ms: int, timezone: str) -> int:
    """The hour that a zone's clock shows, 0 to 23."""
    return _clock(t_ms, timezone).hour


@lru_cache(maxsize=100_000)
def day_begins_ms(day: date, timezone: str) -> int:
    """The first instant whose local date is `day` or later, ms since 1970."""
    midnight_ms = (day.toordinal() - EPOCH_DAY) * DAY_MS  # as a clock without an offset would have it
    end_ms = midnight_ms + REACH_MS
    at_ms = midnight_ms - REACH_MS
    while at_ms < end_ms:
        # The offset holds from here to the next change of the clock; in that stretch local time runs on evenly.
        offset_ms = _offset_ms(at_ms, timezone)
        changes_ms = _next_change_ms(at_ms, end_ms, timezone)
        begins_ms = max(at_ms, midnight_ms - offset_ms)
        if begins_ms < changes_ms:
            return begins_ms
        at_ms = changes_ms
    raise ValueError(f"{day} never begins in {timezone}")


def _next_change_ms(from_ms: int, end_ms: int, timezone: str) -> int:
    """The first moment after `from_ms` at which the zone's offset is another one, `end_ms` if there is none before."""
    offset_ms = _offset_ms(from_ms, timezone)
    before_ms = from_ms
    while before_ms < end_ms:
        after_ms = min(before_ms + STEP_MS, end_ms)
        if _offset_ms(after_ms, timezone) != offset_ms:
            while after_ms - before_ms > 1:
                middle_ms = (before_ms + after_ms) // 2
                if _offset_ms(middle_ms, timezone) == offset_ms:
                    before_ms = middle_ms
                else:
                    after_ms = middle_ms
            return after_ms
        before_ms = after_ms
    return end_ms


def days_between(function: str, day: date, today: date, *, yearly: bool) -> int:
    """`days_since` (today − day) or `days_until` (day − today) in whole days; `yearly`: from the last or to the next
    day of that month and day, 0 on the day itself. 29 February is 28 February in years that have none.
    """
    if yearly:
        days = [_in_year(day, year) for year in (today.year - 1, today.year, today.year + 1)]
        if function == "days_since":
            day = max(each for each in days if each <= today)
        else:
            day = min(each for each in days if each >= today)
    difference = (today - day).days
    return difference if function == "days_since" else -difference


def _in_year(day: date, year: int) -> date:
    if (day.month, day.day) == (2, 29) and not isleap(year):
        return date(year, 2, 28)
    return day.replace(year=year)


def _clock(t_ms: int, timezone: str) -> datetime:
    """What a zone's clock shows at a moment."""
    return (EPOCH + timedelta(milliseconds=t_ms)).astimezone(ZoneInfo(timezone))


def _offset_ms(t_ms: int, timezone: str) -> int:
    offset = _clock(t_ms, timezone).utcoffset()
    return 0 if offset is None else offset // timedelta(milliseconds=1)
