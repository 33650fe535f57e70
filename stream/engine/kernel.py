"""Kernel, top layer: one sequential loop over the events of a batch, and one over users who are due.

`process_events` numbers what happens to an event in this order:

1. a row of another version of the catalog, or of other snapshots, is evaluated under these;
2. the event's moment: the greatest of its timestamp, the user's newest moment and the watermark at its record;
3. a duplicate, or an event that would carry a sum too far, does nothing;
4. what time has brought about up to that moment, each flip at its own moment, in order;
5. the event itself: traits, then what it is to facts, then aggregates; the labels that it settles;
6. the models, and the conditions that any of this touched.
"""

from __future__ import annotations

import numpy as np

from rules.tables import (
    CAUSE_CATALOG,
    CAUSE_EVENT,
    CAUSE_MODEL,
    CAUSE_TIME,
    FACT_HOUR,
    FACT_LATEST,
    FLAG,
    MISSING,
    NUMBER,
    TEXT,
)
from stream.engine import fields, slots
from stream.engine.counting import count_event, too_large
from stream.engine.decode import ABSENT, Columns
from stream.engine.diff import conclude, mark_due
from stream.engine.jit import inner, kernel, plain
from stream.engine.match import mark_aggregates, mark_conditions, settle_fact
from stream.engine.moves import room
from stream.engine.packed import PackedTables, entry, size, span
from stream.engine.sampling import settle_labels_of_event
from stream.engine.state import DUPLICATE_WITHIN_MS, KEPT_IDS, Scratch, State, Transitions
from stream.engine.strings import Texts
from stream.engine.weights import add_hour, add_value

__all__ = ["ACCEPTED", "DUPLICATE", "SUM_TOO_LARGE", "process_due", "process_events"]

ACCEPTED, DUPLICATE, SUM_TOO_LARGE = 1, 2, 3


@inner
def is_duplicate(state: State, row: int, id_hash: int, moment: int) -> bool:
    """Whether one of the row's kept ids is this one, at most 24 h of moments ago."""
    for index in range(min(state.cells[row, slots.ID_COUNT], KEPT_IDS)):
        if (
            state.cells[row, state.at[slots.ID_HASH] + index] == id_hash
            and moment - state.cells[row, state.at[slots.ID_MOMENT] + index] <= DUPLICATE_WITHIN_MS
        ):
            return True
    return False


@inner
def take_value(
    tables: PackedTables,
    state: State,
    scratch: Scratch,
    texts: Texts,
    row: int,
    fact: int,
    kind: int,
    number: float,
    text: int,
    time_ms: int,
) -> None:
    """Take over a value of a trait or a `latest` if it is not older than the one held; a null removes that one."""
    if time_ms < state.cells[row, state.at[slots.FACT_TIME] + fact]:
        return
    state.cells[row, state.at[slots.FACT_TIME] + fact] = time_ms
    if (
        state.flags[row, state.at[slots.FACT_KIND] + fact] == kind
        and state.numbers[row, state.at[slots.FACT_NUMBER] + fact] == number
        and state.cells[row, state.at[slots.FACT_TEXT] + fact] == text
    ):
        return
    state.flags[row, state.at[slots.FACT_KIND] + fact] = kind
    state.numbers[row, state.at[slots.FACT_NUMBER] + fact] = number
    state.cells[row, state.at[slots.FACT_TEXT] + fact] = text
    settle_fact(tables, state, scratch, texts, row, fact)


@inner
def take_traits(
    tables: PackedTables, state: State, scratch: Scratch, texts: Texts, events: Columns, event: int, row: int
) -> None:
    """Take over the event's traits."""
    for index in range(events.trait_start[event], events.trait_start[event + 1]):
        take_value(
            tables,
            state,
            scratch,
            texts,
            row,
            entry(tables, fields.TRAIT_FACT, events.trait[index]),
            events.trait_kind[index],
            events.trait_number[index],
            plain(events.trait_text[index]),
            events.time_ms[event],
        )


@inner
def take_facts(
    tables: PackedTables, state: State, scratch: Scratch, texts: Texts, events: Columns, event: int, row: int
) -> None:
    """Take over what the event is to `latest`, `top` and `top_hour`."""
    time_ms = events.time_ms[event]
    for index in span(tables, fields.EVENT_FACT_START, events.name[event]):
        fact = entry(tables, fields.EVENT_FACT, index)
        if entry(tables, fields.FACT_KIND, fact) == FACT_HOUR:
            if add_hour(tables, state, row, fact, time_ms):
                settle_fact(tables, state, scratch, texts, row, fact)
            continue
        column = entry(tables, fields.FACT_SOURCE, fact)
        kind, value = events.property_kind[event, column], events.property_number[event, column]
        text = plain(events.property_text[event, column])
        if entry(tables, fields.FACT_KIND, fact) == FACT_LATEST:
            if kind != MISSING or text != ABSENT:
                text = text if kind == TEXT else 0
                take_value(tables, state, scratch, texts, row, fact, kind, value, text, time_ms)
        elif kind in (NUMBER, TEXT, FLAG):
            text = text if kind == TEXT else 0
            if add_value(tables, state, texts, row, fact, kind, value, text, time_ms):
                settle_fact(tables, state, scratch, texts, row, fact)


