"""Conditions in normal form: negation pushed to the leaves, constants folded.

A condition is three-valued, but all that matters of it is whether it is true. `truth(node)` gives a formula that is
true exactly when the condition is, `falsehood(node)` one that is true exactly when it is false (neither, when it is
unknown). Under Kleene's logic the truth of `and`, `or`, `not` follows from the truth and falsehood of their operands,
so formulas are two-valued and their leaves are single tests: one comparison, one boolean, one presence, one look into
a string.
"""

from __future__ import annotations

import math
from typing import assert_never

from rules.formulas import (
    ALWAYS,
    NEVER,
    All,
    Any,
    Constant,
    Flag,
    Formula,
    Lacks,
    Match,
    Present,
    Test,
    join,
    lacks,
)
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

__all__ = [
    "ALWAYS",
    "NEVER",
    "All",
    "Any",
    "Constant",
    "Flag",
    "Formula",
    "Lacks",
    "Match",
    "Memo",
    "Present",
    "Sizes",
    "Test",
    "compare_numbers",
    "constant_of",
    "falsehood",
    "formula_size",
    "matches",
    "truth",
]

_NEVER_MISSING = ("count", "sum", "distinct")

_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


Memo = dict[tuple[int, str], Formula]
"""Formulas by the identity of their nodes: tags are part of many conditions as the very same tree."""


def truth(node: Node, memo: Memo | None = None) -> Formula:
    """A formula that is true exactly when the resolved condition `node` is true.

    With a `memo`, which must not outlive the trees, a tree that comes again costs nothing and gives the same object.
    """
    return _Normalizer({} if memo is None else memo).verdict(node, True)


def falsehood(node: Node, memo: Memo | None = None) -> Formula:
    """A formula that is true exactly when the resolved condition `node` is false (not when it is unknown)."""
    return _Normalizer({} if memo is None else memo).verdict(node, False)


class _Normalizer:
    def __init__(self, memo: Memo) -> None:
        self._memo = memo

    def verdict(self, node: Node, wanted: bool) -> Formula:
        """Truth or falsehood of a condition."""
        key = (id(node), "true" if wanted else "false")
        made = self._memo.get(key)
        if made is None:
            made = self._memo[key] = self._verdict(node, wanted)
        return made

    def presence(self, node: Node) -> Formula:
        """A formula that is true exactly when the node's value is not missing."""
        key = (id(node), "there")
        made = self._memo.get(key)
        if made is None:
            made = self._memo[key] = self._presence(node)
        return made

    def _verdict(self, node: Node, wanted: bool) -> Formula:
        match node:
            case BooleanValue(value=value):
                return Constant(value is wanted)
            case Trait() | Property() | Membership():
                return Flag(node, wanted)
            case Aggregate() if node.kind is Kind.BOOLEAN:
                return Flag(node, wanted)
            case TextTest(function=function, operand=operand, text=text):
                return _match(operand, function, text.value, wanted)
            case Not(operand=operand):
                return self.verdict(operand, not wanted)
            case And(operands=operands):
                return join("all" if wanted else "any", [self.verdict(operand, wanted) for operand in operands])
            case Or(operands=operands):
                return join("any" if wanted else "all", [self.verdict(operand, wanted) for operand in operands])
            case Compare(operator=operator, left=left, right=right):
                return self._test(operator if wanted else _OPPOSITE[operator], left, right)
            case Among(operand=operand, choices=choices, negated=negated):
                if negated is wanted:
                    return join("all", [self._test("!=", operand, choice) for choice in choices])
                return join("any", [self._test("==", operand, choice) for choice in choices])
            case Has(operand=operand):
                presence = self.presence(operand)
                return presence if wanted else lacks(presence)
            case NumberValue() | TextValue() | DurationValue() | TagName() | Aggregate() | Negate() | Arithmetic():
                raise TypeError(f"{type(node).__name__} is not a resolved condition")
            case Level() | Lower() | Days() | ClusterOf() | ScoreOf() | QuantileOf():
                raise TypeError(f"{type(node).__name__} is not a resolved condition")
            case _:
                assert_never(node)

    def _presence(self, node: Node) -> Formula:
        """Built from the parts' presence, not as "true or false".

        What lies below would stand in both, and twice as often with every `has` inside another.
        """
        match node:
            case Trait() | Property() | Days() | ClusterOf() | ScoreOf() | QuantileOf():
                return Present(node)
            case Aggregate():
                return ALWAYS if node.function in _NEVER_MISSING else Present(node)
            case Membership() | Level() | Has():
                return ALWAYS
            case Lower(operand=operand) | TextTest(operand=operand) | Among(operand=operand) | Not(operand=operand):
                return self.presence(operand)
            case Compare(left=left, right=right):
                return join("all", [self.presence(left), self.presence(right)])
            case And(operands=operands):
                return self._known(operands, decisive=False)
            case Or(operands=operands):
                return self._known(operands, decisive=True)
            case BooleanValue() | TextValue():
                return ALWAYS
            case NumberValue() | DurationValue() | Negate() | Arithmetic():
                if kind_of(node) is Kind.DURATION:
                    return join("all", [Present(part) for part in _sinces(node)])
                constant = constant_of(node)
                return self._test("==", node, node) if constant is None else Constant(not math.isnan(constant))
            case TagName():
                raise TypeError("TagName is not resolved")
            case _:
                assert_never(node)

    def _known(self, operands: tuple[Node, ...], *, decisive: bool) -> Formula:
        """Every operand is known, or one of them decides: a false one in `and`, a true one in `or`."""
        every = join("all", [self.presence(operand) for operand in operands])
        if every == ALWAYS:
            return ALWAYS
        return join("any", [every, *(self.verdict(operand, decisive) for operand in operands)])

    def _test(self, operator: str, left: Node, right: Node) -> Formula:
        if kind_of(left) is Kind.STRING or kind_of(right) is Kind.STRING:
            return _text_test(operator, left, right)
        if kind_of(left) is Kind.NUMBER and kind_of(right) is Kind.NUMBER:
            values = constant_of(left), constant_of(right)
            if values[0] is not None and values[1] is not None:
                return Constant(compare_numbers(operator, values[0], values[1]))
            if any(value is not None and math.isnan(value) for value in values):
                return NEVER
            if left == right and isinstance(
                left, Trait | Property | Aggregate | Days | ClusterOf | ScoreOf | QuantileOf
            ):
                return self.presence(left) if operator in ("==", "<=", ">=") else NEVER
        return Test(operator, left, right)


