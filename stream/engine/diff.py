"""Kernel, middle layer: conditions into transitions, and the user's next due time."""

from __future__ import annotations

from stream.engine import fields, slots
from stream.engine.jit import jit
from stream.engine.match import (
    BLOCK,
    advance,
    mark_comparison,
    mark_segment,
    run,
    settle_aggregate,
    settle_comparisons,
)
from stream.engine.packed import PackedTables, entry, size
from stream.engine.result import NEVER_MS
from stream.engine.state import Scratch, State, Transitions

__all__ = ["evaluate", "flip", "next_due", "room"]


@jit
def room(tables: PackedTables, out: Transitions) -> bool:
    """Whether one more evaluation fits: it brings at most one transition a segment."""
    return bool(len(out.cells) - out.written[0] >= size(tables, fields.SEGMENT_KEY))


@jit
def evaluate(
    tables: PackedTables,
    state: State,
    scratch: Scratch,
    out: Transitions,
    row: int,
    moment: int,
    event: int,
    timed: bool,
) -> None:
    """Run the conditions of the marked segments, in order, and enter or leave them.

    A user enters where `when` holds and `exit` does not; a member leaves where `exit` holds (without one: where `when`
    does not), but not before the minimum stay: its end then becomes the segment's next moment.
    """
    first_stay = size(tables, fields.AGGREGATE_KIND) + size(tables, fields.COMPARISON_KIND)
    vector = -1
    segments = size(tables, fields.SEGMENT_KEY)
    for block in range(segments, len(scratch.marks)):
        if scratch.marks[block] == 0:
            continue
        scratch.marks[block] = 0
        first = (block - segments) * BLOCK
        for segment in range(first, min(first + BLOCK, segments)):
            if scratch.marks[segment] == 0:
                continue
            scratch.marks[segment] = 0
            when = run(tables, state, row, 2 * segment, scratch.bits)
            leave = not when
            if entry(tables, fields.SEGMENT_HAS_EXIT, segment) == 1:
                leave = run(tables, state, row, 2 * segment + 1, scratch.bits)
            stay = entry(tables, fields.SEGMENT_STAY, segment)
            if stay >= 0:
                state.cells[row, state.at[slots.NEXT] + first_stay + stay] = NEVER_MS
            if state.flags[row, state.at[slots.MEMBER] + segment] == 0:
                if when and (entry(tables, fields.SEGMENT_HAS_EXIT, segment) == 0 or not leave):
                    state.flags[row, state.at[slots.MEMBER] + segment] = 1
                    state.cells[row, state.at[slots.ENTERED] + segment] = moment
                    vector = emit(tables, state, out, row, segment, moment, event, timed, vector)
            elif leave:
                end = state.cells[row, state.at[slots.ENTERED] + segment] + entry(
                    tables, fields.SEGMENT_MIN_STAY_MS, segment
                )
                if moment < end:
                    state.cells[row, state.at[slots.NEXT] + first_stay + stay] = end
                else:
                    state.flags[row, state.at[slots.MEMBER] + segment] = 0
                    vector = emit(tables, state, out, row, segment, moment, event, timed, vector)


@jit
def emit(
    tables: PackedTables,
    state: State,
    out: Transitions,
    row: int,
    segment: int,
    moment: int,
    event: int,
    timed: bool,
    vector: int,
) -> int:
    """Write one transition down; returns its index. `vector` is an earlier one of the same moment, or -1."""
    index = out.written[0]
    out.written[0] = index + 1
    state.cells[row, slots.VERSION] += 1
    state.flags[row, slots.CHANGED] = 1
    out.cells[index, slots.OUT_ROW] = row
    out.cells[index, slots.OUT_EVENT] = event
    out.cells[index, slots.OUT_SEGMENT] = segment
    out.cells[index, slots.OUT_ENTERED] = state.flags[row, state.at[slots.MEMBER] + segment]
    out.cells[index, slots.OUT_TIMED] = 1 if timed else 0
    out.cells[index, slots.OUT_MOMENT] = moment
    out.cells[index, slots.OUT_VERSION] = state.cells[row, slots.VERSION]
    out.cells[index, slots.OUT_STAYED_MS] = moment - state.cells[row, state.at[slots.ENTERED] + segment]
    if vector < 0:
        for aggregate in range(size(tables, fields.AGGREGATE_KIND)):
            if entry(tables, fields.AGGREGATE_RING, aggregate) >= 0:
                advance(tables, state, row, aggregate, moment)
    for aggregate in range(size(tables, fields.AGGREGATE_KIND)):
        out.cells[index, slots.OUT_VALUES + aggregate] = state.cells[row, state.at[slots.VALUE] + aggregate]
    for trait in range(size(tables, fields.TRAIT_KEY)):
        out.kinds[index, trait] = state.flags[row, state.at[slots.TRAIT_KIND] + trait]
        out.numbers[index, trait] = state.numbers[row, trait]
        out.texts[index, trait] = state.cells[row, state.at[slots.TRAIT_TEXT] + trait]
    return int(index)


@jit
def next_due(state: State, row: int) -> None:
    """Note when the user is next due."""
    due = NEVER_MS
    for slot in range(state.at[slots.NEXT], state.at[slots.ENTERED]):
        due = min(due, state.cells[row, slot])
    state.cells[row, slots.DUE] = due


@jit
def flip(tables: PackedTables, state: State, scratch: Scratch, out: Transitions, row: int, event: int) -> None:
    """Look at the user at its due time, and apply what time has brought about there.

    Looking earlier than needed changes nothing but the next due time.
    """
    moment = state.cells[row, slots.DUE]
    aggregates, comparisons = size(tables, fields.AGGREGATE_KIND), size(tables, fields.COMPARISON_KIND)
    for aggregate in range(aggregates):
        if state.cells[row, state.at[slots.NEXT] + aggregate] <= moment:
            settle_aggregate(tables, state, scratch, row, aggregate, moment)
    for comparison in range(comparisons):
        if state.cells[row, state.at[slots.NEXT] + aggregates + comparison] <= moment:
            mark_comparison(scratch, comparison)
    settle_comparisons(tables, state, scratch, row, moment)
    for segment in range(size(tables, fields.SEGMENT_STAY)):
        stay = entry(tables, fields.SEGMENT_STAY, segment)
        if stay >= 0 and state.cells[row, state.at[slots.NEXT] + aggregates + comparisons + stay] <= moment:
            mark_segment(tables, scratch, segment)
    state.cells[row, slots.MOMENT] = moment
    state.flags[row, slots.CHANGED] = 1
    evaluate(tables, state, scratch, out, row, moment, event, True)
    next_due(state, row)
