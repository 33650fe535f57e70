"""The strings that rows hold, numbered: the kernel compares numbers, and is told of each string what it has to know."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple, TypeVar

import numpy as np

from rules.program import Predicate
from rules.tables import NOT_YET_MS, Int32, Int64, UInt8
from stream.engine.joined import join_text
from stream.engine.murmur import murmur64_all

__all__ = ["DAY", "IDENTITY", "NO_DAY", "START", "Strings", "Texts", "day_number"]

START, DAY, IDENTITY = range(3)
"""Columns of `Texts.numbers`."""

NO_DAY = NOT_YET_MS
"""The day number of a string that begins with no date."""

_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ].*)?", re.ASCII | re.DOTALL)
_EPOCH = date(1970, 1, 1).toordinal()

Array = TypeVar("Array", UInt8, Int64)


class Texts(NamedTuple):
    """What is known of each string, by its number; the arrays may be longer than there are strings.

    verdicts: `(n, predicates)`, 1 where the predicate holds.  numbers: `(n + 1, 3)`: where its bytes start in `data`
    (the next one's start is their end), the day number of the date it begins with, the hash it is counted by.
    """

    verdicts: UInt8
    numbers: Int64
    data: UInt8


class Strings:
    """Number 0 is the empty string of rows without one; then come the catalog's own, then others as they are met.

    predicates: what conditions ask of strings.  dated: whether dates in them matter.
    """

    def __init__(self, texts: dict[str, int], predicates: Sequence[Predicate] = (), *, dated: bool = False) -> None:
        self._texts = ["", *texts]
        self._pinned = len(self._texts)
        self._numbers = dict(texts)
        self._predicates = tuple(predicates)
        self._dated = dated
        self._written = 0
        self._known = Texts(
            np.zeros((1 << 10, len(self._predicates)), np.uint8),
            np.zeros((1 << 10, 3), np.int64),
            np.zeros(1 << 15, np.uint8),
        )

    def __len__(self) -> int:
        return len(self._texts)

    def number(self, text: str) -> int:
        """The number of a string, a new one where it has none yet."""
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self._texts)
            self._texts.append(text)
        return number

    def text(self, number: int) -> str:
        """The string of a number."""
        return self._texts[number]

    def known(self) -> Texts:
        """What is known of all strings, those met since the last call among them."""
        first, end = self._written, len(self._texts)
        if first == end:
            return self._known
        fresh = self._texts[first:]
        joined = join_text(fresh)
        begin = int(self._known.numbers[first, START])
        self._known = verdicts, numbers, data = Texts(
            _grown(self._known.verdicts, end),
            _grown(self._known.numbers, end + 1),
            _grown(self._known.data, begin + len(joined.data)),
        )
        data[begin : begin + len(joined.data)] = joined.data
        numbers[first : end + 1, START] = begin + joined.bounds
        numbers[first:end, IDENTITY] = murmur64_all(joined.data, joined.bounds).view(np.int64)
        numbers[first:end, DAY] = [day_number(text) for text in fresh] if self._dated else NO_DAY
        lowered = [text.lower() for text in fresh] if any(each.lowered for each in self._predicates) else fresh
        for column, predicate in enumerate(self._predicates):
            verdicts[first:end, column] = _verdicts(predicate, lowered if predicate.lowered else fresh)
        self._written = end
        return self._known

    def keep(self, used: Int64) -> Int32:
        """Forget all strings but the catalog's and those numbered in `used`; returns the new number of each old one."""
        held = np.zeros(len(self._texts), np.bool_)
        held[: self._pinned] = True
        held[used] = True
        kept = np.flatnonzero(held).tolist()
        renumbered = np.zeros(len(self._texts), np.int32)
        renumbered[kept] = np.arange(len(kept), dtype=np.int32)
        self._texts = [self._texts[number] for number in kept]
        self._numbers = {text: number for number, text in enumerate(self._texts) if number}
        self._written = 0
        return renumbered


def day_number(text: str) -> int:
    """Days from 1970-01-01 to the date that the text is, or begins with before a `T` or a blank; `NO_DAY`: none."""
    match = _DATE.fullmatch(text)
    if match is None:
        return NO_DAY
    try:
        return date(int(match[1]), int(match[2]), int(match[3])).toordinal() - _EPOCH
    except ValueError:
        return NO_DAY


def _verdicts(predicate: Predicate, texts: Sequence[str]) -> list[bool]:
    wanted = predicate.text
    match predicate.function:
        case "equals":
            return [text == wanted for text in texts]
        case "starts_with":
            return [text.startswith(wanted) for text in texts]
        case "ends_with":
            return [text.endswith(wanted) for text in texts]
        case "contains":
            return [wanted in text for text in texts]
        case _:
            raise ValueError(f"no predicate {predicate.function!r}")


def _grown(array: Array, length: int) -> Array:
    """The array, or a copy with room for as much again where it is shorter than that."""
    if length <= len(array):
        return array
    longer = np.zeros((2 * length, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
