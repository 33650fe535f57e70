"""A catalog as tables: what the engine's kernel runs on.

`compile_catalog` finds the aggregates and traits a catalog reads, turns each condition into a small program over bits,
one bit a leaf, and says which leaves a change of an aggregate, a trait or a multi-aggregate comparison can touch.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar, assert_never

from rules.aggregates import Between, place_test
from rules.catalog import Catalog
from rules.nodes import (
    Aggregate,
    Arithmetic,
    DurationValue,
    Kind,
    Negate,
    Node,
    Property,
    TextValue,
    Trait,
    children,
    kind_of,
)
from rules.normalize import All, Any, Constant, Flag, Formula, Lacks, Present, Test, constant_of, truth
from rules.tables import (
    AND,
    ARITHMETIC,
    COMPARISON,
    FALSE,
    LOAD_AGGREGATE,
    LOAD_CONSTANT,
    LOAD_TRAIT,
    NEGATE,
    NOT,
    OPERATORS,
    OR,
    PLACE,
    PRESENT,
    TRUE,
    VALUE_FLAG,
    VALUE_KINDS,
    VALUE_NUMBER,
    VALUE_PRESENT,
    VALUE_TEXT,
)

__all__ = ["Comparison", "Compiled", "Leaf", "Linear", "Numbering", "Numeric", "compile_conditions", "cut_text"]

_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

TEXT_LIMIT_BYTES = 256
"""Strings are kept and compared to this length."""

T = TypeVar("T", bound=Hashable)


class Numbering(Generic[T]):
    """Gives each distinct thing a number, in order of arrival."""

    def __init__(self, first: int = 0) -> None:
        self._first = first
        self.numbers: dict[T, int] = {}

    def __call__(self, thing: T) -> int:
        return self.numbers.setdefault(thing, len(self.numbers) + self._first)

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One bit: a single test. `source` is a trait, a property column, an aggregate or a comparison, by `kind`."""

    kind: int
    source: int
    between: Between | None = None
    operator: int = 0
    number: float = 0.0
    text: int = 0


@dataclass(frozen=True, slots=True)
class Linear:
    """`Σ coefficient · since + constant_ms operator 0`, over (aggregate, coefficient) pairs."""

    operator: int
    terms: tuple[tuple[int, int], ...]
    constant_ms: int


@dataclass(frozen=True, slots=True)
class Numeric:
    """Postfix steps (code, argument, number) that leave a left and a right side, which `operator` compares."""

    operator: int
    steps: tuple[tuple[int, int, float], ...]


Comparison = Linear | Numeric


@dataclass(slots=True)
class Compiled:
    """What the conditions of a catalog come down to, everything numbered from 0 in order of first use."""

    aggregates: Numbering[Aggregate] = field(default_factory=Numbering)
    traits: Numbering[str] = field(default_factory=Numbering)
    properties: Numbering[str] = field(default_factory=Numbering)
    event_names: Numbering[str] = field(default_factory=lambda: Numbering(first=1))
    texts: Numbering[str] = field(default_factory=lambda: Numbering(first=1))
    leaves: Numbering[Leaf] = field(default_factory=Numbering)
    where_leaves: Numbering[Leaf] = field(default_factory=Numbering)
    comparisons: Numbering[Comparison] = field(default_factory=Numbering)
    wheres: dict[Node, int] = field(default_factory=dict)
    programs: list[list[int]] = field(default_factory=list)
    where_programs: list[list[int]] = field(default_factory=list)


def compile_conditions(catalog: Catalog) -> Compiled:
    """Number what the catalog reads, and turn its conditions into programs. Deterministic."""
    compiler = _Compiler()
    compiled = compiler.compiled
    for tag in catalog.tags.values():
        compiler.number(tag.expression)
    for segment in catalog.segments.values():
        compiler.number(segment.when)
        if segment.exit is not None:
            compiler.number(segment.exit)
        compiled.programs.append(compiler.program(truth(segment.when), compiled.leaves))
        compiled.programs.append(
            [FALSE] if segment.exit is None else compiler.program(truth(segment.exit), compiled.leaves)
        )
    for aggregate in compiled.aggregates.numbers:
        if aggregate.event is not None:
            compiled.event_names(aggregate.event)
        if aggregate.property is not None:
            compiled.properties(aggregate.property)
        if aggregate.where is not None and aggregate.where not in compiled.wheres:
            compiled.wheres[aggregate.where] = len(compiled.wheres)
            compiled.where_programs.append(compiler.program(truth(aggregate.where), compiled.where_leaves))
    return compiled


def cut_text(text: str) -> str:
    """A string as it is kept and compared: its first 256 UTF-8 bytes, cut between characters."""
    encoded = text.encode()
    return text if len(encoded) <= TEXT_LIMIT_BYTES else encoded[:TEXT_LIMIT_BYTES].decode(errors="ignore")


