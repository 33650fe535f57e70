"""Which type a part of an expression has of itself, before its place asks for any.

A trait, a property, the latest or the top value have none and take what the other side of an operator has; a string may
yet become a duration beside one.
"""

from __future__ import annotations

from collections.abc import Mapping

from rules.errors import Flaw, ProblemCode
from rules.nodes import Among, Arithmetic, Compare, Kind, Negate, Node, NumberValue, TagName, TextValue, kind_of
from rules.remarks import KIND_NAMES
from rules.scope import BROKEN, ResolvedTag

__all__ = ["Leaning"]


class Leaning:
    """The leanings of one expression's parts; `tags` are those that it may name."""

    def __init__(self, tags: Mapping[str, ResolvedTag]) -> None:
        self._tags = tags
        self._known: dict[int, Kind | None] = {}

    def of(self, node: Node) -> Kind | None:
        """The kind that a node has of itself: ANY if its place decides, STRING if it may yet become a duration.

        None if nobody can tell: a part of it is broken.
        """
        if isinstance(node, TagName):
            return self._tags.get(node.name, BROKEN).kind
        if not isinstance(node, (Negate, Arithmetic)):
            return kind_of(node)
        # Each operator of a long chain asks again about all that stands left of it, so the answer is kept.
        if id(node) not in self._known:
            self._known[id(node)] = self._of_arithmetic(node)
        return self._known[id(node)]

    def _of_arithmetic(self, node: Negate | Arithmetic) -> Kind | None:
        if isinstance(node, Negate):
            kind = self.of(node.operand)
            return Kind.NUMBER if kind is Kind.ANY else kind
        kinds = (self.of(node.left), self.of(node.right))
        if node.operator in "*/":
            return None if Kind.DURATION in kinds else Kind.NUMBER
        for kind in (Kind.DURATION, Kind.NUMBER, None, Kind.STRING):
            if kind in kinds:
                return kind
        # Two traits are numbers where they are added, and two conditions are nothing.
        return Kind.NUMBER if Kind.ANY in kinds else Kind.BOOLEAN

    def of_comparison(self, node: Compare) -> Kind | Flaw | None:
        """What both sides of a comparison are; None if they are broken, a flaw if they cannot be compared."""
        sides = (self.of(node.left), self.of(node.right))
        if Kind.BOOLEAN in sides:
            advice = "a condition stands alone, as in: x, or not x"
            message = f"conditions are combined by and, or, not; they are not compared: {advice}"
            expected = "numbers, strings or durations"
            return Flaw(ProblemCode.CONDITION_COMPARED, message, node.span, "a condition", expected)
        for kind in (Kind.DURATION, Kind.NUMBER, None):
            if kind in sides:
                return kind
        is_equality = node.operator in ("==", "!=")
        if Kind.STRING in sides:
            if is_equality:
                return Kind.STRING
            message = (
                f'strings take ==, !=, in, not in, and no "{node.operator}"; '
                "a string is a duration only beside a duration such as since()"
            )
            return Flaw(ProblemCode.WRONG_TYPE, message, node.span, "a string", "numbers or durations")
        if is_equality:
            message = "nothing tells the type of the two sides; compare with a constant"
            expected = "a constant on one side"
            return Flaw(ProblemCode.UNCLEAR_TYPE, message, node.span, "two values of any type", expected)
        return Kind.NUMBER

    def of_choices(self, node: Among) -> Kind | Flaw | None:
        """What the choices after `in` are, and so the value before it; None if all are broken."""
        first: Kind | None = None
        for choice in node.choices:
            if not isinstance(choice, (NumberValue, TextValue)):
                continue  # a hole: spoken of when it was parsed
            kind = Kind.NUMBER if isinstance(choice, NumberValue) else Kind.STRING
            if first is not None and kind is not first:
                message = "the choices are all numbers or all strings, not both"
                return Flaw(ProblemCode.BAD_CHOICES, message, choice.span, KIND_NAMES[kind], KIND_NAMES[first])
            first = kind
        if first is Kind.STRING and self.of(node.operand) is Kind.DURATION:
            return Kind.DURATION
        return first
