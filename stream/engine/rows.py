"""A user's row as bytes: what is stored, and what can be told of it without an engine.

Stored is only what cannot be computed: places, leaves, winners and due times follow from it. Sparse and
self-describing: everything is known by 64-bit keys that mean the same in every catalog, so a row can be read under any
(`stream.engine.row_reader`): what the catalog does not have is dropped, what the row does not have starts empty.
Integers are little-endian; `varint` is zigzag LEB128; ages are ms before the moment.

    u8 format · i64 step · i64 moment · i64 incarnation · i64 version · i64 armed · i64 catalog version
    i64 models stamp: the sum of the models' versions
    u16 n · n x (u64 segment, u8 member, u8 cause, i64 since)     those that the user is or has been in
    u16 n · n x (u64 tier, u64 level, u8 cause, i64 since)        those that the user is on a level of
    u16 n · n x (u64 model, i64 cluster, u8 cause, i64 since)     those of which the user is in a cluster
    u16 n · n x (u64 aggregate, u8 form, varint changed, what it holds)
            form NOTHING: -  ·  VALUE: i64  ·  RING: i64 head, u8 m, m x (u8 buckets before, varint held)
            ·  SET: u8 m, m x (i64 value, varint age), newest first
            changed: 2 moment + 1 - CHANGED_AT, or -1 for never
    u16 n · n x (u64 trait, latest or score, i64 time, content)
    u16 n · n x (u64 top, u8 m, m x (i64 time, i64 bits of the weight, content))
    u16 n · n x (u64 top_hour, u8 m, m x (u8 hour, i64 time, i64 bits of the weight))
    u16 n · n x (u64 model, i64 opened, u8 m, m x i64 bits of a value)    samples that wait for a label
    u8 n · n x (u64 message id, i64 moment), oldest first
    content: u8 kind, then of a NUMBER or FLAG the i64 bits of the double, of a TEXT u16 m and m bytes
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np

from rules.program import key_of
from rules.tables import (
    CLUSTER,
    DAY_HOURS,
    DAYS_SINCE,
    DISTINCT_VALUES,
    FACT_HOUR,
    FACT_LATEST,
    FACT_SCORE,
    FACT_TOP,
    FACT_TRAIT,
    FLAG,
    MISSING,
    NUMBER,
    SEGMENT,
    TEXT,
    TIER,
    TOP_VALUES,
    Int32,
    Int64,
    Tables,
    UInt8,
)
from stream.engine import fields, slots
from stream.engine.jit import inner, kernel
from stream.engine.moves import cluster_of
from stream.engine.packed import PackedTables, entry, size, span
from stream.engine.row_bytes import put, put_varint
from stream.engine.state import BUCKETS, DUPLICATE_WITHIN_MS, KEPT_IDS, NO_TIME, State
from stream.engine.strings import START, Texts
from stream.engine.windows import nothing_of

__all__ = [
    "FORMAT",
    "NOTHING",
    "RING",
    "SET",
    "VALUE",
    "RowFormatError",
    "encode_rows",
    "row_bound",
    "row_catalog_version",
    "row_clusters",
    "row_levels",
    "row_members",
    "row_models_stamp",
    "row_step",
]

FORMAT = 3
NO_VERSION = -1
"""The catalog version, or the models stamp, of a row that was read under a newer one and not brought over: stale."""

NOTHING, VALUE, RING, SET = range(4)
"""Forms of an aggregate."""

_HEADER = struct.Struct("<B7q")
_COUNT = struct.Struct("<H")
_SEGMENT = struct.Struct("<QBBq")
_TIER = struct.Struct("<QQBq")
_CLUSTER = struct.Struct("<QqBq")
_TEXT_BYTES = 256


class RowFormatError(Exception):
    """A stored row that this version cannot read."""


def check_format(row: bytes) -> None:
    """Raise RowFormatError unless the row is of this version's format."""
    if len(row) < _HEADER.size or row[0] != FORMAT:
        raise RowFormatError(
            f"a stored row has format {row[0] if row else 'none'}, this version of tagstream reads {FORMAT}; "
            "another version wrote it: run that version, or rebuild the state from the events log"
        )


