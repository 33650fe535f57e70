"""Kernel, middle layer: what models say of a user, when they are asked, and when users give samples.

`consult` goes, at one moment, in this order: labels that are due; clusters and scores, in the order of the catalog;
new samples. Models are asked at an event, at the user's model moment once a day, and when a row is brought over.
"""

from __future__ import annotations

from rules.tables import AT_EVENTS, AT_MOMENTS, CAUSE_EVENT, CAUSE_TIME, MISSING, NEAREST, NUMBER, QUANTILES
from stream.engine import fields, slots
from stream.engine.applying import find_terms, nearest_cluster, scale_features, score_of
from stream.engine.arithmetic import feature_value
from stream.engine.jit import inlined, inner, plain
from stream.engine.match import set_next, settle_fact
from stream.engine.moves import cluster_of, move
from stream.engine.packed import PackedTables, entry, size
from stream.engine.sampling import first_model_next, settle_labels_due, take_samples
from stream.engine.state import Scratch, State, Transitions
from stream.engine.strings import Texts

__all__ = ["consult", "set_model_moment"]

DAY_MS = 86_400_000


@inner
def set_model_moment(tables: PackedTables, state: State, scratch: Scratch, row: int, moment: int) -> None:
    """Note the user's first model moment after this one; a model moment is a day's, moved by the user's hash."""
    if entry(tables, fields.HAS_MODEL_MOMENTS, 0) == 1:
        phase = state.cells[row, slots.PHASE]
        due = ((moment + phase) // DAY_MS + 1) * DAY_MS - phase
        set_next(tables, state, scratch, row, first_model_next(tables), due)


@inlined
def look_at_features(tables: PackedTables, state: State, scratch: Scratch, row: int, moment: int, count: int) -> None:
    """Find the first `count` features of the user, each once for all models. A -0 is a 0."""
    for feature in range(count):
        scratch.features[feature] = feature_value(tables, state, scratch.numbers, row, feature, moment) + 0.0


@inlined
def take_cluster(
    tables: PackedTables,
    state: State,
    scratch: Scratch,
    texts: Texts,
    out: Transitions,
    row: int,
    model: int,
    moment: int,
    event: int,
    cause: int,
) -> None:
    """Move the user to the cluster that the model's snapshot says; without a snapshot to none."""
    unit = entry(tables, fields.MODEL_UNIT, model)
    before, after = cluster_of(tables, state, row, unit), -1
    if entry(tables, fields.MODEL_IN_FORCE, model) == 1:
        scale_features(tables, scratch, model)
        after = nearest_cluster(tables, scratch, model, before)
    if after != before:
        move(tables, state, scratch, texts, out, row, unit, before + 1, after + 1, moment, event, cause)


@inlined
def take_score(
    tables: PackedTables, state: State, scratch: Scratch, texts: Texts, row: int, model: int, moment: int
) -> None:
    """Set the user's score to what the model's snapshot says; without a snapshot it is missing."""
    fact = entry(tables, fields.MODEL_FACT, model)
    kind, column = state.at[slots.FACT_KIND] + fact, state.at[slots.FACT_NUMBER] + fact
    if entry(tables, fields.MODEL_IN_FORCE, model) == 1:
        scale_features(tables, scratch, model)
        score = score_of(tables, scratch, model)
        state.cells[row, state.at[slots.FACT_TIME] + fact] = moment
        if state.flags[row, kind] == NUMBER and state.numbers[row, column] == score:
            return
        state.flags[row, kind] = NUMBER
        state.numbers[row, column] = score
    elif state.flags[row, kind] == MISSING:
        return
    else:
        state.flags[row, kind] = MISSING
    settle_fact(tables, state, scratch, texts, row, fact)


@inlined
def consult(
    tables: PackedTables,
    state: State,
    scratch: Scratch,
    texts: Texts,
    out: Transitions,
    row: int,
    moment: int,
    event: int,
    cause: int,
) -> None:
    """Settle labels that are due, ask the models if it is time to, and take samples."""
    settle_labels_due(tables, state, scratch, out, row, moment)
    at = plain(0)
    if cause == CAUSE_EVENT:
        at = plain(AT_EVENTS)
    elif cause == CAUSE_TIME:
        if entry(tables, fields.HAS_MODEL_MOMENTS, 0) == 0:
            return
        if state.cells[row, state.at[slots.NEXT] + first_model_next(tables)] > moment:
            return
        at = plain(AT_MOMENTS)
    is_sampled = at > 0 and entry(tables, fields.SAMPLED_COUNT, at) > 0
    in_force = entry(tables, fields.IN_FORCE_COUNT, 0)
    if is_sampled:
        look_at_features(tables, state, scratch, row, moment, size(tables, fields.FEATURE_KIND))
    elif in_force > 0:
        look_at_features(tables, state, scratch, row, moment, entry(tables, fields.FEATURE_IN_FORCE_COUNT, 0))
    if in_force > 0 or at == 0:
        find_terms(tables, scratch)
        for model in range(size(tables, fields.MODEL_KIND)):
            kind = entry(tables, fields.MODEL_KIND, model)
            if kind == QUANTILES or (at > 0 and entry(tables, fields.MODEL_IN_FORCE, model) == 0):
                continue
            if kind == NEAREST:
                take_cluster(tables, state, scratch, texts, out, row, model, moment, event, cause)
            else:
                take_score(tables, state, scratch, texts, row, model, moment)
    if is_sampled:
        why = plain(slots.WHY_EVENT) if at == AT_EVENTS else plain(slots.WHY_MOMENT)
        take_samples(tables, state, scratch, out, row, moment, at, why)
    set_model_moment(tables, state, scratch, row, moment)
