"""Nodes → a value for one user at one moment, slowly and obviously right: the meaning of the language.

Nothing is kept but the plain list of the user's accepted events, and every aggregate is computed from that list anew by
the letter of the design. A value is a `float` (number), an `int` (duration in ms), a `str`, a `bool` (condition), or
None where it is missing; `PRESENT` is a trait that is there and of no comparable type (an object or an array).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from rules.history import Event, cut_text, is_number, number_as_double, units_of
from rules.nodes import (
    Aggregate,
    Among,
    And,
    Arithmetic,
    BooleanValue,
    Compare,
    DurationValue,
    Has,
    Kind,
    Negate,
    Node,
    Not,
    NumberValue,
    Or,
    Property,
    TagName,
    TextValue,
    Trait,
    children,
    kind_of,
)

__all__ = [
    "PRESENT",
    "History",
    "Present",
    "Value",
    "bucket_of",
    "duration_moments",
    "hop_of",
    "leaving_ms",
    "sum_peak_units",
    "value_of",
    "walk",
]

HOPS_PER_WINDOW = 60


@dataclass(frozen=True, slots=True)
class Present:
    """A value that is there, but is no number, string or boolean: only `has` can tell it from a missing one."""


PRESENT = Present()

Value = float | int | str | bool | Present | None


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of a user: the accepted events in log order, and the hash that shifts the user's windows."""

    events: Sequence[Event]
    user_hash: int


def value_of(node: Node, history: History, now_ms: int, event: Event | None = None) -> Value:
    """The value of a resolved node at a moment. `event` is the one that a `where` is asked about."""
    match node:
        case NumberValue():
            return float(node.value)
        case TextValue():
            return cut_text(node.value)
        case BooleanValue():
            return node.value
        case DurationValue():
            return node.ms
        case Aggregate():
            return _aggregate(node, history, now_ms)
        case Trait():
            return _typed(_trait(node.name, history.events), node.kind)
        case Property():
            return _typed(None if event is None else event.properties.get(node.name), node.kind)
        case Has():
            return value_of(node.operand, history, now_ms, event) is not None
        case Negate():
            return _negated(value_of(node.operand, history, now_ms, event))
        case Arithmetic():
            left = value_of(node.left, history, now_ms, event)
            right = value_of(node.right, history, now_ms, event)
            return _computed(node.operator, left, right)
        case Compare():
            left = value_of(node.left, history, now_ms, event)
            right = value_of(node.right, history, now_ms, event)
            return _compared(node.operator, left, right)
        case Among():
            operand = value_of(node.operand, history, now_ms, event)
            if operand is None or operand is PRESENT:
                return None
            found = any(operand == value_of(choice, history, now_ms, event) for choice in node.choices)
            return found is not node.negated
        case And():
            return _all([value_of(operand, history, now_ms, event) for operand in node.operands])
        case Or():
            known = _all([_not(value_of(operand, history, now_ms, event)) for operand in node.operands])
            return _not(known)
        case Not():
            return _not(value_of(node.operand, history, now_ms, event))
        case TagName():
            raise ValueError(f"tag {node.name!r} is not resolved")
        case _:
            assert_never(node)


def _typed(value: object, kind: Kind) -> Value:
    """A decoded JSON value where a value of `kind` is asked for; one of another type is missing there."""
    found: Value
    if value is None:
        return None
    if isinstance(value, bool):
        found, found_kind = value, Kind.BOOLEAN
    elif is_number(value):
        found, found_kind = number_as_double(value), Kind.NUMBER
    elif isinstance(value, str):
        found, found_kind = cut_text(value), Kind.STRING
    else:
        found, found_kind = PRESENT, Kind.ANY
    return found if kind in (Kind.ANY, found_kind) else None


def _trait(name: str, events: Iterable[Event]) -> object:
    """The newest value of a trait, null too; of two at the same timestamp the later in the log."""
    newest: Event | None = None
    for event in events:
        if name in event.traits and (newest is None or event.t_ms >= newest.t_ms):
            newest = event
    return None if newest is None else newest.traits[name]


def _negated(value: Value) -> Value:
    return None if value is None else -_number(value)


def _computed(operator: str, left: Value, right: Value) -> Value:
    """Arithmetic of two doubles or of two durations; missing if either is, or if the result is not finite."""
    if left is None or right is None:
        return None
    a, b = _number(left), _number(right)
    if operator == "/":
        result = a / b if b != 0 else math.nan
    elif operator == "*":
        result = a * b
    else:
        result = a + b if operator == "+" else a - b
    return result if isinstance(result, int) or math.isfinite(result) else None


