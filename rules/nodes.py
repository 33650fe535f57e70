"""The syntax tree of an expression: frozen nodes, and a visitor that a forgotten node makes a type error.

Parsing yields `TagName` nodes and `Trait`/`Property` nodes of type `ANY`; resolving (`rules.types.resolve`) puts each
tag's own tree in place of its name, gives every trait and property the type its place asks for, turns strings beside
durations into `DurationValue`, and leaves a tree that the compiler and the interpreter take as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import assert_never

__all__ = [
    "NOWHERE",
    "Aggregate",
    "Among",
    "And",
    "Arithmetic",
    "BooleanValue",
    "Compare",
    "DurationValue",
    "Has",
    "Kind",
    "Negate",
    "Node",
    "Not",
    "NumberValue",
    "Or",
    "Property",
    "Span",
    "TagName",
    "TextValue",
    "Trait",
    "children",
    "kind_of",
]


class Kind(Enum):
    """What a value is. `ANY` is a trait or property whose place asks for no type (only `has` and a bare tag do)."""

    NUMBER = "number"
    STRING = "string"
    BOOLEAN = "condition"
    DURATION = "duration"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Span:
    """Where a node stands in its expression's text: character offsets `[start, end)`."""

    start: int
    end: int


NOWHERE = Span(0, 0)


@dataclass(frozen=True, slots=True)
class NumberValue:
    """A number as it was written: an `int` or a finite `float`, at most 10¹² in magnitude."""

    value: int | float
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class TextValue:
    """A string literal (before resolving it may still turn out to be a duration)."""

    value: str
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class BooleanValue:
    """`true` or `false`."""

    value: bool
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class DurationValue:
    """A duration in whole milliseconds; only after resolving."""

    ms: int
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class TagName:
    """The name of a tag; only before resolving."""

    name: str
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A value computed from one user's events: `count sum since since_first`.

    `event` is None for any `track`, `page` or `screen`; `property` is the summed property; `last_ms` is None for ever;
    `where` is a condition over `Property` nodes and constants only.
    """

    function: str
    event: str | None
    property: str | None = None
    last_ms: int | None = None
    where: Node | None = None
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Trait:
    """A user's trait, missing unless its value is of `kind` (`ANY`: of whatever type)."""

    name: str
    kind: Kind = Kind.ANY
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Property:
    """A property of the event being counted, only inside `where`; missing unless its value is of `kind`."""

    name: str
    kind: Kind = Kind.ANY
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Has:
    """True when the operand is not missing, false when it is; never missing itself."""

    operand: Node
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Negate:
    """Unary minus of a number or a duration."""

    operand: Node
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left operator right` with operator one of `+ - * /`; of durations only `+` and `-`."""

    operator: str
    left: Node
    right: Node
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Compare:
    """`left operator right` with operator one of `== != < <= > >=`. A chain `a < b < c` is `And` of its pairs."""

    operator: str
    left: Node
    right: Node
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Among:
    """`operand in [choices]`, or `not in` when `negated`. Choices are constants of one type, at least one."""

    operand: Node
    choices: tuple[Node, ...]
    negated: bool
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more conditions, in three-valued logic."""

    operands: tuple[Node, ...]
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Or:
    """Any of two or more conditions, in three-valued logic."""

    operands: tuple[Node, ...]
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """Negation in three-valued logic: of an unknown condition it is unknown."""

    operand: Node
    span: Span = field(default=NOWHERE, compare=False)


Node = (
    NumberValue
    | TextValue
    | BooleanValue
    | DurationValue
    | TagName
    | Aggregate
    | Trait
    | Property
    | Has
    | Negate
    | Arithmetic
    | Compare
    | Among
    | And
    | Or
    | Not
)


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below, left to right (the `where` of an aggregate among them)."""
    match node:
        case NumberValue() | TextValue() | BooleanValue() | DurationValue() | TagName() | Trait() | Property():
            return ()
        case Aggregate():
            return () if node.where is None else (node.where,)
        case Has() | Negate() | Not():
            return (node.operand,)
        case Arithmetic() | Compare():
            return (node.left, node.right)
        case Among():
            return (node.operand, *node.choices)
        case And() | Or():
            return node.operands
        case _:
            assert_never(node)


def kind_of(node: Node) -> Kind:
    """The kind of a resolved node. A `TagName` has none yet: ValueError."""
    match node:
        case NumberValue():
            return Kind.NUMBER
        case TextValue():
            return Kind.STRING
        case DurationValue():
            return Kind.DURATION
        case BooleanValue() | Has() | Compare() | Among() | And() | Or() | Not():
            return Kind.BOOLEAN
        case Trait() | Property():
            return node.kind
        case Aggregate():
            return Kind.DURATION if node.function in ("since", "since_first") else Kind.NUMBER
        case Negate():
            return kind_of(node.operand)
        case Arithmetic():
            return kind_of(node.left)
        case TagName():
            raise ValueError(f"tag {node.name!r} is not resolved")
        case _:
            assert_never(node)
