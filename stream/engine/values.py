"""Values of events as columns: properties one matrix for all, traits one list for the few events that have them.

A value is a kind (`MISSING` … `OTHER`) with a number or a text. The kinds of a whole column are found at once; most
columns hold nothing but numbers, or nothing but strings, and become arrays in one conversion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from operator import attrgetter
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
from msgspec import UNSET

from stream.engine.event_types import ReadEvent
from stream.engine.jit import jit

__all__ = [
    "ABSENT",
    "BOOLEAN",
    "MAX_TEXT_BYTES",
    "MISSING",
    "NUMBER",
    "NUMBER_LIMIT",
    "OTHER",
    "STRING",
    "Properties",
    "PropertyReader",
    "Traits",
    "cut_text",
    "read_traits",
]

MISSING, NUMBER, STRING, BOOLEAN, OTHER = range(5)
"""Kinds of a value; `MISSING` is null too, and of a trait it is a null, which removes it."""

ABSENT = -1
"""The text of a property that is not there, where that differs from a null."""

NUMBER_LIMIT = 1e12
"""Numbers of this magnitude or more cannot be aggregated."""

MAX_TEXT_BYTES = 256
"""A string keeps this many bytes of its UTF-8, cut at a character's boundary."""

_KINDS: dict[type, int] = {type(None): MISSING, int: NUMBER, float: NUMBER, str: STRING, bool: BOOLEAN}
_NUMBERS = {int, float, type(None)}
_STRINGS = {str, type(None)}
_BOOLEANS = {bool, type(None)}


class Properties(NamedTuple):
    """`(n, p)` matrices: `kinds uint8`; `numbers float64`, a boolean as 0 or 1, else 0; `texts int32`, ids of literals
    or places of strings; `units int64`, millionths of a number below `NUMBER_LIMIT` in magnitude, rounded half to even.

    A number that no double can hold is an infinity here.
    """

    kinds: npt.NDArray[np.uint8]
    numbers: npt.NDArray[np.float64]
    texts: npt.NDArray[np.int32]
    units: npt.NDArray[np.int64]


class Traits(NamedTuple):
    """Trait values of n events: those of event i are `[start[i], start[i + 1])` of the k ones.

    start: `(n + 1,) int32`.  trait: `(k,) int32`.  kind: `(k,) uint8`, `MISSING` also of a number that no double can
    hold.  number: `(k,) float64`.  text: `(k,) int32`, the place of a string, -1 for what is no string.
    """

    start: npt.NDArray[np.int32]
    trait: npt.NDArray[np.int32]
    kind: npt.NDArray[np.uint8]
    number: npt.NDArray[np.float64]
    text: npt.NDArray[np.int32]


def cut_text(text: str) -> str:
    """The longest beginning of `text` of at most `MAX_TEXT_BYTES` of UTF-8."""
    if len(text) * 4 <= MAX_TEXT_BYTES:
        return text
    encoded = text.encode()
    return text if len(encoded) <= MAX_TEXT_BYTES else encoded[:MAX_TEXT_BYTES].decode(errors="ignore")


