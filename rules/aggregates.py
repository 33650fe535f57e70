"""The aggregates a catalog needs, each once, and the thresholds each is compared with.

A comparison of one aggregate with a constant is a question about the aggregate's *place* among all its thresholds: the
number of cuts not above its value. Values are whole numbers (a count, units of 10⁻⁶ of a sum or extreme, milliseconds
since, calendar days), so each threshold becomes two integer cuts: the least value at or above it, and the least above.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

from rules.nodes import Aggregate, BooleanValue, Days, Node, Property, Trait, children

__all__ = [
    "EXACT_UNITS",
    "IN_UNITS",
    "UNITS",
    "Between",
    "cuts_at",
    "hop_ms",
    "key_of",
    "key_text",
    "mean_parts",
    "place_test",
    "stored_text",
]

UNITS = 1_000_000
"""Units in one: amounts are kept as whole multiples of 10⁻⁶. Python divides a whole number by it with one rounding."""

EXACT_UNITS = 2**53
"""Up to here every whole number is a double, so that dividing doubles rounds once, too."""

IN_UNITS = ("sum", "min", "max")
"""Functions whose values are units."""

WINDOW_HOPS = 60
"""A window moves in sixtieths of its length."""

_GREATEST = 2**63 - 2**50
_LEAST = -_GREATEST
# Beyond every value: a sum's units stay below 9·10¹⁸, and a time plus this does not overflow 64 bits.

_NEAR = 2.0**52
# Below this a product of doubles is less than one off.


@dataclass(frozen=True, slots=True)
class Between:
    """`low <= value < high`, or its opposite when `outside`; of a missing value neither."""

    low: int
    high: int
    outside: bool = False


def hop_ms(last_ms: int) -> int:
    """The length of one bucket of a window: a sixtieth of it, rounded up to whole milliseconds."""
    return -(-last_ms // WINDOW_HOPS)


def mean_parts(mean: Aggregate) -> tuple[Aggregate, Aggregate]:
    """What a mean is computed from: the sum, and how many events had a number to add (the internal `values`)."""
    event, name, last_ms, where = mean.event, mean.property, mean.last_ms, mean.where
    return Aggregate("sum", event, name, last_ms, where), Aggregate("values", event, name, last_ms, where)


def cuts_at(aggregate: Aggregate | Days, threshold: float) -> tuple[int, int]:
    """The least value of the aggregate at or above the threshold, and the least above it (or beyond every value)."""
    if aggregate.function in IN_UNITS:
        return (
            _least(lambda units: units / UNITS >= threshold, threshold * UNITS),
            _least(lambda units: units / UNITS > threshold, threshold * UNITS),
        )
    if abs(threshold) >= _GREATEST:
        clamped = _LEAST if threshold < 0 else _GREATEST
        return clamped, clamped
    return math.ceil(threshold), math.floor(threshold) + 1


def _least(holds: Callable[[int], bool], about: float) -> int:
    """The least whole value at which a condition that is monotone in it holds; it is near `about`, most often."""
    low, high = _LEAST, _GREATEST
    if abs(about) < _NEAR and not holds(int(about) - 2) and holds(int(about) + 2):
        low, high = int(about) - 1, int(about) + 2
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def place_test(aggregate: Aggregate | Days, operator: str, threshold: float) -> Between:
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


def key_text(node: Aggregate | Days | Trait) -> str:
    """A text that is equal exactly for equal nodes, in every catalog.

    `latest` and `top` are one and the same whatever kind their places ask for.
    """
    match node:
        case Aggregate():
            where = "" if node.where is None else _where_text(node.where)
            parts = [node.function, _text(node.event), _text(node.property), _text(node.last_ms), where]
            return "\x1f".join(parts if node.half_life_ms is None else [*parts, _text(node.half_life_ms)])
        case Trait():
            return node.name
        case Days():
            if not isinstance(node.operand, Trait | Aggregate):
                raise TypeError(f"{type(node.operand).__name__} holds no date")
            kind = type(node.operand).__name__
            return "\x1f".join([node.function, str(node.yearly), kind, key_text(node.operand)])


def stored_text(node: Aggregate | Days | Trait, timezone: str) -> str:
    """What a row's key of the node is made of: `key_text`, and the zone of the hours that a `top_hour` has counted."""
    text = key_text(node)
    return f"{text}\x1f{timezone}" if isinstance(node, Aggregate) and node.function == "top_hour" else text


def key_of(text: str) -> int:
    """A 64-bit name that is the same in every catalog: the first 8 bytes of the text's SHA-256."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


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
            names = ("value", "ms", "operator", "negated", "function")
            own = tuple(getattr(node, name) for name in names if hasattr(node, name))
    inner = ",".join(_where_text(child) for child in children(node))
    return f"{type(node).__name__}{own!r}({inner})"
