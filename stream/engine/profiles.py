"""Users' tags, segments, levels and clusters as of a moment, many users at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rules.columns import Features, values_of
from rules.program import Program
from rules.tables import CLUSTER, SEGMENT, TIER, Float64, Int32, Int64, UInt8
from stream.engine import slots
from stream.engine.result import Profile
from stream.engine.table import Table
from stream.engine.timeline import advance_row

__all__ = ["features_of", "profiles_of"]


def features_of(
    program: Program, table: Table, moment: Int64, value: Int64, kind: UInt8, number: Float64, text: Int32 | Int64
) -> Features:
    """What tags are computed from: n users or transitions, their values and facts as `Features` has them."""
    return Features(
        aggregates=program.aggregates,
        facts=program.facts,
        moment=moment,
        value=value,
        fact_kind=kind,
        fact_number=number,
        fact_text=text,
        text_of=table.strings.text,
    )


def profiles_of(program: Program, table: Table, users: Sequence[str], at_ms: int | None) -> list[Profile]:
    """The profiles of users in the table at a moment: not before each one's newest, None: at that. Alters nothing."""
    state = table.state
    at = state.at.tolist()
    rows: Int32 = np.array([table.row_of[user] for user in users], np.int32)
    newest = state.cells[rows, slots.MOMENT]
    moment = newest if at_ms is None else np.maximum(newest, at_ms)
    value: Int64 = np.zeros((len(rows), len(program.aggregates)), np.int64)
    for index, row in enumerate(rows.tolist()):
        advance_row(table.tables, state, row, int(moment[index]), value[index])
    kinds, numbers, texts = (
        slice(at[group], at[group] + len(program.facts))
        for group in (slots.FACT_KIND, slots.FACT_NUMBER, slots.FACT_TEXT)
    )
    features = features_of(
        program,
        table,
        moment,
        value,
        state.flags[rows, kinds],
        state.numbers[rows, numbers],
        state.cells[rows, texts],
    )
    catalog, units = program.catalog, program.units
    tags = {name: values_of(tag.expression, features) for name, tag in catalog.tags.items()}
    number_of = {(unit.name, unit.form): number for number, unit in enumerate(units) if not unit.retired}
    segments = [(name, number_of[name, SEGMENT]) for name in catalog.segments]
    tiers = [(name, number_of[name, TIER]) for name in catalog.tiers]
    models = [(name, number_of[name, CLUSTER]) for name in catalog.models if (name, CLUSTER) in number_of]
    facts = program.tables.unit_fact.tolist()
    ids = {number: features.fact_number[:, facts[number]].astype(np.int64).tolist() for _, number in models}
    member = state.flags[rows, at[slots.MEMBER] : at[slots.MEMBER] + len(units)].tolist()
    entered = state.cells[rows, at[slots.ENTERED] : at[slots.ENTERED] + len(units)].tolist()
    found = []
    for index, (user, row) in enumerate(zip(users, rows.tolist(), strict=True)):
        flags = member[index]
        held = [(name, number) for name, number in segments if flags[number]]
        learned = [(name, number) for name, number in models if flags[number]]
        found.append(
            Profile(
                user=user,
                version=int(state.cells[row, slots.VERSION]),
                incarnation=int(state.cells[row, slots.INCARNATION]),
                tags={name: values[index] for name, values in tags.items()},
                segments=[name for name, _ in held],
                since_ms={name: entered[index][number] for name, number in held},
                levels={name: units[number].levels[flags[number] - 1] for name, number in tiers if flags[number]},
                clusters={name: ids[number][index] for name, number in learned},
                cluster_since_ms={name: entered[index][number] for name, number in learned},
                due_ms=int(state.cells[row, slots.DUE]),
            )
        )
    return found
