"""What aggregates come to at moments to come, if no event comes: for reading only, nothing is altered."""

from __future__ import annotations

from rules.tables import DAYS_SINCE, NO_VALUE, Int64
from stream.engine import fields, slots
from stream.engine.dates import day_begin_ms, local_day
from stream.engine.days import days_value
from stream.engine.jit import inner, kernel, plain
from stream.engine.packed import PackedTables, entry, size
from stream.engine.sets import first_entry, leaving_of_entry
from stream.engine.state import BUCKETS, NO_TIME, State
from stream.engine.windows import bucket_at, extreme, is_extreme, leaving_ms, window_start_ms

__all__ = ["advance_row", "timeline"]


@inner
def value_at(tables: PackedTables, state: State, row: int, aggregate: int, moment: int) -> int:
    """What `match.current` gives at a moment not before the row's newest."""
    value = int(state.cells[row, state.at[slots.VALUE] + aggregate])
    ring, kind = entry(tables, fields.AGGREGATE_RING, aggregate), entry(tables, fields.AGGREGATE_KIND, aggregate)
    if ring >= 0:
        head = state.cells[row, state.at[slots.HEAD] + ring]
        oldest = bucket_at(tables, state, row, aggregate, moment) - (BUCKETS - 1)
        if head == NO_TIME or oldest <= head - (BUCKETS - 1):
            return value
        first = state.at[slots.RING] + ring * BUCKETS
        if is_extreme(kind):
            value = plain(NO_VALUE)
            for bucket in range(oldest, head + 1):
                value = extreme(kind, value, state.cells[row, first + bucket % BUCKETS])
        else:
            for bucket in range(head - (BUCKETS - 1), min(oldest, head + 1)):
                value -= state.cells[row, first + bucket % BUCKETS]
    elif entry(tables, fields.AGGREGATE_SET, aggregate) >= 0:
        start = window_start_ms(tables, state, row, aggregate, moment)
        times = state.at[slots.SET_TIME] + first_entry(tables, aggregate)
        while value > 0 and state.cells[row, times + value - 1] < start:
            value -= 1
    elif kind >= DAYS_SINCE:
        value = days_value(tables, state, row, aggregate, moment)
    return value


@kernel
def advance_row(tables: PackedTables, state: State, row: int, moment: int, value: Int64) -> None:
    """Write into `value` `(A,)` what the row's aggregates amount to at a moment not before its newest.

    Counts, units, times of the newest and the oldest event, days; NO_VALUE where there is none.
    """
    for aggregate in range(size(tables, fields.AGGREGATE_KIND)):
        value[aggregate] = value_at(tables, state, row, aggregate, moment)


@kernel
def timeline(
    tables: PackedTables, state: State, row: int, aggregate: int, at_ms: int, moments: Int64, values: Int64
) -> int:
    """The values that an aggregate with a window, or days, take after `at_ms`; returns how many.

    `moments` and `values` `(61,)` get each moment, ascending, at which the value becomes another, and that value.
    """
    count, before = 0, value_at(tables, state, row, aggregate, at_ms)
    moment = at_ms
    while count < len(moments):
        moment = next_moment(tables, state, row, aggregate, moment)
        if moment == NO_TIME:
            break
        value = value_at(tables, state, row, aggregate, moment)
        if value != before:
            moments[count], values[count] = moment, value
            count, before = count + 1, value
    return count


@inner
def next_moment(tables: PackedTables, state: State, row: int, aggregate: int, moment: int) -> int:
    """The first moment after this one at which something leaves the window, or a day begins; NO_TIME: none does."""
    ring = entry(tables, fields.AGGREGATE_RING, aggregate)
    if ring >= 0:
        oldest = bucket_at(tables, state, row, aggregate, moment) - (BUCKETS - 1)
        held = oldest <= state.cells[row, state.at[slots.HEAD] + ring]
        return leaving_ms(tables, state, row, aggregate, oldest) if held else NO_TIME
    if entry(tables, fields.AGGREGATE_SET, aggregate) >= 0:
        count = value_at(tables, state, row, aggregate, moment)
        if count == 0 or entry(tables, fields.AGGREGATE_HOP_MS, aggregate) == 0:
            return NO_TIME
        return leaving_of_entry(tables, state, row, aggregate, count - 1)
    dated = entry(tables, fields.AGGREGATE_KIND, aggregate) >= DAYS_SINCE
    if dated and state.cells[row, state.at[slots.VALUE] + aggregate] != NO_VALUE:
        return day_begin_ms(tables, local_day(tables, moment) + 1)
    return NO_TIME
