"""Kernel, middle layer: conditions into transitions, and the user's next due time."""

from __future__ import annotations

from rules.tables import CAUSE_EVENT, FLAG, MISSING, TEXT
from stream.engine import fields, slots
from stream.engine.jit import inlined, inner
from stream.engine.match import mark_aggregate, mark_comparison, mark_unit, run, set_next, settle_fact, unit_blocks
from stream.engine.packed import PackedTables, entry, size, span
from stream.engine.places import current
from stream.engine.result import NEVER_MS
from stream.engine.settle import settle
from stream.engine.state import BLOCK, Scratch, State, Transitions
from stream.engine.strings import Texts

__all__ = ["conclude", "mark_due", "next_due", "room", "set_stay_end", "take_membership"]


@inner
def room(tables: PackedTables, out: Transitions) -> bool:
    """Whether one more evaluation fits: it brings at most one transition a unit."""
    return bool(len(out.cells) - out.written[0] >= size(tables, fields.UNIT_KEY))


@inlined
def evaluate(
    tables: PackedTables,
    state: State,
    scratch: Scratch,
    texts: Texts,
    out: Transitions,
    row: int,
    moment: int,
    event: int,
    cause: int,
) -> None:
    """Run the conditions of all marked units, and let the user enter, leave and change levels.

    Units read others that stand before them only, so in one pass every condition sees the memberships of this moment:
    a transition may mark units further on, never earlier ones.
    """
    units = size(tables, fields.UNIT_KEY)
    for block in range(unit_blocks(tables)):
        if scratch.marks[units + block] == 0:
            continue
        for unit in range(block * BLOCK, min((block + 1) * BLOCK, units)):
            if scratch.marks[unit] == 0:
                continue
            scratch.marks[unit] = 0
            before = int(state.flags[row, state.at[slots.MEMBER] + unit])
            if entry(tables, fields.UNIT_TIER, unit) == 1:
                after = level_of(tables, state, scratch, row, unit)
            else:
                after = membership_of(tables, state, scratch, row, unit, before, moment)
            if after != before:
                move(tables, state, scratch, texts, out, row, unit, before, after, moment, event, cause)
        scratch.marks[units + block] = 0


@inner
def level_of(tables: PackedTables, state: State, scratch: Scratch, row: int, unit: int) -> int:
    """The number + 1 of a tier's first level whose condition holds; 0 for a tier that is no more."""
    first, end = entry(tables, fields.UNIT_FIRST_PROGRAM, unit), entry(tables, fields.UNIT_FIRST_PROGRAM, unit + 1)
    for program in range(first, end):
        if run(tables, state, row, program, scratch.bits):
            return int(program - first + 1)
    return 0


@inner
def membership_of(
    tables: PackedTables, state: State, scratch: Scratch, row: int, unit: int, member: int, moment: int
) -> int:
    """Whether the user is in a segment from this moment on.

    A user enters where `when` holds and `exit` does not; a member leaves where `exit` holds (without one: where `when`
    does not), but not before the minimum stay: its end then becomes the segment's next moment.
    """
    first, has_exit = entry(tables, fields.UNIT_FIRST_PROGRAM, unit), entry(tables, fields.UNIT_HAS_EXIT, unit) == 1
    stay, end = entry(tables, fields.UNIT_STAY, unit), NEVER_MS
    if member == 0:
        after = run(tables, state, row, first, scratch.bits) and not (
            has_exit and run(tables, state, row, first + 1, scratch.bits)
        )
    else:
        after = run(tables, state, row, first + (1 if has_exit else 0), scratch.bits) != has_exit
        if stay >= 0 and not after:
            end = state.cells[row, state.at[slots.ENTERED] + unit] + entry(tables, fields.UNIT_MIN_STAY_MS, unit)
            if moment < end:
                after = True
            else:
                end = NEVER_MS
    if stay >= 0:
        set_stay_end(tables, state, scratch, row, stay, end)
    return 1 if after else 0


@inner
def set_stay_end(tables: PackedTables, state: State, scratch: Scratch, row: int, stay: int, end: int) -> None:
    """Note when a minimum stay ends after which the user may leave; NEVER_MS: there is nothing to wait for."""
    first = size(tables, fields.AGGREGATE_KIND) + size(tables, fields.COMPARISON_KIND)
    set_next(tables, state, scratch, row, first + stay, end)