def row_step(row: bytes) -> int:
    """The step in which a stored row was written. RowFormatError."""
    check_format(row)
    return int(_HEADER.unpack_from(row)[1])


def row_catalog_version(row: bytes) -> int:
    """The version of the catalog under which a stored row was last evaluated. RowFormatError."""
    check_format(row)
    return int(_HEADER.unpack_from(row)[6])


def row_models_stamp(row: bytes) -> int:
    """The stamp of the models' versions under which a stored row was last evaluated. RowFormatError."""
    check_format(row)
    return int(_HEADER.unpack_from(row)[7])


def row_members(row: bytes, segments: Sequence[str]) -> dict[str, int]:
    """Which of the segments the user of a stored row is in: name → entry time in ms. RowFormatError."""
    check_format(row)
    names = {key_of(name): name for name in segments}
    (count,) = _COUNT.unpack_from(row, _HEADER.size)
    start = _HEADER.size + _COUNT.size
    entries = _SEGMENT.iter_unpack(row[start : start + count * _SEGMENT.size])
    return {names[key]: since for key, member, _, since in entries if member and key in names}


def row_levels(row: bytes, tiers: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, int]]:
    """On which level of the tiers the user of a stored row is: tier → level and since when in ms. RowFormatError.

    tiers: the names of each tier's levels; a level that is not among them is left out.
    """
    check_format(row)
    names = {key_of(f"tier:{name}"): name for name in tiers}
    (count,) = _COUNT.unpack_from(row, _HEADER.size)
    start = _HEADER.size + _COUNT.size + count * _SEGMENT.size
    (count,) = _COUNT.unpack_from(row, start)
    start += _COUNT.size
    found = {}
    for key, level_key, _, since in _TIER.iter_unpack(row[start : start + count * _TIER.size]):
        tier = names.get(key)
        for level in () if tier is None else tiers[tier]:
            if tier is not None and key_of(level) == level_key:
                found[tier] = (level, since)
    return found


def row_clusters(row: bytes, models: Sequence[str]) -> dict[str, tuple[int, int]]:
    """In which cluster of the models the user of a stored row is: model → id and since when in ms. RowFormatError."""
    check_format(row)
    names = {key_of(f"cluster:{name}"): name for name in models}
    start = _HEADER.size
    for entries in (_SEGMENT, _TIER):
        (count,) = _COUNT.unpack_from(row, start)
        start += _COUNT.size + count * entries.size
    (count,) = _COUNT.unpack_from(row, start)
    start += _COUNT.size
    entered = _CLUSTER.iter_unpack(row[start : start + count * _CLUSTER.size])
    return {names[key]: (cluster, since) for key, cluster, _, since in entered if key in names}


def row_bound(tables: Tables) -> int:
    """No row of this catalog takes more bytes than this."""
    content = 3 + _TEXT_BYTES
    return (
        128
        + len(tables.unit_key) * _TIER.size
        + len(tables.aggregate_kind) * 28
        + tables.ring_count * BUCKETS * 11
        + tables.set_count * DISTINCT_VALUES * 18
        + len(tables.fact_kind) * (17 + content)
        + tables.top_count * TOP_VALUES * (16 + content)
        + tables.hour_count * DAY_HOURS * 17
        + len(tables.open_model) * 17
        + tables.open_width * 8
        + KEPT_IDS * 16
    )