class _Compiler:
    def __init__(self) -> None:
        self.compiled = Compiled()

    def number(self, node: Node) -> None:
        """Number the aggregates and traits of a tree as it was written.

        Tags have to be computed even if no condition reads the same; and what is a reject must not depend on how much
        of a condition is folded away.
        """
        if isinstance(node, Aggregate):
            self.compiled.aggregates(node)
            return
        if isinstance(node, Trait):
            self.compiled.traits(node.name)
        for child in children(node):
            self.number(child)

    def program(self, formula: Formula, leaves: Numbering[Leaf]) -> list[int]:
        """The formula as postfix code over leaves."""
        match formula:
            case Constant(value=value):
                return [TRUE if value else FALSE]
            case Test() | Flag() | Present():
                return [leaves(self.leaf(formula))]
            case Lacks(part=part):
                return [*self.program(part, leaves), NOT]
            case All(parts=parts) | Any(parts=parts):
                code = self.program(parts[0], leaves)
                for part in parts[1:]:
                    code += self.program(part, leaves)
                    code.append(AND if isinstance(formula, All) else OR)
                return code
            case _:
                assert_never(formula)

    def leaf(self, formula: Test | Flag | Present) -> Leaf:
        match formula:
            case Flag(source=source, value=value):
                return Leaf(VALUE_FLAG, self.value(source), operator=int(value))
            case Present(source=source):
                if isinstance(source, Aggregate):
                    return Leaf(PRESENT, self.compiled.aggregates(source))
                return Leaf(VALUE_PRESENT, self.value(source), operator=VALUE_KINDS[source.kind])
            case Test(operator=operator, left=left, right=right):
                kinds = {kind_of(left), kind_of(right)}
                if Kind.DURATION in kinds:
                    return self.duration_test(operator, left, right)
                if Kind.STRING in kinds:
                    return self.text_test(operator, left, right)
                return self.number_test(operator, left, right)
            case _:
                assert_never(formula)

    def value(self, source: Trait | Property) -> int:
        named = self.compiled.traits if isinstance(source, Trait) else self.compiled.properties
        return named(source.name)

    def text_test(self, operator: str, left: Node, right: Node) -> Leaf:
        source, text = (left, right) if isinstance(right, TextValue) else (right, left)
        if not isinstance(source, Trait | Property) or not isinstance(text, TextValue):
            raise TypeError("strings are compared with constants")
        number = self.compiled.texts(cut_text(text.value))
        return Leaf(VALUE_TEXT, self.value(source), operator=OPERATORS[operator], text=number)

    def number_test(self, operator: str, left: Node, right: Node) -> Leaf:
        for source, other, turned in ((left, right, operator), (right, left, _MIRRORED[operator])):
            constant = constant_of(other)
            if constant is not None and isinstance(source, Aggregate):
                number = self.compiled.aggregates(source)
                return Leaf(PLACE, number, between=place_test(source, turned, constant))
            if constant is not None and isinstance(source, Trait | Property):
                return Leaf(VALUE_NUMBER, self.value(source), operator=OPERATORS[turned], number=constant)
        steps = (*self.arithmetic(left), *self.arithmetic(right))
        return Leaf(COMPARISON, self.compiled.comparisons(Numeric(OPERATORS[operator], steps)))

    def arithmetic(self, node: Node) -> list[tuple[int, int, float]]:
        constant = constant_of(node)
        if constant is not None:
            return [(LOAD_CONSTANT, 0, constant)]
        match node:
            case Aggregate():
                return [(LOAD_AGGREGATE, self.compiled.aggregates(node), 0.0)]
            case Trait(name=name):
                return [(LOAD_TRAIT, self.compiled.traits(name), 0.0)]
            case Negate(operand=operand):
                return [*self.arithmetic(operand), (NEGATE, 0, 0.0)]
            case Arithmetic(operator=operator, left=left, right=right):
                return [*self.arithmetic(left), *self.arithmetic(right), (ARITHMETIC[operator], 0, 0.0)]
            case _:
                raise TypeError(f"{type(node).__name__} is not a number")

    def duration_test(self, operator: str, left: Node, right: Node) -> Leaf:
        terms: dict[Aggregate, int] = {}
        constant = _linear(left, 1, terms) + _linear(right, -1, terms)
        if len(terms) == 1:
            ((aggregate, coefficient),) = terms.items()
            if coefficient == 1:
                return Leaf(
                    PLACE, self.compiled.aggregates(aggregate), between=place_test(aggregate, operator, -constant)
                )
            if coefficient == -1:
                turned = place_test(aggregate, _MIRRORED[operator], constant)
                return Leaf(PLACE, self.compiled.aggregates(aggregate), between=turned)
        numbered = tuple(sorted((self.compiled.aggregates(aggregate), times) for aggregate, times in terms.items()))
        return Leaf(COMPARISON, self.compiled.comparisons(Linear(OPERATORS[operator], numbered, constant)))


def _linear(node: Node, sign: int, terms: dict[Aggregate, int]) -> int:
    """Add the node's aggregates, times `sign`, to `terms`; returns its constant part in ms, times `sign`.

    A term that cancels stays, with coefficient 0: the comparison is still missing where the aggregate is.
    """
    match node:
        case DurationValue(ms=ms):
            return sign * ms
        case Aggregate():
            terms[node] = terms.get(node, 0) + sign
            return 0
        case Negate(operand=operand):
            return _linear(operand, -sign, terms)
        case Arithmetic(operator=operator, left=left, right=right):
            return _linear(left, sign, terms) + _linear(right, sign if operator == "+" else -sign, terms)
        case _:
            raise TypeError(f"{type(node).__name__} is not a duration")
