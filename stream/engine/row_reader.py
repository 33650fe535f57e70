"""Stored rows back into the table, under any catalog: keys that it does not have are passed over."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rules.tables import (
    CLUSTER,
    DAY_HOURS,
    DISTINCT_VALUES,
    FLAG,
    MISSING,
    NUMBER,
    TEXT,
    TOP_VALUES,
    Int32,
    Int64,
    UInt8,
)
from stream.engine import fields, slots
from stream.engine.jit import inner, kernel, plain
from stream.engine.packed import PackedTables, entry, size, span
from stream.engine.row_bytes import get, get_varint
from stream.engine.rows import RING, SET, VALUE
from stream.engine.state import BUCKETS, NO_TIME, State
from stream.engine.windows import extreme, is_extreme, nothing_of

__all__ = ["KeyOrder", "key_order", "read_rows"]

HEADER_BYTES = 57
"""Up to and with the models stamp: see `stream.engine.rows`."""


class KeyOrder(NamedTuple):
    """Indices of the catalog's units, aggregates and facts in the order of their keys: `(U,)`, `(A,)`, `(F,)`."""

    units: Int64
    aggregates: Int64
    facts: Int64


def key_order(tables: PackedTables) -> KeyOrder:
    """The order in which keys are looked up."""
    keys = (
        tables.whole[tables.start[field] : tables.start[field + 1]]
        for field in (fields.UNIT_KEY, fields.AGGREGATE_KEY, fields.FACT_KEY)
    )
    return KeyOrder(*(np.argsort(part, kind="stable").astype(np.int64) for part in keys))


@inner
def find(tables: PackedTables, order: Int64, field: int, key: int, hint: int) -> int:
    """The index of a key in a field of keys, looked for at the hint first; -1: not there."""
    count = size(tables, field)
    if hint < count and entry(tables, field, hint) == key:
        return hint
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if entry(tables, field, order[middle]) < key:
            low = middle + 1
        else:
            high = middle
    return int(order[low]) if low < count and entry(tables, field, order[low]) == key else -1


@kernel
def read_rows(
    tables: PackedTables,
    order: KeyOrder,
    state: State,
    rows: Int32,
    data: UInt8,
    bounds: Int64,
    start: int,
    most: int,
    found: Int64,
    filling: bool,
) -> tuple[int, int]:
    """Read stored rows, from the one at `start` on, into cleared ones, as long as `found` has room for their strings.

    Stored row i is `data[bounds[i]:bounds[i + 1]]`, has at most `most` strings, and goes to row `rows[i]` of the state.
    Returns the first that was not read, and the number of strings found. `found` `(n, 4)` gets of each string the
    column of `cells` that its number belongs into, its start and its length in its stored row, and that row's i. With
    `filling` only aggregates and facts are taken; what is read afterwards takes their place.
    """
    texts = 0
    for index in range(start, len(rows)):
        if texts + most > len(found):
            return index, texts
        stored = data[bounds[index] : bounds[index + 1]]
        after = read_row(tables, order, state, plain(rows[index]), stored, found, texts, filling)
        found[texts:after, 3] = index
        texts = after
    return len(rows), texts


@inner
def read_row(
    tables: PackedTables,
    order: KeyOrder,
    state: State,
    row: int,
    data: UInt8,
    found: Int64,
    texts: int,
    filling: bool,
) -> int:
    """`read_rows` of one row, behind the first `texts` strings; returns how many strings have been found then."""
    moment = get(data, 9, 8)
    if not filling:
        state.flags[row, slots.EXISTS] = 1
        state.cells[row, slots.MOMENT] = moment
        state.cells[row, slots.INCARNATION] = get(data, 17, 8)
        state.cells[row, slots.VERSION] = get(data, 25, 8)
        state.cells[row, slots.ARMED] = get(data, 33, 8)
    at = read_segments(tables, order, state, row, data, HEADER_BYTES, filling)
    at = read_tiers(tables, order, state, row, data, at, filling)
    at = read_clusters(tables, order, state, row, data, at, filling)
    at = read_aggregates(tables, order, state, row, data, at, moment)
    texts, at = read_facts(tables, order, state, row, data, at, found, texts)
    texts, at = read_tops(tables, order, state, row, data, at, found, texts)
    at = read_hours(tables, order, state, row, data, at)
    at = read_open_samples(tables, state, row, data, at, filling)
    if not filling:
        read_ids(state, row, data, at)
    return texts


