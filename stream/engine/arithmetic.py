"""Kernel, lower layer: the steps of comparisons and features. Doubles, left to right; NaN is a missing value."""

from __future__ import annotations

import math

from rules.aggregates import EXACT_UNITS, UNITS
from rules.tables import (
    ADD,
    AGGREGATE,
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
    TIME_SINCE,
    Float64,
)
from stream.engine import fields, slots
from stream.engine.dates import day_begin_ms, local_day
from stream.engine.jit import inlined, inner, plain
from stream.engine.packed import PackedTables, entry, number, size, span
from stream.engine.places import current
from stream.engine.result import NEVER_MS
from stream.engine.sets import leaving_of_entry
from stream.engine.state import NO_TIME, State
from stream.engine.windows import bucket_at, is_missing, next_leaving

__all__ = ["calculate", "feature_value", "line"]


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
    return amount(value) if kind in (SUM, LEAST, GREATEST) else float(value)


@inner
def amount(units: int) -> float:
    """The double nearest to units / 10⁶.

    Of more units than a double holds the whole part is a double, and so large that the rest's own error can't bring the
    sum to another one: the rest is a midpoint between two doubles itself, or 2⁻³⁴ away from each.
    """
    if -EXACT_UNITS <= units <= EXACT_UNITS:
        return units / UNITS
    whole = units // UNITS
    return float(whole) + (units - whole * UNITS) / UNITS


@inner
def line(tables: PackedTables, state: State, row: int, steps: int) -> tuple[bool, int, int]:
    """A sum of durations as slope and rest of a line over time, and whether none of them is missing."""
    slope, rest = 0, entry(tables, fields.COMPARISON_CONSTANT, steps)
    for step in span(tables, fields.COMPARISON_START, steps):
        time_ms = state.cells[row, state.at[slots.VALUE] + entry(tables, fields.COMPARISON_ARGUMENT, step)]
        if time_ms == NO_TIME:
            return False, 0, 0
        times = entry(tables, fields.COMPARISON_COEFFICIENT, step)
        slope += times
        rest -= times * time_ms
    return True, slope, rest


@inner
def calculate(
    tables: PackedTables, state: State, stack: Float64, row: int, steps: int, moment: int, is_watched: int
) -> int:
    """Run the steps of a comparison or a feature; what they come to is on the stack, from 0 on.

    Returns, if the value `is_watched` (1), when the next value of any of its aggregates may change, else NEVER_MS.
    """
    due, top = NEVER_MS, -1
    for step in span(tables, fields.COMPARISON_START, steps):
        code, argument = entry(tables, fields.COMPARISON_CODE, step), entry(tables, fields.COMPARISON_ARGUMENT, step)
        if code == LOAD_CONSTANT:
            top += 1
            stack[top] = number(tables, fields.COMPARISON_NUMBER, step)
        elif code == LOAD_AGGREGATE:
            top += 1
            stack[top] = load(tables, state, row, argument, moment)
            if is_watched == 1:
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
    return due


@inlined
def feature_value(tables: PackedTables, state: State, stack: Float64, row: int, feature: int, moment: int) -> float:
    """What a model is told of the user at a moment: a number, or a duration in ms; NaN where it is missing."""
    steps, kind = size(tables, fields.COMPARISON_KIND) + feature, entry(tables, fields.FEATURE_KIND, feature)
    if kind in (AGGREGATE, TIME_SINCE):
        aggregate = entry(tables, fields.COMPARISON_ARGUMENT, entry(tables, fields.COMPARISON_START, steps))
        if kind == AGGREGATE:
            return load(tables, state, row, aggregate, moment)
        time_ms = state.cells[row, state.at[slots.VALUE] + aggregate]
        return math.nan if time_ms == NO_TIME else float(moment - time_ms)
    if kind == LINEAR:
        is_there, slope, rest = line(tables, state, row, steps)
        return float(slope * moment + rest) if is_there else math.nan
    calculate(tables, state, stack, row, steps, moment, plain(0))
    return float(stack[0])
