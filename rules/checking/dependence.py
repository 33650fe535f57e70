"""The quantities of some conditions, numbered, and the rules by which they depend on each other.

What a quantity is made of (`rules.checking.quantities`) and what two aggregates of one user have to do with each other
(`rules.checking.relations`) becomes rules over the quantities' numbers (`rules.checking.narrowing`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from rules.checking.domains import FALSE, MISSING, TRUE, Domain, flags_domain, numbers_compared
from rules.checking.narrowing import Arises, Finds, Follows, Ordered, Related, Rule
from rules.checking.quantities import A_STRING, Look, Quantity, Relation, constant_of_node, universe
from rules.checking.relations import PRESENT, AtMost, related
from rules.nodes import (
    Aggregate,
    Arithmetic,
    Days,
    Kind,
    Lower,
    Negate,
    Node,
    Property,
    Trait,
    children,
    kind_of,
)
from rules.normalize import matches

__all__ = ["Quantities", "untyped"]

MAX_RELATED = 24
"""Aggregates of one question that are looked at in pairs."""

_NOT_ABOVE = Domain(MISSING, numbers_compared("<=", 0))
_NOT_BELOW = Domain(MISSING, numbers_compared(">=", 0))


class Quantities:
    """Quantities by their numbers, which are given as they are first asked for.

    Nodes are known again by their identity, and kept for that. universes: all values of each quantity, and whether its
    numbers are whole.  parts: the quantities that one is made of.
    """

    def __init__(self, levels: Mapping[str, Sequence[str]], bins: Mapping[str, int]) -> None:
        self.universes: list[tuple[Domain, bool]] = []
        self.parts: dict[int, tuple[int, ...]] = {}
        self._levels = levels
        self._bins = bins
        self._quantities: list[Quantity] = []
        self._places: dict[Quantity, int] = {}
        self._places_by_identity: dict[int, int] = {}
        self._kept: list[Node] = []
        self._own_rules: dict[int, list[Rule]] = {}
        self._pair_rules: dict[tuple[int, int], tuple[Rule, ...]] = {}

    def place(self, quantity: Quantity) -> int:
        """The number of a quantity."""
        place = self._places.get(quantity)
        if place is None:
            place = len(self._quantities)
            self._places[quantity] = place
            self._quantities.append(quantity)
            self.universes.append(universe(quantity, self._levels, self._bins))
            rules = list(self._derived(place, quantity))
            if rules:
                self._own_rules[place] = rules
        return place

    def place_of(self, node: Node) -> int:
        """The place of a node's quantity: whatever kind its place asks for, a trait is one and the same."""
        place = self._places_by_identity.get(id(node))
        if place is None:
            place = self.place(untyped(node))
            self._places_by_identity[id(node)] = place
            self._kept.append(node)
        return place

    def _derived(self, place: int, quantity: Quantity) -> Iterator[Rule]:
        """The rules of a quantity that is made of others, and note of those."""
        match quantity:
            case Relation(left=left, right=right):
                places = (self.place(left), self.place(right))
                self.parts[place] = places
                yield Related(place, *places)
            case Look(source=source):
                source_place = self.place(source)
                self.parts[place] = (source_place,)
                yield Finds(place, source_place, quantity)
            case Negate() | Arithmetic():
                leaves = [self.place_of(leaf) for leaf in _leaves(quantity)]
                parts = self.parts[place] = tuple(dict.fromkeys(leaves))
                is_duration = kind_of(quantity) is Kind.DURATION
                yield Arises(place, quantity, parts, 2 * len(leaves), is_duration, self.place_of)
            case Days(operand=operand):
                source_place = self.place_of(operand)
                self.parts[place] = (source_place,)
                yield Follows(place, PRESENT, source_place, A_STRING)
            case Lower(operand=operand):
                source_place = self.place_of(operand)
                self.parts[place] = (source_place,)
                yield Follows(place, PRESENT, source_place, A_STRING)
            case _:
                return

    def rules(self, numbers: Iterable[int], work: list[int]) -> list[Rule]:
        """The rules among some quantities and those that these are made of. What it takes is taken off `work`."""
        places = dict.fromkeys(numbers)
        waiting = list(places)
        while waiting:
            for part in self.parts.get(waiting.pop(), ()):
                if part not in places:
                    places[part] = None
                    waiting.append(part)
        rules = [rule for place in places for rule in self._own_rules.get(place, ())]
        aggregates = [place for place in places if isinstance(self._quantities[place], Aggregate)]
        looks = [place for place in places if isinstance(self._quantities[place], Look)]
        for group in (aggregates[:MAX_RELATED], looks[:MAX_RELATED]):
            work[0] -= len(group) ** 2
            for pair in itertools.combinations(sorted(group), 2):
                rules += self._rules_of_pair(*pair)
        ordered = {(rule.low, rule.high) for rule in rules if isinstance(rule, Ordered) and not rule.is_rounded}
        for rule in [rule for rule in rules if isinstance(rule, Related)]:
            if (rule.left, rule.right) in ordered:
                rules.append(Follows(rule.sign, PRESENT, rule.sign, _NOT_ABOVE))
            if (rule.right, rule.left) in ordered:
                rules.append(Follows(rule.sign, PRESENT, rule.sign, _NOT_BELOW))
        return rules

    def _rules_of_pair(self, one: int, other: int) -> Sequence[Rule]:
        found = self._pair_rules.get((one, other))
        if found is None:
            first, second = self._quantities[one], self._quantities[other]
            rules: list[Rule] = []
            if isinstance(first, Aggregate) and isinstance(second, Aggregate):
                for relation in related(first, second):
                    if isinstance(relation, AtMost):
                        low, high = self.place(relation.low), self.place(relation.high)
                        rules.append(Ordered(low, high, relation.is_rounded))
                    else:
                        places = self.place(relation.one), self.place(relation.other)
                        rules.append(Follows(places[0], relation.values, places[1], relation.needed))
            elif isinstance(first, Look) and isinstance(second, Look):
                rules = [*_looks(one, first, other, second), *_looks(other, second, one, first)]
            found = self._pair_rules[one, other] = tuple(rules)
        return found