@inner
def read_segments(
    tables: PackedTables, order: KeyOrder, state: State, row: int, data: UInt8, at: int, filling: bool
) -> int:
    """Read the segments that the user is or has been in; returns the position behind them."""
    count, at, hint = get(data, at, 2), at + 2, 0
    for _ in range(0 if filling else count):
        unit = find(tables, order.units, fields.UNIT_KEY, get(data, at, 8), hint)
        if unit >= 0:
            state.flags[row, state.at[slots.MEMBER] + unit] = data[at + 8]
            state.flags[row, state.at[slots.UNIT_CAUSE] + unit] = data[at + 9]
            state.cells[row, state.at[slots.ENTERED] + unit] = get(data, at + 10, 8)
            hint = unit + 1
        at += 18
    return at + (18 * count if filling else 0)


@inner
def read_tiers(
    tables: PackedTables, order: KeyOrder, state: State, row: int, data: UInt8, at: int, filling: bool
) -> int:
    """Read the levels that the user is on, those that the tables still know; returns the position behind them."""
    count, at, hint = get(data, at, 2), at + 2, 0
    for _ in range(0 if filling else count):
        unit = find(tables, order.units, fields.UNIT_KEY, get(data, at, 8), hint)
        if unit >= 0:
            hint, level = unit + 1, get(data, at + 8, 8)
            first = entry(tables, fields.UNIT_FIRST_PROGRAM, unit)
            for program in range(first, entry(tables, fields.UNIT_FIRST_PROGRAM, unit + 1)):
                if entry(tables, fields.LEVEL_KEY, program) == level:
                    state.flags[row, state.at[slots.MEMBER] + unit] = program - first + 1
                    state.flags[row, state.at[slots.UNIT_CAUSE] + unit] = data[at + 16]
                    state.cells[row, state.at[slots.ENTERED] + unit] = get(data, at + 17, 8)
        at += 25
    return at + (25 * count if filling else 0)


@inner
def read_clusters(
    tables: PackedTables, order: KeyOrder, state: State, row: int, data: UInt8, at: int, filling: bool
) -> int:
    """Read the clusters that the user is in; returns the position behind them."""
    count, at, hint = get(data, at, 2), at + 2, 0
    for _ in range(0 if filling else count):
        unit = find(tables, order.units, fields.UNIT_KEY, get(data, at, 8), hint)
        if unit >= 0 and entry(tables, fields.UNIT_FORM, unit) == CLUSTER:
            hint, fact = unit + 1, entry(tables, fields.UNIT_FACT, unit)
            state.numbers[row, state.at[slots.FACT_NUMBER] + fact] = get(data, at + 8, 8)
            state.flags[row, state.at[slots.MEMBER] + unit] = 1
            state.flags[row, state.at[slots.UNIT_CAUSE] + unit] = data[at + 16]
            state.cells[row, state.at[slots.ENTERED] + unit] = get(data, at + 17, 8)
        at += 25
    return at + (25 * count if filling else 0)


@inner
def read_aggregates(
    tables: PackedTables, order: KeyOrder, state: State, row: int, data: UInt8, at: int, moment: int
) -> int:
    """Read the aggregates; returns the position behind them."""
    count, at, hint = get(data, at, 2), at + 2, 0
    for _ in range(count):
        aggregate = find(tables, order.aggregates, fields.AGGREGATE_KEY, get(data, at, 8), hint)
        form, (changed, at) = data[at + 8], get_varint(data, at + 9)
        if aggregate >= 0:
            hint = aggregate + 1
            clear_aggregate(tables, state, row, aggregate)
            if changed >= 0:
                state.cells[row, state.at[slots.CHANGED_AT] + aggregate] = 2 * moment + 1 - changed
        if form == VALUE:
            if aggregate >= 0:
                state.cells[row, state.at[slots.VALUE] + aggregate] = get(data, at, 8)
            at += 8
        elif form == RING:
            at = read_ring(tables, state, row, aggregate, data, at)
        elif form == SET:
            at = read_set(tables, state, row, aggregate, data, at, moment)
    return at


