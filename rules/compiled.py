"""What a catalog's conditions come down to: leaves, comparisons, facts, and a number for each."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from rules.aggregates import Between
from rules.nodes import (
    Aggregate,
    ClusterOf,
    Days,
    Kind,
    Level,
    Membership,
    Node,
    QuantileOf,
    ScoreOf,
    Trait,
)
from rules.units import Unit

__all__ = [
    "FACT_FUNCTIONS",
    "Comparison",
    "Compiled",
    "Fact",
    "Feature",
    "Leaf",
    "Linear",
    "Numbering",
    "Numeric",
    "Predicate",
    "cut_text",
    "fact_of",
]

FACT_FUNCTIONS = ("latest", "top", "top_hour")
"""Functions over events that are facts and no aggregates."""

TEXT_LIMIT_BYTES = 256
"""Strings are kept and compared to this length."""

T = TypeVar("T", bound=Hashable)

Fact = Trait | Aggregate | Membership | Level | ClusterOf | ScoreOf | QuantileOf
"""A value of a user that no ring gives: a trait's, `latest`'s, …, a membership, a level, or what a model says."""


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
class Predicate:
    """A question about a string: does it, in small letters if `lowered`, `equals`, `starts_with`, … the text?"""

    function: str
    text: str
    lowered: bool


@dataclass(frozen=True, slots=True)
class Leaf:
    """One bit: a single test. `source` is a fact, a property column, an aggregate or a comparison, by `kind`."""

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


@dataclass(frozen=True, slots=True)
class Feature:
    """A number that models read, as postfix steps (code, argument, coefficient, number).

    constant_ms: of a duration, `Σ coefficient · since + constant_ms`; None of a number.
    """

    steps: tuple[tuple[int, int, int, float], ...]
    constant_ms: int | None


@dataclass(slots=True)
class Compiled:
    """What the conditions of a catalog come down to, everything numbered from 0 in order of first use.

    programs: of each unit in turn, as `Tables` has them.  features: of all models, each expression once, first those
    that snapshots in force ask for user by user, `features_in_force` of them.  model_features: by model, which.
    message_aggregates, message_facts: by unit, those that tags of its messages read; over all units they are the first
    `message_aggregate_count` and `message_fact_count`.
    text_columns: properties whose strings are kept or looked into.  null_columns: those in which a null that is there
    differs from nothing.
    """

    units: list[Unit]
    aggregates: Numbering[Aggregate | Days] = field(default_factory=Numbering)
    facts: Numbering[Fact] = field(default_factory=Numbering)
    properties: Numbering[str] = field(default_factory=Numbering)
    event_names: Numbering[str] = field(default_factory=lambda: Numbering(first=1))
    texts: Numbering[str] = field(default_factory=lambda: Numbering(first=1))
    predicates: Numbering[Predicate] = field(default_factory=Numbering)
    leaves: Numbering[Leaf] = field(default_factory=Numbering)
    where_leaves: Numbering[Leaf] = field(default_factory=Numbering)
    comparisons: Numbering[Comparison] = field(default_factory=Numbering)
    features: Numbering[Feature] = field(default_factory=Numbering)
    features_in_force: int = 0
    model_features: dict[str, list[int]] = field(default_factory=dict)
    wheres: dict[Node, int] = field(default_factory=dict)
    programs: list[list[int]] = field(default_factory=list)
    where_programs: list[list[int]] = field(default_factory=list)
    message_aggregates: list[list[int]] = field(default_factory=list)
    message_facts: list[list[int]] = field(default_factory=list)
    message_aggregate_count: int = 0
    message_fact_count: int = 0
    text_columns: set[int] = field(default_factory=set)
    null_columns: set[int] = field(default_factory=set)


def cut_text(text: str) -> str:
    """A string as it is kept and compared: its first 256 UTF-8 bytes, cut between characters."""
    if len(text) * 4 <= TEXT_LIMIT_BYTES:
        return text
    encoded = text.encode()
    return text if len(encoded) <= TEXT_LIMIT_BYTES else encoded[:TEXT_LIMIT_BYTES].decode(errors="ignore")


def fact_of(node: Node) -> Fact | None:
    """The fact that a node reads, without the kind its place asks for; None if it reads none."""
    match node:
        case Trait(kind=kind):
            return node if kind is Kind.ANY else Trait(node.name)
        case Aggregate(function=function, kind=kind) if function in FACT_FUNCTIONS:
            return node if kind is Kind.ANY else replace(node, kind=Kind.ANY)
        case Membership() | Level() | ClusterOf() | ScoreOf() | QuantileOf():
            return node
        case _:
            return None
