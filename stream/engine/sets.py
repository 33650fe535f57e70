"""Kernel, lowest layer: `distinct`. A set keeps the 64 different values seen last, each with its newest time.

A value is known by a 64-bit hash of its type and content, the same on every machine. Entries are ordered by time, the
newest first, so what leaves a window leaves from the end, and the k-th to leave is found at once.
"""

from __future__ import annotations

import numpy as np

from rules.tables import DISTINCT_VALUES, FLAG
from stream.engine import fields, slots
from stream.engine.jit import inner
from stream.engine.packed import PackedTables, entry
from stream.engine.result import NEVER_MS
from stream.engine.state import NO_TIME, State
from stream.engine.windows import bucket_at, leaving_ms, window_start_ms

__all__ = ["add_to_set", "identity_of", "leaving_of_entry", "trim_set"]

_NUMBERS = np.uint64(0x9E3779B97F4A7C15)
_FLAGS = np.uint64(0xD1B54A32D192ED03)


@inner
def identity_of(kind: int, bits: int) -> int:
    """What a number (the bits of its double) or a boolean is counted by: the finalizer of SplitMix64 over its bits."""
    value = np.uint64(bits) ^ (_FLAGS if kind == FLAG else _NUMBERS)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return int(np.int64(value ^ (value >> np.uint64(31))))


@inner
def first_entry(tables: PackedTables, aggregate: int) -> int:
    """The column of the aggregate's first time, relative to that of all sets."""
    return entry(tables, fields.AGGREGATE_SET, aggregate) * DISTINCT_VALUES


@inner
def trim_set(tables: PackedTables, state: State, row: int, aggregate: int, moment: int) -> int:
    """Drop the values that have left the window by `moment`; returns the earliest time still in it."""
    start = window_start_ms(tables, state, row, aggregate, moment)
    times = state.at[slots.SET_TIME] + first_entry(tables, aggregate)
    count = state.cells[row, state.at[slots.VALUE] + aggregate]
    while count > 0 and state.cells[row, times + count - 1] < start:
        count -= 1
        state.cells[row, times + count] = NO_TIME
    state.cells[row, state.at[slots.VALUE] + aggregate] = count
    return start


@inner
def add_to_set(
    tables: PackedTables, state: State, row: int, aggregate: int, identity: int, time_ms: int, moment: int
) -> None:
    """An occurrence of a value; of more than 64 values the one seen longest ago goes."""
    if time_ms < trim_set(tables, state, row, aggregate, moment):
        return
    first = first_entry(tables, aggregate)
    values, times = state.at[slots.SET_VALUE] + first, state.at[slots.SET_TIME] + first
    count = state.cells[row, state.at[slots.VALUE] + aggregate]
    at = 0
    while at < count and state.cells[row, values + at] != identity:
        at += 1
    if at < count:
        if state.cells[row, times + at] >= time_ms:
            return
    elif count < DISTINCT_VALUES:
        state.cells[row, state.at[slots.VALUE] + aggregate] = count + 1
    elif state.cells[row, times + count - 1] >= time_ms:
        return
    else:
        at = count - 1
    while at > 0 and state.cells[row, times + at - 1] <= time_ms:
        state.cells[row, values + at] = state.cells[row, values + at - 1]
        state.cells[row, times + at] = state.cells[row, times + at - 1]
        at -= 1
    state.cells[row, values + at] = identity
    state.cells[row, times + at] = time_ms


@inner
def leaving_of_entry(tables: PackedTables, state: State, row: int, aggregate: int, index: int) -> int:
    """When the value at an index (0: the newest) leaves the window; without a window never."""
    if entry(tables, fields.AGGREGATE_HOP_MS, aggregate) == 0:
        return NEVER_MS
    time_ms = state.cells[row, state.at[slots.SET_TIME] + first_entry(tables, aggregate) + index]
    return leaving_ms(tables, state, row, aggregate, bucket_at(tables, state, row, aggregate, time_ms))
