"""Kernel, lower layer: everything marked is brought up to a moment, aggregates first, then what compares several.

Comparisons are of durations, or have arithmetic.
"""

from __future__ import annotations

import math

from rules.tables import (
    ADD,
    DAYS_SINCE,
    GREATEST,
    LEAST,
    LINEAR,
    LOAD_AGGREGATE,
    LOAD_CONSTANT,
    LOAD_FACT,
    MULTIPLY,
    NEGATE,
    NO_VALUE,
    NUMBER,
    SUBTRACT,
    SUM,
    Float64,
)
from stream.engine import fields, slots
from stream.engine.dates import day_begin_ms, local_day
from stream.engine.jit import inlined, inner
from stream.engine.match import compare, set_leaf, set_next, unit_blocks
from stream.engine.packed import PackedTables, entry, number, size, span
from stream.engine.places import current, settle_aggregate
from stream.engine.result import NEVER_MS
from stream.engine.sets import leaving_of_entry
from stream.engine.state import NO_TIME, Scratch, State
from stream.engine.windows import bucket_at, is_missing, next_leaving

__all__ = ["settle"]

UNITS = 1e6


@inlined
def settle(tables: PackedTables, state: State, scratch: Scratch, row: int, moment: int, stamp: int) -> None:
    """Look at every marked aggregate and comparison: set the leaves of each and its next moment.

    `stamp` is what `CHANGED_AT` becomes where a place changes; NO_TIME: it stays.
    """
    aggregates, comparisons = size(tables, fields.AGGREGATE_KIND), size(tables, fields.COMPARISON_KIND)
    for index in range(2 + comparisons, 2 + comparisons + scratch.pending[1]):
        settle_aggregate(tables, state, scratch, row, scratch.pending[index], moment, stamp)
    scratch.pending[1] = 0
    marks = size(tables, fields.UNIT_KEY) + unit_blocks(tables)
    for index in range(2, 2 + scratch.pending[0]):
        comparison = scratch.pending[index]
        scratch.marks[marks + comparison] = 0
        if entry(tables, fields.COMPARISON_KIND, comparison) == LINEAR:
            holds, due = linear(tables, state, row, comparison, moment)
        else:
            holds, due = numeric(tables, state, scratch.numbers, row, comparison, moment)
        set_next(tables, state, scratch, row, aggregates + comparison, due)
        set_leaf(tables, state, scratch, row, entry(tables, fields.COMPARISON_LEAF, comparison), holds)
    scratch.pending[0] = 0


@inner
def linear(tables: PackedTables, state: State, row: int, comparison: int, moment: int) -> tuple[bool, int]:
    """A comparison of durations, `slope · now + rest operator 0`: its verdict, and when it next differs.

    A line crosses 0 once: what it may next do is reach 0 or leave it, at the first whole ms of either.
    """
    slope, rest = 0, entry(tables, fields.COMPARISON_CONSTANT, comparison)
    for step in span(tables, fields.COMPARISON_START, comparison):
        time_ms = state.cells[row, state.at[slots.VALUE] + entry(tables, fields.COMPARISON_ARGUMENT, step)]
        if time_ms == NO_TIME:
            return False, NEVER_MS
        times = entry(tables, fields.COMPARISON_COEFFICIENT, step)
        slope += times
        rest -= times * time_ms
    value = slope * moment + rest
    operator = entry(tables, fields.COMPARISON_OPERATOR, comparison)
    holds = compare(operator, float(1 if value > 0 else -1 if value < 0 else 0), 0.0)
    if slope == 0:
        return holds, NEVER_MS
    if slope < 0:
        slope, rest = -slope, -rest
    reached, left = -(rest // slope), -rest // slope + 1
    if reached > moment:
        return holds, min(reached, NEVER_MS)
    return holds, min(left, NEVER_MS) if left > moment else NEVER_MS


@inner
def finite(value: float) -> float:
    """The value, or NaN (missing) where it is not finite."""
    return value if math.isfinite(value) else math.nan


@inner
def next_look(tables: PackedTables, state: State, row: int, aggregate: int, moment: int) -> int:
    """The next moment at which time alone may change the value, now current, of an aggregate that is a number."""
    if entry(tables, fields.AGGREGATE_RING, aggregate) >= 0:
        return next_leaving(tables, state, row, aggregate, bucket_at(tables, state, row, aggregate, moment))
    value = state.cells[row, state.at[slots.VALUE] + aggregate]
    if entry(tables, fields.AGGREGATE_SET, aggregate) >= 0:
        return leaving_of_entry(tables, state, row, aggregate, value - 1) if value > 0 else NEVER_MS
    if entry(tables, fields.AGGREGATE_KIND, aggregate) >= DAYS_SINCE and value != NO_VALUE:
        return day_begin_ms(tables, local_day(tables, moment) + 1)
    return NEVER_MS


@inner
def load(tables: PackedTables, state: State, row: int, aggregate: int, moment: int) -> float:
    """An aggregate's value as a double, NaN where it is missing."""
    value = current(tables, state, row, aggregate, moment)
    kind = entry(tables, fields.AGGREGATE_KIND, aggregate)
    if is_missing(kind, value):
        return math.nan
    return float(value) / UNITS if kind in (SUM, LEAST, GREATEST) else float(value)


@inner
def numeric(
    tables: PackedTables, state: State, stack: Float64, row: int, comparison: int, moment: int
) -> tuple[bool, int]:
    """A comparison with arithmetic: its verdict, and when the next value of any of its aggregates may change."""
    due, top = NEVER_MS, -1
    for step in span(tables, fields.COMPARISON_START, comparison):
        code, argument = entry(tables, fields.COMPARISON_CODE, step), entry(tables, fields.COMPARISON_ARGUMENT, step)
        if code == LOAD_CONSTANT:
            top += 1
            stack[top] = number(tables, fields.COMPARISON_NUMBER, step)
        elif code == LOAD_AGGREGATE:
            top += 1
            stack[top] = load(tables, state, row, argument, moment)
            due = min(due, next_look(tables, state, row, argument, moment))
        elif code == LOAD_FACT:
            top += 1
            there = state.flags[row, state.at[slots.FACT_KIND] + argument] == NUMBER
            stack[top] = state.numbers[row, state.at[slots.FACT_NUMBER] + argument] if there else math.nan
        elif code == NEGATE:
            stack[top] = -stack[top]
        else:
            top -= 1
            left, right = stack[top], stack[top + 1]
            if code == ADD:
                stack[top] = finite(left + right)
            elif code == SUBTRACT:
                stack[top] = finite(left - right)
            elif code == MULTIPLY:
                stack[top] = finite(left * right)
            else:
                stack[top] = finite(left / right)
    return compare(entry(tables, fields.COMPARISON_OPERATOR, comparison), stack[0], stack[1]), due
