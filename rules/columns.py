"""Resolved expressions over columns of users: how the tags of many messages are computed at once.

The same semantics as the reference interpreter: doubles, left to right, a result that is not finite is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from rules.aggregates import EXACT_UNITS, IN_UNITS, UNITS, mean_parts
from rules.compiled import Fact, cut_text, fact_of
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
    kind_of,
)
from rules.normalize import matches
from rules.tables import (
    FLAG,
    MISSING,
    NO_VALUE,
    NOT_YET_MS,
    NUMBER,
    TEXT,
    VALUE_KINDS,
    Float64,
    Int32,
    Int64,
    UInt8,
)

__all__ = ["Column", "Features", "column_of", "values_of"]

Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Features:
    """What n users (or one user at n moments) amount to; `aggregates` and `facts` name the columns.

    moment: `(n,)` ms.  value: `(n, A)` counts, units, times of newest / oldest events, days: as the kernel has them.
    fact_kind, fact_number, fact_text: `(n, F)`, texts as numbers of `text_of`.
    There may be fewer columns than names, where nothing reads the others.
    """

    aggregates: dict[Aggregate | Days, int]
    facts: dict[Fact, int]
    moment: Int64
    value: Int64
    fact_kind: UInt8
    fact_number: Float64
    fact_text: Int32 | Int64
    text_of: Callable[[int], str]

    def of(self, rows: Int64) -> Features:
        """The same of some of the rows only."""
        if len(rows) == len(self.moment):
            return self
        return Features(
            self.aggregates,
            self.facts,
            self.moment[rows],
            self.value[rows],
            self.fact_kind[rows],
            self.fact_number[rows],
            self.fact_text[rows],
            self.text_of,
        )


@dataclass(frozen=True, slots=True)
class Column:
    """`(n,)` values and which of them are known; the others are missing and their values mean nothing."""

    values: npt.NDArray[Any]
    known: Booleans


def values_of(node: Node, features: Features) -> list[object]:
    """The expression's value for each row as plain data: numbers, strings, booleans, durations in ms, missing None."""
    if _is_open(node):
        return _any_fact(node, features)
    column = column_of(node, features)
    values = column.values.tolist()
    if column.known.all():
        return list(values)
    return [value if known else None for value, known in zip(values, column.known.tolist(), strict=True)]


def _is_open(node: Node) -> bool:
    """Whether the node is a fact whose place asks for no type."""
    return isinstance(node, Trait | Aggregate) and kind_of(node) is Kind.ANY


def _fact_index(node: Node, features: Features) -> int:
    fact = fact_of(node)
    if fact is None:
        raise TypeError(f"{type(node).__name__} is no fact")
    return features.facts[fact]


def _any_fact(node: Node, features: Features) -> list[object]:
    index = _fact_index(node, features)
    kinds, numbers = features.fact_kind[:, index].tolist(), features.fact_number[:, index].tolist()
    found: list[object] = []
    for kind, number, text in zip(kinds, numbers, features.fact_text[:, index].tolist(), strict=True):
        if kind == NUMBER:
            found.append(number)
        elif kind == TEXT:
            found.append(features.text_of(text))
        else:
            found.append(bool(number) if kind == FLAG else None)
    return found


def column_of(node: Node, features: Features) -> Column:
    """The expression over all rows; a condition's values are booleans, unknown where it is neither true nor false."""
    count = len(features.moment)
    match node:
        case NumberValue(value=number):
            return Column(np.full(count, float(number)), np.ones(count, np.bool_))
        case BooleanValue(value=flag):
            return Column(np.full(count, flag), np.ones(count, np.bool_))
        case DurationValue(ms=ms):
            return Column(np.full(count, ms, np.int64), np.ones(count, np.bool_))
        case TextValue(value=text):
            return Column(np.full(count, cut_text(text), np.object_), np.ones(count, np.bool_))
        case Aggregate():
            return _aggregate(node, features)
        case Days():
            days = features.value[:, features.aggregates[node]]
            return Column(days, days != NO_VALUE)
        case Trait() | Membership() | Level() | ClusterOf() | ScoreOf() | QuantileOf():
            return _fact(node, kind_of(node), features)
        case Lower(operand=operand):
            inner = column_of(operand, features)
            return Column(_objects([text.lower() for text in inner.values.tolist()]), inner.known)
        case TextTest(function=function, operand=operand, text=constant):
            inner = column_of(operand, features)
            found = [matches(function, constant.value, text) for text in inner.values.tolist()]
            return Column(np.array(found, np.bool_), inner.known)
        case Negate(operand=operand):
            inner = column_of(operand, features)
            return Column(-inner.values, inner.known)
        case Arithmetic():
            return _arithmetic(node, features)
        case Compare(operator=operator, left=left, right=right):
            return _compare(operator, column_of(left, features), column_of(right, features))
        case Among(operand=operand, choices=choices, negated=negated):
            inner = column_of(operand, features)
            same = np.zeros(count, np.bool_)
            for choice in choices:
                same |= np.asarray(inner.values == column_of(choice, features).values, np.bool_)
            return Column(same != negated, inner.known)
        case Has(operand=operand):
            return Column(_presence(operand, features), np.ones(count, np.bool_))
        case Not(operand=operand):
            inner = column_of(operand, features)
            return Column(~inner.values, inner.known)
        case And(operands=operands):
            return _all([column_of(operand, features) for operand in operands])
        case Or(operands=operands):
            inverse = _all([Column(~inner.values, inner.known) for inner in _columns(operands, features)])
            return Column(~inverse.values, inverse.known)
        case Property() | TagName():
            raise TypeError(f"{type(node).__name__} has no value for a user")
        case _:
            assert_never(node)