@inner
def begin_bringing_over(tables: PackedTables, state: State, scratch: Scratch, row: int) -> int:
    """Have everything of a stale row looked at, which is stale no more; returns the cause of what comes of it."""
    cause = CAUSE_CATALOG if state.flags[row, slots.STALE] == slots.STALE_CATALOG else CAUSE_MODEL
    state.flags[row, slots.STALE] = 0
    mark_aggregates(tables, scratch)
    mark_conditions(tables, scratch)
    return cause


@kernel
def process_events(
    tables: PackedTables,
    state: State,
    scratch: Scratch,
    texts: Texts,
    events: Columns,
    rows: np.ndarray,
    start: int,
    end: int,
    limit: int,
    switched_ms: int,
    out: Transitions,
    outcome: np.ndarray,
) -> int:
    """Process events `[start, end)`, event i on row `rows[i]` (-1: passed over); returns the first one not processed.

    Stops before an event once `limit` transitions are out, and in front of any evaluation that `out` has no room for:
    called again with the event returned, it goes on where it stopped. `outcome[i]` says what became of event i.
    `switched_ms`: the watermark from which on this version of the catalog holds.
    """
    scratch.where[:] = -1
    for event in range(start, end):
        if out.written[0] >= limit:
            return event
        row = plain(rows[event])
        if row < 0:
            continue
        # 1. a row of another version
        if state.flags[row, slots.STALE] != 0:
            if not room(tables, out):
                return event
            cause = begin_bringing_over(tables, state, scratch, row)
            switched = max(state.cells[row, slots.MOMENT], switched_ms)
            conclude(tables, state, scratch, texts, out, row, switched, event, cause)
        # 2. its moment
        moment = max(events.time_ms[event], state.cells[row, slots.MOMENT], events.watermark_ms[event])
        # 3. what does nothing
        id_hash, counted = events.id_hash[event], events.name[event] >= 0
        if id_hash != 0 and is_duplicate(state, row, id_hash, moment):
            outcome[event] = DUPLICATE
            continue
        if counted and too_large(tables, state, scratch, texts, events, event, row, moment):
            outcome[event] = SUM_TOO_LARGE
            continue
        # 4. what time has brought about
        while state.cells[row, slots.DUE] <= moment:
            if not room(tables, out):
                return event
            mark_due(tables, state, scratch, row)
            due = state.cells[row, slots.DUE]
            conclude(tables, state, scratch, texts, out, row, due, event, plain(CAUSE_TIME))
        if not room(tables, out):
            return event
        # 5. the event
        outcome[event] = ACCEPTED
        if id_hash != 0:
            kept = state.cells[row, slots.ID_COUNT] % KEPT_IDS
            state.cells[row, state.at[slots.ID_HASH] + kept] = id_hash
            state.cells[row, state.at[slots.ID_MOMENT] + kept] = moment
            state.cells[row, slots.ID_COUNT] += 1
        if state.flags[row, slots.EXISTS] == 0:
            # The user exists from here on: everything is to be evaluated.
            state.flags[row, slots.EXISTS] = 1
            state.cells[row, slots.INCARNATION] = events.offset[event]
            mark_conditions(tables, scratch)
        take_traits(tables, state, scratch, texts, events, event, row)
        if counted:
            take_facts(tables, state, scratch, texts, events, event, row)
            count_event(tables, state, scratch, texts, events, event, row, moment)
            if size(tables, fields.OPEN_MODEL) > 0:
                settle_labels_of_event(tables, state, scratch, out, events, event, row, moment)
        # 6. the models, and the conditions it touched
        conclude(tables, state, scratch, texts, out, row, moment, event, plain(CAUSE_EVENT))
    return end


@kernel
def process_due(
    tables: PackedTables,
    state: State,
    scratch: Scratch,
    texts: Texts,
    rows: np.ndarray,
    start: int,
    watermark_ms: int,
    switched_ms: int,
    out: Transitions,
) -> int:
    """Apply the flips due up to the watermark of the users `rows[start:]`, user by user, in order of time.

    A row of another version of the catalog, or of other snapshots, is evaluated under these first; with NO_TIME for
    the watermark nothing else is done.

    Returns the index of the user at whom `out` had no room left: called again from there, it goes on.
    """
    for index in range(start, len(rows)):
        row = plain(rows[index])
        if state.flags[row, slots.STALE] != 0:
            if not room(tables, out):
                return index
            cause = begin_bringing_over(tables, state, scratch, row)
            switched = max(state.cells[row, slots.MOMENT], switched_ms)
            conclude(tables, state, scratch, texts, out, row, switched, plain(-1), cause)
        while state.cells[row, slots.DUE] <= watermark_ms:
            if not room(tables, out):
                return index
            mark_due(tables, state, scratch, row)
            due = state.cells[row, slots.DUE]
            conclude(tables, state, scratch, texts, out, row, due, plain(-1), plain(CAUSE_TIME))
    return len(rows)
