"""Nodes back to text: the expression as somebody would write it, which parses to the same tree again.

Brackets stand only where they are needed, chains are chains (`30 <= x <= 45`), durations are in days rather than weeks
(`"14d"`). Where `names` has a tag for a tree, the tag's name stands in its place, as in the catalog.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import assert_never

from rules.durations import UNIT_MS
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
)

__all__ = ["comparison_text", "duration_text", "expression_text", "number_text", "string_text", "tag_texts"]

# How tightly each kind of node holds its parts together; brackets go round what holds less tightly than its place.
_OR, _AND, _NOT, _COMPARISON, _SUM, _PRODUCT, _SIGN, _VALUE = range(1, 9)

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_FALLING = frozenset({">", ">="})
_RISING = frozenset({"<", "<="})


def expression_text(node: Node, names: Mapping[Node, str] | None = None) -> str:
    """The text of an expression; `names` as `tag_texts` gives them. It parses and resolves to an equal tree."""
    return _Writer(names or {}).text(node, _OR)


def comparison_text(operator: str, left: Node, right: Node, names: Mapping[Node, str] | None = None) -> str:
    """The text of a single comparison, such as `spend_90d >= 3000`."""
    return expression_text(Compare(operator, left, right), names)


def tag_texts(tags: Iterable[tuple[str, Node]]) -> dict[Node, str]:
    """For trees that are tags, their names: of two equal tags the first. Constants keep their own text."""
    names: dict[Node, str] = {}
    for name, expression in tags:
        if not isinstance(expression, NumberValue | TextValue | BooleanValue | DurationValue):
            names.setdefault(_untyped(expression), name)
    return names


def number_text(value: float) -> str:
    """A number as expressions have it: whole ones without a fraction."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def string_text(value: str) -> str:
    """A string in double quotes, with the escapes that the language knows."""
    return f'"{value.translate(_ESCAPES)}"'


def duration_text(ms: int) -> str:
    """A duration without quotes in the greatest unit up to days that is exact (`36h`, `14d`), else in `ms`."""
    if ms < 0:
        return f"-{duration_text(-ms)}"
    for unit in ("d", "h", "m", "s"):
        if ms and ms % UNIT_MS[unit] == 0:
            return f"{ms // UNIT_MS[unit]}{unit}"
    return f"{ms}ms" if ms else "0s"


def _untyped(node: Node) -> Node:
    """The node without the type that its place gave it: a tag that is nothing but a trait has none."""
    if isinstance(node, Trait) or (isinstance(node, Aggregate) and node.function in ("latest", "top")):
        return replace(node, kind=Kind.ANY)
    return node


class _Writer:
    def __init__(self, names: Mapping[Node, str]) -> None:
        self._names = names

    def text(self, node: Node, place: int) -> str:
        """The node's text for a place that asks for parts holding at least so tightly."""
        if self._names:
            name = self._names.get(_untyped(node))
            if name is not None:
                return name
        strength, text = self._write(node)
        return text if strength >= place else f"({text})"

    def _write(self, node: Node) -> tuple[int, str]:
        match node:
            case NumberValue():
                return (_VALUE if node.value >= 0 else _SIGN), number_text(node.value)
            case TextValue():
                return _VALUE, string_text(node.value)
            case BooleanValue():
                return _VALUE, "true" if node.value else "false"
            case DurationValue():
                sign = "-" if node.ms < 0 else ""
                return (_SIGN if sign else _VALUE), f'{sign}"{duration_text(abs(node.ms))}"'
            case TagName():
                return _VALUE, node.name
            case Trait():
                return _VALUE, f"trait({string_text(node.name)})"
            case Property():
                return _VALUE, f"property({string_text(node.name)})"
            case Membership():
                return _VALUE, f"in_segment({node.segment})"
            case Level():
                return _VALUE, f"level({node.tier})"
            case ClusterOf():
                return _VALUE, f"cluster({node.model})"
            case ScoreOf():
                return _VALUE, f"score({node.model})"
            case QuantileOf():
                return _VALUE, f"quantile({node.model}, {node.field})"
            case Aggregate():
                return _VALUE, self._aggregate(node)
            case Lower():
                return _VALUE, f"lower({self.text(node.operand, _OR)})"
            case TextTest():
                return _VALUE, f"{node.function}({self.text(node.operand, _OR)}, {self.text(node.text, _OR)})"
            case Days():
                yearly = ", yearly=true" if node.yearly else ""
                return _VALUE, f"{node.function}({self.text(node.operand, _OR)}{yearly})"
            case Has():
                return _VALUE, f"has({self.text(node.operand, _OR)})"
            case Negate():
                return _SIGN, f"-{self.text(node.operand, _SIGN)}"
            case Arithmetic():
                strength = _SUM if node.operator in "+-" else _PRODUCT
                left, right = self.text(node.left, strength), self.text(node.right, strength + 1)
                return strength, f"{left} {node.operator} {right}"
            case Compare():
                return _COMPARISON, self._pair(node)
            case Among():
                choices = ", ".join(self.text(choice, _OR) for choice in node.choices)
                word = "not in" if node.negated else "in"
                return _COMPARISON, f"{self.text(node.operand, _SUM)} {word} [{choices}]"
            case And():
                if _is_chain(node.operands):
                    return _COMPARISON, self._chain(node.operands)
                return _AND, " and ".join(self.text(operand, _AND + 1) for operand in node.operands)
            case Or():
                return _OR, " or ".join(self.text(operand, _OR + 1) for operand in node.operands)
            case Not():
                return _NOT, f"not {self.text(node.operand, _NOT)}"
            case _:
                assert_never(node)

    def _aggregate(self, node: Aggregate) -> str:
        arguments = [string_text(name) for name in (node.event, node.property) if name is not None]
        if node.last_ms is not None:
            arguments.append(f'last="{duration_text(node.last_ms)}"')
        if node.half_life_ms is not None:
            arguments.append(f'half_life="{duration_text(node.half_life_ms)}"')
        if node.where is not None:
            arguments.append(f"where={self.text(node.where, _OR)}")
        return f"{node.function}({', '.join(arguments)})"

    def _pair(self, node: Compare) -> str:
        return f"{self.text(node.left, _SUM)} {node.operator} {self.text(node.right, _SUM)}"

    def _chain(self, operands: tuple[Node, ...]) -> str:
        pairs = [operand for operand in operands if isinstance(operand, Compare)]
        rest = "".join(f" {pair.operator} {self.text(pair.right, _SUM)}" for pair in pairs[1:])
        return self._pair(pairs[0]) + rest


def _is_chain(operands: tuple[Node, ...]) -> bool:
    """Whether the operands are `a < b`, `b < c` and so on, all of one direction."""
    pairs = [operand for operand in operands if isinstance(operand, Compare)]
    if len(pairs) < len(operands):
        return False
    operators = {pair.operator for pair in pairs}
    if not (operators <= _RISING or operators <= _FALLING):
        return False
    return all(first.right == second.left for first, second in itertools.pairwise(pairs))
