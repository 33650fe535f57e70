"""The value of an expression out of what it reads, whoever holds that: a user as stored, or as one might become."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import assert_never

from rules.interpret import PRESENT, Value, conjunction, negation
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

__all__ = ["Read", "Source", "evaluate", "sources_of", "typed"]

Source = Aggregate | Trait | Property | Membership | Level | Days | ClusterOf | ScoreOf | QuantileOf
"""What an expression reads; all else is computed from it."""

Read = Callable[[Source], Value]
"""The value of a source; of a trait, property, `latest` or `top` whatever it is, not only of the kind asked for."""


def evaluate(node: Node, read: Read) -> Value:
    """The value of a resolved expression, None where it is missing (of a condition: unknown)."""
    match node:
        case NumberValue():
            return float(node.value)
        case TextValue() | BooleanValue():
            return node.value
        case DurationValue():
            return node.ms
        case Trait() | Property():
            return typed(read(node), node.kind)
        case Aggregate():
            return typed(read(node), node.kind) if node.function in ("latest", "top") else read(node)
        case Membership() | Level() | Days() | ClusterOf() | ScoreOf() | QuantileOf():
            return read(node)
        case Lower():
            text = evaluate(node.operand, read)
            return text.lower() if isinstance(text, str) else None
        case TextTest():
            return _text_test(node.function, evaluate(node.operand, read), node.text.value)
        case Has():
            return evaluate(node.operand, read) is not None
        case Negate():
            number = _number(evaluate(node.operand, read))
            return None if number is None else -number
        case Arithmetic():
            left, right = _number(evaluate(node.left, read)), _number(evaluate(node.right, read))
            return None if left is None or right is None else _computed(node.operator, left, right)
        case Compare():
            return _compared(node.operator, evaluate(node.left, read), evaluate(node.right, read))
        case Among():
            value = evaluate(node.operand, read)
            if value is None or value is PRESENT:
                return None
            return any(value == evaluate(choice, read) for choice in node.choices) is not node.negated
        case And():
            return conjunction(evaluate(operand, read) for operand in node.operands)
        case Or():
            return negation(conjunction(negation(evaluate(operand, read)) for operand in node.operands))
        case Not():
            return negation(evaluate(node.operand, read))
        case TagName():
            raise ValueError(f"tag {node.name!r} is not resolved")
        case _:
            assert_never(node)


def typed(value: Value, kind: Kind) -> Value:
    """The value where one of `kind` is asked for: None if it is of another."""
    if value is None or kind is Kind.ANY:
        return value
    found = Kind.BOOLEAN if isinstance(value, bool) else Kind.STRING if isinstance(value, str) else Kind.NUMBER
    return None if value is PRESENT or found is not kind else value


def sources_of(node: Node) -> Iterator[Source]:
    """What an expression reads, in the order of the text; a source that stands twice comes twice."""
    if isinstance(node, Source):
        yield node
    else:
        for child in children(node):
            yield from sources_of(child)


def _number(value: Value) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text_test(function: str, text: Value, part: str) -> bool | None:
    if not isinstance(text, str):
        return None
    if function == "starts_with":
        return text.startswith(part)
    return text.endswith(part) if function == "ends_with" else part in text


def _computed(operator: str, left: float, right: float) -> float | int | None:
    if operator == "/":
        result = left / right if right != 0 else math.nan
    elif operator == "*":
        result = left * right
    else:
        result = left + right if operator == "+" else left - right
    return result if isinstance(result, int) or math.isfinite(result) else None


def _compared(operator: str, left: Value, right: Value) -> bool | None:
    if left is None or right is None or left is PRESENT or right is PRESENT:
        return None
    if operator == "==":
        return left == right
    if operator == "!=":
        return left != right
    first, second = _number(left), _number(right)
    if first is None or second is None:
        return None
    if operator == "<":
        return first < second
    if operator == "<=":
        return first <= second
    return first > second if operator == ">" else first >= second
