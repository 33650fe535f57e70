"""Kernel, middle layer: rows that were stored."""

from __future__ import annotations

import numpy as np

from rules.tables import FACT_HOUR, FACT_TOP
from stream.engine import fields, slots
from stream.engine.diff import next_due, set_stay_end, take_quantiles
from stream.engine.jit import inner, kernel, plain
from stream.engine.match import mark_aggregates, mark_conditions, run, settle_fact, unit_blocks
from stream.engine.models import set_model_moment
from stream.engine.moves import take_membership
from stream.engine.packed import PackedTables, entry, size
from stream.engine.sampling import restore_deadlines
from stream.engine.settle import settle
from stream.engine.state import NO_TIME, Scratch, State
from stream.engine.strings import Texts
from stream.engine.weights import find_top, take_hour, take_winner

__all__ = ["restore_rows"]


@kernel
def restore_rows(tables: PackedTables, state: State, scratch: Scratch, texts: Texts, rows: np.ndarray) -> None:
    """Rebuild from what stored rows hold what follows from it: winners, places, leaves, next moments, due times.

    All as of each row's newest moment, so nothing is entered or left by it.
    """
    for row in rows:
        restore_row(tables, state, scratch, texts, plain(row))


@inner
def restore_row(tables: PackedTables, state: State, scratch: Scratch, texts: Texts, row: int) -> None:
    """`restore_rows` of one row."""
    moment, units = state.cells[row, slots.MOMENT], size(tables, fields.UNIT_KEY)
    for fact in range(size(tables, fields.FACT_KIND)):
        kind = entry(tables, fields.FACT_KIND, fact)
        if kind == FACT_TOP:
            winner = find_top(tables, state, texts, row, fact)
            if winner >= 0:
                take_winner(state, row, fact, winner)
        elif kind == FACT_HOUR:
            take_hour(tables, state, row, fact)
        settle_fact(tables, state, scratch, texts, row, fact)
    for unit in range(units):
        if entry(tables, fields.UNIT_FACT, unit) >= 0:
            take_membership(tables, state, scratch, texts, row, unit)
    mark_aggregates(tables, scratch)
    mark_conditions(tables, scratch)
    for turn in range(1 if entry(tables, fields.QUANTILE_COUNT, 0) == 0 else 2):
        if turn == 1:
            take_quantiles(tables, state, scratch, texts, row)
        settle(tables, state, scratch, row, moment, plain(NO_TIME))
    scratch.marks[: units + unit_blocks(tables)] = 0
    for stay in range(size(tables, fields.STAY_UNIT)):
        unit = entry(tables, fields.STAY_UNIT, stay)
        if state.flags[row, state.at[slots.MEMBER] + unit] == 0:
            continue
        has_exit = entry(tables, fields.UNIT_HAS_EXIT, unit)
        program = entry(tables, fields.UNIT_FIRST_PROGRAM, unit) + has_exit
        if run(tables, state, row, program, scratch.bits) == (has_exit == 1):
            entered = state.cells[row, state.at[slots.ENTERED] + unit]
            set_stay_end(tables, state, scratch, row, stay, entered + entry(tables, fields.UNIT_MIN_STAY_MS, unit))
    set_model_moment(tables, state, scratch, row, moment)
    restore_deadlines(tables, state, scratch, row)
    next_due(tables, state, scratch, row)