Sizes = tuple[int, int, int]
"""How many tests truth, falsehood and presence of a node have."""


def formula_size(node: Node, kept: dict[int, Sizes] | None = None) -> int:
    """How many tests the formula of a resolved condition has, at most; found without making it.

    It is the number of comparisons as they stand, but where an `and` inside an `or` (or the reverse) stands in a `has`:
    there its parts are asked for both ways, which doubles with each such pair inside another.
    `kept`: by identity, what was found of trees that still live and of which this one may be made; it gets this one.
    """
    sizes = _sizes(node, kept or {})
    if kept is not None:
        kept[id(node)] = sizes
    return sizes[0]


def _sizes(node: Node, kept: dict[int, Sizes]) -> Sizes:
    found = kept.get(id(node))
    if found is not None:
        return found
    match node:
        case Not(operand=operand):
            true, false, there = _sizes(operand, kept)
            return false, true, there
        case And(operands=operands) | Or(operands=operands):
            sizes = [_sizes(operand, kept) for operand in operands]
            true, false, there = map(sum, zip(*sizes, strict=True))
            return true, false, there + (false if isinstance(node, And) else true) if there else 0
        case Has(operand=operand):
            there = _sizes(operand, kept)[2]
            return max(1, there), max(1, there), 0
        case Among(choices=choices):
            return len(choices), len(choices), 1
        case Compare(left=left, right=right):
            return 1, 1, _sizes(left, kept)[2] + _sizes(right, kept)[2]
        case BooleanValue() | NumberValue() | TextValue() | DurationValue() | Membership() | Level():
            return 1, 1, 0
        case Aggregate():
            return 1, 1, 0 if node.function in _NEVER_MISSING else 1
        case Negate() | Arithmetic():
            return 1, 1, max(1, len(_sinces(node)))
        case _:
            return 1, 1, 1


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


def _text_test(operator: str, left: Node, right: Node) -> Formula:
    texts = _text_of(left), _text_of(right)
    if texts[0] is not None and texts[1] is not None:
        return Constant((texts[0] == texts[1]) is (operator == "=="))
    for source, text in ((left, texts[1]), (right, texts[0])):
        if text is not None and isinstance(source, Lower):
            return _match(source, "equals", text, operator == "==")
    return Test(operator, left, right)


def _match(operand: Node, function: str, text: str, wanted: bool) -> Formula:
    """A look into a string: a constant is looked into at once."""
    constant = _text_of(operand)
    if constant is not None:
        return Constant(matches(function, text, constant) is wanted)
    lowered = False
    while isinstance(operand, Lower):
        operand, lowered = operand.operand, True
    if not isinstance(operand, Trait | Property | Aggregate | Level):
        raise TypeError(f"{type(operand).__name__} is not a string that is looked into")
    return Match(operand, function, text, lowered, wanted)


def matches(function: str, text: str, value: str) -> bool:
    """Whether a string `equals`, `starts_with`, `ends_with` or `contains` the text."""
    match function:
        case "equals":
            return value == text
        case "starts_with":
            return value.startswith(text)
        case "ends_with":
            return value.endswith(text)
        case "contains":
            return text in value
        case _:
            raise ValueError(f"no test of strings {function!r}")


def _text_of(node: Node) -> str | None:
    """The value of a string that reads nothing; None if it reads something."""
    match node:
        case TextValue(value=value):
            return value
        case Lower(operand=operand):
            inner = _text_of(operand)
            return None if inner is None else inner.lower()
        case _:
            return None


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
