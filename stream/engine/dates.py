"""Dates for kernels: day numbers from 1970-01-01, and the local days and hours of a catalog's time zone.

The two conversions are Howard Hinnant's (`days_from_civil`, `civil_from_days`), in the proleptic Gregorian calendar.
The zone is two tables of the catalog: offsets from UTC, and the beginnings of local days.
"""

from __future__ import annotations

from stream.engine import fields
from stream.engine.jit import inner
from stream.engine.packed import PackedTables, entry, size
from stream.engine.result import NEVER_MS

__all__ = [
    "anniversary",
    "day_begin_ms",
    "days_from_civil",
    "days_in_month",
    "last_anniversary",
    "local_day",
    "local_hour",
    "next_anniversary",
]

DAY_MS = 86_400_000
HOUR_MS = 3_600_000

FARTHEST_DAY = 2**34
"""Days later than this never come: milliseconds of those before stay below NEVER_MS."""


@inner
def days_from_civil(year: int, month: int, day: int) -> int:
    """The day number of a date."""
    year -= month <= 2
    era = year // 400
    year_of_era = year - era * 400
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


@inner
def civil_from_days(number: int) -> tuple[int, int, int]:
    """Year, month and day of a day number."""
    number += 719_468
    era = number // 146_097
    day_of_era = number - era * 146_097
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + (3 if shifted < 10 else -9)
    return year_of_era + era * 400 + (1 if month <= 2 else 0), month, day_of_year - (153 * shifted + 2) // 5 + 1


@inner
def days_in_month(year: int, month: int) -> int:
    """How many days a month has."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


@inner
def anniversary(number: int, year: int) -> int:
    """The day of a date's month and day in some year; 29 February is the 28th in common years."""
    _, month, day = civil_from_days(number)
    return days_from_civil(year, month, min(day, days_in_month(year, month)))


@inner
def last_anniversary(number: int, today: int) -> int:
    """The last day of a date's month and day that is not after today."""
    year, _, _ = civil_from_days(today)
    found = anniversary(number, year)
    return found if found <= today else anniversary(number, year - 1)


@inner
def next_anniversary(number: int, today: int) -> int:
    """The next day of a date's month and day that is not before today."""
    year, _, _ = civil_from_days(today)
    found = anniversary(number, year)
    return found if found >= today else anniversary(number, year + 1)


@inner
def local_day(tables: PackedTables, moment: int) -> int:
    """The number of the local day at a moment. Beyond the table days of 24 h go on from its ends."""
    count, first = size(tables, fields.DAY_START), entry(tables, fields.FIRST_DAY, 0)
    begin, last = entry(tables, fields.DAY_START, 0), entry(tables, fields.DAY_START, count - 1)
    if moment < begin:
        return int(first + (moment - begin) // DAY_MS)
    if moment >= last:
        return int(first + count - 1 + (moment - last) // DAY_MS)
    low, high = 0, count - 1  # day `low` has begun, day `high` has not
    while high - low > 1:
        middle = (low + high) // 2
        if entry(tables, fields.DAY_START, middle) <= moment:
            low = middle
        else:
            high = middle
    return int(first + low)


@inner
def day_begin_ms(tables: PackedTables, day: int) -> int:
    """The moment at which a local day begins."""
    if day > FARTHEST_DAY:
        return NEVER_MS
    count, index = size(tables, fields.DAY_START), day - entry(tables, fields.FIRST_DAY, 0)
    if index < 0:
        return int(entry(tables, fields.DAY_START, 0) + index * DAY_MS)
    if index >= count:
        return int(entry(tables, fields.DAY_START, count - 1) + (index - count + 1) * DAY_MS)
    return entry(tables, fields.DAY_START, index)


@inner
def local_hour(tables: PackedTables, moment: int) -> int:
    """The hour of day, 0 to 23, at a moment."""
    low, high = 0, size(tables, fields.ZONE_START)  # the first offset holds from far back
    while high - low > 1:
        middle = (low + high) // 2
        if entry(tables, fields.ZONE_START, middle) <= moment:
            low = middle
        else:
            high = middle
    return int((moment + entry(tables, fields.ZONE_OFFSET_MS, low)) // HOUR_MS % 24)
