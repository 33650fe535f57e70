"""A user's row as bytes: what is stored, and how it is read back into the table.

Only facts are stored; places, leaves and due times follow from them. Sparse and self-describing: aggregates, segments
and traits are known by 64-bit keys that mean the same in every catalog, so a row can be read under any: what the
catalog does not have is dropped, what the row does not have starts empty. Integers are little-endian; `varint` is
zigzag LEB128.

    u8 format · i64 step · i64 moment · i64 incarnation · i64 version · i64 armed · i64 catalog version
    u16 n · n x (u64 segment, i64 entered)
    u16 n · n x (u64 aggregate, u8 0, i64 value  |  u64 aggregate, u8 1, i64 head, u8 m, m x (u8 age, varint held))
    u16 n · n x (u64 trait, u8 kind, i64 time, i64 bits of the number, u16 m, m bytes of text)
    u8 n · n x (u64 message id, i64 moment), oldest first
"""

from __future__ import annotations

import struct

import numpy as np

from rules.program import key_of
from rules.tables import TEXT, Int32, Int64, Tables, UInt8
from stream.engine import fields, slots
from stream.engine.jit import jit
from stream.engine.packed import PackedTables, entry, size
from stream.engine.state import BUCKETS, DUPLICATE_WITHIN_MS, KEPT_IDS, NO_TIME, State

__all__ = ["FORMAT", "RowFormatError", "encode_rows", "read_row", "row_bound", "row_members", "row_step"]

FORMAT = 1
_HEADER = struct.Struct("<B6q")
_MEMBERS = struct.Struct("<H")
_MEMBER = struct.Struct("<Qq")
_TEXT_BYTES = 256


class RowFormatError(Exception):
    """A stored row that this version cannot read."""


def check_format(row: bytes) -> None:
    """Raise RowFormatError unless the row is of this version's format."""
    if len(row) < _HEADER.size or row[0] != FORMAT:
        raise RowFormatError(
            f"a stored row has format {row[0] if row else 'none'}, this version of tagstream reads {FORMAT}; "
            "a newer version wrote it: run that version, or rebuild the state from the events log"
        )


def row_step(row: bytes) -> int:
    """The step in which a stored row was written. RowFormatError."""
    check_format(row)
    return int(_HEADER.unpack_from(row)[1])


def row_members(row: bytes, segments: list[str]) -> dict[str, int]:
    """Which of the segments the user of a stored row is in: name → entry time in ms. RowFormatError."""
    check_format(row)
    names = {key_of(name): name for name in segments}
    (count,) = _MEMBERS.unpack_from(row, _HEADER.size)
    start = _HEADER.size + _MEMBERS.size
    pairs = _MEMBER.iter_unpack(row[start : start + count * _MEMBER.size])
    return {names[key]: entered for key, entered in pairs if key in names}


def row_bound(tables: Tables) -> int:
    """No row of this catalog takes more bytes than this."""
    aggregates, traits = len(tables.aggregate_kind), len(tables.trait_key)
    ring = 18 + BUCKETS * 11
    return 64 + len(tables.segment_key) * 16 + aggregates * ring + traits * (27 + _TEXT_BYTES) + KEPT_IDS * 16


@jit
def put(buffer: UInt8, at: int, value: int, size: int) -> int:
    """Write the low `size` bytes of a value; returns the position behind them."""
    for index in range(size):
        buffer[at + index] = (value >> (8 * index)) & 0xFF
    return at + size


@jit
def get(data: UInt8, at: int, size: int) -> int:
    """Read `size` bytes; of eight the result is signed."""
    value = np.int64(0)
    for index in range(size):
        value |= np.int64(data[at + index]) << (8 * index)
    return int(value)


@jit
def put_varint(buffer: UInt8, at: int, value: int) -> int:
    """Write a signed number of any size in as few bytes as it needs."""
    rest = np.uint64((value << 1) ^ (value >> 63))
    while rest >= np.uint64(128):
        buffer[at] = np.uint8(rest & np.uint64(127)) | np.uint8(128)
        rest >>= np.uint64(7)
        at += 1
    buffer[at] = np.uint8(rest)
    return at + 1


