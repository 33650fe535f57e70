"""The engine's arrays: every user's state as rows of a dense table, and the transitions that result.

What the columns are is in `stream.engine.slots`; C is the table's capacity in rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rules.tables import NOT_YET_MS, Float64, Int32, Int64, Tables, UInt8
from stream.engine import slots

__all__ = [
    "BUCKETS",
    "DUPLICATE_WITHIN_MS",
    "KEPT_IDS",
    "NO_TIME",
    "Scratch",
    "State",
    "Transitions",
    "new_scratch",
    "new_state",
    "new_transitions",
]

NO_TIME = NOT_YET_MS
"""The time of something that has not happened."""

BUCKETS = 61
"""A window's buckets: the one that is filling and the sixty before it."""

KEPT_IDS = 64
"""How many message ids a row keeps for recognising duplicates."""

DUPLICATE_WITHIN_MS = 24 * 60 * 60 * 1000
"""An event with a kept id is a duplicate if its moment is at most this much later."""


class State(NamedTuple):
    """One row a user; `at` `(GROUPS,)` says where each group of columns starts."""

    at: Int64
    cells: Int64  # (C, cells)
    flags: UInt8  # (C, flags)
    numbers: Float64  # (C, T) traits that are numbers or booleans


class Scratch(NamedTuple):
    """Working memory of the kernel, empty between two users."""

    marks: UInt8  # (S + blocks,) segments to evaluate, then blocks of 64 of them in which there is one
    pending: Int64  # (1 + X,) how many comparisons are to be looked at, and which
    bits: UInt8  # stack of a condition program
    numbers: Float64  # stack of a comparison program
    where: Int64  # (W,) 2 x event + verdict: what each where-condition last said


class Transitions(NamedTuple):
    """What came out, in order: the first `written[0]` rows. Values and traits are those of the moment."""

    written: Int64  # (1,)
    cells: Int64  # (n, OUT_VALUES + A)
    kinds: UInt8  # (n, T)
    numbers: Float64  # (n, T)
    texts: Int32  # (n, T)


def new_state(tables: Tables, capacity: int) -> State:
    """A table of `capacity` rows; memory is only taken as rows are used. Rows must be cleared before use."""
    aggregates, traits, segments = len(tables.aggregate_kind), len(tables.trait_key), len(tables.segment_key)
    at = np.zeros(slots.GROUPS, np.int64)
    sizes = {
        slots.VALUE: aggregates,
        slots.PLACE: aggregates,
        slots.HEAD: tables.ring_count,
        slots.NEXT: aggregates + len(tables.comparison_kind) + tables.stay_count,
        slots.ENTERED: segments,
        slots.TRAIT_TEXT: traits,
        slots.TRAIT_TIME: traits,
        slots.ID_HASH: KEPT_IDS,
        slots.ID_MOMENT: KEPT_IDS,
        slots.RING: tables.ring_count * BUCKETS,
    }
    cells = slots.SCALARS
    for group, length in sizes.items():
        at[group] = cells
        cells += length
    at[slots.BIT] = slots.FLAGS
    at[slots.MEMBER] = at[slots.BIT] + len(tables.leaf_kind)
    at[slots.TRAIT_KIND] = at[slots.MEMBER] + segments
    return State(
        at=at,
        cells=np.zeros((capacity, cells), np.int64),
        flags=np.zeros((capacity, int(at[slots.TRAIT_KIND]) + traits), np.uint8),
        numbers=np.zeros((capacity, traits), np.float64),
    )


def new_scratch(tables: Tables) -> Scratch:
    """Working memory that fits the catalog."""
    segments = len(tables.segment_key)
    return Scratch(
        marks=np.zeros(segments + -(-segments // 64), np.uint8),
        pending=np.zeros(1 + len(tables.comparison_kind), np.int64),
        bits=np.zeros(max(1, len(tables.program_code), len(tables.where_code)), np.uint8),
        numbers=np.zeros(max(1, len(tables.comparison_code)), np.float64),
        where=np.full(len(tables.where_start) - 1, -1, np.int64),
    )


def new_transitions(tables: Tables, capacity: int) -> Transitions:
    """Room for `capacity` transitions."""
    traits = len(tables.trait_key)
    return Transitions(
        written=np.zeros(1, np.int64),
        cells=np.zeros((capacity, slots.OUT_VALUES + len(tables.aggregate_kind)), np.int64),
        kinds=np.zeros((capacity, traits), np.uint8),
        numbers=np.zeros((capacity, traits), np.float64),
        texts=np.zeros((capacity, traits), np.int32),
    )
