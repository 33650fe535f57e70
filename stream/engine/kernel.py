"""Kernel, top layer: one sequential loop over the events of a batch, and one over users who are due.

`process_events` numbers what happens to an event in this order:

1. its moment: the greatest of its timestamp, the user's newest moment and the watermark at its record;
2. a duplicate, or an event that would carry a sum too far, does nothing;
3. what time has brought about up to that moment, each flip at its own moment, in order;
4. the event itself: traits, then aggregates;
5. the conditions that any of this touched.
"""

from __future__ import annotations

import numpy as np

from rules.tables import AND, NEWEST, NOT, NUMBER, OLDEST, OR, SUM, TRUE
from stream.engine import fields, slots
from stream.engine.decode import Columns
from stream.engine.diff import evaluate, flip, next_due, room
from stream.engine.jit import jit
from stream.engine.match import (
    advance,
    bucket_at,
    mark_all_comparisons,
    run,
    settle_aggregate,
    settle_comparisons,
    settle_trait,
    value_test,
)
from stream.engine.packed import PackedTables, entry, number, size, span
from stream.engine.state import BUCKETS, DUPLICATE_WITHIN_MS, KEPT_IDS, NO_TIME, Scratch, State, Transitions

__all__ = ["ACCEPTED", "DUPLICATE", "SUM_TOO_LARGE", "process_due", "process_events", "restore_row"]

ACCEPTED, DUPLICATE, SUM_TOO_LARGE = 1, 2, 3

SUM_LIMIT_UNITS = 9 * 10**18
"""A sum past 9·10¹² is refused, so a sum's units always fit 64 bits."""


@jit
def restore_row(tables: PackedTables, state: State, scratch: Scratch, row: int) -> None:
    """Rebuild from a stored row's facts what follows from them: places, leaves, next moments, due time.

    All as of the row's newest moment, so nothing is entered or left by it.
    """
    moment = state.cells[row, slots.MOMENT]
    for aggregate in range(size(tables, fields.AGGREGATE_KIND)):
        settle_aggregate(tables, state, scratch, row, aggregate, moment)
    for trait in range(size(tables, fields.TRAIT_KEY)):
        settle_trait(tables, state, scratch, row, trait)
    mark_all_comparisons(scratch)
    settle_comparisons(tables, state, scratch, row, moment)
    scratch.marks[:] = 0
    first_stay = size(tables, fields.AGGREGATE_KIND) + size(tables, fields.COMPARISON_KIND)
    for segment in range(size(tables, fields.SEGMENT_KEY)):
        stay = entry(tables, fields.SEGMENT_STAY, segment)
        if stay < 0 or state.flags[row, state.at[slots.MEMBER] + segment] == 0:
            continue
        holds = run(tables, state, row, 2 * segment + entry(tables, fields.SEGMENT_HAS_EXIT, segment), scratch.bits)
        if holds == (entry(tables, fields.SEGMENT_HAS_EXIT, segment) == 1):
            state.cells[row, state.at[slots.NEXT] + first_stay + stay] = state.cells[
                row, state.at[slots.ENTERED] + segment
            ] + entry(tables, fields.SEGMENT_MIN_STAY_MS, segment)
    next_due(state, row)


@jit
def is_duplicate(state: State, row: int, id_hash: int, moment: int) -> bool:
    """Whether one of the row's kept ids is this one, at most 24 h of moments ago."""
    for index in range(min(state.cells[row, slots.ID_COUNT], KEPT_IDS)):
        if (
            state.cells[row, state.at[slots.ID_HASH] + index] == id_hash
            and moment - state.cells[row, state.at[slots.ID_MOMENT] + index] <= DUPLICATE_WITHIN_MS
        ):
            return True
    return False


