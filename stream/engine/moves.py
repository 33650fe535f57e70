"""Kernel, middle layer: a user enters, leaves, and changes levels and clusters."""

from __future__ import annotations

from rules.tables import CLUSTER, FLAG, MISSING, NUMBER, QUANTILE, SEGMENT, TEXT
from stream.engine import fields, slots
from stream.engine.jit import inner
from stream.engine.match import settle_fact
from stream.engine.packed import PackedTables, entry, size, span
from stream.engine.places import current
from stream.engine.state import Scratch, State, Transitions
from stream.engine.strings import Texts

__all__ = ["cluster_of", "move", "room", "take_membership"]


@inner
def room(tables: PackedTables, out: Transitions) -> bool:
    """Whether one more evaluation fits: it brings at most one transition a unit, and two samples a model."""
    samples = size(tables, fields.MODEL_KIND) - entry(tables, fields.SAMPLED_COUNT, 0)
    return bool(
        len(out.cells) - out.written[0] >= size(tables, fields.UNIT_KEY)
        and len(out.samples) - out.written[1] >= 2 * samples
    )


@inner
def cluster_of(tables: PackedTables, state: State, row: int, unit: int) -> int:
    """The id of the user's cluster, -1 if there is none."""
    if state.flags[row, state.at[slots.MEMBER] + unit] == 0:
        return -1
    return int(state.numbers[row, state.at[slots.FACT_NUMBER] + entry(tables, fields.UNIT_FACT, unit)])


@inner
def move(
    tables: PackedTables,
    state: State,
    scratch: Scratch,
    texts: Texts,
    out: Transitions,
    row: int,
    unit: int,
    before: int,
    after: int,
    moment: int,
    event: int,
    cause: int,
) -> None:
    """Let the user enter, leave or change, write it down, and have the units marked that read it.

    `before` and `after` are as OUT_FROM and OUT_TO have them.
    """
    index = out.written[0]
    out.written[0] = index + 1
    entered = state.at[slots.ENTERED] + unit
    state.cells[row, slots.VERSION] += 1
    state.flags[row, slots.CHANGED] = 1
    out.cells[index, slots.OUT_ROW] = row
    out.cells[index, slots.OUT_EVENT] = event
    out.cells[index, slots.OUT_UNIT] = unit
    out.cells[index, slots.OUT_FROM] = before
    out.cells[index, slots.OUT_TO] = after
    out.cells[index, slots.OUT_CAUSE] = cause
    out.cells[index, slots.OUT_MOMENT] = moment
    out.cells[index, slots.OUT_VERSION] = state.cells[row, slots.VERSION]
    out.cells[index, slots.OUT_STAYED_MS] = moment - state.cells[row, entered]
    for position in span(tables, fields.MESSAGE_AGGREGATE_START, unit):
        aggregate = entry(tables, fields.MESSAGE_AGGREGATE, position)
        out.cells[index, slots.OUT_VALUES + aggregate] = current(tables, state, row, aggregate, moment)
    for position in span(tables, fields.MESSAGE_FACT_START, unit):
        fact = entry(tables, fields.MESSAGE_FACT, position)
        out.kinds[index, fact] = state.flags[row, state.at[slots.FACT_KIND] + fact]
        out.numbers[index, fact] = state.numbers[row, state.at[slots.FACT_NUMBER] + fact]
        out.texts[index, fact] = state.cells[row, state.at[slots.FACT_TEXT] + fact]
    if entry(tables, fields.UNIT_FORM, unit) == CLUSTER:
        state.numbers[row, state.at[slots.FACT_NUMBER] + entry(tables, fields.UNIT_FACT, unit)] = after - 1
        after = min(after, 1)
    state.flags[row, state.at[slots.MEMBER] + unit] = after
    state.flags[row, state.at[slots.UNIT_CAUSE] + unit] = cause
    state.cells[row, entered] = moment
    if entry(tables, fields.UNIT_FACT, unit) >= 0:
        take_membership(tables, state, scratch, texts, row, unit)


@inner
def take_membership(tables: PackedTables, state: State, scratch: Scratch, texts: Texts, row: int, unit: int) -> None:
    """Set the fact that says where the user is in a unit, and the leaves that read it; a cluster's id is there."""
    fact, member = entry(tables, fields.UNIT_FACT, unit), state.flags[row, state.at[slots.MEMBER] + unit]
    form = entry(tables, fields.UNIT_FORM, unit)
    level = entry(tables, fields.UNIT_FIRST_PROGRAM, unit) + member - 1
    if form == SEGMENT:
        state.flags[row, state.at[slots.FACT_KIND] + fact] = FLAG
        state.numbers[row, state.at[slots.FACT_NUMBER] + fact] = member
    elif member == 0:
        state.flags[row, state.at[slots.FACT_KIND] + fact] = MISSING
    elif form == CLUSTER:
        state.flags[row, state.at[slots.FACT_KIND] + fact] = NUMBER
    elif form == QUANTILE:
        state.flags[row, state.at[slots.FACT_KIND] + fact] = NUMBER
        state.numbers[row, state.at[slots.FACT_NUMBER] + fact] = entry(tables, fields.LEVEL_SCORE, level)
    else:
        state.flags[row, state.at[slots.FACT_KIND] + fact] = TEXT
        state.cells[row, state.at[slots.FACT_TEXT] + fact] = entry(tables, fields.LEVEL_TEXT, level)
    settle_fact(tables, state, scratch, texts, row, fact)
