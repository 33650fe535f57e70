"""Types: each expression's tags written out, each value given the type its place asks for.

Resolving goes down a tree with what its place asks for (`want`) and up with the resolved node. Before an operator's
sides are asked for anything, a look at them (`rules.leaning`) tells which type they have of themselves.

A tag's tree is resolved once and shared by all that use it. A tag that is nothing but an open value (a trait, a latest
or a top value) or a string constant has no type of its own either: each use makes its own leaf.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from rules.calls import HOLE
from rules.clusters import ClusterNames
from rules.comparisons import choice_flaws, comparison_flaws
from rules.durations import DurationError, parse_duration
from rules.errors import Flaw, ProblemCode, clip
from rules.leaning import Leaning
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
    Span,
    TagName,
    TextTest,
    TextValue,
    Trait,
    is_open,
    kind_of,
)
from rules.parse import MAX_TREE_DEPTH
from rules.remarks import mismatch, remark
from rules.scope import BROKEN, ResolvedTag, Scope
from rules.where import is_constant, where_flaws

__all__ = ["MAX_PARTS", "MAX_TEXT_BYTES", "Resolved", "ResolvedTag", "Scope", "resolve"]

MAX_PARTS = 20_000
"""Nodes of one expression with its tags written out. Ten tags that each use the one before ten times are 10^10."""

MAX_TEXT_BYTES = 256
"""Strings of users are kept to this many bytes of UTF-8."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A resolved expression. `tag` is broken if there is an error among the flaws; those may be warnings only."""

    tag: ResolvedTag
    flaws: tuple[Flaw, ...]


def resolve(node: Node, scope: Scope | Mapping[str, ResolvedTag], want: Kind = Kind.ANY) -> Resolved:
    """The resolved tree of a parsed expression, and all flaws of its names and types.

    `scope` has the names that may be used (or only the tags, resolved before). `want` is what the expression must be:
    BOOLEAN for a condition, ANY for a tag.
    """
    resolver = _Resolver(scope if isinstance(scope, Scope) else Scope(scope))
    result = resolver.want(node, want, 1)
    if any(flaw.severity == "error" for flaw in resolver.flaws) or result is None:
        return Resolved(BROKEN, tuple(resolver.flaws))
    return Resolved(ResolvedTag(result, kind_of(result), resolver.parts, resolver.depth), tuple(resolver.flaws))