@jit
def passes_where(tables: PackedTables, scratch: Scratch, events: Columns, event: int, aggregate: int) -> bool:
    """Whether the event meets the aggregate's where-condition; each condition is run once an event at most."""
    where = entry(tables, fields.AGGREGATE_WHERE, aggregate)
    if where < 0:
        return True
    if scratch.where[where] // 2 == event:
        return bool(scratch.where[where] % 2 == 1)
    stack, top = scratch.bits, -1
    for position in span(tables, fields.WHERE_START, where):
        code = entry(tables, fields.WHERE_CODE, position)
        if code >= 0:
            source = entry(tables, fields.WHERE_LEAF_SOURCE, code)
            top += 1
            stack[top] = value_test(
                entry(tables, fields.WHERE_LEAF_KIND, code),
                entry(tables, fields.WHERE_LEAF_OPERATOR, code),
                number(tables, fields.WHERE_LEAF_NUMBER, code),
                entry(tables, fields.WHERE_LEAF_TEXT, code),
                events.property_kind[event, source],
                events.property_number[event, source],
                events.property_text[event, source],
            )
        elif code == AND:
            top -= 1
            stack[top] &= stack[top + 1]
        elif code == OR:
            top -= 1
            stack[top] |= stack[top + 1]
        elif code == NOT:
            stack[top] ^= 1
        else:
            top += 1
            stack[top] = 1 if code == TRUE else 0
    scratch.where[where] = 2 * event + stack[0]
    return bool(stack[0] == 1)


@jit
def past(total: int, units: int) -> bool:
    """Whether total + units is greater in magnitude than a sum may be; neither alone is."""
    if units > 0:
        return total > SUM_LIMIT_UNITS - units
    return total < -SUM_LIMIT_UNITS - units


@jit
def carries_too_far(
    tables: PackedTables, state: State, row: int, aggregate: int, time_ms: int, moment: int, units: int
) -> bool:
    """Whether a sum would pass its limit with these units, at the moment or at any later one by time alone."""
    ring = entry(tables, fields.AGGREGATE_RING, aggregate)
    if ring < 0:
        return past(state.cells[row, state.at[slots.VALUE] + aggregate], units)
    now = bucket_at(tables, state, row, aggregate, moment)
    bucket = bucket_at(tables, state, row, aggregate, time_ms)
    if now - bucket >= BUCKETS:
        return False
    total, head = 0, state.cells[row, state.at[slots.HEAD] + ring]
    for held in range(now, now - BUCKETS, -1):
        if head - BUCKETS < held <= head:
            total += state.cells[row, state.at[slots.RING] + ring * BUCKETS + held % BUCKETS]
        if held <= bucket and past(total, units):
            return True
    return False


@jit
def too_large(
    tables: PackedTables, state: State, scratch: Scratch, events: Columns, event: int, row: int, moment: int
) -> bool:
    """Whether the event would carry any of the user's sums too far."""
    name = events.name[event]
    for index in span(tables, fields.EVENT_AGGREGATE_START, name):
        aggregate = entry(tables, fields.EVENT_AGGREGATE, index)
        if entry(tables, fields.AGGREGATE_KIND, aggregate) != SUM:
            continue
        column = entry(tables, fields.AGGREGATE_PROPERTY, aggregate)
        if events.property_kind[event, column] != NUMBER or not passes_where(tables, scratch, events, event, aggregate):
            continue
        units = events.property_units[event, column]
        if carries_too_far(tables, state, row, aggregate, events.time_ms[event], moment, units):
            return True
    return False


@jit
def count_event(
    tables: PackedTables, state: State, scratch: Scratch, events: Columns, event: int, row: int, moment: int
) -> None:
    """Add the event to every aggregate that it touches."""
    name, time_ms = events.name[event], events.time_ms[event]
    for index in span(tables, fields.EVENT_AGGREGATE_START, name):
        aggregate = entry(tables, fields.EVENT_AGGREGATE, index)
        if not passes_where(tables, scratch, events, event, aggregate):
            continue
        kind = entry(tables, fields.AGGREGATE_KIND, aggregate)
        if kind == NEWEST:
            state.cells[row, state.at[slots.VALUE] + aggregate] = max(
                state.cells[row, state.at[slots.VALUE] + aggregate], time_ms
            )
        elif kind == OLDEST:
            oldest = state.cells[row, state.at[slots.VALUE] + aggregate]
            state.cells[row, state.at[slots.VALUE] + aggregate] = time_ms if oldest == NO_TIME else min(oldest, time_ms)
        else:
            amount = 1
            if kind == SUM:
                column = entry(tables, fields.AGGREGATE_PROPERTY, aggregate)
                if events.property_kind[event, column] != NUMBER:
                    continue
                amount = events.property_units[event, column]
            ring = entry(tables, fields.AGGREGATE_RING, aggregate)
            if ring >= 0:
                now = advance(tables, state, row, aggregate, moment)
                bucket = bucket_at(tables, state, row, aggregate, time_ms)
                if now - bucket >= BUCKETS:
                    continue
                state.cells[row, state.at[slots.RING] + ring * BUCKETS + bucket % BUCKETS] += amount
            state.cells[row, state.at[slots.VALUE] + aggregate] += amount
        settle_aggregate(tables, state, scratch, row, aggregate, moment)


