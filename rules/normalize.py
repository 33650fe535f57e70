"""Conditions in normal form: negation pushed to the leaves, constants folded.

A condition is three-valued, but all that matters of it is whether it is true. `truth(node)` gives a formula that is
true exactly when the condition is, `falsehood(node)` one that is true exactly when it is false (neither, when it is
unknown). Under Kleene's logic the truth of `and`, `or`, `not` follows from the truth and falsehood of their operands,
so formulas are two-valued and their leaves are single tests: one comparison, one boolean, one presence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, assert_never

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
    kind_of,
)

__all__ = [
    "ALWAYS",
    "NEVER",
    "All",
    "Any",
    "Constant",
    "Flag",
    "Formula",
    "Lacks",
    "Present",
    "Test",
    "compare_numbers",
    "constant_of",
    "falsehood",
    "truth",
]

_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


@dataclass(frozen=True, slots=True)
class Constant:
    """Always or never true."""

    value: bool


ALWAYS = Constant(True)
NEVER = Constant(False)


@dataclass(frozen=True, slots=True)
class Test:
    """`left operator right` holds and neither side is missing; sides are numbers, strings or durations."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean trait or property is there and has this value."""

    source: Trait | Property
    value: bool


@dataclass(frozen=True, slots=True)
class Present:
    """The value of a trait, property or aggregate is not missing."""

    source: Trait | Property | Aggregate


@dataclass(frozen=True, slots=True)
class All:
    """Every part is true."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """Some part is true."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Lacks:
    """The part is not true."""

    part: Formula


Formula = Constant | Test | Flag | Present | All | Any | Lacks


def truth(node: Node) -> Formula:
    """A formula that is true exactly when the resolved condition `node` is true."""
    return _verdict(node, True)


def falsehood(node: Node) -> Formula:
    """A formula that is true exactly when the resolved condition `node` is false (not when it is unknown)."""
    return _verdict(node, False)


def _verdict(node: Node, wanted: bool) -> Formula:
    match node:
        case BooleanValue(value=value):
            return Constant(value is wanted)
        case Trait() | Property():
            return Flag(node, wanted)
        case Not(operand=operand):
            return _verdict(operand, not wanted)
        case And(operands=operands):
            return _join("all" if wanted else "any", [_verdict(operand, wanted) for operand in operands])
        case Or(operands=operands):
            return _join("any" if wanted else "all", [_verdict(operand, wanted) for operand in operands])
        case Compare(operator=operator, left=left, right=right):
            return _test(operator if wanted else _OPPOSITE[operator], left, right)
        case Among(operand=operand, choices=choices, negated=negated):
            if negated is wanted:
                return _join("all", [_test("!=", operand, choice) for choice in choices])
            return _join("any", [_test("==", operand, choice) for choice in choices])
        case Has(operand=operand):
            presence = _presence(operand)
            return presence if wanted else _lacks(presence)
        case NumberValue() | TextValue() | DurationValue() | TagName() | Aggregate() | Negate() | Arithmetic():
            raise TypeError(f"{type(node).__name__} is not a resolved condition")
        case _:
            assert_never(node)


def _presence(node: Node) -> Formula:
    if isinstance(node, Trait | Property):
        return Present(node)
    match kind_of(node):
        case Kind.BOOLEAN:
            return _join("any", [truth(node), falsehood(node)])
        case Kind.NUMBER:
            return _test("==", node, node)
        case Kind.DURATION:
            return _join("all", [_present_since(part) for part in _sinces(node)])
        case Kind.STRING | Kind.ANY:
            return ALWAYS


def _present_since(aggregate: Aggregate) -> Formula:
    return Present(aggregate)


def _sinces(node: Node) -> list[Aggregate]:
    match node:
        case Aggregate():
            return [node]
        case Negate(operand=operand):
            return _sinces(operand)
        case Arithmetic(left=left, right=right):
            return _sinces(left) + _sinces(right)
        case _:
            return []


def _test(operator: str, left: Node, right: Node) -> Formula:
    if isinstance(left, TextValue) and isinstance(right, TextValue):
        return Constant((left.value == right.value) is (operator == "=="))
    if kind_of(left) is Kind.NUMBER and kind_of(right) is Kind.NUMBER:
        values = constant_of(left), constant_of(right)
        if values[0] is not None and values[1] is not None:
            return Constant(compare_numbers(operator, values[0], values[1]))
        if any(value is not None and math.isnan(value) for value in values):
            return NEVER
        if left == right and isinstance(left, Aggregate):
            return Constant(operator in ("==", "<=", ">="))
    return Test(operator, left, right)


def constant_of(node: Node) -> float | None:
    """The value of a number that reads nothing (NaN where it is missing, such as 1 / 0); None if it reads something."""
    match node:
        case NumberValue(value=value):
            return float(value)
        case Negate(operand=operand):
            inner = constant_of(operand)
            return None if inner is None else -inner
        case Arithmetic(operator=operator, left=left, right=right):
            first, second = constant_of(left), constant_of(right)
            if first is None or second is None:
                return None
            return _calculate(operator, first, second)
        case _:
            return None


def _calculate(operator: str, left: float, right: float) -> float:
    if operator == "/" and right == 0.0:
        return math.nan
    result = {
        "+": lambda: left + right,
        "-": lambda: left - right,
        "*": lambda: left * right,
        "/": lambda: left / right,
    }[operator]()
    return result if math.isfinite(result) else math.nan


def compare_numbers(operator: str, left: float, right: float) -> bool:
    """`left operator right`; NaN stands for a missing value, and nothing holds beside it."""
    if math.isnan(left) or math.isnan(right):
        return False
    match operator:
        case "==":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case ">=":
            return left >= right
        case _:
            raise ValueError(f"no comparison {operator!r}")


def _lacks(part: Formula) -> Formula:
    return Constant(not part.value) if isinstance(part, Constant) else Lacks(part)


def _join(how: Literal["all", "any"], parts: list[Formula]) -> Formula:
    """`All` or `Any` of the parts, flattened, repeats and neutral constants left out."""
    neutral, ruling = (ALWAYS, NEVER) if how == "all" else (NEVER, ALWAYS)
    flat: dict[Formula, None] = {}
    for part in parts:
        if part == ruling:
            return ruling
        if part == neutral:
            continue
        inner = part.parts if isinstance(part, All if how == "all" else Any) else (part,)
        flat.update(dict.fromkeys(inner))
    if not flat:
        return neutral
    if len(flat) == 1:
        return next(iter(flat))
    return (All if how == "all" else Any)(tuple(flat))