@kernel
def encode_rows(
    tables: PackedTables,
    state: State,
    rows: Int32,
    start: int,
    step: int,
    catalog_version: int,
    models_stamp: int,
    texts: Texts,
    bound: int,
    buffer: UInt8,
    ends: Int64,
) -> int:
    """Encode `rows[start:]` one behind the other; `ends[i]` is where row i ends in `buffer` (row `start` begins at 0).

    Returns the index of the first row that might not fit any more.
    """
    at = 0
    for index in range(start, len(rows)):
        if at + bound > len(buffer):
            return index
        row = int(rows[index])
        at = put(buffer, at, FORMAT, 1)
        at = put(buffer, at, step, 8)
        at = put(buffer, at, state.cells[row, slots.MOMENT], 8)
        at = put(buffer, at, state.cells[row, slots.INCARNATION], 8)
        at = put(buffer, at, state.cells[row, slots.VERSION], 8)
        at = put(buffer, at, state.cells[row, slots.ARMED], 8)
        stale = state.flags[row, slots.STALE]
        at = put(buffer, at, NO_VERSION if stale == slots.STALE_CATALOG else catalog_version, 8)
        at = put(buffer, at, models_stamp if stale == 0 else NO_VERSION, 8)
        at = put_units(tables, state, row, buffer, at)
        count_at, count, at = at, 0, at + 2
        for aggregate in range(size(tables, fields.AGGREGATE_KIND)):
            end = put_aggregate(tables, state, row, aggregate, buffer, at)
            if end > at:
                count += 1
            at = end
        put(buffer, count_at, count, 2)
        at = put_facts(tables, state, texts, row, buffer, at)
        at = put_tops(tables, state, texts, row, buffer, at)
        at = put_hours(tables, state, row, buffer, at)
        at = put_open_samples(tables, state, row, buffer, at)
        at = put_ids(state, row, buffer, at)
        ends[index] = at
    return len(rows)


@inner
def put_units(tables: PackedTables, state: State, row: int, buffer: UInt8, at: int) -> int:
    """Write what the user is, or has been, in; returns the position behind it."""
    for form in (SEGMENT, TIER, CLUSTER):
        count_at, count, at = at, 0, at + 2
        for unit in range(size(tables, fields.UNIT_KEY)):
            member = state.flags[row, state.at[slots.MEMBER] + unit]
            since = state.cells[row, state.at[slots.ENTERED] + unit]
            if entry(tables, fields.UNIT_FORM, unit) != form or since == NO_TIME:
                continue
            if member == 0 and (form != SEGMENT or entry(tables, fields.UNIT_RETIRED, unit) == 1):
                continue
            at = put(buffer, at, entry(tables, fields.UNIT_KEY, unit), 8)
            if form == TIER:
                program = entry(tables, fields.UNIT_FIRST_PROGRAM, unit) + member - 1
                at = put(buffer, at, entry(tables, fields.LEVEL_KEY, program), 8)
            elif form == CLUSTER:
                at = put(buffer, at, cluster_of(tables, state, row, unit), 8)
            else:
                at = put(buffer, at, member, 1)
            at = put(buffer, at, state.flags[row, state.at[slots.UNIT_CAUSE] + unit], 1)
            at = put(buffer, at, since, 8)
            count += 1
        put(buffer, count_at, count, 2)
    return at


@inner
def put_aggregate(tables: PackedTables, state: State, row: int, aggregate: int, buffer: UInt8, at: int) -> int:
    """Write an aggregate unless there is nothing to say of it; returns the position behind it."""
    kind = entry(tables, fields.AGGREGATE_KIND, aggregate)
    if kind >= DAYS_SINCE:
        return at
    ring = entry(tables, fields.AGGREGATE_RING, aggregate)
    value = state.cells[row, state.at[slots.VALUE] + aggregate]
    changed_at = state.cells[row, state.at[slots.CHANGED_AT] + aggregate]
    changed = -1 if changed_at == NO_TIME else 2 * state.cells[row, slots.MOMENT] + 1 - changed_at
    start, at = at, put(buffer, at, entry(tables, fields.AGGREGATE_KEY, aggregate), 8)
    form_at, form = at, NOTHING
    at = put_varint(buffer, at + 1, changed)
    if ring >= 0:
        behind = put_ring(tables, state, row, aggregate, buffer, at)
        if behind > at:
            form, at = RING, behind
    elif value != entry(tables, fields.AGGREGATE_EMPTY, aggregate):
        if entry(tables, fields.AGGREGATE_SET, aggregate) >= 0:
            form, at = SET, put_set(tables, state, row, aggregate, buffer, at)
        else:
            form, at = VALUE, put(buffer, at, value, 8)
    put(buffer, form_at, form, 1)
    return start if form == NOTHING and changed < 0 else at