def _compared(operator: str, left: Value, right: Value) -> bool | None:
    if left is None or right is None or left is PRESENT or right is PRESENT:
        return None
    if operator == "==":
        return left == right
    if operator == "!=":
        return left != right
    a, b = _number(left), _number(right)
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator]


def _number(value: Value) -> float | int:
    if not is_number(value):
        raise TypeError(f"{value!r} is no number: the expression was not resolved")
    return value


def _not(value: Value) -> bool | None:
    return None if value is None else value is False


def _all(values: Sequence[Value]) -> bool | None:
    """False if any is false, else missing if any is missing, else true."""
    if any(value is False for value in values):
        return False
    return None if any(value is None for value in values) else True


def _aggregate(node: Aggregate, history: History, now_ms: int) -> Value:
    if node.function in ("since", "since_first"):
        moments = [event.t_ms for event in _counted(node, history.events)]
        if not moments:
            return None
        return now_ms - (max(moments) if node.function == "since" else min(moments))
    inside = [event for event in _counted(node, history.events) if _in_window(node, event, history, now_ms)]
    if node.function == "count":
        return float(len(inside))
    if node.function == "sum":
        return float(sum(_units(node, event) for event in inside)) / 1e6
    raise ValueError(f"aggregate {node.function!r} is not known here")


def _counted(node: Aggregate, events: Iterable[Event]) -> Iterator[Event]:
    """The events that an aggregate is about, of whatever time: by name (None: any counted one) and by `where`."""
    nothing = History((), 0)
    for event in events:
        if event.name is None or node.event not in (None, event.name):
            continue
        if node.where is None or value_of(node.where, nothing, 0, event) is True:
            yield event


def _units(node: Aggregate, event: Event) -> int:
    value = event.properties.get(node.property or "")
    return units_of(value) if is_number(value) else 0


def _in_window(node: Aggregate, event: Event, history: History, now_ms: int) -> bool:
    if node.last_ms is None:
        return True
    hop_ms = hop_of(node.last_ms)
    phase_ms = history.user_hash % hop_ms
    return bucket_of(now_ms, hop_ms, phase_ms) - bucket_of(event.t_ms, hop_ms, phase_ms) <= HOPS_PER_WINDOW


def hop_of(last_ms: int) -> int:
    """The hop of a window, ms: a sixtieth of its length, rounded up."""
    return -(-last_ms // HOPS_PER_WINDOW)


def bucket_of(t_ms: int, hop_ms: int, phase_ms: int) -> int:
    """The number of the bucket that a time lies in."""
    return (t_ms + phase_ms) // hop_ms


def leaving_ms(t_ms: int, last_ms: int, user_hash: int) -> int:
    """The first moment at which an event at `t_ms` is no longer in the window of length `last_ms`."""
    hop_ms = hop_of(last_ms)
    phase_ms = user_hash % hop_ms
    return (bucket_of(t_ms, hop_ms, phase_ms) + HOPS_PER_WINDOW + 1) * hop_ms - phase_ms


def sum_peak_units(node: Aggregate, history: History, now_ms: int) -> int:
    """The greatest magnitude, in millionths, of a sum now and at every later moment, if no event comes any more."""
    inside = [event for event in _counted(node, history.events) if _in_window(node, event, history, now_ms)]
    if node.last_ms is None:
        return abs(sum(_units(node, event) for event in inside))
    leaving = {event.t_ms: leaving_ms(event.t_ms, node.last_ms, history.user_hash) for event in inside}
    peaks = [
        abs(sum(_units(node, event) for event in inside if leaving[event.t_ms] > moment))
        for moment in {now_ms, *leaving.values()}
    ]
    return max(peaks)


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, the `where` of aggregates among them."""
    yield node
    for child in children(node):
        yield from walk(child)


def duration_moments(node: Node, history: History) -> Iterator[int]:
    """Moments at which a comparison of durations may come to differ, given that no event comes: some too many.

    The difference of the two sides is c·now + k with whole c and k; it changes its sign, or passes zero, about −k/c.
    """
    match node:
        case Compare():
            pairs = [(node.left, node.right)]
        case Among():
            pairs = [(node.operand, choice) for choice in node.choices]
        case _:
            return
    for left, right in pairs:
        if kind_of(left) is not Kind.DURATION:
            continue
        at_zero, at_one = (value_of(Arithmetic("-", left, right), history, now_ms) for now_ms in (0, 1))
        if at_zero is None or at_one is None:
            continue
        constant = int(_number(at_zero))
        slope = int(_number(at_one)) - constant
        if slope != 0:
            root = -constant // slope
            yield from range(root - 1, root + 3)
