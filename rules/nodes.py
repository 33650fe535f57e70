"""The syntax tree of an expression: frozen nodes, and a visitor that a forgotten node makes a type error.

Parsing yields `TagName` nodes and `Trait`/`Property` nodes of type `ANY`; resolving (`rules.types.resolve`) puts each
tag's own tree in place of its name, gives every trait and property the type its place asks for, turns strings beside
durations into `DurationValue`, and leaves a tree that the compiler and the interpreter take as it is.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeGuard, assert_never

__all__ = [
    "NOWHERE",
    "Aggregate",
    "Among",
    "And",
    "Arithmetic",
    "BooleanValue",
    "ClusterOf",
    "Compare",
    "Days",
    "DurationValue",
    "Has",
    "Kind",
    "Level",
    "Lower",
    "Membership",
    "Negate",
    "Node",
    "Not",
    "NumberValue",
    "Or",
    "Property",
    "QuantileOf",
    "ScoreOf",
    "Span",
    "TagName",
    "TextTest",
    "TextValue",
    "Trait",
    "children",
    "is_open",
    "kind_of",
]


class Kind(Enum):
    """What a value is. `ANY` is a trait or property whose place asks for no type (only `has` and a bare tag do)."""

    NUMBER = "number"
    STRING = "string"
    BOOLEAN = "condition"
    DURATION = "duration"
    ANY = "any"

    __hash__ = object.__hash__  # Enum's own is written in Python, and every node with a kind is hashed by it


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
    """A value computed from one user's events: `count sum mean min max distinct since since_first latest top top_hour`.

    `event` is None for any `track`, `page` or `screen`; `property` is what is summed, counted or looked at; `last_ms`
    is None for ever; `where` is a condition over `Property` nodes and constants only; `half_life_ms` is None for plain
    counts. `kind` is used by `latest` and `top` alone, whose values are of any type: missing unless the value is of it.
    """

    function: str
    event: str | None
    property: str | None = None
    last_ms: int | None = None
    where: Node | None = None
    half_life_ms: int | None = None
    kind: Kind = Kind.ANY
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
class Membership:
    """`in_segment(name)`: whether the user is in the segment after this moment; never missing."""

    segment: str
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Level:
    """`level(tier)`: the name of the level the user is on after this moment; never missing."""

    tier: str
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class ClusterOf:
    """`cluster(model)`: the id of the user's cluster, from 1 on; missing while the model has no snapshot in force."""

    model: str
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class ScoreOf:
    """`score(model)`: how likely a classifier's label is, 0 to 1; missing while it has no snapshot in force."""

    model: str
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class QuantileOf:
    """`quantile(model, field)`: 1 to the model's bins, as the field's value is now; missing where that value is."""

    model: str
    field: str
    span: Span = dataclasses.field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Lower:
    """`lower(text)`: the string in small letters (Unicode's simple lower case, as `str.lower`)."""

    operand: Node
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class TextTest:
    """`starts_with`, `ends_with` or `contains`: whether a string has a constant at its start, its end or anywhere."""

    function: str
    operand: Node
    text: TextValue
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Days:
    """`days_since` or `days_until`: whole calendar days, in the catalog's time zone, from or to the date in a string.

    `operand` is a `Trait` or a `latest`, of kind STRING. `yearly`: from the last, or to the next, day of that date in
    a year (0 on the day itself). Missing unless the string begins with a date.
    """

    function: str
    operand: Node
    yearly: bool
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
    | Membership
    | Level
    | ClusterOf
    | ScoreOf
    | QuantileOf
    | Lower
    | TextTest
    | Days
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
    match node:  # what there is most of comes first
        case Arithmetic() | Compare():
            return (node.left, node.right)
        case NumberValue() | TextValue() | BooleanValue() | DurationValue() | TagName():
            return ()
        case Aggregate():
            return () if node.where is None else (node.where,)
        case And() | Or():
            return node.operands
        case Trait() | Property() | Membership() | Level() | ClusterOf() | ScoreOf() | QuantileOf():
            return ()
        case Has() | Negate() | Not() | Lower() | Days():
            return (node.operand,)
        case TextTest():
            return (node.operand, node.text)
        case Among():
            return (node.operand, *node.choices)
        case _:
            assert_never(node)


def is_open(node: Node) -> TypeGuard[Trait | Property | Aggregate]:
    """Whether a node has no kind of its own, but that which its place asks for."""
    return isinstance(node, (Trait, Property)) or (isinstance(node, Aggregate) and node.function in ("latest", "top"))


_KINDS: dict[type[Node], Kind] = {
    NumberValue: Kind.NUMBER,
    TextValue: Kind.STRING,
    BooleanValue: Kind.BOOLEAN,
    DurationValue: Kind.DURATION,
    Membership: Kind.BOOLEAN,
    Level: Kind.STRING,
    ClusterOf: Kind.NUMBER,
    ScoreOf: Kind.NUMBER,
    QuantileOf: Kind.NUMBER,
    Lower: Kind.STRING,
    TextTest: Kind.BOOLEAN,
    Days: Kind.NUMBER,
    Has: Kind.BOOLEAN,
    Compare: Kind.BOOLEAN,
    Among: Kind.BOOLEAN,
    And: Kind.BOOLEAN,
    Or: Kind.BOOLEAN,
    Not: Kind.BOOLEAN,
}
"""Those whose kind is always the same; a table, as every pass asks for every node."""


def kind_of(node: Node) -> Kind:
    """The kind of a resolved node. A `TagName` has none yet: ValueError."""
    kind = _KINDS.get(type(node))
    if kind is not None:
        return kind
    match node:
        case Trait() | Property():
            return node.kind
        case Aggregate():
            if node.function in ("latest", "top"):
                return node.kind
            return Kind.DURATION if node.function in ("since", "since_first") else Kind.NUMBER
        case Negate():
            return kind_of(node.operand)
        case Arithmetic():
            return kind_of(node.left)
        case _:
            raise ValueError(f"{type(node).__name__} has no kind before it is resolved")
