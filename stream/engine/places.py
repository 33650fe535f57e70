"""Kernel, lower layer: an aggregate's value, its place among the thresholds, and when time alone changes that."""

from __future__ import annotations

from rules.tables import DAYS_SINCE, NEWEST, OLDEST, PLACE
from stream.engine import fields, slots
from stream.engine.days import days_value, next_days_change
from stream.engine.jit import inlined, inner
from stream.engine.match import mark_comparison, set_leaf, set_next
from stream.engine.packed import PackedTables, entry, span
from stream.engine.result import NEVER_MS
from stream.engine.sets import leaving_of_entry, trim_set
from stream.engine.state import NO_TIME, Scratch, State
from stream.engine.windows import advance, bucket_at, is_extreme, is_missing, next_extreme_change, next_total_change

__all__ = ["current", "settle_aggregate"]

LEAST_BOUND = -NEVER_MS - NEVER_MS
GREATEST_BOUND = NEVER_MS + (NEVER_MS - 1)
"""Bounds of the first and of the last place: beyond every value."""


@inner
def place_of(tables: PackedTables, aggregate: int, value: int) -> int:
    """The number of the aggregate's cuts that are not above the value."""
    low, first = entry(tables, fields.CUT_START, aggregate), entry(tables, fields.CUT_START, aggregate)
    high = entry(tables, fields.CUT_START, aggregate + 1)
    while low < high:
        middle = (low + high) // 2
        if entry(tables, fields.CUT, middle) <= value:
            low = middle + 1
        else:
            high = middle
    return low - first


@inner
def current(tables: PackedTables, state: State, row: int, aggregate: int, moment: int) -> int:
    """An aggregate's value at a moment, what has left its window dropped; of NEWEST and OLDEST the time."""
    if entry(tables, fields.AGGREGATE_RING, aggregate) >= 0:
        advance(tables, state, row, aggregate, moment)
    elif entry(tables, fields.AGGREGATE_SET, aggregate) >= 0:
        trim_set(tables, state, row, aggregate, moment)
    elif entry(tables, fields.AGGREGATE_KIND, aggregate) >= DAYS_SINCE:
        return days_value(tables, state, row, aggregate, moment)
    return int(state.cells[row, state.at[slots.VALUE] + aggregate])


@inner
def next_place_change(tables: PackedTables, state: State, row: int, aggregate: int, moment: int, place: int) -> int:
    """The first moment after this one at which time alone carries an aggregate, now settled, to another place."""
    first = entry(tables, fields.CUT_START, aggregate)
    cuts = entry(tables, fields.CUT_START, aggregate + 1) - first
    kind = entry(tables, fields.AGGREGATE_KIND, aggregate)
    low = entry(tables, fields.CUT, first + place - 1) if place > 0 else LEAST_BOUND
    high = entry(tables, fields.CUT, first + place) if place < cuts else GREATEST_BOUND
    if kind in (NEWEST, OLDEST):
        if place == cuts:
            return NEVER_MS
        return min(NEVER_MS, int(state.cells[row, state.at[slots.VALUE] + aggregate]) + high)
    if kind >= DAYS_SINCE:
        return NEVER_MS if cuts == 0 else next_days_change(tables, state, row, aggregate, moment, low, high)
    if entry(tables, fields.AGGREGATE_RING, aggregate) >= 0:
        bucket = bucket_at(tables, state, row, aggregate, moment)
        if is_extreme(kind):
            if len(span(tables, fields.AGGREGATE_LEAF_START, aggregate)) == 0:
                return NEVER_MS
            return next_extreme_change(tables, state, row, aggregate, bucket, low, high)
        return NEVER_MS if cuts == 0 else next_total_change(tables, state, row, aggregate, bucket, low, high)
    if entry(tables, fields.AGGREGATE_SET, aggregate) >= 0 and low > 0:
        return leaving_of_entry(tables, state, row, aggregate, low - 1)  # fewer than `low` values are left then
    return NEVER_MS


@inlined
def settle_aggregate(
    tables: PackedTables, state: State, scratch: Scratch, row: int, aggregate: int, moment: int, stamp: int
) -> None:
    """Bring one aggregate up to `moment`: value, place, leaves, next moment; its comparisons are to be looked at.

    `stamp` is what `CHANGED_AT` becomes where the place changes; NO_TIME: it stays.
    """
    kind, value = entry(tables, fields.AGGREGATE_KIND, aggregate), current(tables, state, row, aggregate, moment)
    if is_missing(kind, value):
        place, due = -1, NEVER_MS
    else:
        place = place_of(tables, aggregate, moment - value if kind in (NEWEST, OLDEST) else value)
        due = next_place_change(tables, state, row, aggregate, moment, place)
    set_next(tables, state, scratch, row, aggregate, due)
    before = state.cells[row, state.at[slots.PLACE] + aggregate]
    if place != before:
        state.cells[row, state.at[slots.PLACE] + aggregate] = place
        if stamp != NO_TIME:
            state.cells[row, state.at[slots.CHANGED_AT] + aggregate] = stamp
        if place < 0 or before < 0:
            for index in span(tables, fields.AGGREGATE_LEAF_START, aggregate):
                set_place_leaf(tables, state, scratch, row, entry(tables, fields.AGGREGATE_LEAF, index), place)
        else:
            # Only ranges that begin or end at a cut between the two places tell them apart.
            first = entry(tables, fields.CUT_START, aggregate)
            start = entry(tables, fields.CUT_LEAF_START, first + min(place, before))
            end = entry(tables, fields.CUT_LEAF_START, first + max(place, before))
            for index in range(start, end):
                set_place_leaf(tables, state, scratch, row, entry(tables, fields.CUT_LEAF, index), place)
    for index in span(tables, fields.AGGREGATE_COMPARISON_START, aggregate):
        mark_comparison(tables, scratch, entry(tables, fields.AGGREGATE_COMPARISON, index))


@inner
def set_place_leaf(tables: PackedTables, state: State, scratch: Scratch, row: int, leaf: int, place: int) -> None:
    """Set a leaf that asks for an aggregate's place, or whether there is one."""
    holds = place >= 0
    if holds and entry(tables, fields.LEAF_KIND, leaf) == PLACE:
        inside = entry(tables, fields.LEAF_LOW, leaf) <= place < entry(tables, fields.LEAF_HIGH, leaf)
        holds = inside != (entry(tables, fields.LEAF_OPERATOR, leaf) == 1)
    set_leaf(tables, state, scratch, row, leaf, holds)
