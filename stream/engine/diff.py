"""Kernel, middle layer: conditions into transitions, and the user's next due time."""

from __future__ import annotations

from rules.tables import CAUSE_EVENT, CLUSTER, SEGMENT
from stream.engine import fields, slots
from stream.engine.jit import inlined, inner
from stream.engine.match import mark_aggregate, mark_comparison, mark_unit, run, set_next, unit_blocks
from stream.engine.models import consult
from stream.engine.moves import cluster_of, move, take_membership
from stream.engine.packed import PackedTables, entry, size
from stream.engine.result import NEVER_MS
from stream.engine.settle import settle
from stream.engine.state import BLOCK, Scratch, State, Transitions
from stream.engine.strings import Texts

__all__ = ["conclude", "mark_due", "next_due", "set_stay_end", "take_quantiles"]


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
            before, form = int(state.flags[row, state.at[slots.MEMBER] + unit]), entry(tables, fields.UNIT_FORM, unit)
            if form == SEGMENT:
                after = membership_of(tables, state, scratch, row, unit, before, moment)
            elif form == CLUSTER:
                # Models have been asked; only those are left that are no more.
                before = cluster_of(tables, state, row, unit) + 1
                after = 0 if entry(tables, fields.UNIT_RETIRED, unit) == 1 else before
            else:
                after = level_of(tables, state, scratch, row, unit)
            if after != before:
                move(tables, state, scratch, texts, out, row, unit, before, after, moment, event, cause)
        scratch.marks[units + block] = 0


@inner
def take_quantiles(tables: PackedTables, state: State, scratch: Scratch, texts: Texts, row: int) -> None:
    """Set the marked quantiles to what they are; nobody is told."""
    for unit in range(entry(tables, fields.QUANTILE_COUNT, 0)):
        if scratch.marks[unit] == 0:
            continue
        scratch.marks[unit] = 0
        after = level_of(tables, state, scratch, row, unit)
        if after != state.flags[row, state.at[slots.MEMBER] + unit]:
            state.flags[row, state.at[slots.MEMBER] + unit] = after
            take_membership(tables, state, scratch, texts, row, unit)


@inner
def level_of(tables: PackedTables, state: State, scratch: Scratch, row: int, unit: int) -> int:
    """The number + 1 of a tier's or quantile's first level whose condition holds; 0 if none does."""
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
    """Have everything looked at that is due at the user's due time; what models want then, `consult` sees itself."""
    moment = state.cells[row, slots.DUE]
    aggregates, comparisons = size(tables, fields.AGGREGATE_KIND), size(tables, fields.COMPARISON_KIND)
    stays = size(tables, fields.STAY_UNIT)
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
            elif index < aggregates + comparisons + stays:
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

    Models come first, then quantiles: others may read both, so what compares them is settled once more. Looking at
    more than is needed, or earlier, changes nothing but the next due time.
    """
    state.cells[row, slots.MOMENT] = moment
    state.flags[row, slots.CHANGED] = 1
    if size(tables, fields.MODEL_KIND) > 0:
        consult(tables, state, scratch, texts, out, row, moment, event, cause)
    for turn in range(1 if entry(tables, fields.QUANTILE_COUNT, 0) == 0 else 2):
        if turn == 1:
            take_quantiles(tables, state, scratch, texts, row)
        settle(tables, state, scratch, row, moment, 2 * moment + (0 if cause == CAUSE_EVENT else 1))
    evaluate(tables, state, scratch, texts, out, row, moment, event, cause)
    next_due(tables, state, scratch, row)