@inner
def clear_aggregate(tables: PackedTables, state: State, row: int, aggregate: int) -> None:
    """Make an aggregate as it is without events."""
    state.cells[row, state.at[slots.VALUE] + aggregate] = entry(tables, fields.AGGREGATE_EMPTY, aggregate)
    state.cells[row, state.at[slots.CHANGED_AT] + aggregate] = NO_TIME
    ring, values = entry(tables, fields.AGGREGATE_RING, aggregate), entry(tables, fields.AGGREGATE_SET, aggregate)
    if ring >= 0:
        state.cells[row, state.at[slots.HEAD] + ring] = NO_TIME
        first = state.at[slots.RING] + ring * BUCKETS
        state.cells[row, first : first + BUCKETS] = nothing_of(entry(tables, fields.AGGREGATE_KIND, aggregate))
    if values >= 0:
        first = state.at[slots.SET_TIME] + values * DISTINCT_VALUES
        state.cells[row, first : first + DISTINCT_VALUES] = NO_TIME


@inner
def read_ring(tables: PackedTables, state: State, row: int, aggregate: int, data: UInt8, at: int) -> int:
    """Read the buckets of a ring (aggregate -1: pass over them); returns the position behind them."""
    head, held = get(data, at, 8), data[at + 8]
    at += 9
    for _ in range(held):
        slot, (amount, end) = (head - np.int64(data[at])) % BUCKETS, get_varint(data, at + 1)
        at = end
        if aggregate < 0:
            continue
        ring, kind = entry(tables, fields.AGGREGATE_RING, aggregate), entry(tables, fields.AGGREGATE_KIND, aggregate)
        value = state.at[slots.VALUE] + aggregate
        state.cells[row, state.at[slots.HEAD] + ring] = head
        state.cells[row, state.at[slots.RING] + ring * BUCKETS + slot] = amount
        if is_extreme(kind):
            state.cells[row, value] = extreme(kind, state.cells[row, value], amount)
        else:
            state.cells[row, value] += amount
    return at


@inner
def read_set(tables: PackedTables, state: State, row: int, aggregate: int, data: UInt8, at: int, moment: int) -> int:
    """Read the values of a set (aggregate -1: pass over them); returns the position behind them."""
    held, at = data[at], at + 1
    for index in range(held):
        identity, (age, end) = get(data, at, 8), get_varint(data, at + 8)
        at = end
        if aggregate >= 0:
            column = entry(tables, fields.AGGREGATE_SET, aggregate) * DISTINCT_VALUES + index
            state.cells[row, state.at[slots.SET_VALUE] + column] = identity
            state.cells[row, state.at[slots.SET_TIME] + column] = moment - age
            state.cells[row, state.at[slots.VALUE] + aggregate] = index + 1
    return at


@inner
def read_content(data: UInt8, at: int) -> tuple[int, int, int, int]:
    """Kind, bits of the number, length of the text, and the position behind; a text's bytes end there."""
    kind = int(data[at])
    if kind in (NUMBER, FLAG):
        return kind, get(data, at + 1, 8), 0, at + 9
    if kind == TEXT:
        length = get(data, at + 1, 2)
        return kind, 0, length, at + 3 + length
    return kind, 0, 0, at + 1


@inner
def read_facts(
    tables: PackedTables, order: KeyOrder, state: State, row: int, data: UInt8, at: int, found: Int64, texts: int
) -> tuple[int, int]:
    """Read traits and latest values; returns how many strings were found in all, and the position behind."""
    bits = state.numbers.view(np.int64)
    count, at, hint = get(data, at, 2), at + 2, 0
    for _ in range(count):
        fact = find(tables, order.facts, fields.FACT_KEY, get(data, at, 8), hint)
        time_ms, (kind, number, length, end) = get(data, at + 8, 8), read_content(data, at + 16)
        at = end
        if fact < 0:
            continue
        hint = fact + 1
        state.cells[row, state.at[slots.FACT_TIME] + fact] = time_ms
        state.cells[row, state.at[slots.FACT_TEXT] + fact] = 0
        state.flags[row, state.at[slots.FACT_KIND] + fact] = kind
        bits[row, state.at[slots.FACT_NUMBER] + fact] = number
        if kind == TEXT:
            found[texts, 0] = state.at[slots.FACT_TEXT] + fact
            found[texts, 1], found[texts, 2] = end - length, length
            texts += 1
    return texts, at


