"""What is said about a comparison that can never, or can always hold: which values there are, and who meets it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rules.checking.quantities import is_small
from rules.errors import Flaw, ProblemCode, clip
from rules.nodes import (
    Aggregate,
    Among,
    ClusterOf,
    Compare,
    Days,
    Level,
    Lower,
    Node,
    Property,
    QuantileOf,
    ScoreOf,
    Span,
    TextTest,
    TextValue,
    Trait,
    children,
)
from rules.text import expression_text, string_text
from rules.where import is_constant

__all__ = ["Known", "always_flaw", "never_flaw"]

_EXPECTED = "a comparison that some users meet and some do not"


@dataclass(frozen=True, slots=True)
class Known:
    """What a catalog tells of values: the levels of each tier, and the bins of each model of quantiles."""

    levels: Mapping[str, Sequence[str]]
    bins: Mapping[str, int]


def never_flaw(node: Node, span: Span, known: Known, *, is_where: bool) -> Flaw:
    """The flaw of a single comparison that can never hold."""
    reason, suggestion = _reason(node, known)
    who = "no event" if is_where else "nobody"
    message = f"{reason}, so this holds for {who}"
    return Flaw(ProblemCode.NEVER_HOLDS, message, span, clip(expression_text(node)), _EXPECTED, suggestion)


def always_flaw(node: Node, span: Span, known: Known, *, is_certain: bool) -> Flaw:
    """The flaw of a single comparison that can never fail; `is_certain`: not by a missing value either."""
    reason, _ = _reason(node, known)
    who = "everybody" if is_certain else "everybody who has the value; that is has(…)"
    message = f"{reason}, so this holds for {who}"
    return Flaw(ProblemCode.ALWAYS_HOLDS, message, span, clip(expression_text(node)), _EXPECTED)


def _reason(node: Node, known: Known) -> tuple[str, str | None]:
    """Why a comparison is decided, and what was meant where that is plain."""
    sides = [side for side in _sides(node) if not is_constant(side)]
    if len(sides) != 1:
        return ("the two sides are always in one order" if sides else "this compares constants"), None
    side = sides[0]
    match side:
        case Lower():
            return _of_small_letters(node)
        case Level():
            return f"{expression_text(side)} is one of {', '.join(known.levels.get(side.tier, ()))}", None
        case ClusterOf():
            return f"{expression_text(side)} is a whole number from 1 on", None
        case ScoreOf():
            return f"{expression_text(side)} is a number from 0 to 1", None
        case QuantileOf():
            return f"{expression_text(side)} is a whole number from 1 to {known.bins[side.model]}", None
        case Days(yearly=True):
            return f"{side.function}(…, yearly=true) is a whole number from 0 to 365", None
        case Days():
            return f"{side.function}(…) is a whole number", None
        case Aggregate():
            return _of_aggregate(side), None
        case Trait() | Property():
            return "no value meets all of it", None
        case _:
            return f"{clip(expression_text(side))} comes to no such value", None


def _sides(node: Node) -> tuple[Node, ...]:
    match node:
        case Compare():
            return (node.left, node.right)
        case Among() | TextTest():
            return (node.operand,)
        case _:
            return children(node)


def _of_aggregate(node: Aggregate) -> str:
    name = f"{node.function}(…)"
    match node.function:
        case "count" | "since" | "since_first":
            return f"{name} is a whole number from 0 on"
        case "distinct":
            return f"{name} is a whole number from 0 to 64"
        case "top_hour":
            return f"{name} is a whole number from 0 to 23"
        case "sum":
            return f"{name} is at most 9·10^12 in magnitude"
        case "mean" | "min" | "max":
            return f"{name} is at most 10^12 in magnitude"
        case _:
            return f"{name} has no such value"


def _of_small_letters(node: Node) -> tuple[str, str | None]:
    reason = "lower(…) has no capital letters"
    texts = [part.value for part in children(node) if isinstance(part, TextValue)]
    if len(texts) == 1 and not is_small(texts[0]):
        return reason, string_text(texts[0].lower())
    return reason, None
