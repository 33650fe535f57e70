"""Nodes → a value for one user at one moment, slowly and obviously right: the meaning of the language.

Nothing is kept but the plain list of the user's accepted events and the memberships as they stand, and every aggregate
is computed from that list anew by the letter of the design. A value is a `float` (number), an `int` (duration in ms),
a `str`, a `bool` (condition), or None where it is missing; `PRESENT` is a trait that is there and of no comparable type
(an object or an array).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from typing import Any, assert_never

from rules.days import date_in_text, days_between, local_day, local_hour
from rules.history import MAX_MAGNITUDE, UNITS_PER_ONE, Event, cut_text, is_number, number_as_double, units_of
from rules.models import Model
from rules.nodes import (
    Aggregate,
    Among,
    And,
    Arithmetic,
    BooleanValue,
    ClusterOf,
    Compare,
    Days,
    DurationValue,
    Has,
    Kind,
    Level,
    Lower,
    Membership,
    Negate,
    Node,
    Not,
    NumberValue,
    Or,
    Property,
    QuantileOf,
    ScoreOf,
    TagName,
    TextTest,
    TextValue,
    Trait,
    children,
)
from rules.snapshots import quantile_scores
from rules.weights import Category, top_hour, top_value
from rules.windows import is_inside

__all__ = [
    "PRESENT",
    "History",
    "Present",
    "Value",
    "conjunction",
    "counted_events",
    "negation",
    "units_inside",
    "value_of",
    "walk",
]

MAX_DISTINCT = 64


@dataclass(frozen=True, slots=True)
class Present:
    """A value that is there, but is no number, string or boolean: only `has` can tell it from a missing one."""


PRESENT = Present()

Value = float | int | str | bool | Present | None


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of a user.

    events: those accepted, in log order.  user_hash: shifts the user's windows.  timezone: the catalog's.
    inside: the segments the user is in.  levels: the level of each tier.  clusters, scores: what models have come to.
    models, snapshots: by name; of the fields of quantiles scores are computed as they are asked for.
    """

    events: Sequence[Event]
    user_hash: int
    timezone: str = "UTC"
    inside: AbstractSet[str] = frozenset()
    levels: Mapping[str, str] = field(default_factory=dict)
    clusters: Mapping[str, int] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)
    snapshots: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


_NOTHING = History((), 0)


def value_of(node: Node, history: History, now_ms: int, event: Event | None = None) -> Value:
    """The value of a resolved node at a moment. `event` is the one that a `where` is asked about."""
    match node:
        case Aggregate():
            return _aggregate(node, history, now_ms)
        case Compare():
            left = value_of(node.left, history, now_ms, event)
            right = value_of(node.right, history, now_ms, event)
            return _compared(node.operator, left, right)
        case NumberValue():
            return float(node.value)
        case And():
            return conjunction(value_of(operand, history, now_ms, event) for operand in node.operands)
        case Or():
            known = conjunction(negation(value_of(operand, history, now_ms, event)) for operand in node.operands)
            return negation(known)
        case TextValue():
            return cut_text(node.value)
        case BooleanValue():
            return node.value
        case DurationValue():
            return node.ms
        case Trait():
            return _typed(_newest(node.name, ((each.t_ms, each.traits) for each in history.events)), node.kind)
        case Property():
            return _typed(None if event is None else event.properties.get(node.name), node.kind)
        case Membership():
            return node.segment in history.inside
        case Level():
            return history.levels.get(node.tier)
        case ClusterOf():
            cluster = history.clusters.get(node.model)
            return None if cluster is None else float(cluster)
        case ScoreOf():
            return history.scores.get(node.model)
        case QuantileOf():
            return _quantile(node, history, now_ms)
        case Lower():
            text = value_of(node.operand, history, now_ms, event)
            return text.lower() if isinstance(text, str) else None
        case TextTest():
            text = value_of(node.operand, history, now_ms, event)
            return _tested(node.function, text, cut_text(node.text.value)) if isinstance(text, str) else None
        case Days():
            text = value_of(node.operand, history, now_ms, event)
            return _days(node, text, local_day(now_ms, history.timezone)) if isinstance(text, str) else None
        case Has():
            return value_of(node.operand, history, now_ms, event) is not None
        case Negate():
            return _negated(value_of(node.operand, history, now_ms, event))
        case Arithmetic():
            left = value_of(node.left, history, now_ms, event)
            right = value_of(node.right, history, now_ms, event)
            return _computed(node.operator, left, right)
        case Among():
            operand = value_of(node.operand, history, now_ms, event)
            if operand is None or operand is PRESENT:
                return None
            found = any(operand == value_of(choice, history, now_ms, event) for choice in node.choices)
            return found is not node.negated
        case Not():
            return negation(value_of(node.operand, history, now_ms, event))
        case TagName():
            raise ValueError(f"tag {node.name!r} is not resolved")
        case _:
            assert_never(node)


