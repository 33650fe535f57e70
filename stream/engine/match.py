"""Kernel, lowest layer: leaves, the programs that read them, and what time does to each value.

Everything here works on one row and one moment. `settle_*` functions bring a value's place, the leaves that depend on
it and the next moment at which time may change them up to a moment, and mark the segments whose conditions must run.
"""

from __future__ import annotations

import math

from rules.tables import (
    ABOVE,
    ADD,
    AND,
    ANY,
    AT_MOST,
    BELOW,
    EQUAL,
    FLAG,
    LINEAR,
    LOAD_AGGREGATE,
    LOAD_CONSTANT,
    LOAD_TRAIT,
    MISSING,
    MULTIPLY,
    NEGATE,
    NEWEST,
    NOT,
    NUMBER,
    OLDEST,
    OR,
    PLACE,
    SUBTRACT,
    SUM,
    TEXT,
    TRUE,
    UNEQUAL,
    VALUE_FLAG,
    VALUE_NUMBER,
    VALUE_TEXT,
    Float64,
    Int64,
    UInt8,
)
from stream.engine import fields, slots
from stream.engine.jit import jit
from stream.engine.packed import PackedTables, entry, number, size, span
from stream.engine.result import NEVER_MS
from stream.engine.state import BUCKETS, NO_TIME, Scratch, State

__all__ = ["advance", "run", "settle_aggregate", "settle_comparisons", "settle_trait", "value_test"]

UNITS = 1e6

BLOCK = 64
"""Marks of segments are looked through by blocks of this many."""


@jit
def compare(operator: int, left: float, right: float) -> bool:
    """`left operator right`; nothing holds beside NaN (a missing value)."""
    if math.isnan(left) or math.isnan(right):
        return False
    if operator == EQUAL:
        return left == right
    if operator == UNEQUAL:
        return left != right
    if operator == BELOW:
        return left < right
    if operator == AT_MOST:
        return left <= right
    if operator == ABOVE:
        return left > right
    return left >= right


@jit
def value_test(
    kind: int, operator: int, number: float, text: int, value_kind: int, value_number: float, value_text: int
) -> bool:
    """A leaf that reads a trait's or property's value."""
    if kind == VALUE_NUMBER:
        return value_kind == NUMBER and compare(operator, value_number, number)
    if kind == VALUE_TEXT:
        return value_kind == TEXT and (value_text == text) == (operator == EQUAL)
    if kind == VALUE_FLAG:
        return value_kind == FLAG and (value_number != 0.0) == (operator == 1)
    return value_kind != MISSING if operator == ANY else value_kind == operator


@jit
def run(tables: PackedTables, state: State, row: int, program: int, stack: UInt8) -> bool:
    """The value of a condition program over the row's leaves."""
    top, bits = -1, state.at[slots.BIT]
    start, end = entry(tables, fields.PROGRAM_START, program), entry(tables, fields.PROGRAM_START, program + 1)
    for position in range(start, end):
        step = entry(tables, fields.PROGRAM_CODE, position)
        if step >= 0:
            top += 1
            stack[top] = state.flags[row, bits + step]
        elif step == AND:
            top -= 1
            stack[top] &= stack[top + 1]
        elif step == OR:
            top -= 1
            stack[top] |= stack[top + 1]
        elif step == NOT:
            stack[top] ^= 1
        else:
            top += 1
            stack[top] = 1 if step == TRUE else 0
    return bool(stack[0] == 1)


