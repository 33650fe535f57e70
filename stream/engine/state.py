"""The engine's arrays: every user's state as rows of a dense table, and the transitions that result.

What the columns are is in `stream.engine.slots`; C is the table's capacity in rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rules.tables import (
    DAY_HOURS,
    DISTINCT_VALUES,
    FACT_MEMBERSHIP,
    FLAG,
    GREATEST,
    LEAST,
    NO_VALUE,
    NOT_YET_MS,
    TOP_VALUES,
    Float64,
    Int32,
    Int64,
    Tables,
    UInt8,
)
from stream.engine import slots
from stream.engine.result import NEVER_MS

__all__ = [
    "BLOCK",
    "BUCKETS",
    "DUPLICATE_WITHIN_MS",
    "KEPT_IDS",
    "NO_TIME",
    "Scratch",
    "State",
    "Transitions",
    "blank_row",
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

BLOCK = 64
"""Marks of units, and next moments, are looked through by blocks of this many."""


class State(NamedTuple):
    """One row a user; `at` `(GROUPS,)` says where each group of columns starts."""

    at: Int64
    cells: Int64  # (C, cells)
    flags: UInt8  # (C, flags)
    numbers: Float64  # (C, numbers)


class Scratch(NamedTuple):
    """Working memory of the kernel, empty between two users."""

    marks: UInt8  # units to evaluate, blocks with such units, comparisons to look at, blocks of NEXT that changed
    pending: Int64  # (2 + X + A,) how many comparisons and aggregates are to be looked at, then which of either
    bits: UInt8  # stack of a condition program
    numbers: Float64  # stack of a comparison program
    features: Float64  # (Q,) what models read of the user at hand, NaN: missing
    terms: Float64  # the features, or their logarithms, as the models in force take them
    scaled: Float64  # the features of one model, scaled
    where: Int64  # (W,) 2 x event + verdict: what each where-condition last said


class Transitions(NamedTuple):
    """What came out, in order: the first `written[0]` rows, and the first `written[1]` samples.

    Aggregates and facts are those of the moment; of each transition only those that its unit's messages read are set.
    """

    written: Int64  # (2,)
    cells: Int64  # (n, OUT_VALUES + message aggregates)
    kinds: UInt8  # (n, message facts)
    numbers: Float64  # (n, message facts)
    texts: Int32  # (n, message facts)
    samples: Int64  # (m, SAMPLE_CELLS)
    values: Float64  # (m, features of the model that has most), NaN: missing


def blocks_of(count: int) -> int:
    """How many blocks that many entries take."""
    return -(-count // BLOCK)


def next_count(tables: Tables) -> int:
    """How many things have a next moment: aggregates, comparisons, minimum stays, models, open samples."""
    conditions = len(tables.aggregate_kind) + len(tables.comparison_kind) + tables.stay_count
    return conditions + tables.has_model_moments + len(tables.open_model)


def new_state(tables: Tables, capacity: int) -> State:
    """A table of `capacity` rows; memory is only taken as rows are used. Rows must be cleared before use."""
    aggregates, facts, units = len(tables.aggregate_kind), len(tables.fact_kind), len(tables.unit_key)
    nexts = next_count(tables)
    tops, hours, sets = tables.top_count * TOP_VALUES, tables.hour_count * DAY_HOURS, tables.set_count * DISTINCT_VALUES
    cells = {
        slots.VALUE: aggregates,
        slots.PLACE: aggregates,
        slots.CHANGED_AT: aggregates,
        slots.HEAD: tables.ring_count,
        slots.NEXT: nexts,
        slots.NEXT_LEAST: blocks_of(nexts),
        slots.ENTERED: units,
        slots.OPENED: len(tables.open_model),
        slots.FACT_TIME: facts,
        slots.TOP_TIME: tops,
        slots.HOUR_TIME: hours,
        slots.FACT_TEXT: facts,
        slots.TOP_TEXT: tops,
        slots.SET_VALUE: sets,
        slots.SET_TIME: sets,
        slots.ID_HASH: KEPT_IDS,
        slots.ID_MOMENT: KEPT_IDS,
        slots.RING: tables.ring_count * BUCKETS,
    }
    flags = {
        slots.BIT: len(tables.leaf_kind),
        slots.MEMBER: units,
        slots.UNIT_CAUSE: units,
        slots.FACT_KIND: facts,
        slots.TOP_KIND: tops,
    }
    numbers = {
        slots.FACT_NUMBER: facts,
        slots.TOP_NUMBER: tops,
        slots.TOP_WEIGHT: tops,
        slots.HOUR_WEIGHT: hours,
        slots.OPEN_VALUE: tables.open_width,
    }
    at = np.zeros(slots.GROUPS, np.int64)
    widths = [
        _lay_out(at, groups, first) for groups, first in ((cells, slots.SCALARS), (flags, slots.FLAGS), (numbers, 0))
    ]
    return State(
        at=at,
        cells=np.zeros((capacity, widths[0]), np.int64),
        flags=np.zeros((capacity, widths[1]), np.uint8),
        numbers=np.zeros((capacity, widths[2]), np.float64),
    )


def _lay_out(at: Int64, groups: dict[int, int], first: int) -> int:
    """Put the groups one behind the other from column `first` on; returns the number of columns."""
    for group, length in groups.items():
        at[group] = first
        first += length
    return first


def blank_row(tables: Tables) -> State:
    """The row of a user of whom nothing is known."""
    blank = new_state(tables, 1)
    cells, at = blank.cells[0], blank.at.tolist()
    cells[slots.MOMENT] = NO_TIME
    cells[[slots.DUE, slots.ARMED]] = NEVER_MS
    cells[at[slots.VALUE] : at[slots.PLACE]] = tables.aggregate_empty
    cells[at[slots.PLACE] : at[slots.CHANGED_AT]] = tables.aggregate_place
    cells[at[slots.CHANGED_AT] : at[slots.NEXT]] = NO_TIME
    cells[at[slots.NEXT] : at[slots.ENTERED]] = NEVER_MS
    cells[at[slots.ENTERED] : at[slots.FACT_TEXT]] = NO_TIME
    cells[at[slots.SET_TIME] : at[slots.ID_HASH]] = NO_TIME
    cells[at[slots.ID_MOMENT] : at[slots.RING]] = NO_TIME
    for kind, ring in zip(tables.aggregate_kind.tolist(), tables.aggregate_ring.tolist(), strict=True):
        if ring >= 0 and kind in (LEAST, GREATEST):
            first = at[slots.RING] + ring * BUCKETS
            cells[first : first + BUCKETS] = NO_VALUE
    flags = blank.flags[0]
    flags[at[slots.BIT] : at[slots.MEMBER]] = tables.leaf_initial
    flags[at[slots.FACT_KIND] : at[slots.TOP_KIND]] = np.where(tables.fact_kind == FACT_MEMBERSHIP, FLAG, 0)
    return blank


def new_scratch(tables: Tables) -> Scratch:
    """Working memory that fits the catalog."""
    units, comparisons = len(tables.unit_key), len(tables.comparison_kind)
    return Scratch(
        marks=np.zeros(units + blocks_of(units) + comparisons + blocks_of(next_count(tables)), np.uint8),
        pending=np.zeros(2 + comparisons + len(tables.aggregate_kind), np.int64),
        bits=np.zeros(max(1, len(tables.program_code), len(tables.where_code)), np.uint8),
        numbers=np.zeros(max(1, len(tables.comparison_code)), np.float64),
        features=np.zeros(len(tables.feature_kind), np.float64),
        terms=np.zeros(len(tables.term_feature), np.float64),
        scaled=np.zeros(_most_features(tables), np.float64),
        where=np.full(len(tables.where_start) - 1, -1, np.int64),
    )


def _most_features(tables: Tables) -> int:
    """The number of features of the model that has most."""
    return max(np.diff(tables.model_feature_start).tolist(), default=0)


def new_transitions(tables: Tables, capacity: int) -> Transitions:
    """Room for `capacity` transitions, and for as many samples if there may be any."""
    facts = tables.message_fact_count
    samples = 0 if tables.sampled_count[1:].sum() == 0 else capacity
    return Transitions(
        written=np.zeros(2, np.int64),
        cells=np.zeros((capacity, slots.OUT_VALUES + tables.message_aggregate_count), np.int64),
        kinds=np.zeros((capacity, facts), np.uint8),
        numbers=np.zeros((capacity, facts), np.float64),
        texts=np.zeros((capacity, facts), np.int32),
        samples=np.zeros((samples, slots.SAMPLE_CELLS), np.int64),
        values=np.zeros((samples, _most_features(tables)), np.float64),
    )
