"""Kernel, lower layer: everything marked is brought up to a moment, aggregates first, then what compares several.

Comparisons are of durations, or have arithmetic.
"""

from __future__ import annotations

from rules.tables import LINEAR
from stream.engine import fields
from stream.engine.arithmetic import calculate, line
from stream.engine.jit import inlined, inner, plain
from stream.engine.match import compare, set_leaf, set_next, unit_blocks
from stream.engine.packed import PackedTables, entry, size
from stream.engine.places import settle_aggregate
from stream.engine.result import NEVER_MS
from stream.engine.state import Scratch, State

__all__ = ["settle"]


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
            due = calculate(tables, state, scratch.numbers, row, comparison, moment, plain(1))
            operator = entry(tables, fields.COMPARISON_OPERATOR, comparison)
            holds = compare(operator, scratch.numbers[0], scratch.numbers[1])
        set_next(tables, state, scratch, row, aggregates + comparison, due)
        set_leaf(tables, state, scratch, row, entry(tables, fields.COMPARISON_LEAF, comparison), holds)
    scratch.pending[0] = 0


@inner
def linear(tables: PackedTables, state: State, row: int, comparison: int, moment: int) -> tuple[bool, int]:
    """A comparison of durations, `slope · now + rest operator 0`: its verdict, and when it next differs.

    A line crosses 0 once: what it may next do is reach 0 or leave it, at the first whole ms of either.
    """
    is_there, slope, rest = line(tables, state, row, comparison)
    if not is_there:
        return False, NEVER_MS
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
