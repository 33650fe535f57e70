"""The aggregates a catalog needs, each once, and the thresholds each is compared with.

A comparison of one aggregate with a constant is a question about the aggregate's *place* among all its thresholds: the
number of cuts not above its value. Values are whole numbers (a count, units of 10⁻⁶ of a sum, milliseconds since), so
each threshold becomes two integer cuts: the least value at or above it, and the least value above it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from rules.nodes import Aggregate, BooleanValue, Node, Property, children

__all__ = ["UNITS", "Between", "aggregates_of", "cuts_at", "hop_ms", "key_text", "place_test"]

UNITS = 1_000_000
"""Units of a sum in one: sums are kept as whole multiples of 10⁻⁶."""

WINDOW_HOPS = 60
"""A window moves in sixtieths of its length."""

_GREATEST = 2**63 - 2**50
_LEAST = -_GREATEST
# Beyond every value: a sum's units stay below 9·10¹⁸, and a time plus this does not overflow 64 bits.


@dataclass(frozen=True, slots=True)
class Between:
    """`low <= value < high`, or its opposite when `outside`; of a missing value neither."""

    low: int
    high: int
    outside: bool = False


def hop_ms(last_ms: int) -> int:
    """The length of one bucket of a window: a sixtieth of it, rounded up to whole milliseconds."""
    return -(-last_ms // WINDOW_HOPS)


def aggregates_of(node: Node) -> list[Aggregate]:
    """Every aggregate a resolved tree reads, left to right, with repeats."""
    if isinstance(node, Aggregate):
        return [node]
    return [aggregate for child in children(node) for aggregate in aggregates_of(child)]


def cuts_at(aggregate: Aggregate, threshold: float) -> tuple[int, int]:
    """The least value of the aggregate at or above the threshold, and the least above it (or beyond every value)."""
    match aggregate.function:
        case "sum":
            return (
                _least(lambda units: float(units) / UNITS >= threshold),
                _least(lambda units: float(units) / UNITS > threshold),
            )
        case _:
            if abs(threshold) >= _GREATEST:
                clamped = _LEAST if threshold < 0 else _GREATEST
                return clamped, clamped
            return math.ceil(threshold), math.floor(threshold) + 1


def _least(holds: Callable[[int], bool]) -> int:
    """The least whole value at which a condition that is monotone in it holds."""
    low, high = _LEAST, _GREATEST
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def place_test(aggregate: Aggregate, operator: str, threshold: float) -> Between:
    """`aggregate operator threshold` as a range of the aggregate's whole-number value."""
    at, above = cuts_at(aggregate, threshold)
    match operator:
        case ">=":
            return Between(at, _GREATEST)
        case ">":
            return Between(above, _GREATEST)
        case "<":
            return Between(_LEAST, at)
        case "<=":
            return Between(_LEAST, above)
        case "==":
            return Between(at, above)
        case "!=":
            return Between(at, above, outside=True)
        case _:
            raise ValueError(f"no comparison {operator!r}")


def key_text(aggregate: Aggregate) -> str:
    """A text that is equal exactly for equal aggregates, in every catalog: what a stored row knows an aggregate by."""
    where = "" if aggregate.where is None else _where_text(aggregate.where)
    return "\x1f".join(
        [aggregate.function, _text(aggregate.event), _text(aggregate.property), _text(aggregate.last_ms), where]
    )


def _text(value: object) -> str:
    return "" if value is None else f"={value}"


def _where_text(node: Node) -> str:
    """A where-condition's tree in brackets: node names, own fields, children."""
    own: object
    match node:
        case Property(name=name, kind=kind):
            own = (name, kind.value)
        case BooleanValue(value=value):
            own = value
        case _:
            own = tuple(getattr(node, name) for name in ("value", "ms", "operator", "negated") if hasattr(node, name))
    inner = ",".join(_where_text(child) for child in children(node))
    return f"{type(node).__name__}{own!r}({inner})"
