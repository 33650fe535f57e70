"""Kernel, middle layer: what an event adds to a user's aggregates, and whether their sums may take it."""

from __future__ import annotations

import numpy as np

from rules.tables import AND, COUNT, DISTINCT, MISSING, NEWEST, NOT, NUMBER, OLDEST, OR, OTHER, SUM, TEXT, TRUE, VALUES
from stream.engine import fields, slots
from stream.engine.decode import Columns
from stream.engine.jit import inlined, inner, plain
from stream.engine.match import mark_aggregate, value_test
from stream.engine.packed import PackedTables, entry, number, span
from stream.engine.sets import add_to_set, identity_of
from stream.engine.state import BUCKETS, NO_TIME, Scratch, State
from stream.engine.strings import IDENTITY, Texts
from stream.engine.values import NUMBER_LIMIT
from stream.engine.windows import advance, bucket_at, extreme, is_extreme

__all__ = ["count_event", "too_large"]

SUM_LIMIT_UNITS = 9 * 10**18
"""A sum past 9·10¹² is refused, so a sum's units always fit 64 bits."""


@inner
def passes_where(
    tables: PackedTables, scratch: Scratch, texts: Texts, events: Columns, event: int, aggregate: int
) -> bool:
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
                plain(events.property_text[event, source]),
                texts.verdicts,
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


@inner
def past(total: int, units: int) -> bool:
    """Whether total + units is greater in magnitude than a sum may be; neither alone is."""
    if units > 0:
        return total > SUM_LIMIT_UNITS - units
    return total < -SUM_LIMIT_UNITS - units


@inner
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


@inlined
def too_large(
    tables: PackedTables,
    state: State,
    scratch: Scratch,
    texts: Texts,
    events: Columns,
    event: int,
    row: int,
    moment: int,
) -> bool:
    """Whether the event would carry any of the user's sums too far."""
    name = events.name[event]
    for index in span(tables, fields.EVENT_AGGREGATE_START, name):
        aggregate = entry(tables, fields.EVENT_AGGREGATE, index)
        if entry(tables, fields.AGGREGATE_KIND, aggregate) != SUM:
            continue
        column = entry(tables, fields.AGGREGATE_PROPERTY, aggregate)
        if events.property_kind[event, column] != NUMBER:
            continue
        if not passes_where(tables, scratch, texts, events, event, aggregate):
            continue
        units = events.property_units[event, column]
        if carries_too_far(tables, state, row, aggregate, events.time_ms[event], moment, units):
            return True
    return False


@inlined
def count_event(
    tables: PackedTables,
    state: State,
    scratch: Scratch,
    texts: Texts,
    events: Columns,
    event: int,
    row: int,
    moment: int,
) -> None:
    """Add the event to every aggregate that it touches."""
    name, time_ms = events.name[event], events.time_ms[event]
    for index in span(tables, fields.EVENT_AGGREGATE_START, name):
        aggregate = entry(tables, fields.EVENT_AGGREGATE, index)
        kind = entry(tables, fields.AGGREGATE_KIND, aggregate)
        column = entry(tables, fields.AGGREGATE_PROPERTY, aggregate)
        if column >= 0:
            value_kind = events.property_kind[event, column]
            if kind == DISTINCT:
                if value_kind in (MISSING, OTHER):
                    continue
            # Such a number is a reject, unless the catalog that judged the record did not aggregate it.
            elif value_kind != NUMBER or abs(events.property_number[event, column]) >= NUMBER_LIMIT:
                continue
        if not passes_where(tables, scratch, texts, events, event, aggregate):
            continue
        value = state.at[slots.VALUE] + aggregate
        if kind == NEWEST:
            state.cells[row, value] = max(state.cells[row, value], time_ms)
        elif kind == OLDEST:
            oldest = state.cells[row, value]
            state.cells[row, value] = time_ms if oldest == NO_TIME else min(oldest, time_ms)
        elif kind == DISTINCT:
            if events.property_kind[event, column] == TEXT:
                identity = texts.numbers[events.property_text[event, column], IDENTITY]
            else:
                bits = events.property_number.view(np.int64)[event, column]
                identity = identity_of(events.property_kind[event, column], bits)
            add_to_set(tables, state, row, aggregate, identity, time_ms, moment)
        else:
            amount = 1 if kind in (COUNT, VALUES) else events.property_units[event, column]
            if not add_amount(tables, state, row, aggregate, amount, time_ms, moment):
                continue
        mark_aggregate(tables, scratch, aggregate)


@inner
def add_amount(
    tables: PackedTables, state: State, row: int, aggregate: int, amount: int, time_ms: int, moment: int
) -> bool:
    """Add to a total, or let an extreme compare; whether the time is in the aggregate's window."""
    kind, value = entry(tables, fields.AGGREGATE_KIND, aggregate), state.at[slots.VALUE] + aggregate
    ring = entry(tables, fields.AGGREGATE_RING, aggregate)
    slot = value
    if ring >= 0:
        now = advance(tables, state, row, aggregate, moment)
        bucket = bucket_at(tables, state, row, aggregate, time_ms)
        if now - bucket >= BUCKETS:
            return False
        slot = state.at[slots.RING] + ring * BUCKETS + bucket % BUCKETS
    if is_extreme(kind):
        state.cells[row, slot] = extreme(kind, state.cells[row, slot], amount)
        state.cells[row, value] = extreme(kind, state.cells[row, value], amount)
    else:
        state.cells[row, value] += amount
        if slot != value:
            state.cells[row, slot] += amount
    return True
