"""Sets of the values that one quantity of a user may have: missing, true, false, numbers, strings, or something else.

The numbers are kept as the places on the number line at which the set begins and ends, in order; a place is a number
and a side (0 just before it, 1 just after it), so that open, closed and single-number intervals need no cases of their
own. The strings are those listed, or all but those listed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

__all__ = [
    "ANYTHING",
    "EVERY_NUMBER",
    "FALSE",
    "MISSING",
    "NOTHING",
    "OTHER",
    "TRUE",
    "Domain",
    "Numbers",
    "all_of",
    "any_of",
    "flags_domain",
    "numbers_between",
    "numbers_compared",
    "numbers_domain",
    "texts_domain",
    "whole_numbers",
]

MISSING, OTHER, FALSE, TRUE = 1, 2, 4, 8
"""What a value can be besides a number and a string, as bits. OTHER is an object or an array: there, and comparable
with nothing."""

Place = tuple[float, int]
Numbers = tuple[Place, ...]

EVERY_NUMBER: Numbers = ((-math.inf, 0), (math.inf, 1))


class Domain(NamedTuple):
    """A set of values. `texts` are the strings in it, or with `texts_out` the strings that are not in it."""

    bits: int = 0
    numbers: Numbers = ()
    texts: frozenset[str] = frozenset()
    texts_out: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether no value is in the set."""
        return not (self.bits or self.numbers or self.texts or self.texts_out)

    @property
    def is_present(self) -> bool:
        """Whether the value can't be missing."""
        return not self.bits & MISSING

    @property
    def is_number(self) -> bool:
        """Whether the value can't be anything but a number."""
        return not (self.bits or self.texts or self.texts_out)

    def __and__(self, other: Domain) -> Domain:
        if self is other:
            return self
        if not (other.texts or other.texts_out):  # as of most comparisons, which are of numbers
            return Domain(self.bits & other.bits, _both(self.numbers, other.numbers))
        if self.texts_out and other.texts_out:
            texts, texts_out = self.texts | other.texts, True
        elif self.texts_out:
            texts, texts_out = other.texts - self.texts, False
        elif other.texts_out:
            texts, texts_out = self.texts - other.texts, False
        else:
            texts, texts_out = self.texts & other.texts, False
        return Domain(self.bits & other.bits, _both(self.numbers, other.numbers), texts, texts_out)

    def __invert__(self) -> Domain:
        bits = (MISSING | OTHER | FALSE | TRUE) & ~self.bits
        return Domain(bits, _outside(self.numbers), self.texts, not self.texts_out)

    def __sub__(self, other: Domain) -> Domain:
        return self & ~other

    def with_whole_numbers(self) -> Domain:
        """The same of a quantity whose numbers are whole: each interval ends at a whole number."""
        return Domain(self.bits, whole_numbers(self.numbers), self.texts, self.texts_out)

    def is_inside(self, other: Domain) -> bool:
        """Whether every value of this set is in the other."""
        return (self - other).is_empty


def any_of(domains: Iterable[Domain]) -> Domain:
    """The values that are in one of the sets at least; in one go, as a list of choices may be long."""
    bits = 0
    listed: set[str] = set()
    excluded: frozenset[str] | None = None
    intervals: list[tuple[Place, Place]] = []
    for domain in domains:
        bits |= domain.bits
        intervals += zip(domain.numbers[::2], domain.numbers[1::2], strict=True)
        if not domain.texts_out:
            listed |= domain.texts
        else:
            excluded = domain.texts if excluded is None else excluded & domain.texts
    places: list[Place] = []
    for low, high in sorted(intervals):
        if places and low <= places[-1]:
            places[-1] = max(places[-1], high)
        else:
            places += [low, high]
    if excluded is None:
        return Domain(bits, tuple(places), frozenset(listed))
    return Domain(bits, tuple(places), excluded - listed, True)


def all_of(domains: Iterable[Domain]) -> Domain:
    """The values that are in each of the sets."""
    return ~any_of(~domain for domain in domains)


def flags_domain(bits: int) -> Domain:
    """The values of some bits, and no number or string."""
    return Domain(bits)


def numbers_domain(numbers: Numbers) -> Domain:
    """Some numbers, and nothing else."""
    return Domain(0, numbers)


def texts_domain(*texts: str) -> Domain:
    """These strings, and nothing else."""
    return Domain(0, (), frozenset(texts))


def numbers_between(low: float, high: float) -> Numbers:
    """All numbers from `low` to `high`, both with it."""
    return ((low, 0), (high, 1)) if low <= high else ()


def numbers_compared(operator: str, limit: float) -> Numbers:
    """The numbers x for which `x operator limit` holds."""
    match operator:
        case "==":
            return ((limit, 0), (limit, 1))
        case "!=":
            return ((-math.inf, 0), (limit, 0), (limit, 1), (math.inf, 1))
        case "<":
            return ((-math.inf, 0), (limit, 0))
        case "<=":
            return ((-math.inf, 0), (limit, 1))
        case ">":
            return ((limit, 1), (math.inf, 1))
        case ">=":
            return ((limit, 0), (math.inf, 1))
        case _:
            raise ValueError(f"no comparison {operator!r}")


def whole_numbers(numbers: Numbers) -> Numbers:
    """The same whole numbers, each interval drawn in to the whole numbers at its ends, neighbours made one."""
    found: list[Place] = []
    for (low, low_side), (high, high_side) in zip(numbers[::2], numbers[1::2], strict=True):
        first = low if math.isinf(low) else math.floor(low) + 1 if low_side else math.ceil(low)
        last = high if math.isinf(high) else math.floor(high) if high_side else math.ceil(high) - 1
        if first > last:
            continue
        if found and found[-1][0] >= first - 1:
            found.pop()
            found.append((last, 1))
        else:
            found += [(first, 0), (last, 1)]
    return tuple(found)


def _both(first: Numbers, second: Numbers) -> Numbers:
    """The numbers in both sets: both lists of places are walked together, in order."""
    if not first or not second:
        return ()
    if first == EVERY_NUMBER:
        return second
    if second == EVERY_NUMBER:
        return first
    found: list[Place] = []
    at = other_at = 0
    while at < len(first) and other_at < len(second):
        low = max(first[at], second[other_at])
        high = min(first[at + 1], second[other_at + 1])
        if low < high:
            found += [low, high]
        if first[at + 1] < second[other_at + 1]:
            at += 2
        else:
            other_at += 2
    return tuple(found)


def _outside(numbers: Numbers) -> Numbers:
    """The numbers that are not in the set."""
    start, end = EVERY_NUMBER
    if not numbers:
        return EVERY_NUMBER
    inner = numbers[1:-1]
    if numbers[0] != start:
        inner = (start, numbers[0], *inner)
    return inner if numbers[-1] == end else (*inner, numbers[-1], end)


NOTHING = Domain()
ANYTHING = ~NOTHING
