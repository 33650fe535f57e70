"""Conditions as two-valued formulas: what is asked of a user's values, and how it is put together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rules.nodes import (
    Aggregate,
    ClusterOf,
    Days,
    Level,
    Membership,
    Node,
    Property,
    QuantileOf,
    ScoreOf,
    Trait,
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
    "Present",
    "Test",
    "join",
    "lacks",
]


@dataclass(frozen=True, slots=True)
class Constant:
    """Always or never true."""

    value: bool


ALWAYS = Constant(True)
NEVER = Constant(False)


@dataclass(frozen=True, slots=True)
class Test:
    """`left operator right` holds and neither side is missing; sides are numbers, strings or durations."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean (a trait, a property, a `latest` or `top`, a membership) is there and has this value."""

    source: Trait | Property | Aggregate | Membership
    value: bool


@dataclass(frozen=True, slots=True)
class Match:
    """A string is there and, in small letters if `lowered`, it `equals`, `starts_with`, … the text, or it does not."""

    source: Trait | Property | Aggregate | Level
    function: str
    text: str
    lowered: bool
    value: bool


@dataclass(frozen=True, slots=True)
class Present:
    """The value of a trait, property, aggregate, date or model is not missing."""

    source: Trait | Property | Aggregate | Days | ClusterOf | ScoreOf | QuantileOf


@dataclass(frozen=True, slots=True)
class All:
    """Every part is true."""

    parts: tuple[Formula, ...]
    hashed: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hashed", hash(("all", self.parts)))

    def __hash__(self) -> int:
        return self.hashed


@dataclass(frozen=True, slots=True)
class Any:
    """Some part is true."""

    parts: tuple[Formula, ...]
    hashed: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hashed", hash(("any", self.parts)))

    def __hash__(self) -> int:
        return self.hashed


@dataclass(frozen=True, slots=True)
class Lacks:
    """The part is not true."""

    part: Formula


Formula = Constant | Test | Flag | Match | Present | All | Any | Lacks


def lacks(part: Formula) -> Formula:
    """`Lacks` of the part, or the other constant."""
    return Constant(not part.value) if isinstance(part, Constant) else Lacks(part)


def join(how: Literal["all", "any"], parts: list[Formula]) -> Formula:
    """`All` or `Any` of the parts, flattened, repeats and neutral constants left out."""
    neutral, ruling = (ALWAYS, NEVER) if how == "all" else (NEVER, ALWAYS)
    flat: dict[Formula, None] = {}
    for part in parts:
        if part == ruling:
            return ruling
        if part == neutral:
            continue
        inner = part.parts if isinstance(part, All if how == "all" else Any) else (part,)
        flat.update(dict.fromkeys(inner))
    if not flat:
        return neutral
    if len(flat) == 1:
        return next(iter(flat))
    return (All if how == "all" else Any)(tuple(flat))