@jit
def get_varint(data: UInt8, at: int) -> tuple[int, int]:
    """The number at a position, and the position behind it."""
    rest, shift = np.uint64(0), np.uint64(0)
    while data[at] >= 128:
        rest |= np.uint64(data[at] & 127) << shift
        shift += np.uint64(7)
        at += 1
    rest |= np.uint64(data[at]) << shift
    return int(np.int64(rest >> np.uint64(1)) ^ -np.int64(rest & np.uint64(1))), at + 1


@jit
def encode_rows(
    tables: PackedTables,
    state: State,
    rows: Int32,
    start: int,
    step: int,
    catalog_version: int,
    text: UInt8,
    text_start: Int64,
    bound: int,
    buffer: UInt8,
    ends: Int64,
) -> int:
    """Encode `rows[start:]` one behind the other; `ends[i]` is where row i ends in `buffer` (row `start` begins at 0).

    Returns the index of the first row that might not fit any more. `text[text_start[i]:text_start[i + 1]]` is string i.
    """
    at = 0
    numbers = state.numbers.view(np.int64)
    for index in range(start, len(rows)):
        if at + bound > len(buffer):
            return index
        row = rows[index]
        at = put(buffer, at, FORMAT, 1)
        at = put(buffer, at, step, 8)
        at = put(buffer, at, state.cells[row, slots.MOMENT], 8)
        at = put(buffer, at, state.cells[row, slots.INCARNATION], 8)
        at = put(buffer, at, state.cells[row, slots.VERSION], 8)
        at = put(buffer, at, state.cells[row, slots.ARMED], 8)
        at = put(buffer, at, catalog_version, 8)
        count_at, count, at = at, 0, at + 2
        for segment in range(size(tables, fields.SEGMENT_KEY)):
            if state.flags[row, state.at[slots.MEMBER] + segment] == 1:
                at = put(buffer, at, entry(tables, fields.SEGMENT_KEY, segment), 8)
                at = put(buffer, at, state.cells[row, state.at[slots.ENTERED] + segment], 8)
                count += 1
        put(buffer, count_at, count, 2)
        count_at, count, at = at, 0, at + 2
        for aggregate in range(size(tables, fields.AGGREGATE_KEY)):
            end = put_aggregate(tables, state, row, aggregate, buffer, at)
            if end > at:
                count += 1
            at = end
        put(buffer, count_at, count, 2)
        count_at, count, at = at, 0, at + 2
        for trait in range(size(tables, fields.TRAIT_KEY)):
            if state.cells[row, state.at[slots.TRAIT_TIME] + trait] == NO_TIME:
                continue
            at = put(buffer, at, entry(tables, fields.TRAIT_KEY, trait), 8)
            at = put(buffer, at, state.flags[row, state.at[slots.TRAIT_KIND] + trait], 1)
            at = put(buffer, at, state.cells[row, state.at[slots.TRAIT_TIME] + trait], 8)
            at = put(buffer, at, numbers[row, trait], 8)
            length = 0
            if state.flags[row, state.at[slots.TRAIT_KIND] + trait] == TEXT:
                first = text_start[state.cells[row, state.at[slots.TRAIT_TEXT] + trait]]
                length = text_start[state.cells[row, state.at[slots.TRAIT_TEXT] + trait] + 1] - first
                buffer[at + 2 : at + 2 + length] = text[first : first + length]
            at = put(buffer, at, length, 2) + length
            count += 1
        put(buffer, count_at, count, 2)
        count_at, count, at = at, 0, at + 1
        kept = min(state.cells[row, slots.ID_COUNT], KEPT_IDS)
        for number in range(state.cells[row, slots.ID_COUNT] - kept, state.cells[row, slots.ID_COUNT]):
            moment = state.cells[row, state.at[slots.ID_MOMENT] + number % KEPT_IDS]
            if state.cells[row, slots.MOMENT] - moment <= DUPLICATE_WITHIN_MS:
                at = put(buffer, at, state.cells[row, state.at[slots.ID_HASH] + number % KEPT_IDS], 8)
                at = put(buffer, at, moment, 8)
                count += 1
        put(buffer, count_at, count, 1)
        ends[index] = at
    return len(rows)


