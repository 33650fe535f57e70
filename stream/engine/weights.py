"""Kernel, lowest layer: `top` and `top_hour`. What is weighed loses half its weight in a half-life.

Each entry keeps a weight w as of its newest occurrence s. Its score log2(w) + s/H orders entries alike at every moment,
so the weightiest one changes at events only. Doubles throughout, in the order in which the formulas stand.
"""

from __future__ import annotations

import math

import numpy as np

from rules.tables import DAY_HOURS, FLAG, MISSING, NUMBER, TEXT, TOP_VALUES
from stream.engine import fields, slots
from stream.engine.dates import local_hour
from stream.engine.jit import inner, plain
from stream.engine.packed import PackedTables, entry
from stream.engine.state import NO_TIME, State
from stream.engine.strings import START, Texts

__all__ = ["add_hour", "add_value", "find_hour", "find_top"]


@inner
def grown(half_life_ms: int, weight: float, newest_ms: int, time_ms: int) -> float:
    """The weight after one more occurrence, as of the newer of the two times."""
    if half_life_ms == 0:
        return weight + 1.0
    if time_ms >= newest_ms:
        return float(weight * np.exp2((newest_ms - time_ms) / half_life_ms) + 1.0)
    return float(weight + np.exp2((time_ms - newest_ms) / half_life_ms))


@inner
def score(half_life_ms: int, weight: float, newest_ms: int) -> float:
    """What entries are ordered by."""
    return weight if half_life_ms == 0 else math.log2(weight) + newest_ms / half_life_ms


@inner
def bytes_before(texts: Texts, first: int, second: int) -> bool:
    """Whether one string stands before another by code points, which is the order of their UTF-8."""
    at, other = texts.numbers[first, START], texts.numbers[second, START]
    end, other_end = texts.numbers[first + 1, START], texts.numbers[second + 1, START]
    while at < end and other < other_end:
        if texts.data[at] != texts.data[other]:
            return bool(texts.data[at] < texts.data[other])
        at += 1
        other += 1
    return bool(at == end and other < other_end)


@inner
def value_before(state: State, texts: Texts, row: int, first: int, second: int) -> bool:
    """Whether the value of an entry of a top is the smaller: booleans before numbers before strings."""
    kind, other = (
        state.flags[row, state.at[slots.TOP_KIND] + first],
        state.flags[row, state.at[slots.TOP_KIND] + second],
    )
    if kind != other:
        return bool(kind == FLAG or other == TEXT)
    if kind == TEXT:
        column = state.at[slots.TOP_TEXT]
        return bytes_before(texts, state.cells[row, column + first], state.cells[row, column + second])
    column = state.at[slots.TOP_NUMBER]
    return bool(state.numbers[row, column + first] < state.numbers[row, column + second])


@inner
def wins(state: State, texts: Texts, row: int, half_life_ms: int, first: int, second: int) -> bool:
    """Whether an entry of a top is before another: by score, then the newer, then the smaller value."""
    weights, times = state.at[slots.TOP_WEIGHT], state.at[slots.TOP_TIME]
    time_ms, other_ms = state.cells[row, times + first], state.cells[row, times + second]
    points = score(half_life_ms, state.numbers[row, weights + first], time_ms)
    others = score(half_life_ms, state.numbers[row, weights + second], other_ms)
    if points != others:
        return bool(points > others)
    if time_ms != other_ms:
        return bool(time_ms > other_ms)
    return value_before(state, texts, row, first, second)


@inner
def find_top(tables: PackedTables, state: State, texts: Texts, row: int, fact: int) -> int:
    """The entry of a top that wins, -1 where there is none."""
    half_life_ms = entry(tables, fields.FACT_HALF_LIFE_MS, fact)
    first = entry(tables, fields.FACT_SLOT, fact) * TOP_VALUES
    best = plain(-1)
    for index in range(first, first + TOP_VALUES):
        if state.flags[row, state.at[slots.TOP_KIND] + index] == MISSING:
            break
        if best < 0 or wins(state, texts, row, half_life_ms, index, best):
            best = index
    return best


@inner
def find_lightest(state: State, texts: Texts, row: int, half_life_ms: int, first: int) -> int:
    """The entry of a full top that would win last."""
    lightest = first
    for index in range(first + 1, first + TOP_VALUES):
        if wins(state, texts, row, half_life_ms, lightest, index):
            lightest = index
    return lightest


@inner
def same_value(kind: int, number: float, text: int, other_kind: int, other_number: float, other_text: int) -> bool:
    """Whether two values are one: of one type, and equal."""
    return kind == other_kind and (text == other_text if kind == TEXT else number == other_number)


