"""Types: each expression's tags written out, each value given the type its place asks for.

Resolving goes down a tree with what its place asks for (`want`) and up with the resolved node. Before an operator's
sides are asked for anything, a look at them (`_lean`) tells which type they have of themselves: a trait or a property
has none and takes what the other side has; a string is a duration only where the other side is one.

A tag's tree is resolved once and shared by all that use it. A tag that is nothing but a trait or a string constant has
no type of its own either: each use makes its own leaf.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from rules.calls import HOLE
from rules.durations import DurationError, parse_duration
from rules.errors import Flaw, ProblemCode, clip
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
    Span,
    TagName,
    TextValue,
    Trait,
    kind_of,
)
from rules.parse import MAX_TREE_DEPTH
from rules.remarks import KIND_NAMES, mismatch, remark
from rules.suggest import Suggester
from rules.where import is_constant, where_flaws

__all__ = ["MAX_PARTS", "MAX_TEXT_BYTES", "Resolved", "ResolvedTag", "cut_text", "resolve"]

MAX_PARTS = 20_000
"""Nodes of one expression with its tags written out. Ten tags that each use the one before ten times are 10^10."""

MAX_TEXT_BYTES = 256
"""Strings of users are kept to this length and compared after cutting, so constants are cut the same way."""


@dataclass(frozen=True, slots=True)
class ResolvedTag:
    """A tag as others use it. `node` is None for a broken tag: those that use it say nothing more about it."""

    node: Node | None
    kind: Kind | None
    parts: int = 0
    depth: int = 0


BROKEN = ResolvedTag(None, None)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A resolved expression. `tag` is broken if there is an error among the flaws; those may be warnings only."""

    tag: ResolvedTag
    flaws: tuple[Flaw, ...]


def resolve(
    node: Node,
    tags: Mapping[str, ResolvedTag],
    want: Kind = Kind.ANY,
    *,
    other_names: Mapping[str, str] | None = None,
    suggester: Suggester | None = None,
) -> Resolved:
    """The resolved tree of a parsed expression, and all flaws of its names and types.

    `tags` are the tags that may be named, resolved before. `want` is what the expression must be: BOOLEAN for a
    condition, ANY for a tag. `other_names` are names of the catalog that are no tags, with what they are.
    """
    resolver = _Resolver(tags, other_names or {}, suggester or Suggester())
    result = resolver.want(node, want, 1)
    if any(flaw.severity == "error" for flaw in resolver.flaws) or result is None:
        return Resolved(BROKEN, tuple(resolver.flaws))
    return Resolved(ResolvedTag(result, kind_of(result), resolver.parts, resolver.depth), tuple(resolver.flaws))


def cut_text(text: str) -> str:
    """The text cut to at most 256 bytes of UTF-8, at a character's boundary."""
    if len(text) * 4 <= MAX_TEXT_BYTES:
        return text
    return text.encode()[:MAX_TEXT_BYTES].decode(errors="ignore")


