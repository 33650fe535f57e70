"""What may stand in `where=`: properties of the event being counted, each beside constants only.

So a condition in `where=` is decided by the event alone, once, when it comes in.
"""

from __future__ import annotations

from collections.abc import Callable

from rules.errors import Flaw, ProblemCode, clip
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
    Span,
    TagName,
    TextTest,
    TextValue,
    Trait,
)

__all__ = ["is_constant", "where_flaws"]

_EXPECTED = "a property of the event beside constants"
_CALLS = {
    Trait: "trait",
    Membership: "in_segment",
    Level: "level",
    ClusterOf: "cluster",
    ScoreOf: "score",
    QuantileOf: "quantile",
}


def is_constant(node: Node) -> bool:
    """Whether a tree reads nothing: a literal, or arithmetic of literals."""
    match node:
        case NumberValue() | TextValue() | BooleanValue() | DurationValue():
            return True
        case Negate():
            return is_constant(node.operand)
        case Arithmetic():
            return is_constant(node.left) and is_constant(node.right)
        case _:
            return False


def where_flaws(where: Node, is_constant_tag: Callable[[TagName], bool]) -> list[Flaw]:
    """Everything in a parsed `where=` that does not belong there; the types are looked at afterwards."""
    check = _WhereCheck(is_constant_tag)
    check.condition(where)
    return check.flaws


class _WhereCheck:
    def __init__(self, is_constant_tag: Callable[[TagName], bool]) -> None:
        self.flaws: list[Flaw] = []
        self._is_constant_tag = is_constant_tag

    def condition(self, node: Node) -> None:
        """Check a part that may be a condition."""
        match node:
            case And() | Or():
                for operand in node.operands:
                    self.condition(operand)
            case Not() | Has():
                self.condition(node.operand)
            case Compare():
                left, right = self._side(node.left), self._side(node.right)
                if left and right:
                    message = "two properties are compared; in where= a property stands beside constants only"
                    self._flaw(message, node.span, "two properties")
            case Among():
                self._side(node.operand)
            case _:
                self._side(node)

    def _side(self, node: Node) -> bool:
        """Check a side of a comparison; whether it is a property."""
        match node:
            case Property():
                return True
            case Negate() | Arithmetic():
                self._constant(node)
            case Aggregate() | Trait() | Days() | Membership() | Level() | ClusterOf() | ScoreOf() | QuantileOf():
                self._stranger(node)
            case Lower() | TextTest():
                self._side(node.operand)
                return True
            case TagName():
                self._tag(node)
            case And() | Or() | Not() | Has() | Compare() | Among():
                self.condition(node)
            case _:
                pass
        return False

    def _constant(self, node: Node) -> None:
        match node:
            case Property() | Lower() | TextTest():
                message = "in where= a property stands alone on its side; compute on the side of the constants"
                self._flaw(message, node.span, "arithmetic with a property")
            case Negate():
                self._constant(node.operand)
            case Arithmetic():
                self._constant(node.left)
                self._constant(node.right)
            case _:
                self._side(node)

    def _stranger(self, node: Aggregate | Trait | Days | Membership | Level | ClusterOf | ScoreOf | QuantileOf) -> None:
        name = node.function if isinstance(node, Aggregate | Days) else _CALLS[type(node)]
        message = f"{name} reads the user, and where= only the event being counted; join it outside with and"
        self._flaw(message, node.span, name)

    def _tag(self, node: TagName) -> None:
        if not self._is_constant_tag(node):
            message = f"the tag {clip(node.name)} reads the user, and where= only the event being counted"
            self._flaw(message, node.span, clip(node.name))

    def _flaw(self, message: str, span: Span, found: str) -> None:
        self.flaws.append(Flaw(ProblemCode.NOT_IN_WHERE, message, span, found, _EXPECTED))
