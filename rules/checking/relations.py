"""What two aggregates of one user have to do with each other, whatever the user did.

A count over a week is no greater than one over a month; a newest event is no older than the oldest; where something was
counted there was an event. Only what follows from the definitions stands here, windows as they really are: one of
length w sees an event for 60 hops at least and for less than 61 at most, so of two windows of nearly the same length
neither holds the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rules.checking.domains import MISSING, Domain, flags_domain, numbers_compared, numbers_domain
from rules.nodes import Aggregate, And, Node
from rules.windows import HOPS_PER_WINDOW, hop_of

__all__ = ["PRESENT", "AtMost", "Needs", "related"]

PRESENT = ~flags_domain(MISSING)
_FROM_ONE = numbers_domain(numbers_compared(">=", 1))
_NOT_ZERO = numbers_domain(numbers_compared("!=", 0))

_COUNTS = frozenset({"count", "distinct"})
_VALUES = frozenset({"mean", "min", "max"})


@dataclass(frozen=True, slots=True)
class AtMost:
    """`low <= high` where both are there; `is_rounded`: but for the rounding of doubles."""

    low: Aggregate
    high: Aggregate
    is_rounded: bool = False


@dataclass(frozen=True, slots=True)
class Needs:
    """Where `one` has one of `values`, `other` has one of `needed`."""

    one: Aggregate
    values: Domain
    other: Aggregate
    needed: Domain


def related(one: Aggregate, other: Aggregate) -> Iterator[AtMost | Needs]:
    """Everything that holds between the two; the order in which they are given does not matter."""
    covered, covers = _covers(other, one), _covers(one, other)
    for first, second, is_inside in ((one, other, covered), (other, one, covers)):
        yield from _recency(first, second)
        if is_inside:
            yield from _inside(first, second)
        # Both are about one event at least, which is no newer than the newest and no older than the oldest.
        functions = (first.function, second.function)
        is_ordered = functions == ("since", "since_first")
        is_ordered |= functions == ("min", "max") and first.property == second.property
        if is_ordered and (covered or covers):
            yield AtMost(first, second)


def _inside(inner: Aggregate, outer: Aggregate) -> Iterator[AtMost | Needs]:
    """What holds as every event that the inner one is about is one that the outer one is about."""
    proof, consequence = _proof(inner), _consequence(outer)
    if consequence is not None:
        yield Needs(inner, proof, outer, consequence)
    functions = (inner.function, outer.function)
    if functions == ("since", "since"):
        yield AtMost(outer, inner)
    if functions in {("since_first", "since_first"), ("count", "count"), ("distinct", "count")}:
        yield AtMost(inner, outer)
    if inner.property != outer.property:
        return
    if functions == ("distinct", "distinct"):
        yield AtMost(inner, outer)
    if inner.function in _VALUES | {"sum"} and outer.function in _VALUES:
        yield Needs(inner, proof, outer, PRESENT)
    if outer.function == "min" and inner.function in ("min", "mean"):
        yield AtMost(outer, inner, is_rounded=inner.function == "mean")
    if outer.function == "max" and inner.function in ("max", "mean"):
        yield AtMost(inner, outer, is_rounded=inner.function == "mean")


def _proof(node: Aggregate) -> Domain:
    """The values of an aggregate that only a user has who has an event that it is about."""
    if node.function in _COUNTS:
        return _FROM_ONE
    return _NOT_ZERO if node.function == "sum" else PRESENT


def _consequence(node: Aggregate) -> Domain | None:
    """The values that an aggregate has for every user with an event that it is about; None: any."""
    if node.function == "count":
        return _FROM_ONE
    return PRESENT if node.function in ("since", "since_first", "top_hour") else None


def _recency(counted: Aggregate, since: Aggregate) -> Iterator[Needs]:
    """What is counted in a window was seen in it, and what was seen in it is counted."""
    if since.function != "since" or counted.last_ms is None:
        return
    hop_ms = hop_of(counted.last_ms)
    if since.event in (None, counted.event):
        seen = numbers_domain(numbers_compared("<", (HOPS_PER_WINDOW + 1) * hop_ms))
        yield Needs(counted, _proof(counted), since, seen)
    if counted.function == "count" and counted.where is None and counted.event in (None, since.event):
        seen = numbers_domain(numbers_compared("<=", HOPS_PER_WINDOW * hop_ms))
        yield Needs(since, seen, counted, _FROM_ONE)


def _covers(outer: Aggregate, inner: Aggregate) -> bool:
    """Whether every event that the inner one is about is, at every moment, one that the outer one is about."""
    if outer.event is not None and outer.event != inner.event:
        return False
    if outer.last_ms is not None:
        if inner.last_ms is None:
            return False
        inner_hop_ms, outer_hop_ms = hop_of(inner.last_ms), hop_of(outer.last_ms)
        if inner_hop_ms != outer_hop_ms and (HOPS_PER_WINDOW + 1) * inner_hop_ms > HOPS_PER_WINDOW * outer_hop_ms + 1:
            return False
    return _parts(outer.where) <= _parts(inner.where)


def _parts(where: Node | None) -> set[Node]:
    if where is None:
        return set()
    return set(where.operands) if isinstance(where, And) else {where}
