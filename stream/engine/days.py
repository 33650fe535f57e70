"""Kernel, lowest layer: whole calendar days since or until a date, and when they next cross a threshold.

The aggregate's cell holds the date's day number, as long as the fact that it reads holds a date.
"""

from __future__ import annotations

from rules.tables import DAYS_SINCE, NO_VALUE
from stream.engine import fields, slots
from stream.engine.dates import day_begin_ms, last_anniversary, local_day, next_anniversary
from stream.engine.jit import inner
from stream.engine.packed import PackedTables, entry
from stream.engine.result import NEVER_MS
from stream.engine.state import State

__all__ = ["days_of", "days_value", "next_days_change"]

YEARS_OF_A_CYCLE = 9
"""After this many years every length of a year has come round, that of a leap year too (1896 to 1904)."""


@inner
def days_of(tables: PackedTables, aggregate: int, date: int, today: int) -> int:
    """The days from or to a date, seen from a day."""
    since = entry(tables, fields.AGGREGATE_KIND, aggregate) == DAYS_SINCE
    if entry(tables, fields.AGGREGATE_YEARLY, aggregate) == 0:
        return today - date if since else date - today
    return today - last_anniversary(date, today) if since else next_anniversary(date, today) - today


@inner
def days_value(tables: PackedTables, state: State, row: int, aggregate: int, moment: int) -> int:
    """The aggregate's value at a moment, NO_VALUE where there is no date."""
    date = state.cells[row, state.at[slots.VALUE] + aggregate]
    if date == NO_VALUE:
        return NO_VALUE
    return days_of(tables, aggregate, date, local_day(tables, moment))


@inner
def next_days_change(
    tables: PackedTables, state: State, row: int, aggregate: int, moment: int, low: int, high: int
) -> int:
    """The first moment after this one at which the days, now in [low, high), are not."""
    date = state.cells[row, state.at[slots.VALUE] + aggregate]
    today = local_day(tables, moment)
    since = entry(tables, fields.AGGREGATE_KIND, aggregate) == DAYS_SINCE
    if entry(tables, fields.AGGREGATE_YEARLY, aggregate) == 0:
        day = date + high if since else date - low + 1
        return day_begin_ms(tables, day) if day > today else NEVER_MS
    # Days since grow to the anniversary and begin anew on it; days until shrink to it and begin anew the day after.
    day = today
    for _ in range(YEARS_OF_A_CYCLE):
        if since:
            anew = next_anniversary(date, day + 1)
            change = last_anniversary(date, day) + high
            if day < change < anew:
                return day_begin_ms(tables, change)
        else:
            anew = next_anniversary(date, day) + 1
            change = anew - low
            if day < change < anew:
                return day_begin_ms(tables, change)
        if not low <= days_of(tables, aggregate, date, anew) < high:
            return day_begin_ms(tables, anew)
        day = anew
    return NEVER_MS