@inner
def move(
    tables: PackedTables,
    state: State,
    scratch: Scratch,
    texts: Texts,
    out: Transitions,
    row: int,
    unit: int,
    before: int,
    after: int,
    moment: int,
    event: int,
    cause: int,
) -> None:
    """Let the user enter, leave or change levels, write it down, and have the units marked that read it."""
    index = out.written[0]
    out.written[0] = index + 1
    entered = state.at[slots.ENTERED] + unit
    state.cells[row, slots.VERSION] += 1
    state.flags[row, slots.CHANGED] = 1
    out.cells[index, slots.OUT_ROW] = row
    out.cells[index, slots.OUT_EVENT] = event
    out.cells[index, slots.OUT_UNIT] = unit
    out.cells[index, slots.OUT_FROM] = before
    out.cells[index, slots.OUT_TO] = after
    out.cells[index, slots.OUT_CAUSE] = cause
    out.cells[index, slots.OUT_MOMENT] = moment
    out.cells[index, slots.OUT_VERSION] = state.cells[row, slots.VERSION]
    out.cells[index, slots.OUT_STAYED_MS] = moment - state.cells[row, entered]
    for position in span(tables, fields.MESSAGE_AGGREGATE_START, unit):
        aggregate = entry(tables, fields.MESSAGE_AGGREGATE, position)
        out.cells[index, slots.OUT_VALUES + aggregate] = current(tables, state, row, aggregate, moment)
    for position in span(tables, fields.MESSAGE_FACT_START, unit):
        fact = entry(tables, fields.MESSAGE_FACT, position)
        out.kinds[index, fact] = state.flags[row, state.at[slots.FACT_KIND] + fact]
        out.numbers[index, fact] = state.numbers[row, state.at[slots.FACT_NUMBER] + fact]
        out.texts[index, fact] = state.cells[row, state.at[slots.FACT_TEXT] + fact]
    state.flags[row, state.at[slots.MEMBER] + unit] = after
    state.flags[row, state.at[slots.UNIT_CAUSE] + unit] = cause
    state.cells[row, entered] = moment
    if entry(tables, fields.UNIT_FACT, unit) >= 0:
        take_membership(tables, state, scratch, texts, row, unit)


@inner
def take_membership(tables: PackedTables, state: State, scratch: Scratch, texts: Texts, row: int, unit: int) -> None:
    """Set the fact that says whether the user is in a unit, or on which level, and the leaves that read it."""
    fact, member = entry(tables, fields.UNIT_FACT, unit), state.flags[row, state.at[slots.MEMBER] + unit]
    if entry(tables, fields.UNIT_TIER, unit) == 0:
        state.flags[row, state.at[slots.FACT_KIND] + fact] = FLAG
        state.numbers[row, state.at[slots.FACT_NUMBER] + fact] = member
    elif member == 0:
        state.flags[row, state.at[slots.FACT_KIND] + fact] = MISSING
    else:
        state.flags[row, state.at[slots.FACT_KIND] + fact] = TEXT
        state.cells[row, state.at[slots.FACT_TEXT] + fact] = entry(
            tables, fields.LEVEL_TEXT, entry(tables, fields.UNIT_FIRST_PROGRAM, unit) + member - 1
        )
    settle_fact(tables, state, scratch, texts, row, fact)


@inner
def next_due(tables: PackedTables, state: State, scratch: Scratch, row: int) -> None:
    """Note when the user is next due; only blocks of next moments that have changed are gone through."""
    first, end = state.at[slots.NEXT], state.at[slots.NEXT_LEAST]
    marks = size(tables, fields.UNIT_KEY) + unit_blocks(tables) + size(tables, fields.COMPARISON_KIND)
    due = NEVER_MS
    for block in range(state.at[slots.ENTERED] - end):
        if scratch.marks[marks + block] == 1:
            scratch.marks[marks + block] = 0
            least = NEVER_MS
            for slot in range(first + block * BLOCK, min(first + (block + 1) * BLOCK, end)):
                least = min(least, state.cells[row, slot])
            state.cells[row, end + block] = least
        due = min(due, state.cells[row, end + block])
    state.cells[row, slots.DUE] = due


@inner
def mark_due(tables: PackedTables, state: State, scratch: Scratch, row: int) -> None:
    """Have everything looked at that is due at the user's due time."""
    moment = state.cells[row, slots.DUE]
    aggregates, comparisons = size(tables, fields.AGGREGATE_KIND), size(tables, fields.COMPARISON_KIND)
    first, end = state.at[slots.NEXT], state.at[slots.NEXT_LEAST]
    for block in range(state.at[slots.ENTERED] - end):
        if state.cells[row, end + block] > moment:
            continue
        for index in range(block * BLOCK, min((block + 1) * BLOCK, end - first)):
            if state.cells[row, first + index] > moment:
                continue
            if index < aggregates:
                mark_aggregate(tables, scratch, index)
            elif index < aggregates + comparisons:
                mark_comparison(tables, scratch, index - aggregates)
            else:
                mark_unit(tables, scratch, entry(tables, fields.STAY_UNIT, index - aggregates - comparisons))


@inner
def conclude(
    tables: PackedTables,
    state: State,
    scratch: Scratch,
    texts: Texts,
    out: Transitions,
    row: int,
    moment: int,
    event: int,
    cause: int,
) -> None:
    """Bring everything marked up to a moment, let the user enter and leave what follows, and note the next due time.

    Looking at more than is needed, or earlier, changes nothing but the next due time.
    """
    state.cells[row, slots.MOMENT] = moment
    state.flags[row, slots.CHANGED] = 1
    settle(tables, state, scratch, row, moment, 2 * moment + (0 if cause == CAUSE_EVENT else 1))
    evaluate(tables, state, scratch, texts, out, row, moment, event, cause)
    next_due(tables, state, scratch, row)
