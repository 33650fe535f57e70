"""All that a row knows of its user, as people ask about it: values with their history and future, where the user is."""

from __future__ import annotations

import numpy as np

from rules.aggregates import IN_UNITS, UNITS
from rules.compiled import Fact
from rules.interpret import PRESENT, Value
from rules.nodes import Aggregate, Days, Level, Membership
from rules.program import Program
from rules.tables import (
    CAUSES,
    CLUSTER,
    FACT_LATEST,
    FACT_SCORE,
    FACT_TRAIT,
    FLAG,
    MISSING,
    NO_VALUE,
    NOT_YET_MS,
    NUMBER,
    QUANTILE,
    SEGMENT,
    TEXT,
    TIER,
    Int64,
)
from stream.engine import slots
from stream.engine.result import FactReading, Reading, Standing, UnitReading
from stream.engine.state import BUCKETS, NO_TIME
from stream.engine.table import Table
from stream.engine.timeline import advance_row, timeline

__all__ = ["standing_of"]


def standing_of(program: Program, table: Table, row: int, at_ms: int) -> Standing:
    """What the row amounts to at a moment (not before its newest). Alters nothing."""
    cells = table.state.cells[row]
    moment_ms = max(int(cells[slots.MOMENT]), at_ms)
    return Standing(
        moment_ms=moment_ms,
        values=_values(program, table, row, moment_ms),
        facts=_facts(program, table, row),
        units=_units(program, table, row),
        due_ms=int(cells[slots.DUE]),
    )


def _values(program: Program, table: Table, row: int, moment_ms: int) -> dict[Aggregate | Days, Reading]:
    state = table.state
    value: Int64 = np.zeros(len(program.aggregates), np.int64)
    advance_row(table.tables, state, row, moment_ms, value)
    changed = state.cells[row, int(state.at[slots.CHANGED_AT]) :]
    moments, values = np.zeros(BUCKETS, np.int64), np.zeros(BUCKETS, np.int64)
    readings: dict[Aggregate | Days, Reading] = {}
    for node, number in program.aggregates.items():
        count = 0
        if isinstance(node, Days) or node.last_ms is not None:
            count = timeline(table.tables, state, row, number, moment_ms, moments, values)
        last = int(changed[number])
        readings[node] = Reading(
            value=_as_seen(node, int(value[number]), moment_ms),
            changed_ms=None if last == NO_TIME else last // 2,
            by_time=last != NO_TIME and last % 2 == 1,
            timeline=[
                (then_ms, _as_seen(node, then, then_ms))
                for then_ms, then in zip(moments[:count].tolist(), values[:count].tolist(), strict=True)
            ],
        )
    return readings


def _as_seen(node: Aggregate | Days, value: int, moment_ms: int) -> float | int | None:
    """The kernel's value as expressions see it."""
    if node.function in ("since", "since_first"):
        return None if value == NOT_YET_MS else moment_ms - value
    if node.function in IN_UNITS:
        return None if value == NO_VALUE else int(value) / UNITS
    return None if value == NO_VALUE else value


def _facts(program: Program, table: Table, row: int) -> dict[Fact, FactReading]:
    state, kinds = table.state, program.tables.fact_kind
    at = state.at.tolist()
    readings: dict[Fact, FactReading] = {}
    for fact, number in program.facts.items():
        if isinstance(fact, Membership | Level):
            continue
        kind = int(state.flags[row, at[slots.FACT_KIND] + number])
        value: Value = None
        if kind == NUMBER:
            value = float(state.numbers[row, at[slots.FACT_NUMBER] + number])
        elif kind == FLAG:
            value = bool(state.numbers[row, at[slots.FACT_NUMBER] + number])
        elif kind == TEXT:
            value = table.strings.text(int(state.cells[row, at[slots.FACT_TEXT] + number]))
        elif kind != MISSING:
            value = PRESENT
        time_ms = int(state.cells[row, at[slots.FACT_TIME] + number])
        timed = kinds[number] in (FACT_TRAIT, FACT_LATEST, FACT_SCORE) and time_ms != NO_TIME
        readings[fact] = FactReading(value, time_ms if timed else None)
    return readings


def _units(program: Program, table: Table, row: int) -> dict[str, UnitReading]:
    state = table.state
    at = state.at.tolist()
    readings = {}
    for number, unit in enumerate(program.units):
        if unit.retired or unit.form == QUANTILE:
            continue
        flag = int(state.flags[row, at[slots.MEMBER] + number])
        since_ms = int(state.cells[row, at[slots.ENTERED] + number])
        moved = since_ms != NO_TIME
        readings[unit.name] = UnitReading(
            inside=flag > 0 and unit.form == SEGMENT,
            level=unit.levels[flag - 1] if unit.form == TIER and flag > 0 else None,
            cluster=_cluster(program, table, row, number) if unit.form == CLUSTER and flag > 0 else None,
            since_ms=since_ms if moved else None,
            cause=CAUSES[int(state.flags[row, at[slots.UNIT_CAUSE] + number])] if moved else None,
        )
    return readings


def _cluster(program: Program, table: Table, row: int, unit: int) -> int:
    """The id of the cluster that the user is in."""
    fact = int(program.tables.unit_fact[unit])
    return int(table.state.numbers[row, int(table.state.at[slots.FACT_NUMBER]) + fact])