@inner
def read_tops(
    tables: PackedTables, order: KeyOrder, state: State, row: int, data: UInt8, at: int, found: Int64, texts: int
) -> tuple[int, int]:
    """Read what tops weigh; returns how many strings were found in all, and the position behind."""
    bits = state.numbers.view(np.int64)
    count, at, hint = get(data, at, 2), at + 2, 0
    for _ in range(count):
        fact = find(tables, order.facts, fields.FACT_KEY, get(data, at, 8), hint)
        held, first, at = data[at + 8], 0, at + 9
        if fact >= 0:
            hint, first = fact + 1, entry(tables, fields.FACT_SLOT, fact) * TOP_VALUES
            kinds = state.at[slots.TOP_KIND] + first
            state.flags[row, kinds : kinds + TOP_VALUES] = MISSING
        for index in range(first, first + held):
            time_ms, weight = get(data, at, 8), get(data, at + 8, 8)
            kind, number, length, at = read_content(data, at + 16)
            if fact < 0:
                continue
            state.cells[row, state.at[slots.TOP_TIME] + index] = time_ms
            state.cells[row, state.at[slots.TOP_TEXT] + index] = 0
            state.flags[row, state.at[slots.TOP_KIND] + index] = kind
            bits[row, state.at[slots.TOP_WEIGHT] + index] = weight
            bits[row, state.at[slots.TOP_NUMBER] + index] = number
            if kind == TEXT:
                found[texts, 0] = state.at[slots.TOP_TEXT] + index
                found[texts, 1], found[texts, 2] = at - length, length
                texts += 1
    return texts, at


@inner
def read_hours(tables: PackedTables, order: KeyOrder, state: State, row: int, data: UInt8, at: int) -> int:
    """Read what hours of day weigh; returns the position behind it."""
    bits = state.numbers.view(np.int64)
    count, at, hint = get(data, at, 2), at + 2, 0
    for _ in range(count):
        fact = find(tables, order.facts, fields.FACT_KEY, get(data, at, 8), hint)
        held, first, at = data[at + 8], 0, at + 9
        if fact >= 0:
            hint, first = fact + 1, entry(tables, fields.FACT_SLOT, fact) * DAY_HOURS
            times = state.at[slots.HOUR_TIME] + first
            state.cells[row, times : times + DAY_HOURS] = NO_TIME
        for _ in range(held):
            if fact >= 0:
                cell = first + data[at]
                state.cells[row, state.at[slots.HOUR_TIME] + cell] = get(data, at + 1, 8)
                bits[row, state.at[slots.HOUR_WEIGHT] + cell] = get(data, at + 9, 8)
            at += 17
    return at


@inner
def read_open_samples(tables: PackedTables, state: State, row: int, data: UInt8, at: int, filling: bool) -> int:
    """Read the samples that wait for a label, of models declared as they were; returns the position behind them."""
    bits = state.numbers.view(np.int64)
    count, at = get(data, at, 2), at + 2
    for _ in range(count):
        key, opened_ms, features = get(data, at, 8), get(data, at + 8, 8), int(data[at + 16])
        at += 17
        for slot in range(0 if filling else size(tables, fields.OPEN_MODEL)):
            model = entry(tables, fields.OPEN_MODEL, slot)
            if entry(tables, fields.MODEL_KEY, model) != key:
                continue
            if len(span(tables, fields.MODEL_FEATURE_START, model)) == features:
                state.cells[row, state.at[slots.OPENED] + slot] = opened_ms
                first = state.at[slots.OPEN_VALUE] + entry(tables, fields.OPEN_FIRST, slot)
                for index in range(features):
                    bits[row, first + index] = get(data, at + 8 * index, 8)
        at += 8 * features
    return at


@inner
def read_ids(state: State, row: int, data: UInt8, at: int) -> None:
    """Read the kept message ids."""
    count = data[at]
    at += 1
    for index in range(count):
        state.cells[row, state.at[slots.ID_HASH] + index] = get(data, at, 8)
        state.cells[row, state.at[slots.ID_MOMENT] + index] = get(data, at + 8, 8)
        at += 16
    state.cells[row, slots.ID_COUNT] = count