@jit
def _units(kinds: npt.NDArray[np.uint8], numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Round-half-even(10⁶·x): exactly x·10⁶ of a whole number, else the product of doubles, rounded."""
    units = np.zeros(kinds.shape, np.int64)
    for i in range(kinds.shape[0]):
        for column in range(kinds.shape[1]):
            number = numbers[i, column]
            if kinds[i, column] == NUMBER and abs(number) < NUMBER_LIMIT:
                whole = np.int64(number)
                units[i, column] = whole * 1_000_000 if whole == number else np.int64(np.rint(1e6 * number))
    return units


def _double(value: object) -> float:
    """A number or boolean as a double, an infinity where it is too large; never a negative zero."""
    if not isinstance(value, (int, float)):
        return 0.0
    try:
        return float(value) + 0.0
    except OverflowError:
        return np.inf


class PropertyReader:
    """Reads the properties of events into matrices.

    literals: the strings that they are compared with, by id.  text_columns: those whose strings all get places.
    null_columns: those of them in which nothing, `msgspec.UNSET`, is told from a null.
    """

    def __init__(
        self,
        count: int,
        literals: Mapping[str, int],
        text_columns: AbstractSet[int] = frozenset(),
        null_columns: AbstractSet[int] = frozenset(),
    ) -> None:
        self._fields = [attrgetter(f"p{column}") for column in range(count)]
        self._literals: dict[str | None, int] = dict(literals.items())
        self._text_columns = text_columns
        self._null_columns = null_columns
        # Only a literal that may itself have been cut can equal the beginning of a longer string.
        self._cuts = any(len(text.encode()) > MAX_TEXT_BYTES - 4 for text in literals)

    def read(self, rows: Sequence[object], places: dict[str, int]) -> Properties:
        """The matrices of the property structs of n events; `places` gets the strings of text columns, cut."""
        shape = (len(rows), len(self._fields))
        kinds = np.zeros(shape, np.uint8)
        numbers = np.zeros(shape, np.float64)
        texts = np.zeros(shape, np.int32)
        for column, field in enumerate(self._fields):
            values = list(map(field, rows))
            if column in self._null_columns:
                absent = [value is UNSET for value in values]
                texts[absent, column] = ABSENT
                values = [None if nothing else value for value, nothing in zip(values, absent, strict=True)]
            types = set(map(type, values))
            if types <= _NUMBERS:
                if len(types) > 1 or type(None) not in types:
                    self._read_numbers(values, kinds[:, column], numbers[:, column], NUMBER)
            elif types <= _STRINGS:
                kinds[:, column] = np.array([value is not None for value in values], np.uint8) * STRING
                self._read_texts(values, kinds[:, column], texts[:, column], column, places)
            elif types <= _BOOLEANS:
                self._read_numbers(values, kinds[:, column], numbers[:, column], BOOLEAN)
            else:
                kinds[:, column] = [_KINDS.get(type(value), OTHER) for value in values]
                numbers[:, column] = list(map(_double, values))
                strings = [value if isinstance(value, str) else None for value in values]
                self._read_texts(strings, kinds[:, column], texts[:, column], column, places)
        return Properties(kinds, numbers, texts, _units(kinds, numbers))

    @staticmethod
    def _read_numbers(
        values: list[float | None], kinds: npt.NDArray[np.uint8], numbers: npt.NDArray[np.float64], kind: int
    ) -> None:
        try:
            column = np.array(values, np.float64)  # None becomes NaN, and JSON has no NaN of its own
        except OverflowError:
            column = np.array([np.nan if value is None else _double(value) for value in values], np.float64)
        there = ~np.isnan(column)
        kinds[there] = kind
        numbers[there] = column[there] + 0.0  # no negative zero

    def _read_texts(
        self,
        values: list[str | None],
        kinds: npt.NDArray[np.uint8],
        texts: npt.NDArray[np.int32],
        column: int,
        places: dict[str, int],
    ) -> None:
        if column in self._text_columns:
            # A string is looked up as it came first: cutting is for those that are new, or longer than is kept.
            for index in np.flatnonzero(kinds == STRING).tolist():
                value = cast("str", values[index])
                place = places.get(value)
                texts[index] = places.setdefault(cut_text(value), len(places)) if place is None else place
            return
        known = self._literals.get
        if self._cuts:
            texts[:] = [known(value if value is None else cut_text(value), 0) for value in values]
        else:
            texts[:] = [known(value, 0) for value in values]


def read_traits(events: Sequence[ReadEvent], count: int, places: dict[str, int]) -> Traits:
    """The values of the `count` traits read, of those of `events` that are `identify`; `places` gets strings, cut."""
    fields = [attrgetter(f"p{trait}") for trait in range(count)]
    start = np.zeros(len(events) + 1, np.int32)
    trait: list[int] = []
    kind: list[int] = []
    number: list[float] = []
    text: list[int] = []
    for i, event in enumerate(events):
        if event.type != "identify" or event.traits is None:
            continue
        before = len(trait)
        for index, field in enumerate(fields):
            value = field(event.traits)
            if value is UNSET:
                continue
            trait.append(index)
            kind.append(_KINDS.get(type(value), OTHER))
            number.append(_double(value))
            text.append(places.setdefault(cut_text(value), len(places)) if isinstance(value, str) else -1)
        start[i + 1] = len(trait) - before
    kinds, numbers = np.array(kind, np.uint8), np.array(number, np.float64)
    infinite = np.isinf(numbers)
    kinds[infinite] = MISSING
    numbers[infinite] = 0.0
    return Traits(np.cumsum(start, dtype=np.int32), np.array(trait, np.int32), kinds, numbers, np.array(text, np.int32))
