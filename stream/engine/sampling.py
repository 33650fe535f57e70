"""Kernel, middle layer: samples that users give, and those of classifiers that wait for their labels."""

from __future__ import annotations

import numpy as np

from rules.tables import LABEL_ABSENT, LABEL_EVENT, NO_LABEL
from stream.engine import fields, slots
from stream.engine.decode import Columns
from stream.engine.jit import inner, plain
from stream.engine.match import set_next
from stream.engine.packed import PackedTables, entry, number, size, span
from stream.engine.result import NEVER_MS
from stream.engine.state import NO_TIME, Scratch, State, Transitions

__all__ = ["first_model_next", "restore_deadlines", "settle_labels_due", "settle_labels_of_event", "take_samples"]


@inner
def first_model_next(tables: PackedTables) -> int:
    """Which of the next moments is the model moment, if there are such; behind it those of open samples."""
    conditions = size(tables, fields.AGGREGATE_KIND) + size(tables, fields.COMPARISON_KIND)
    return conditions + size(tables, fields.STAY_UNIT)


@inner
def share_of(phase: int, moment: int) -> float:
    """A number from 0 to 1 that a user and a moment stand for, as good as drawn: splitmix64 of both."""
    mixed = ((np.uint64(phase) << np.uint64(42)) ^ np.uint64(moment)) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return float(mixed ^ (mixed >> np.uint64(31))) * 2.0**-64


@inner
def set_deadline(tables: PackedTables, state: State, scratch: Scratch, row: int, slot: int, due: int) -> None:
    """Note when the label of an open sample is settled by time; NEVER_MS: none is open."""
    index = first_model_next(tables) + entry(tables, fields.HAS_MODEL_MOMENTS, 0) + slot
    set_next(tables, state, scratch, row, index, due)


@inner
def put_sample(out: Transitions, row: int, model: int, moment: int, why: int) -> int:
    """Write down a sample; returns its place."""
    index = out.written[1]
    out.written[1] = index + 1
    out.samples[index, slots.SAMPLE_ROW] = row
    out.samples[index, slots.SAMPLE_MODEL] = model
    out.samples[index, slots.SAMPLE_MOMENT] = moment
    out.samples[index, slots.SAMPLE_WHY] = why
    return int(index)


@inner
def put_label(
    tables: PackedTables, state: State, scratch: Scratch, out: Transitions, row: int, slot: int, moment: int, kind: int
) -> None:
    """Write down an open sample with its label, which is positive if the model asks for this `kind`; it is closed."""
    model, opened = entry(tables, fields.OPEN_MODEL, slot), state.at[slots.OPENED] + slot
    index = put_sample(out, row, model, moment, plain(slots.WHY_LABEL))
    out.samples[index, slots.SAMPLE_LABEL] = entry(tables, fields.MODEL_LABEL, model) == kind
    out.samples[index, slots.SAMPLE_OPENED] = state.cells[row, opened]
    first = state.at[slots.OPEN_VALUE] + entry(tables, fields.OPEN_FIRST, slot)
    for place in range(len(span(tables, fields.MODEL_FEATURE_START, model))):
        out.values[index, place] = state.numbers[row, first + place]
    state.cells[row, opened] = NO_TIME
    set_deadline(tables, state, scratch, row, slot, plain(NEVER_MS))


@inner
def settle_labels_due(
    tables: PackedTables, state: State, scratch: Scratch, out: Transitions, row: int, moment: int
) -> None:
    """Settle the labels that nothing has settled by their deadline."""
    first = state.at[slots.NEXT] + first_model_next(tables) + entry(tables, fields.HAS_MODEL_MOMENTS, 0)
    for slot in range(size(tables, fields.OPEN_MODEL)):
        if state.cells[row, first + slot] <= moment:
            put_label(tables, state, scratch, out, row, slot, moment, plain(LABEL_ABSENT))


@inner
def settle_labels_of_event(
    tables: PackedTables,
    state: State,
    scratch: Scratch,
    out: Transitions,
    events: Columns,
    event: int,
    row: int,
    moment: int,
) -> None:
    """Settle the labels that a counted event does: of samples that were opened before it."""
    name, time_ms = events.name[event], events.time_ms[event]
    for slot in range(size(tables, fields.OPEN_MODEL)):
        model, opened_ms = entry(tables, fields.OPEN_MODEL, slot), state.cells[row, state.at[slots.OPENED] + slot]
        wanted = entry(tables, fields.MODEL_LABEL_EVENT, model)
        if opened_ms != NO_TIME and opened_ms < time_ms and (wanted < 0 or wanted == name):
            put_label(tables, state, scratch, out, row, slot, moment, plain(LABEL_EVENT))


@inner
def take_samples(
    tables: PackedTables, state: State, scratch: Scratch, out: Transitions, row: int, moment: int, at: int, why: int
) -> None:
    """Write down the features for the models that are sampled `at` such a moment, if this one is among its share.

    A classifier's sample stays open for its label; as long as one is, no other is taken.
    """
    drawn = share_of(state.cells[row, slots.PHASE], moment)
    for model in range(size(tables, fields.MODEL_KIND)):
        if entry(tables, fields.MODEL_SAMPLED, model) != at or drawn >= number(tables, fields.MODEL_SHARE, model):
            continue
        slot, first = entry(tables, fields.MODEL_OPEN, model), 0
        if entry(tables, fields.MODEL_LABEL, model) != NO_LABEL:
            if state.cells[row, state.at[slots.OPENED] + slot] != NO_TIME:
                continue
            state.cells[row, state.at[slots.OPENED] + slot] = moment
            set_deadline(tables, state, scratch, row, slot, moment + entry(tables, fields.MODEL_WITHIN_MS, model))
            first = state.at[slots.OPEN_VALUE] + entry(tables, fields.OPEN_FIRST, slot)
        index, begin = put_sample(out, row, model, moment, why), entry(tables, fields.MODEL_FEATURE_START, model)
        for position in span(tables, fields.MODEL_FEATURE_START, model):
            value = scratch.features[entry(tables, fields.MODEL_FEATURE, position)]
            out.values[index, position - begin] = value
            if slot >= 0:
                state.numbers[row, first + position - begin] = value


@inner
def restore_deadlines(tables: PackedTables, state: State, scratch: Scratch, row: int) -> None:
    """Set the deadlines of the open samples of a row that was stored."""
    for slot in range(size(tables, fields.OPEN_MODEL)):
        opened_ms = state.cells[row, state.at[slots.OPENED] + slot]
        if opened_ms != NO_TIME:
            within_ms = entry(tables, fields.MODEL_WITHIN_MS, entry(tables, fields.OPEN_MODEL, slot))
            set_deadline(tables, state, scratch, row, slot, opened_ms + within_ms)