def untyped(node: Node) -> Node:
    """The node as a quantity: whatever kind its place asks for, a trait is one and the same."""
    if isinstance(node, Trait | Property):
        return node if node.kind is Kind.ANY else type(node)(node.name)
    if isinstance(node, Aggregate) and node.kind is not Kind.ANY:
        return replace(node, kind=Kind.ANY)
    return node


def _leaves(node: Node) -> Iterator[Node]:
    """The quantities that arithmetic reads."""
    if isinstance(node, Negate | Arithmetic):
        for child in children(node):
            yield from _leaves(child)
    elif constant_of_node(node) is None:
        yield node


def _looks(one: int, first: Look, other: int, second: Look) -> Iterable[Rule]:
    """What follows for the second look if the first one has found its text."""
    if first.source != second.source or first.lowered is not second.lowered:
        return
    verdict = _implied(first.function, first.text, second.function, second.text)
    if verdict is not None:
        found = flags_domain(TRUE)
        yield Follows(one, found, other, flags_domain(MISSING | (TRUE if verdict else FALSE)))


def _implied(function: str, text: str, asked: str, asked_text: str) -> bool | None:
    """Of a string in which the first look finds its text: whether the second does; None if it may or may not."""
    if function == "equals":
        return matches(asked, asked_text, text)
    if asked in (function, "contains") and matches(asked, asked_text, text):
        return True
    if asked == "equals" and not matches(function, text, asked_text):
        return False
    # Two different starts: one is no start of the other. The same of two ends.
    if asked == function != "contains" and not matches(function, text, asked_text):
        return False
    return None