@inner
def put_ring(tables: PackedTables, state: State, row: int, aggregate: int, buffer: UInt8, at: int) -> int:
    """Write the buckets in which there is something; returns the position behind them, the same if there are none."""
    ring = entry(tables, fields.AGGREGATE_RING, aggregate)
    nothing = nothing_of(entry(tables, fields.AGGREGATE_KIND, aggregate))
    head, held, start = state.cells[row, state.at[slots.HEAD] + ring], 0, at
    at = put(buffer, at, head, 8)
    count_at, at = at, at + 1
    for age in range(BUCKETS):
        amount = state.cells[row, state.at[slots.RING] + ring * BUCKETS + (head - age) % BUCKETS]
        if amount != nothing:
            at = put(buffer, at, age, 1)
            at = put_varint(buffer, at, amount)
            held += 1
    put(buffer, count_at, held, 1)
    return start if held == 0 else at


@inner
def put_set(tables: PackedTables, state: State, row: int, aggregate: int, buffer: UInt8, at: int) -> int:
    """Write the values of a set; returns the position behind them."""
    first = entry(tables, fields.AGGREGATE_SET, aggregate) * DISTINCT_VALUES
    count = state.cells[row, state.at[slots.VALUE] + aggregate]
    at = put(buffer, at, count, 1)
    for index in range(first, first + count):
        at = put(buffer, at, state.cells[row, state.at[slots.SET_VALUE] + index], 8)
        time_ms = state.cells[row, state.at[slots.SET_TIME] + index]
        at = put_varint(buffer, at, state.cells[row, slots.MOMENT] - time_ms)
    return at


@inner
def put_content(texts: Texts, kind: int, bits: int, text: int, buffer: UInt8, at: int) -> int:
    """Write a value of whatever kind; returns the position behind it."""
    at = put(buffer, at, kind, 1)
    if kind in (NUMBER, FLAG):
        return put(buffer, at, bits, 8)
    if kind == TEXT:
        first = texts.numbers[text, START]
        length = texts.numbers[text + 1, START] - first
        at = put(buffer, at, length, 2)
        for index in range(length):
            buffer[at + index] = texts.data[first + index]
        at += length
    return at


@inner
def put_facts(tables: PackedTables, state: State, texts: Texts, row: int, buffer: UInt8, at: int) -> int:
    """Write traits, latest values and scores; returns the position behind them."""
    bits = state.numbers.view(np.int64)
    count_at, count, at = at, 0, at + 2
    for fact in range(size(tables, fields.FACT_KIND)):
        time_ms, form = state.cells[row, state.at[slots.FACT_TIME] + fact], entry(tables, fields.FACT_KIND, fact)
        if form not in (FACT_TRAIT, FACT_LATEST, FACT_SCORE) or time_ms == NO_TIME:
            continue
        kind = state.flags[row, state.at[slots.FACT_KIND] + fact]
        if form == FACT_SCORE and kind == MISSING:
            continue
        at = put(buffer, at, entry(tables, fields.FACT_KEY, fact), 8)
        at = put(buffer, at, time_ms, 8)
        text = state.cells[row, state.at[slots.FACT_TEXT] + fact]
        at = put_content(texts, kind, bits[row, state.at[slots.FACT_NUMBER] + fact], text, buffer, at)
        count += 1
    put(buffer, count_at, count, 2)
    return at