class _Resolver:
    """One expression. Methods return None where a part is broken; `None` for a kind means that nobody knows it."""

    def __init__(self, tags: Mapping[str, ResolvedTag], other_names: Mapping[str, str], suggester: Suggester) -> None:
        self.flaws: list[Flaw] = []
        self.parts = 0
        self.depth = 0
        self._tags = tags
        self._other_names = other_names
        self._suggester = suggester
        self._in_where = False
        self._is_too_large = False
        self._leans: dict[int, Kind | None] = {}

    def want(self, node: Node, want: Kind | None, depth: int) -> Node | None:
        """The node resolved as what its place wants: a kind, ANY for whatever it is, None if nobody can tell."""
        self.parts += 1
        self.depth = max(self.depth, depth)
        made: Node | None
        match node:
            case NumberValue():
                return self._of_kind(node.span, node, Kind.NUMBER, want)
            case TextValue():
                return self._text(node, node.span, want)
            case BooleanValue() | DurationValue():
                return self._of_kind(node.span, node, kind_of(node), want)
            case TagName():
                return self._tag(node, want, depth)
            case Trait():
                return self._open(node, node.span, want)
            case Property():
                if not self._in_where:
                    message = "property reads the event being counted, so it stands only in where="
                    suggestion = f'trait("{clip(node.name)}")'
                    self._flaw(ProblemCode.PROPERTY_OUTSIDE_WHERE, message, node.span, suggestion=suggestion)
                    return None
                return self._open(node, node.span, want)
            case Aggregate():
                return self._aggregate(node, want, depth)
            case Has():
                operand = self.want(node.operand, Kind.ANY, depth + 1)
                made = None if operand is None else Has(operand, node.span)
                return self._of_kind(node.span, made, Kind.BOOLEAN, want)
            case Not():
                operand = self.want(node.operand, Kind.BOOLEAN, depth + 1)
                made = None if operand is None else Not(operand, node.span)
                return self._of_kind(node.span, made, Kind.BOOLEAN, want)
            case Negate() | Arithmetic():
                return self._arithmetic(node, want, depth)
            case And() | Or():
                operands = tuple(self.want(operand, Kind.BOOLEAN, depth + 1) for operand in node.operands)
                whole = tuple(operand for operand in operands if operand is not None)
                made = type(node)(whole, node.span) if len(whole) == len(operands) else None
                return self._of_kind(node.span, made, Kind.BOOLEAN, want)
            case Compare():
                return self._of_kind(node.span, self._compare(node, depth), Kind.BOOLEAN, want)
            case Among():
                return self._of_kind(node.span, self._among(node, depth), Kind.BOOLEAN, want)
            case _:
                assert_never(node)

    def _lean(self, node: Node) -> Kind | None:
        """The kind that a node has of itself: ANY if its place decides, STRING if it may yet become a duration."""
        if isinstance(node, TagName):
            return self._tags.get(node.name, BROKEN).kind
        if not isinstance(node, (Negate, Arithmetic)):
            return kind_of(node)
        # Each operator of a long chain asks again about all that stands left of it, so the answer is kept.
        if id(node) not in self._leans:
            self._leans[id(node)] = self._lean_of_arithmetic(node)
        return self._leans[id(node)]

    def _lean_of_arithmetic(self, node: Negate | Arithmetic) -> Kind | None:
        if isinstance(node, Negate):
            kind = self._lean(node.operand)
            return Kind.NUMBER if kind is Kind.ANY else kind
        kinds = (self._lean(node.left), self._lean(node.right))
        if node.operator in "*/":
            return None if Kind.DURATION in kinds else Kind.NUMBER
        for kind in (Kind.DURATION, Kind.NUMBER, None, Kind.STRING):
            if kind in kinds:
                return kind
        # Two traits are numbers where they are added, and two conditions are nothing.
        return Kind.NUMBER if Kind.ANY in kinds else Kind.BOOLEAN

    # Leaves

    def _of_kind(self, span: Span, made: Node | None, kind: Kind, want: Kind | None) -> Node | None:
        """`made`, if its kind is wanted, and what is remarkable about it; else a flaw at `span`."""
        if made is not None and (warning := remark(made)) is not None:
            self.flaws.append(warning)
        if want is kind or want is Kind.ANY or want is None:
            return made
        self._mismatch(span, kind, want)
        return None

    def _open(self, node: Trait | Property, span: Span, want: Kind | None) -> Node | None:
        if want is Kind.DURATION:
            what = "a trait" if isinstance(node, Trait) else "a property"
            message = f"{what} is a number, a string or a boolean, never a duration"
            self._flaw(ProblemCode.WRONG_TYPE, message, span, found=what, expected="a duration")
            return None
        return type(node)(node.name, want or Kind.ANY, span)

    def _text(self, node: TextValue, span: Span, want: Kind | None) -> Node | None:
        if want is not Kind.DURATION:
            return self._of_kind(span, TextValue(cut_text(node.value), span), Kind.STRING, want)
        try:
            return DurationValue(parse_duration(node.value), span)
        except DurationError as error:
            suggestion = None if error.suggestion is None else f'"{error.suggestion}"'
            message = f'"{clip(node.value)}" stands beside a duration and is none: {error}'
            expected = 'a duration such as "7d"'
            self._flaw(ProblemCode.BAD_DURATION, message, span, clip(node.value), expected, suggestion)
            return None

    def _tag(self, node: TagName, want: Kind | None, depth: int) -> Node | None:
        if node.name == HOLE:
            return None
        tag = self._tags.get(node.name)
        if tag is None:
            self._unknown(node)
            return None
        if tag.node is None or tag.kind is None:
            return None
        self.parts += tag.parts - 1
        self.depth = max(self.depth, depth + tag.depth - 1)
        if self.parts > MAX_PARTS or self.depth > MAX_TREE_DEPTH:
            self._too_large(node)
            return None
        if isinstance(tag.node, Trait) and tag.kind is Kind.ANY:
            return self._open(tag.node, node.span, want)
        if isinstance(tag.node, TextValue):
            return self._text(tag.node, node.span, want)
        if want is not tag.kind and want is not Kind.ANY and want is not None:
            self._mismatch(node.span, tag.kind, want)
            return None
        return tag.node

    def _aggregate(self, node: Aggregate, want: Kind | None, depth: int) -> Node | None:
        where = node.where
        if where is not None:
            flaws = where_flaws(where, self._is_constant_tag)
            self.flaws.extend(flaws)
            self._in_where = True
            where = None if flaws else self.want(where, Kind.BOOLEAN, depth + 1)
            self._in_where = False
        made: Node | None = None
        if where is not None or node.where is None:
            made = Aggregate(node.function, node.event, node.property, node.last_ms, where, node.span)
        return self._of_kind(node.span, made, kind_of(node), want)

    def _is_constant_tag(self, node: TagName) -> bool:
        if node.name == HOLE or node.name not in self._tags:
            return True  # an unknown name is spoken of as such
        tag = self._tags[node.name]
        return tag.node is None or is_constant(tag.node)

    # Operators

    def _arithmetic(self, node: Negate | Arithmetic, want: Kind | None, depth: int) -> Node | None:
        kind = self._lean(node)
        if kind is Kind.STRING and want is Kind.DURATION:
            kind = Kind.DURATION
        if kind is Kind.STRING or kind is Kind.BOOLEAN:
            what = "strings" if kind is Kind.STRING else "conditions"
            advice = "; a string is a duration only beside a duration" if kind is Kind.STRING else ""
            message = f"there is no arithmetic with {what}{advice}"
            self._flaw(ProblemCode.WRONG_TYPE, message, node.span, what, "numbers or durations")
            kind = None
        made: Node | None = None
        if isinstance(node, Negate):
            operand = self.want(node.operand, kind, depth + 1)
            if isinstance(operand, DurationValue):
                made = DurationValue(-operand.ms, node.span)
            elif operand is not None:
                made = Negate(operand, node.span)
        else:
            if node.operator in "*/":
                self._refuse_scaled_durations(node)
            left = self.want(node.left, kind, depth + 1)
            right = self.want(node.right, kind, depth + 1)
            if left is not None and right is not None:
                made = Arithmetic(node.operator, left, right, node.span)
        return None if kind is None else self._of_kind(node.span, made, kind, want)

    def _refuse_scaled_durations(self, node: Arithmetic) -> None:
        for side in (node.left, node.right):
            if self._lean(side) is Kind.DURATION:
                message = f'durations are added, subtracted and compared with durations; there is no "{node.operator}"'
                self._flaw(ProblemCode.WRONG_TYPE, message, node.span, "a duration", "numbers")
                return

    def _compare(self, node: Compare, depth: int) -> Node | None:
        kind = self._compared_kind(node)
        left = self.want(node.left, kind, depth + 1)
        right = self.want(node.right, kind, depth + 1)
        if left is None or right is None or kind is None:
            return None
        return Compare(node.operator, left, right, node.span)

    def _compared_kind(self, node: Compare) -> Kind | None:
        """What both sides of a comparison are, or None if they are broken or cannot be compared (a flaw then)."""
        sides = (self._lean(node.left), self._lean(node.right))
        if Kind.BOOLEAN in sides:
            advice = "a condition stands alone, as in: x, or not x"
            message = f"conditions are combined by and, or, not; they are not compared: {advice}"
            expected = "numbers, strings or durations"
            self._flaw(ProblemCode.CONDITION_COMPARED, message, node.span, "a condition", expected)
            return None
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
            self._flaw(ProblemCode.WRONG_TYPE, message, node.span, "a string", "numbers or durations")
            return None
        if is_equality:
            message = "nothing tells the type of the two sides; compare with a constant"
            self._flaw(ProblemCode.UNCLEAR_TYPE, message, node.span, "two values of any type", "a constant on one side")
            return None
        return Kind.NUMBER

    def _among(self, node: Among, depth: int) -> Node | None:
        kind = self._choice_kind(node)
        operand = self.want(node.operand, kind, depth + 1)
        choices: list[Node] = []
        for choice in node.choices:
            self.parts += 1
            if isinstance(choice, NumberValue):
                choices.append(choice)
            elif isinstance(choice, TextValue) and kind is not None:
                made = self._text(choice, choice.span, kind)
                if made is not None:
                    choices.append(made)
        if operand is None or kind is None or len(choices) < len(node.choices):
            return None
        return Among(operand, tuple(choices), node.negated, node.span)

    def _choice_kind(self, node: Among) -> Kind | None:
        first: Kind | None = None
        for choice in node.choices:
            kind = Kind.NUMBER if isinstance(choice, NumberValue) else Kind.STRING
            if not isinstance(choice, (NumberValue, TextValue)):
                continue  # a hole: spoken of when it was parsed
            if first is not None and kind is not first:
                message = "the choices are all numbers or all strings, not both"
                found = KIND_NAMES[kind]
                self._flaw(ProblemCode.BAD_CHOICES, message, choice.span, found, KIND_NAMES[first])
                return None
            first = kind
        if first is Kind.STRING and self._lean(node.operand) is Kind.DURATION:
            return Kind.DURATION
        return first

    # What is said

    def _mismatch(self, span: Span, found: Kind, want: Kind) -> None:
        self.flaws.append(mismatch(span, found, want))

    def _unknown(self, node: TagName) -> None:
        name = clip(node.name)
        what = self._other_names.get(node.name)
        if what is not None:
            message = f"{name} is a {what}; expressions read tags only"
            self._flaw(ProblemCode.NOT_A_TAG, message, node.span, name, "the name of a tag")
            return
        nearest = self._suggester.nearest(node.name, self._tags)
        message = f'there is no tag "{name}"'
        if nearest is None:
            message += "; a string stands in quotes"
        self._flaw(ProblemCode.UNKNOWN_NAME, message, node.span, name, "the name of a tag", nearest)

    def _too_large(self, node: TagName) -> None:
        if self._is_too_large:
            return
        self._is_too_large = True
        message = (
            f"with the tag {clip(node.name)} written out the expression has more than {MAX_PARTS:,} parts "
            f"or {MAX_TREE_DEPTH} levels; simplify the tags that it uses"
        )
        expected = f"at most {MAX_PARTS:,} parts, {MAX_TREE_DEPTH} levels"
        self._flaw(ProblemCode.EXPRESSION_TOO_LARGE, message, node.span, clip(node.name), expected)

    def _flaw(
        self,
        code: ProblemCode,
        message: str,
        span: Span,
        found: str = "",
        expected: str = "",
        suggestion: str | None = None,
    ) -> None:
        self.flaws.append(Flaw(code, message, span, found, expected, suggestion))
