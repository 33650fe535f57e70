"""What a resolved comparison may not be, though its types fit: strings and levels beside what is no constant, names of
levels that a tier does not have, and numbers of different values that are not counted that far.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.errors import Flaw, ProblemCode, clip
from rules.nodes import (
    Aggregate,
    Among,
    Arithmetic,
    Compare,
    Kind,
    Level,
    Negate,
    Node,
    NumberValue,
    Span,
    TextValue,
    kind_of,
)
from rules.scope import Scope

__all__ = ["DISTINCT_LIMIT", "choice_flaws", "comparison_flaws", "constant_number"]

DISTINCT_LIMIT = 64
"""`distinct` counts exactly below this, and from it on says only that there are at least so many."""

_TURNED_ROUND = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def choice_flaws(node: Among, scope: Scope) -> Iterator[Flaw]:
    """The flaws of a value among choices, resolved."""
    for choice in node.choices:
        if isinstance(node.operand, Level):
            yield from _level_flaws(node.operand, choice, choice.span, scope)
        if _is_distinct(node.operand):
            yield from _distinct_flaws("==", choice, choice.span)


def comparison_flaws(node: Compare, written: Compare, scope: Scope) -> Iterator[Flaw]:
    """The flaws of a resolved comparison; `written` is as it stands in the text, with its places."""
    for one, other, other_span, operator in (
        (node.left, node.right, written.right.span, node.operator),
        (node.right, node.left, written.left.span, _TURNED_ROUND[node.operator]),
    ):
        if isinstance(one, Level):
            yield from _level_flaws(one, other, other_span, scope)
            return
        if _is_distinct(one):
            yield from _distinct_flaws(operator, other, other_span)
    is_text = kind_of(node.left) is Kind.STRING
    if is_text and not isinstance(node.left, TextValue) and not isinstance(node.right, TextValue):
        message = "two strings of the user are compared; a string is compared with constants only"
        yield Flaw(ProblemCode.STRINGS_COMPARED, message, node.span, "two values", "a constant on one side")


def constant_number(node: Node) -> float | None:
    """The number that an expression of constants comes to, or None where it reads something or is not finite."""
    match node:
        case NumberValue():
            return float(node.value)
        case Negate():
            value = constant_number(node.operand)
            return None if value is None else -value
        case Arithmetic():
            left, right = constant_number(node.left), constant_number(node.right)
            if left is None or right is None or (node.operator == "/" and right == 0):
                return None
            match node.operator:
                case "+":
                    return left + right
                case "-":
                    return left - right
                case "*":
                    return left * right
                case _:
                    return left / right
        case _:
            return None


def _level_flaws(level: Level, other: Node, span: Span, scope: Scope) -> Iterator[Flaw]:
    names = scope.tiers.get(level.tier, ())
    if not names:
        return
    expected = f"one of {clip(', '.join(names))}"
    if not isinstance(other, TextValue):
        message = f"level({level.tier}) is compared with the names of its levels only, in quotes"
        yield Flaw(ProblemCode.STRINGS_COMPARED, message, span, "another value", expected)
    elif other.value not in names:
        nearest = scope.suggester.nearest(other.value, names)
        message = f'the tier {level.tier} has no level "{clip(other.value)}"'
        suggestion = None if nearest is None else f'"{nearest}"'
        yield Flaw(ProblemCode.UNKNOWN_NAME, message, span, clip(other.value), expected, suggestion)


def _is_distinct(node: Node) -> bool:
    return isinstance(node, Aggregate) and node.function == "distinct"


def _distinct_flaws(operator: str, other: Node, span: Span) -> Iterator[Flaw]:
    limit = constant_number(other)
    if limit is None or limit < DISTINCT_LIMIT or (limit == DISTINCT_LIMIT and operator in ("<", ">=")):
        return
    suggestion = {"<": "< 64", "<=": "< 64", ">": ">= 64", ">=": ">= 64", "==": ">= 64", "!=": "< 64"}[operator]
    message = (
        f"distinct counts exactly below {DISTINCT_LIMIT}, then says only that there are so many or more; "
        f"the largest comparisons are >= {DISTINCT_LIMIT} and < {DISTINCT_LIMIT}"
    )
    expected = f">= {DISTINCT_LIMIT}, < {DISTINCT_LIMIT}, or a smaller number"
    yield Flaw(ProblemCode.DISTINCT_LIMIT, message, span, f"{limit:g}", expected, suggestion)