@inner
def add_value(
    tables: PackedTables,
    state: State,
    texts: Texts,
    row: int,
    fact: int,
    kind: int,
    number: float,
    text: int,
    time_ms: int,
) -> bool:
    """An occurrence of a value that a top weighs; whether another value wins now. The fact is set to the winner."""
    half_life_ms = entry(tables, fields.FACT_HALF_LIFE_MS, fact)
    first = entry(tables, fields.FACT_SLOT, fact) * TOP_VALUES
    kinds, values, strings = state.at[slots.TOP_KIND], state.at[slots.TOP_NUMBER], state.at[slots.TOP_TEXT]
    weights, times = state.at[slots.TOP_WEIGHT], state.at[slots.TOP_TIME]
    held_kind = state.flags[row, state.at[slots.FACT_KIND] + fact]
    held_number = state.numbers[row, state.at[slots.FACT_NUMBER] + fact]
    held_text = state.cells[row, state.at[slots.FACT_TEXT] + fact]
    found, winner, end = plain(-1), plain(-1), first + TOP_VALUES
    for index in range(first, first + TOP_VALUES):
        own_kind = state.flags[row, kinds + index]
        if own_kind == MISSING:
            end = index
            break
        own_number, own_text = state.numbers[row, values + index], state.cells[row, strings + index]
        if same_value(kind, number, text, own_kind, own_number, own_text):
            found = index
        if same_value(held_kind, held_number, held_text, own_kind, own_number, own_text):
            winner = index

    if found < 0:
        found = end if end < first + TOP_VALUES else find_lightest(state, texts, row, half_life_ms, first)
        state.flags[row, kinds + found] = kind
        state.numbers[row, values + found] = number
        state.cells[row, strings + found] = text
        state.numbers[row, weights + found] = 1.0
        state.cells[row, times + found] = time_ms
        risen = True
    else:
        weight, newest_ms = state.numbers[row, weights + found], state.cells[row, times + found]
        heavier = grown(half_life_ms, weight, newest_ms, time_ms)
        state.numbers[row, weights + found] = heavier
        state.cells[row, times + found] = max(newest_ms, time_ms)
        risen = score(half_life_ms, heavier, max(newest_ms, time_ms)) >= score(half_life_ms, weight, newest_ms)

    # Another entry can only win now if this one is it; rounding may lower a score, then all are looked at.
    before = winner
    if not risen:
        winner = find_top(tables, state, texts, row, fact)
    elif before < 0 or (found != before and wins(state, texts, row, half_life_ms, found, before)):
        winner = found
    state.cells[row, state.at[slots.FACT_TIME] + fact] = state.cells[row, times + winner]
    if winner == before:
        return False
    take_winner(state, row, fact, winner)
    return True


@inner
def take_winner(state: State, row: int, fact: int, winner: int) -> None:
    """Set the fact of a top to the entry that wins."""
    state.flags[row, state.at[slots.FACT_KIND] + fact] = state.flags[row, state.at[slots.TOP_KIND] + winner]
    state.numbers[row, state.at[slots.FACT_NUMBER] + fact] = state.numbers[row, state.at[slots.TOP_NUMBER] + winner]
    state.cells[row, state.at[slots.FACT_TEXT] + fact] = state.cells[row, state.at[slots.TOP_TEXT] + winner]
    state.cells[row, state.at[slots.FACT_TIME] + fact] = state.cells[row, state.at[slots.TOP_TIME] + winner]


@inner
def find_hour(tables: PackedTables, state: State, row: int, fact: int) -> int:
    """The hour that wins: by score, then the earlier; -1 where there is none."""
    half_life_ms = entry(tables, fields.FACT_HALF_LIFE_MS, fact)
    first = entry(tables, fields.FACT_SLOT, fact) * DAY_HOURS
    best, most = -1, 0.0
    for hour in range(DAY_HOURS):
        newest_ms = state.cells[row, state.at[slots.HOUR_TIME] + first + hour]
        if newest_ms == NO_TIME:
            continue
        points = score(half_life_ms, state.numbers[row, state.at[slots.HOUR_WEIGHT] + first + hour], newest_ms)
        if best < 0 or points > most:
            best, most = hour, points
    return best


@inner
def add_hour(tables: PackedTables, state: State, row: int, fact: int, time_ms: int) -> bool:
    """An event at some hour of day; whether another hour wins now. The fact is set to the winner."""
    half_life_ms = entry(tables, fields.FACT_HALF_LIFE_MS, fact)
    cell = entry(tables, fields.FACT_SLOT, fact) * DAY_HOURS + local_hour(tables, time_ms)
    newest_ms = state.cells[row, state.at[slots.HOUR_TIME] + cell]
    if newest_ms == NO_TIME:
        state.numbers[row, state.at[slots.HOUR_WEIGHT] + cell] = 1.0
        state.cells[row, state.at[slots.HOUR_TIME] + cell] = time_ms
    else:
        weight = state.numbers[row, state.at[slots.HOUR_WEIGHT] + cell]
        state.numbers[row, state.at[slots.HOUR_WEIGHT] + cell] = grown(half_life_ms, weight, newest_ms, time_ms)
        state.cells[row, state.at[slots.HOUR_TIME] + cell] = max(newest_ms, time_ms)
    return take_hour(tables, state, row, fact)


@inner
def take_hour(tables: PackedTables, state: State, row: int, fact: int) -> bool:
    """Set the fact of a top_hour to the hour that wins; whether it is another one than before."""
    hour = find_hour(tables, state, row, fact)
    if hour < 0:
        return False
    first = entry(tables, fields.FACT_SLOT, fact) * DAY_HOURS
    state.cells[row, state.at[slots.FACT_TIME] + fact] = state.cells[row, state.at[slots.HOUR_TIME] + first + hour]
    kind, number = state.at[slots.FACT_KIND] + fact, state.at[slots.FACT_NUMBER] + fact
    if state.flags[row, kind] == NUMBER and state.numbers[row, number] == hour:
        return False
    state.flags[row, kind] = NUMBER
    state.numbers[row, number] = hour
    return True