@inner
def put_tops(tables: PackedTables, state: State, texts: Texts, row: int, buffer: UInt8, at: int) -> int:
    """Write what tops weigh; returns the position behind it."""
    bits = state.numbers.view(np.int64)
    count_at, count, at = at, 0, at + 2
    for fact in range(size(tables, fields.FACT_KIND)):
        first = entry(tables, fields.FACT_SLOT, fact) * TOP_VALUES
        if (
            entry(tables, fields.FACT_KIND, fact) != FACT_TOP
            or state.flags[row, state.at[slots.TOP_KIND] + first] == MISSING
        ):
            continue
        at = put(buffer, at, entry(tables, fields.FACT_KEY, fact), 8)
        held_at, held, at = at, 0, at + 1
        for index in range(first, first + TOP_VALUES):
            kind = state.flags[row, state.at[slots.TOP_KIND] + index]
            if kind == MISSING:
                break
            at = put(buffer, at, state.cells[row, state.at[slots.TOP_TIME] + index], 8)
            at = put(buffer, at, bits[row, state.at[slots.TOP_WEIGHT] + index], 8)
            text = state.cells[row, state.at[slots.TOP_TEXT] + index]
            at = put_content(texts, kind, bits[row, state.at[slots.TOP_NUMBER] + index], text, buffer, at)
            held += 1
        put(buffer, held_at, held, 1)
        count += 1
    put(buffer, count_at, count, 2)
    return at


@inner
def put_hours(tables: PackedTables, state: State, row: int, buffer: UInt8, at: int) -> int:
    """Write what hours of day weigh; returns the position behind it."""
    bits = state.numbers.view(np.int64)
    count_at, count, at = at, 0, at + 2
    for fact in range(size(tables, fields.FACT_KIND)):
        if entry(tables, fields.FACT_KIND, fact) != FACT_HOUR:
            continue
        first = entry(tables, fields.FACT_SLOT, fact) * DAY_HOURS
        start, at = at, put(buffer, at, entry(tables, fields.FACT_KEY, fact), 8)
        held_at, held, at = at, 0, at + 1
        for hour in range(DAY_HOURS):
            time_ms = state.cells[row, state.at[slots.HOUR_TIME] + first + hour]
            if time_ms != NO_TIME:
                at = put(buffer, at, hour, 1)
                at = put(buffer, at, time_ms, 8)
                at = put(buffer, at, bits[row, state.at[slots.HOUR_WEIGHT] + first + hour], 8)
                held += 1
        put(buffer, held_at, held, 1)
        if held == 0:
            at = start
        else:
            count += 1
    put(buffer, count_at, count, 2)
    return at


@inner
def put_open_samples(tables: PackedTables, state: State, row: int, buffer: UInt8, at: int) -> int:
    """Write the samples that wait for their labels; returns the position behind them."""
    bits = state.numbers.view(np.int64)
    count_at, count, at = at, 0, at + 2
    for slot in range(size(tables, fields.OPEN_MODEL)):
        opened_ms = state.cells[row, state.at[slots.OPENED] + slot]
        if opened_ms == NO_TIME:
            continue
        model = entry(tables, fields.OPEN_MODEL, slot)
        features = len(span(tables, fields.MODEL_FEATURE_START, model))
        at = put(buffer, at, entry(tables, fields.MODEL_KEY, model), 8)
        at = put(buffer, at, opened_ms, 8)
        at = put(buffer, at, features, 1)
        first = state.at[slots.OPEN_VALUE] + entry(tables, fields.OPEN_FIRST, slot)
        for value in range(first, first + features):
            at = put(buffer, at, bits[row, value], 8)
        count += 1
    put(buffer, count_at, count, 2)
    return at


@inner
def put_ids(state: State, row: int, buffer: UInt8, at: int) -> int:
    """Write the message ids that still tell duplicates; returns the position behind them."""
    count_at, count, at = at, 0, at + 1
    kept = min(state.cells[row, slots.ID_COUNT], KEPT_IDS)
    for number in range(state.cells[row, slots.ID_COUNT] - kept, state.cells[row, slots.ID_COUNT]):
        moment = state.cells[row, state.at[slots.ID_MOMENT] + number % KEPT_IDS]
        if state.cells[row, slots.MOMENT] - moment <= DUPLICATE_WITHIN_MS:
            at = put(buffer, at, state.cells[row, state.at[slots.ID_HASH] + number % KEPT_IDS], 8)
            at = put(buffer, at, moment, 8)
            count += 1
    put(buffer, count_at, count, 1)
    return at