def _columns(nodes: Sequence[Node], features: Features) -> list[Column]:
    return [column_of(node, features) for node in nodes]


def _aggregate(node: Aggregate, features: Features) -> Column:
    if node.function == "mean":
        return _mean(node, features)
    if fact_of(node) is not None:
        return _fact(node, kind_of(node), features)
    values = features.value[:, features.aggregates[node]]
    if node.function in ("since", "since_first"):
        return Column(features.moment - values, values != NOT_YET_MS)
    if node.function in IN_UNITS:
        return Column(_amounts(values), values != NO_VALUE)
    return Column(values, np.ones(len(values), np.bool_))


def _mean(node: Aggregate, features: Features) -> Column:
    total, values = (features.value[:, features.aggregates[part]] for part in mean_parts(node))
    known = values > 0
    return Column(_amounts(total) / np.where(known, values, 1), known)


def _amounts(units: Int64) -> Float64:
    """The doubles nearest to units / 10⁶. Of more units than a double holds, the whole part is one, and large."""
    whole, rest = np.divmod(units, UNITS)
    return np.where(np.abs(units) <= EXACT_UNITS, units / UNITS, whole + rest / UNITS)


def _fact(node: Node, kind: Kind, features: Features) -> Column:
    """A fact of the kind that its place asks for; of another kind it is missing."""
    index = _fact_index(node, features)
    match kind:
        case Kind.NUMBER:
            values: npt.NDArray[Any] = features.fact_number[:, index]
            if isinstance(node, ClusterOf | QuantileOf) or (
                isinstance(node, Aggregate) and node.function == "top_hour"
            ):
                values = np.nan_to_num(values).astype(np.int64)
        case Kind.BOOLEAN:
            values = features.fact_number[:, index] != 0
        case _:
            values = _objects([features.text_of(text) for text in features.fact_text[:, index].tolist()])
    return Column(values, features.fact_kind[:, index] == VALUE_KINDS[kind])


def _objects(texts: list[str]) -> npt.NDArray[Any]:
    return np.array([*texts, None], np.object_)[:-1]


def _presence(node: Node, features: Features) -> Booleans:
    if _is_open(node):
        present: Booleans = features.fact_kind[:, _fact_index(node, features)] != MISSING
        return present
    return column_of(node, features).known


def _arithmetic(node: Arithmetic, features: Features) -> Column:
    left, right = column_of(node.left, features), column_of(node.right, features)
    known = left.known & right.known
    if kind_of(node) is Kind.DURATION:
        signed = right.values if node.operator == "+" else -right.values
        return Column(left.values + signed, known)
    first, second = left.values.astype(np.float64), right.values.astype(np.float64)
    with np.errstate(all="ignore"):
        match node.operator:
            case "+":
                result = first + second
            case "-":
                result = first - second
            case "*":
                result = first * second
            case _:
                result = first / second
    finite = np.isfinite(result)
    return Column(np.where(finite, result, 0.0), known & finite)


def _compare(operator: str, left: Column, right: Column) -> Column:
    known = left.known & right.known
    first, second = left.values, right.values
    if first.dtype.kind in "if" and second.dtype.kind in "if" and first.dtype != second.dtype:
        first, second = first.astype(np.float64), second.astype(np.float64)
    match operator:
        case "==":
            verdict = first == second
        case "!=":
            verdict = first != second
        case "<":
            verdict = first < second
        case "<=":
            verdict = first <= second
        case ">":
            verdict = first > second
        case _:
            verdict = first >= second
    return Column(np.asarray(verdict, np.bool_), known)


def _all(parts: Sequence[Column]) -> Column:
    """Kleene's and: false where some part is, else unknown where some part is, else true."""
    true, false = np.ones_like(parts[0].known), np.zeros_like(parts[0].known)
    for part in parts:
        true &= part.known & part.values
        false |= part.known & ~part.values
    return Column(true, true | false)
