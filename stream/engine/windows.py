"""Kernel, lowest layer: windows. A ring holds what each of a window's 61 buckets adds up to, or its extreme."""

from __future__ import annotations

from rules.tables import GREATEST, LEAST, NO_VALUE, SUM
from stream.engine import fields, slots
from stream.engine.jit import inner, plain
from stream.engine.packed import PackedTables, entry
from stream.engine.result import NEVER_MS
from stream.engine.state import BUCKETS, NO_TIME, State

__all__ = [
    "advance",
    "bucket_at",
    "extreme",
    "is_extreme",
    "is_missing",
    "leaving_ms",
    "next_extreme_change",
    "next_leaving",
    "next_total_change",
    "nothing_of",
    "window_start_ms",
]


@inner
def is_extreme(kind: int) -> bool:
    """Whether an aggregate is a least or a greatest value, not a total."""
    return kind in (LEAST, GREATEST)


@inner
def is_missing(kind: int, value: int) -> bool:
    """Whether an aggregate's value is none; only a sum may come to just that number."""
    return value == NO_VALUE and kind != SUM


@inner
def extreme(kind: int, first: int, second: int) -> int:
    """The lesser or the greater of two values; NO_VALUE is neither."""
    if kind == GREATEST:
        return max(first, second)  # NO_VALUE is below every value
    if first == NO_VALUE:
        return second
    return first if second == NO_VALUE else min(first, second)


@inner
def nothing_of(kind: int) -> int:
    """What a bucket holds in which nothing happened."""
    return NO_VALUE if is_extreme(kind) else 0


@inner
def bucket_at(tables: PackedTables, state: State, row: int, aggregate: int, time_ms: int) -> int:
    """The bucket number b(t) of a time in an aggregate's window."""
    hop = entry(tables, fields.AGGREGATE_HOP_MS, aggregate)
    return int((time_ms + state.cells[row, slots.PHASE] % hop) // hop)


@inner
def leaving_ms(tables: PackedTables, state: State, row: int, aggregate: int, bucket: int) -> int:
    """The moment at which a bucket leaves an aggregate's window."""
    hop = entry(tables, fields.AGGREGATE_HOP_MS, aggregate)
    return int((bucket + BUCKETS) * hop - state.cells[row, slots.PHASE] % hop)


@inner
def window_start_ms(tables: PackedTables, state: State, row: int, aggregate: int, moment: int) -> int:
    """The earliest time that is in an aggregate's window at a moment; without a window, any."""
    hop = entry(tables, fields.AGGREGATE_HOP_MS, aggregate)
    if hop == 0:
        return NO_TIME + 1
    phase = state.cells[row, slots.PHASE] % hop
    return int(((moment + phase) // hop - (BUCKETS - 1)) * hop - phase)


@inner
def advance(tables: PackedTables, state: State, row: int, aggregate: int, moment: int) -> int:
    """Drop the buckets that have left an aggregate's ring by `moment`; returns b(moment)."""
    ring = entry(tables, fields.AGGREGATE_RING, aggregate)
    bucket = bucket_at(tables, state, row, aggregate, moment)
    head = state.cells[row, state.at[slots.HEAD] + ring]
    if bucket <= head:
        return bucket
    if head != NO_TIME:
        kind = entry(tables, fields.AGGREGATE_KIND, aggregate)
        first = state.at[slots.RING] + ring * BUCKETS
        if is_extreme(kind):
            for left in range(head - (BUCKETS - 1), min(bucket - BUCKETS, head) + 1):
                state.cells[row, first + left % BUCKETS] = NO_VALUE
            value = plain(NO_VALUE)
            for slot in range(first, first + BUCKETS):
                value = extreme(kind, value, state.cells[row, slot])
            state.cells[row, state.at[slots.VALUE] + aggregate] = value
        else:
            for left in range(head - (BUCKETS - 1), min(bucket - BUCKETS, head) + 1):
                slot = first + left % BUCKETS
                state.cells[row, state.at[slots.VALUE] + aggregate] -= state.cells[row, slot]
                state.cells[row, slot] = 0
    state.cells[row, state.at[slots.HEAD] + ring] = bucket
    return bucket


@inner
def next_total_change(
    tables: PackedTables, state: State, row: int, aggregate: int, bucket: int, low: int, high: int
) -> int:
    """The first moment after b(now) = `bucket` at which leaving buckets carry a ring's total out of [low, high)."""
    first = state.at[slots.RING] + entry(tables, fields.AGGREGATE_RING, aggregate) * BUCKETS
    value = state.cells[row, state.at[slots.VALUE] + aggregate]
    slot = (bucket + 1) % BUCKETS
    for leaving in range(bucket - (BUCKETS - 1), bucket + 1):
        held = state.cells[row, first + slot]
        slot = slot + 1 if slot + 1 < BUCKETS else 0
        if held != 0:
            value -= held
            if value < low or value >= high:
                return leaving_ms(tables, state, row, aggregate, leaving)
    return NEVER_MS


@inner
def next_extreme_change(
    tables: PackedTables, state: State, row: int, aggregate: int, bucket: int, low: int, high: int
) -> int:
    """The first moment after b(now) = `bucket` at which a ring's extreme is out of [low, high), or there is none.

    Looked for backwards: the more buckets are left, the nearer is their extreme to that of all.
    """
    first = state.at[slots.RING] + entry(tables, fields.AGGREGATE_RING, aggregate) * BUCKETS
    kind = entry(tables, fields.AGGREGATE_KIND, aggregate)
    value, due = plain(NO_VALUE), NEVER_MS
    for leaving in range(bucket, bucket - BUCKETS, -1):
        held = state.cells[row, first + leaving % BUCKETS]
        if held == NO_VALUE:
            continue
        if value != NO_VALUE and low <= value < high:
            break
        due = leaving_ms(tables, state, row, aggregate, leaving)
        value = extreme(kind, value, held)
    return due


@inner
def next_leaving(tables: PackedTables, state: State, row: int, aggregate: int, bucket: int) -> int:
    """When the next bucket with something in it leaves a ring, after b(now) = `bucket`."""
    first = state.at[slots.RING] + entry(tables, fields.AGGREGATE_RING, aggregate) * BUCKETS
    nothing = nothing_of(entry(tables, fields.AGGREGATE_KIND, aggregate))
    for leaving in range(bucket - (BUCKETS - 1), bucket + 1):
        if state.cells[row, first + leaving % BUCKETS] != nothing:
            return leaving_ms(tables, state, row, aggregate, leaving)
    return NEVER_MS