@jit
def mark_segment(tables: PackedTables, scratch: Scratch, segment: int) -> None:
    """Have a segment's conditions run by the next `evaluate`."""
    scratch.marks[segment] = 1
    scratch.marks[size(tables, fields.SEGMENT_KEY) + segment // BLOCK] = 1


@jit
def set_leaf(tables: PackedTables, state: State, scratch: Scratch, row: int, leaf: int, holds: bool) -> None:
    """Set a leaf; where it changes, its segments' conditions are to be run."""
    bit = 1 if holds else 0
    if state.flags[row, state.at[slots.BIT] + leaf] == bit:
        return
    state.flags[row, state.at[slots.BIT] + leaf] = bit
    for index in span(tables, fields.LEAF_SEGMENT_START, leaf):
        segment = entry(tables, fields.LEAF_SEGMENT, index)
        mark_segment(tables, scratch, segment)


@jit
def mark_comparison(scratch: Scratch, comparison: int) -> None:
    """Have a comparison looked at by the next `settle_comparisons`; few are marked at a time."""
    count = scratch.pending[0]
    for index in range(1, count + 1):
        if scratch.pending[index] == comparison:
            return
    scratch.pending[count + 1] = comparison
    scratch.pending[0] = count + 1


@jit
def mark_all_comparisons(scratch: Scratch) -> None:
    """Have every comparison looked at."""
    scratch.pending[0] = len(scratch.pending) - 1
    for index in range(1, len(scratch.pending)):
        scratch.pending[index] = index - 1


@jit
def bucket_at(tables: PackedTables, state: State, row: int, aggregate: int, time_ms: int) -> int:
    """The bucket number b(t) of a time in an aggregate's window."""
    hop = entry(tables, fields.AGGREGATE_HOP_MS, aggregate)
    return int((time_ms + state.cells[row, slots.PHASE] % hop) // hop)


@jit
def advance(tables: PackedTables, state: State, row: int, aggregate: int, moment: int) -> int:
    """Drop the buckets that have left an aggregate's window by `moment`; returns b(moment)."""
    ring = entry(tables, fields.AGGREGATE_RING, aggregate)
    bucket = bucket_at(tables, state, row, aggregate, moment)
    head = state.cells[row, state.at[slots.HEAD] + ring]
    if bucket <= head:
        return bucket
    if head != NO_TIME:
        for left in range(head - (BUCKETS - 1), min(bucket - BUCKETS, head) + 1):
            slot = left % BUCKETS
            state.cells[row, state.at[slots.VALUE] + aggregate] -= state.cells[
                row, state.at[slots.RING] + ring * BUCKETS + slot
            ]
            state.cells[row, state.at[slots.RING] + ring * BUCKETS + slot] = 0
    state.cells[row, state.at[slots.HEAD] + ring] = bucket
    return bucket


@jit
def leaving_ms(tables: PackedTables, state: State, row: int, aggregate: int, bucket: int) -> int:
    """The moment at which a bucket leaves an aggregate's window."""
    hop = entry(tables, fields.AGGREGATE_HOP_MS, aggregate)
    return int((bucket + BUCKETS) * hop - state.cells[row, slots.PHASE] % hop)


@jit
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


@jit
def next_place_change(tables: PackedTables, state: State, row: int, aggregate: int, bucket: int, place: int) -> int:
    """The first moment after b(now) = `bucket` at which leaving buckets carry a ring's value to another place."""
    first = entry(tables, fields.CUT_START, aggregate)
    cuts = entry(tables, fields.CUT_START, aggregate + 1) - first
    if cuts == 0:
        return NEVER_MS
    low = entry(tables, fields.CUT, first + place - 1) if place > 0 else -NEVER_MS - NEVER_MS
    high = entry(tables, fields.CUT, first + place) if place < cuts else NEVER_MS + (NEVER_MS - 1)
    ring = entry(tables, fields.AGGREGATE_RING, aggregate)
    value = state.cells[row, state.at[slots.VALUE] + aggregate]
    for leaving in range(bucket - (BUCKETS - 1), bucket + 1):
        held = state.cells[row, state.at[slots.RING] + ring * BUCKETS + leaving % BUCKETS]
        if held != 0:
            value -= held
            if value < low or value >= high:
                return leaving_ms(tables, state, row, aggregate, leaving)
    return NEVER_MS


@jit
def settle_aggregate(
    tables: PackedTables, state: State, scratch: Scratch, row: int, aggregate: int, moment: int
) -> None:
    """Bring one aggregate up to `moment`: value, place, leaves, next moment; its comparisons are to be looked at."""
    kind = entry(tables, fields.AGGREGATE_KIND, aggregate)
    due = NEVER_MS
    if kind in (NEWEST, OLDEST):
        time_ms = state.cells[row, state.at[slots.VALUE] + aggregate]
        if time_ms == NO_TIME:
            place = -1
        else:
            place = place_of(tables, aggregate, moment - time_ms)
            following = entry(tables, fields.CUT_START, aggregate) + place
            if following < entry(tables, fields.CUT_START, aggregate + 1):
                due = min(due, time_ms + entry(tables, fields.CUT, following))
    elif entry(tables, fields.AGGREGATE_RING, aggregate) >= 0:
        bucket = advance(tables, state, row, aggregate, moment)
        place = place_of(tables, aggregate, state.cells[row, state.at[slots.VALUE] + aggregate])
        due = next_place_change(tables, state, row, aggregate, bucket, place)
    else:
        place = place_of(tables, aggregate, state.cells[row, state.at[slots.VALUE] + aggregate])
    state.cells[row, state.at[slots.NEXT] + aggregate] = due
    if place != state.cells[row, state.at[slots.PLACE] + aggregate]:
        state.cells[row, state.at[slots.PLACE] + aggregate] = place
        for index in span(tables, fields.AGGREGATE_LEAF_START, aggregate):
            leaf = entry(tables, fields.AGGREGATE_LEAF, index)
            holds = place >= 0
            if holds and entry(tables, fields.LEAF_KIND, leaf) == PLACE:
                inside = entry(tables, fields.LEAF_LOW, leaf) <= place < entry(tables, fields.LEAF_HIGH, leaf)
                holds = inside != (entry(tables, fields.LEAF_OPERATOR, leaf) == 1)
            set_leaf(tables, state, scratch, row, leaf, holds)
    for index in span(tables, fields.AGGREGATE_COMPARISON_START, aggregate):
        mark_comparison(scratch, entry(tables, fields.AGGREGATE_COMPARISON, index))


@jit
def settle_trait(tables: PackedTables, state: State, scratch: Scratch, row: int, trait: int) -> None:
    """Set the leaves that read a trait; its comparisons are to be looked at."""
    for index in span(tables, fields.TRAIT_LEAF_START, trait):
        leaf = entry(tables, fields.TRAIT_LEAF, index)
        holds = value_test(
            entry(tables, fields.LEAF_KIND, leaf),
            entry(tables, fields.LEAF_OPERATOR, leaf),
            number(tables, fields.LEAF_NUMBER, leaf),
            entry(tables, fields.LEAF_TEXT, leaf),
            state.flags[row, state.at[slots.TRAIT_KIND] + trait],
            state.numbers[row, trait],
            state.cells[row, state.at[slots.TRAIT_TEXT] + trait],
        )
        set_leaf(tables, state, scratch, row, leaf, holds)
    for index in span(tables, fields.TRAIT_COMPARISON_START, trait):
        mark_comparison(scratch, entry(tables, fields.TRAIT_COMPARISON, index))


@jit
def settle_comparisons(tables: PackedTables, state: State, scratch: Scratch, row: int, moment: int) -> None:
    """Look at every marked comparison: set its leaf and the moment of the next look."""
    aggregates = size(tables, fields.AGGREGATE_KIND)
    for index in range(1, scratch.pending[0] + 1):
        comparison = scratch.pending[index]
        if entry(tables, fields.COMPARISON_KIND, comparison) == LINEAR:
            holds, due = linear(tables, state, row, comparison, moment)
        else:
            holds, due = numeric(tables, state, scratch.numbers, row, comparison, moment)
        state.cells[row, state.at[slots.NEXT] + aggregates + comparison] = due
        set_leaf(tables, state, scratch, row, entry(tables, fields.COMPARISON_LEAF, comparison), holds)
    scratch.pending[0] = 0


@jit
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


@jit
def finite(value: float) -> float:
    """The value, or NaN (missing) where it is not finite."""
    return value if math.isfinite(value) else math.nan


@jit
def numeric(
    tables: PackedTables, state: State, stack: Float64, row: int, comparison: int, moment: int
) -> tuple[bool, int]:
    """A comparison with arithmetic: its verdict, and when the next non-empty bucket of any of its windows leaves."""
    due, top = NEVER_MS, -1
    for step in span(tables, fields.COMPARISON_START, comparison):
        code, argument = entry(tables, fields.COMPARISON_CODE, step), entry(tables, fields.COMPARISON_ARGUMENT, step)
        if code == LOAD_CONSTANT:
            top += 1
            stack[top] = number(tables, fields.COMPARISON_NUMBER, step)
        elif code == LOAD_AGGREGATE:
            if entry(tables, fields.AGGREGATE_RING, argument) >= 0:
                bucket = advance(tables, state, row, argument, moment)
                due = min(due, next_leaving(tables, state, row, argument, bucket))
            top += 1
            value = float(state.cells[row, state.at[slots.VALUE] + argument])
            stack[top] = value / UNITS if entry(tables, fields.AGGREGATE_KIND, argument) == SUM else value
        elif code == LOAD_TRAIT:
            top += 1
            there = state.flags[row, state.at[slots.TRAIT_KIND] + argument] == NUMBER
            stack[top] = state.numbers[row, argument] if there else math.nan
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


@jit
def next_leaving(tables: PackedTables, state: State, row: int, aggregate: int, bucket: int) -> int:
    """When the next non-empty bucket of a window leaves, after b(now) = `bucket`."""
    ring = entry(tables, fields.AGGREGATE_RING, aggregate)
    for leaving in range(bucket - (BUCKETS - 1), bucket + 1):
        if state.cells[row, state.at[slots.RING] + ring * BUCKETS + leaving % BUCKETS] != 0:
            return leaving_ms(tables, state, row, aggregate, leaving)
    return NEVER_MS


@jit
def advance_row(tables: PackedTables, state: State, row: int, moment: int, value: Int64) -> None:
    """Write into `value` `(A,)` what the row's aggregates amount to at a moment not before its newest."""
    for aggregate in range(size(tables, fields.AGGREGATE_KIND)):
        ring = entry(tables, fields.AGGREGATE_RING, aggregate)
        value[aggregate] = state.cells[row, state.at[slots.VALUE] + aggregate]
        if ring < 0 or state.cells[row, state.at[slots.HEAD] + ring] == NO_TIME:
            continue
        head = state.cells[row, state.at[slots.HEAD] + ring]
        for bucket in range(head - (BUCKETS - 1), bucket_at(tables, state, row, aggregate, moment) - (BUCKETS - 1)):
            if bucket <= head:
                value[aggregate] -= state.cells[row, state.at[slots.RING] + ring * BUCKETS + bucket % BUCKETS]