class _Resolver:
    """One expression. Methods return None where a part is broken; `None` for a kind means that nobody knows it."""

    def __init__(self, scope: Scope) -> None:
        self.flaws: list[Flaw] = []
        self.parts = 0
        self.depth = 0
        self._scope = scope
        self._leaning = Leaning(scope.tags)
        self._clusters = ClusterNames(scope, self.flaws)
        self._in_where = False
        self._is_too_large = False

    def want(self, node: Node, want: Kind | None, depth: int) -> Node | None:
        """The node resolved as what its place wants: a kind, ANY for whatever it is, None if nobody can tell."""
        self.parts += 1
        self.depth = max(self.depth, depth)
        made: Node | None
        match node:  # what there is most of comes first
            case NumberValue():
                return self._of_kind(node.span, node, Kind.NUMBER, want)
            case Compare():
                return self._of_kind(node.span, self._compare(node, depth), Kind.BOOLEAN, want)
            case Aggregate():
                return self._open(node, node.span, want) if is_open(node) else self._aggregate(node, want, depth)
            case And() | Or():
                operands = tuple(self.want(operand, Kind.BOOLEAN, depth + 1) for operand in node.operands)
                whole = tuple(operand for operand in operands if operand is not None)
                made = type(node)(whole, node.span) if len(whole) == len(operands) else None
                return self._of_kind(node.span, made, Kind.BOOLEAN, want)
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
            case Membership() | Level():
                flaw = self._scope.flaw_of_unit(node)
                if flaw is not None:
                    self.flaws.append(flaw)
                return self._of_kind(node.span, node if flaw is None else None, kind_of(node), want)
            case ClusterOf() | ScoreOf() | QuantileOf():
                flaw = self._scope.flaw_of_model(node)
                if flaw is not None:
                    self.flaws.append(flaw)
                return self._of_kind(node.span, node if flaw is None else None, Kind.NUMBER, want)
            case Lower() | TextTest() | Days():
                return self._of_kind(node.span, self._of_string(node, depth), kind_of(node), want)
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
            case Among():
                return self._of_kind(node.span, self._among(node, depth), Kind.BOOLEAN, want)
            case _:
                assert_never(node)

    # Leaves

    def _of_kind(self, span: Span, made: Node | None, kind: Kind, want: Kind | None) -> Node | None:
        """`made`, if its kind is wanted, and what is remarkable about it; else a flaw at `span`."""
        if made is not None and (warning := remark(made)) is not None:
            self.flaws.append(warning)
        if want is kind or want is Kind.ANY or want is None:
            return made
        self.flaws.append(mismatch(span, kind, want))
        return None

    def _open(self, node: Trait | Property | Aggregate, span: Span, want: Kind | None) -> Node | None:
        if want is Kind.DURATION:
            what = node.function if isinstance(node, Aggregate) else type(node).__name__.lower()
            message = f"{what}(…) is a number, a string or a boolean, never a duration"
            self._flaw(ProblemCode.WRONG_TYPE, message, span, found=f"{what}(…)", expected="a duration")
            return None
        kind = want or Kind.ANY
        match node:
            case Trait() | Property():
                return type(node)(node.name, kind, span)
            case Aggregate():
                return replace(node, kind=kind, span=span)

    def _text(self, node: TextValue, span: Span, want: Kind | None) -> Node | None:
        if want is not Kind.DURATION:
            size = len(node.value.encode())
            if size > MAX_TEXT_BYTES:
                message = (
                    f"the string has {size} bytes; those of users are kept to {MAX_TEXT_BYTES}, so it never is one"
                )
                expected = f"at most {MAX_TEXT_BYTES} bytes of UTF-8"
                self._flaw(ProblemCode.TEXT_TOO_LONG, message, span, clip(node.value), expected)
                return None
            return self._of_kind(span, TextValue(node.value, span), Kind.STRING, want)
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
        flaw = self._scope.flaw_of_tag(node)
        if flaw is not None:
            self.flaws.append(flaw)
            return None
        tag = self._scope.tags[node.name]
        if tag.node is None or tag.kind is None:
            return None
        self.parts += tag.parts - 1
        self.depth = max(self.depth, depth + tag.depth - 1)
        if self.parts > MAX_PARTS or self.depth > MAX_TREE_DEPTH:
            self._too_large(node)
            return None
        if is_open(tag.node) and tag.kind is Kind.ANY:
            return self._open(tag.node, node.span, want)
        if isinstance(tag.node, TextValue):
            return self._text(tag.node, node.span, want)
        if want is not tag.kind and want is not Kind.ANY and want is not None:
            self.flaws.append(mismatch(node.span, tag.kind, want))
            return None
        return tag.node

    def _aggregate(self, node: Aggregate, want: Kind | None, depth: int) -> Node | None:
        where = node.where
        if where is None:
            return self._of_kind(node.span, node, kind_of(node), want)
        flaws = where_flaws(where, self._is_constant_tag)
        self.flaws.extend(flaws)
        was_in_where, self._in_where = self._in_where, True
        resolved = None if flaws else self.want(where, Kind.BOOLEAN, depth + 1)
        self._in_where = was_in_where
        made = None if resolved is None else replace(node, where=resolved)
        return self._of_kind(node.span, made, kind_of(node), want)

    def _is_constant_tag(self, node: TagName) -> bool:
        if node.name == HOLE or node.name not in self._scope.tags:
            return True  # an unknown name is spoken of as such
        tag = self._scope.tags[node.name]
        return tag.node is None or is_constant(tag.node)

    def _of_string(self, node: Lower | TextTest | Days, depth: int) -> Node | None:
        """What reads a string of the user: its operand is an open value, for `TextTest` also one in small letters."""
        operand = self.want(node.operand, Kind.STRING, depth + 1)
        text = None
        if isinstance(node, TextTest):
            text = self._text(node.text, node.text.span, Kind.STRING)
            self.parts += 1
        if operand is None or (isinstance(node, TextTest) and text is None):
            return None
        if isinstance(node, Days):
            is_right = isinstance(operand, Trait) or (isinstance(operand, Aggregate) and operand.function == "latest")
            expected = "a trait or latest(…)"
        else:
            is_right = is_open(operand) or (isinstance(node, TextTest) and isinstance(operand, Lower))
            expected = "a trait, latest(…), top(…), or in where= a property"
        if not is_right:
            function = "lower" if isinstance(node, Lower) else node.function
            message = f"{function} reads {expected}, and nothing else"
            self._flaw(ProblemCode.BAD_ARGUMENT, message, node.operand.span, expected=expected)
            return None
        return replace(node, operand=operand)

    # Operators

    def _arithmetic(self, node: Negate | Arithmetic, want: Kind | None, depth: int) -> Node | None:
        kind = self._leaning.of(node)
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
            if self._leaning.of(side) is Kind.DURATION:
                message = f'durations are added, subtracted and compared with durations; there is no "{node.operator}"'
                self._flaw(ProblemCode.WRONG_TYPE, message, node.span, "a duration", "numbers")
                return

    def _compare(self, written: Compare, depth: int) -> Node | None:
        node = self._clusters.by_number(written)
        if node is None:
            return None
        kind = self._kind_or_flaw(self._leaning.of_comparison(node))
        left = self.want(node.left, kind, depth + 1)
        right = self.want(node.right, kind, depth + 1)
        if left is None or right is None or kind is None:
            return None
        made = Compare(node.operator, left, right, node.span)
        return self._without(made, list(comparison_flaws(made, node, self._scope)))

    def _among(self, written: Among, depth: int) -> Node | None:
        node = self._clusters.by_number(written)
        if node is None:
            return None
        kind = self._kind_or_flaw(self._leaning.of_choices(node))
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
        among = Among(operand, tuple(choices), node.negated, node.span)
        return self._without(among, list(choice_flaws(among, self._scope)))

    # What is said

    def _kind_or_flaw(self, kind: Kind | Flaw | None) -> Kind | None:
        if isinstance(kind, Flaw):
            self.flaws.append(kind)
            return None
        return kind

    def _without(self, made: Node, flaws: list[Flaw]) -> Node | None:
        self.flaws.extend(flaws)
        return None if flaws else made

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
