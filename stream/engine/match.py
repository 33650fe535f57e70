"""Kernel, lower layer: leaves, the programs that read them, and what a change of one has looked at next.

Everything here works on one row. What is marked waits in the scratch memory: aggregates and comparisons for the next
`settle`, units for the next `evaluate`.
"""

from __future__ import annotations

import math

from rules.tables import (
    ABOVE,
    AND,
    ANY,
    AT_MOST,
    BELOW,
    EQUAL,
    FLAG,
    MISSING,
    NOT,
    NUMBER,
    OR,
    TEXT,
    TRUE,
    UNEQUAL,
    VALUE_FLAG,
    VALUE_MATCH,
    VALUE_NUMBER,
    VALUE_TEXT,
    UInt8,
)
from stream.engine import fields, slots
from stream.engine.jit import inlined, inner
from stream.engine.packed import PackedTables, entry, number, size, span
from stream.engine.state import BLOCK, NO_TIME, Scratch, State
from stream.engine.strings import DAY, Texts

__all__ = [
    "compare",
    "mark_aggregate",
    "mark_aggregates",
    "mark_comparison",
    "mark_conditions",
    "mark_unit",
    "run",
    "set_leaf",
    "set_next",
    "settle_fact",
    "unit_blocks",
    "value_test",
]


@inner
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


@inner
def value_test(
    kind: int,
    operator: int,
    number: float,
    text: int,
    value_kind: int,
    value_number: float,
    value_text: int,
    verdicts: UInt8,
) -> bool:
    """A leaf that reads a fact's or property's value. `verdicts` are those of `Texts`."""
    if kind == VALUE_NUMBER:
        return value_kind == NUMBER and compare(operator, value_number, number)
    if kind == VALUE_TEXT:
        return value_kind == TEXT and (value_text == text) == (operator == EQUAL)
    if kind == VALUE_FLAG:
        return value_kind == FLAG and (value_number != 0.0) == (operator == 1)
    if kind == VALUE_MATCH:
        return bool(value_kind == TEXT and verdicts[value_text, text] == operator)
    return value_kind != MISSING if operator == ANY else value_kind == operator


@inner
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


@inner
def unit_blocks(tables: PackedTables) -> int:
    """How many blocks the units take; in `Scratch.marks` units come first, then blocks, comparisons, blocks of NEXT."""
    return (size(tables, fields.UNIT_KEY) + BLOCK - 1) // BLOCK


@inner
def mark_unit(tables: PackedTables, scratch: Scratch, unit: int) -> None:
    """Have a unit's conditions run by the next `evaluate`."""
    scratch.marks[unit] = 1
    scratch.marks[size(tables, fields.UNIT_KEY) + unit // BLOCK] = 1


@inner
def mark_comparison(tables: PackedTables, scratch: Scratch, comparison: int) -> None:
    """Have a comparison looked at by the next `settle`."""
    mark = size(tables, fields.UNIT_KEY) + unit_blocks(tables) + comparison
    if scratch.marks[mark] == 0:
        scratch.marks[mark] = 1
        scratch.pending[2 + scratch.pending[0]] = comparison
        scratch.pending[0] += 1


@inlined
def mark_aggregate(tables: PackedTables, scratch: Scratch, aggregate: int) -> None:
    """Have an aggregate looked at by the next `settle`; each is marked once at most."""
    scratch.pending[2 + size(tables, fields.COMPARISON_KIND) + scratch.pending[1]] = aggregate
    scratch.pending[1] += 1


@inner
def mark_aggregates(tables: PackedTables, scratch: Scratch) -> None:
    """Have every aggregate looked at."""
    scratch.pending[1] = 0
    for aggregate in range(size(tables, fields.AGGREGATE_KIND)):
        mark_aggregate(tables, scratch, aggregate)


@inner
def mark_conditions(tables: PackedTables, scratch: Scratch) -> None:
    """Have every comparison looked at, and every unit's conditions run."""
    scratch.marks[: size(tables, fields.UNIT_KEY) + unit_blocks(tables)] = 1
    for comparison in range(size(tables, fields.COMPARISON_KIND)):
        mark_comparison(tables, scratch, comparison)


@inlined
def set_next(tables: PackedTables, state: State, scratch: Scratch, row: int, index: int, due: int) -> None:
    """Set a next moment; the least of its block is found anew by `next_due`."""
    if state.cells[row, state.at[slots.NEXT] + index] != due:
        state.cells[row, state.at[slots.NEXT] + index] = due
        blocks = size(tables, fields.UNIT_KEY) + unit_blocks(tables) + size(tables, fields.COMPARISON_KIND)
        scratch.marks[blocks + index // BLOCK] = 1


@inner
def set_leaf(tables: PackedTables, state: State, scratch: Scratch, row: int, leaf: int, holds: bool) -> None:
    """Set a leaf; where it changes, its units' conditions are to be run."""
    bit = 1 if holds else 0
    if state.flags[row, state.at[slots.BIT] + leaf] == bit:
        return
    state.flags[row, state.at[slots.BIT] + leaf] = bit
    for index in span(tables, fields.LEAF_UNIT_START, leaf):
        mark_unit(tables, scratch, entry(tables, fields.LEAF_UNIT, index))


@inner
def settle_fact(tables: PackedTables, state: State, scratch: Scratch, texts: Texts, row: int, fact: int) -> None:
    """Set the leaves that read a fact; the days and the comparisons that do are to be looked at."""
    kind = state.flags[row, state.at[slots.FACT_KIND] + fact]
    text = state.cells[row, state.at[slots.FACT_TEXT] + fact]
    for index in span(tables, fields.FACT_LEAF_START, fact):
        leaf = entry(tables, fields.FACT_LEAF, index)
        holds = value_test(
            entry(tables, fields.LEAF_KIND, leaf),
            entry(tables, fields.LEAF_OPERATOR, leaf),
            number(tables, fields.LEAF_NUMBER, leaf),
            entry(tables, fields.LEAF_TEXT, leaf),
            kind,
            state.numbers[row, state.at[slots.FACT_NUMBER] + fact],
            text,
            texts.verdicts,
        )
        set_leaf(tables, state, scratch, row, leaf, holds)
    for index in span(tables, fields.FACT_AGGREGATE_START, fact):
        days = entry(tables, fields.FACT_AGGREGATE, index)
        state.cells[row, state.at[slots.VALUE] + days] = texts.numbers[text, DAY] if kind == TEXT else NO_TIME
        mark_aggregate(tables, scratch, days)
    for index in span(tables, fields.FACT_COMPARISON_START, fact):
        mark_comparison(tables, scratch, entry(tables, fields.FACT_COMPARISON, index))