@jit
def take_traits(tables: PackedTables, state: State, scratch: Scratch, events: Columns, event: int, row: int) -> None:
    """Take over the event's traits that are not older than those held; a null removes one, with its timestamp."""
    time_ms = events.time_ms[event]
    for index in range(events.trait_start[event], events.trait_start[event + 1]):
        trait = events.trait[index]
        if time_ms < state.cells[row, state.at[slots.TRAIT_TIME] + trait]:
            continue
        state.cells[row, state.at[slots.TRAIT_TIME] + trait] = time_ms
        state.flags[row, state.at[slots.TRAIT_KIND] + trait] = events.trait_kind[index]
        state.numbers[row, trait] = events.trait_number[index]
        state.cells[row, state.at[slots.TRAIT_TEXT] + trait] = events.trait_text[index]
        settle_trait(tables, state, scratch, row, trait)


@jit
def first_event(state: State, scratch: Scratch, row: int, offset: int) -> None:
    """The user exists from here on: everything is to be evaluated."""
    state.flags[row, slots.EXISTS] = 1
    state.cells[row, slots.INCARNATION] = offset
    mark_all_comparisons(scratch)
    scratch.marks[:] = 1


@jit
def process_events(
    tables: PackedTables,
    state: State,
    scratch: Scratch,
    events: Columns,
    rows: np.ndarray,
    start: int,
    end: int,
    limit: int,
    out: Transitions,
    outcome: np.ndarray,
) -> int:
    """Process events `[start, end)`, event i on row `rows[i]` (-1: passed over); returns the first one not processed.

    Stops before an event once `limit` transitions are out, and in front of any evaluation that `out` has no room for:
    called again with the event returned, it goes on where it stopped. `outcome[i]` says what became of event i.
    """
    scratch.where[:] = -1
    for event in range(start, end):
        if out.written[0] >= limit:
            return event
        row = rows[event]
        if row < 0:
            continue
        time_ms = events.time_ms[event]
        # 1. its moment
        moment = max(time_ms, state.cells[row, slots.MOMENT], events.watermark_ms[event])
        # 2. what does nothing
        id_hash = events.id_hash[event]
        if id_hash != 0 and is_duplicate(state, row, id_hash, moment):
            outcome[event] = DUPLICATE
            continue
        if events.name[event] >= 0 and too_large(tables, state, scratch, events, event, row, moment):
            outcome[event] = SUM_TOO_LARGE
            continue
        # 3. what time has brought about
        while state.cells[row, slots.DUE] <= moment:
            if not room(tables, out):
                return event
            flip(tables, state, scratch, out, row, event)
        if not room(tables, out):
            return event
        # 4. the event
        outcome[event] = ACCEPTED
        state.cells[row, slots.MOMENT] = moment
        state.flags[row, slots.CHANGED] = 1
        if id_hash != 0:
            kept = state.cells[row, slots.ID_COUNT] % KEPT_IDS
            state.cells[row, state.at[slots.ID_HASH] + kept] = id_hash
            state.cells[row, state.at[slots.ID_MOMENT] + kept] = moment
            state.cells[row, slots.ID_COUNT] += 1
        if state.flags[row, slots.EXISTS] == 0:
            first_event(state, scratch, row, events.offset[event])
        take_traits(tables, state, scratch, events, event, row)
        if events.name[event] >= 0:
            count_event(tables, state, scratch, events, event, row, moment)
        # 5. the conditions it touched
        settle_comparisons(tables, state, scratch, row, moment)
        evaluate(tables, state, scratch, out, row, moment, event, False)
        next_due(state, row)
    return end


@jit
def process_due(
    tables: PackedTables,
    state: State,
    scratch: Scratch,
    rows: np.ndarray,
    start: int,
    watermark_ms: int,
    out: Transitions,
) -> int:
    """Apply the flips due up to the watermark of the users `rows[start:]`, user by user, in order of time.

    Returns the index of the user at whom `out` had no room left: called again from there, it goes on.
    """
    for index in range(start, len(rows)):
        row = rows[index]
        while state.cells[row, slots.DUE] <= watermark_ms:
            if not room(tables, out):
                return index
            flip(tables, state, scratch, out, row, -1)
    return len(rows)