def _quantile(node: QuantileOf, history: History, now_ms: int) -> float | None:
    snapshot = history.snapshots.get(node.model)
    if snapshot is None:
        return None
    number = history.models[node.model].fields.index(node.field)
    value = value_of(history.models[node.model].features[number].expression, history, now_ms)
    score = quantile_scores([snapshot["fields"][number]], [value if is_number(value) else None])[node.field]
    return None if score is None else float(score)


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


def _newest(name: str, members: Iterable[tuple[int, Mapping[str, object]]]) -> object:
    """The newest value under a name, null too, of (time, object) in log order; at one time the later in the log."""
    newest_ms, newest = -1, None
    for t_ms, values in members:
        if name in values and t_ms >= newest_ms:
            newest_ms, newest = t_ms, values[name]
    return newest


def _tested(function: str, text: str, part: str) -> bool:
    if function == "starts_with":
        return text.startswith(part)
    return text.endswith(part) if function == "ends_with" else part in text


def _days(node: Days, text: str, today: date) -> float | None:
    day = date_in_text(text)
    return None if day is None else float(days_between(node.function, day, today, yearly=node.yearly))


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


def negation(value: Value) -> bool | None:
    """`not` in three-valued logic."""
    return None if value is None else value is False


def conjunction(values: Iterable[Value]) -> bool | None:
    """`and` of any number: false if one is false (later ones are not asked), else unknown if one is, else true."""
    known: bool | None = True
    for value in values:
        if value is False:
            return False
        if value is None:
            known = None
    return known


def _aggregate(node: Aggregate, history: History, now_ms: int) -> Value:
    counted = list(counted_events(node, history.events))
    inside = counted
    if node.last_ms is not None:
        inside = [event for event in counted if is_inside(event.t_ms, node.last_ms, history.user_hash, now_ms)]
    match node.function:
        case "since":
            return now_ms - max(event.t_ms for event in counted) if counted else None
        case "since_first":
            return now_ms - min(event.t_ms for event in counted) if counted else None
        case "count":
            return float(len(inside))
        case "sum" | "mean" | "min" | "max":
            return _summary(node.function, [units for event in inside if (units := _units(node, event)) is not None])
        case "distinct":
            return float(min(MAX_DISTINCT, len({(type(value), value) for value, _ in _categories(node, inside)})))
        case "latest":
            return _typed(_newest(node.property or "", ((each.t_ms, each.properties) for each in counted)), node.kind)
        case "top":
            return _typed(top_value(_categories(node, counted), node.half_life_ms), node.kind)
        case "top_hour":
            hours = [(local_hour(event.t_ms, history.timezone), event.t_ms) for event in counted]
            hour = top_hour(hours, node.half_life_ms)
            return None if hour is None else float(hour)
        case _:
            raise ValueError(f"aggregate {node.function!r} is not known here")


def _summary(function: str, units: Sequence[int]) -> float | None:
    """Of numbers in millionths: the sum (0 of none), the mean, the least or the greatest (missing of none)."""
    if function == "sum":
        return sum(units) / UNITS_PER_ONE
    if not units:
        return None
    if function == "mean":
        return sum(units) / UNITS_PER_ONE / float(len(units))
    return (min(units) if function == "min" else max(units)) / UNITS_PER_ONE


def counted_events(node: Aggregate, events: Iterable[Event]) -> Iterator[Event]:
    """The events that an aggregate is about, of whatever time: by name (None: any counted one) and by `where`."""
    for event in events:
        if event.name is None or node.event not in (None, event.name):
            continue
        if node.where is None or value_of(node.where, _NOTHING, 0, event) is True:
            yield event


def _units(node: Aggregate, event: Event) -> int | None:
    """An event's number in whole millionths; None where there is none.

    An event that came in before a catalog asked for a number there may have anything; what is no number is passed over.
    """
    value = event.properties.get(node.property or "")
    if not is_number(value):
        return None
    double = number_as_double(value)
    return units_of(value) if double is not None and abs(double) < MAX_MAGNITUDE else None


def _categories(node: Aggregate, events: Iterable[Event]) -> Iterator[tuple[Category, int]]:
    """The strings, numbers and booleans of a property, with their times; other values are passed over."""
    for event in events:
        value = _typed(event.properties.get(node.property or ""), Kind.ANY)
        if isinstance(value, bool | float | str):
            yield value, event.t_ms


def units_inside(node: Aggregate, history: History, now_ms: int) -> list[tuple[int, int]]:
    """The numbers that a sum or a mean is made of at a moment: time in ms, and whole millionths."""
    return [
        (event.t_ms, units)
        for event in counted_events(node, history.events)
        if is_inside(event.t_ms, node.last_ms, history.user_hash, now_ms) and (units := _units(node, event)) is not None
    ]


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, the `where` of aggregates among them."""
    yield node
    for child in children(node):
        yield from walk(child)