@jit
def put_aggregate(tables: PackedTables, state: State, row: int, aggregate: int, buffer: UInt8, at: int) -> int:
    """Write an aggregate unless there is nothing in it; returns the position behind it."""
    ring = entry(tables, fields.AGGREGATE_RING, aggregate)
    value = state.cells[row, state.at[slots.VALUE] + aggregate]
    if ring < 0:
        if value == entry(tables, fields.AGGREGATE_EMPTY, aggregate):
            return at
        at = put(buffer, at, entry(tables, fields.AGGREGATE_KEY, aggregate), 8)
        at = put(buffer, at, 0, 1)
        return put(buffer, at, value, 8)
    head, start, held = state.cells[row, state.at[slots.HEAD] + ring], at, 0
    at = put(buffer, at, entry(tables, fields.AGGREGATE_KEY, aggregate), 8)
    at = put(buffer, at, 1, 1)
    at = put(buffer, at, head, 8)
    count_at, at = at, at + 1
    for age in range(BUCKETS):
        slot = state.cells[row, state.at[slots.RING] + ring * BUCKETS + (head - age) % BUCKETS]
        if slot != 0:
            at = put(buffer, at, age, 1)
            at = put_varint(buffer, at, slot)
            held += 1
    if held == 0:
        return start
    put(buffer, count_at, held, 1)
    return at


@jit
def find(tables: PackedTables, field: int, key: int, hint: int) -> int:
    """The index of a key in a field of keys, looked for at the hint first; -1: not there."""
    count = size(tables, field)
    if hint < count and entry(tables, field, hint) == key:
        return hint
    for index in range(count):
        if entry(tables, field, index) == key:
            return index
    return -1


@jit
def read_row(tables: PackedTables, state: State, row: int, data: UInt8, texts: Int64) -> int:
    """Read a stored row's facts into a cleared row; returns the number of strings found.

    `texts` `(≥ T, 3)` gets trait, start and length in `data` of each string: the caller sets their `trait_text`.
    """
    numbers = state.numbers.view(np.int64)
    state.flags[row, slots.EXISTS] = 1
    state.cells[row, slots.MOMENT] = get(data, 9, 8)
    state.cells[row, slots.INCARNATION] = get(data, 17, 8)
    state.cells[row, slots.VERSION] = get(data, 25, 8)
    state.cells[row, slots.ARMED] = get(data, 33, 8)
    at, hint = 49, 0
    count, at = get(data, at, 2), at + 2
    for _ in range(count):
        hint = find(tables, fields.SEGMENT_KEY, get(data, at, 8), hint) + 1
        if hint > 0:
            state.flags[row, state.at[slots.MEMBER] + hint - 1] = 1
            state.cells[row, state.at[slots.ENTERED] + hint - 1] = get(data, at + 8, 8)
        at += 16
    count, at, hint = get(data, at, 2), at + 2, 0
    for _ in range(count):
        hint = find(tables, fields.AGGREGATE_KEY, get(data, at, 8), hint) + 1
        ringed, at = data[at + 8], at + 9
        if ringed == 0:
            if hint > 0:
                state.cells[row, state.at[slots.VALUE] + hint - 1] = get(data, at, 8)
            at += 8
            continue
        head, held = get(data, at, 8), data[at + 8]
        at += 9
        for _ in range(held):
            slot, (value, end) = (head - np.int64(data[at])) % BUCKETS, get_varint(data, at + 1)
            if hint > 0:
                ring = entry(tables, fields.AGGREGATE_RING, hint - 1)
                state.cells[row, state.at[slots.HEAD] + ring] = head
                state.cells[row, state.at[slots.RING] + ring * BUCKETS + slot] = value
                state.cells[row, state.at[slots.VALUE] + hint - 1] += value
            at = end
    count, at, hint = get(data, at, 2), at + 2, 0
    found = 0
    for _ in range(count):
        hint = find(tables, fields.TRAIT_KEY, get(data, at, 8), hint) + 1
        length = get(data, at + 25, 2)
        if hint > 0:
            state.flags[row, state.at[slots.TRAIT_KIND] + hint - 1] = data[at + 8]
            state.cells[row, state.at[slots.TRAIT_TIME] + hint - 1] = get(data, at + 9, 8)
            numbers[row, hint - 1] = get(data, at + 17, 8)
            if data[at + 8] == TEXT:
                texts[found, 0], texts[found, 1], texts[found, 2] = hint - 1, at + 27, length
                found += 1
        at += 27 + length
    count, at = data[at], at + 1
    for index in range(count):
        state.cells[row, state.at[slots.ID_HASH] + index] = get(data, at, 8)
        state.cells[row, state.at[slots.ID_MOMENT] + index] = get(data, at + 8, 8)
        at += 16
    state.cells[row, slots.ID_COUNT] = count
    return found
