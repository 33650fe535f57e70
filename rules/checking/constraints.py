"""Conditions as constraints: quantities that lie in sets, joined by all-of and any-of.

A constraint is met exactly where the condition is true. Parts about one quantity are made one, so that a list of a
thousand choices is one set, and two conditions that mean the same are mostly equal constraints.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from rules.checking.dependence import Quantities, untyped
from rules.checking.domains import (
    FALSE,
    TRUE,
    Domain,
    all_of,
    any_of,
    flags_domain,
    numbers_compared,
    numbers_domain,
    texts_domain,
)
from rules.checking.quantities import A_NUMBER, A_STRING, Look, Relation, constant_of_node, is_small
from rules.checking.relations import PRESENT
from rules.nodes import (
    Aggregate,
    And,
    Compare,
    DurationValue,
    Kind,
    Node,
    Not,
    NumberValue,
    Or,
    Property,
    Trait,
)
from rules.normalize import (
    All,
    Any,
    Constant,
    Flag,
    Formula,
    Lacks,
    Match,
    Present,
    Test,
    compare_numbers,
    falsehood,
    truth,
)

__all__ = ["ALWAYS_MET", "NEVER_MET", "AllOf", "AnyOf", "Conditions", "Constraint", "Within", "places_of"]

_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_TURNED_ROUND = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_OF_KIND = {Kind.NUMBER: A_NUMBER, Kind.STRING: A_STRING, Kind.BOOLEAN: flags_domain(FALSE | TRUE)}


@dataclass(frozen=True, slots=True)
class Within:
    """The quantity of this number has one of these values."""

    place: int
    values: Domain


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds; without parts always true."""

    parts: tuple[Constraint, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some part holds; without parts never true."""

    parts: tuple[Constraint, ...]


Constraint = Within | AllOf | AnyOf

ALWAYS_MET, NEVER_MET = AllOf(()), AnyOf(())


class Conditions:
    """Makes constraints over numbered quantities, each condition's once. `leaves` counts the comparisons so far."""

    def __init__(self, quantities: Quantities) -> None:
        self.leaves = 0
        self._quantities = quantities
        self._constraints: dict[tuple[int, bool], Constraint] = {}
        self._thresholds: dict[tuple[int, str, float | str], Constraint] = {}
        self._kept: list[Node] = []

    def holds(self, node: Node) -> Constraint:
        """The constraint that is met exactly where the condition is true."""
        return self._verdict(node, wanted=True)

    def fails(self, node: Node) -> Constraint:
        """The constraint that is met exactly where the condition is false (not where it is unknown)."""
        return self._verdict(node, wanted=False)

    def otherwise(self, constraint: Constraint) -> Constraint:
        """The constraint that is met exactly where this one is not."""
        match constraint:
            case Within(place=place, values=values):
                return self._within(place, ~values)
            case AllOf(parts=parts):
                return self._join(AnyOf, [self.otherwise(part) for part in parts])
            case AnyOf(parts=parts):
                return self._join(AllOf, [self.otherwise(part) for part in parts])

    def both(self, *constraints: Constraint) -> Constraint:
        """The constraint that all of these are met."""
        return self._join(AllOf, list(constraints))

    def _verdict(self, node: Node, *, wanted: bool) -> Constraint:
        key = (id(node), wanted)
        found = self._constraints.get(key)
        if found is not None:
            return found
        match node:
            case Not(operand=operand):
                found = self._verdict(operand, wanted=not wanted)
            case And(operands=operands) | Or(operands=operands):
                how = AllOf if isinstance(node, And) is wanted else AnyOf
                found = self._join(how, [self._verdict(operand, wanted=wanted) for operand in operands])
            case Compare(
                operator=operator,
                left=Aggregate() | Trait() | Property() as left,
                right=NumberValue(value=limit) | DurationValue(ms=limit),
            ):
                # What nearly all comparisons are, without the way through their normal form.
                self.leaves += 1
                found = self._compared(operator if wanted else _OPPOSITE[operator], left, limit)
            case _:
                self.leaves += 1
                found = self._of_formula(truth(node) if wanted else falsehood(node))
        self._constraints[key] = found
        self._kept.append(node)
        return found

    def _of_formula(self, formula: Formula) -> Constraint:
        match formula:
            case Constant(value=value):
                return ALWAYS_MET if value else NEVER_MET
            case Flag(source=source, value=value):
                return self._within(self._quantities.place_of(source), flags_domain(TRUE if value else FALSE))
            case Match():
                look = Look(untyped(formula.source), formula.function, formula.text, formula.lowered)
                if formula.value and formula.lowered and not is_small(formula.text):
                    return NEVER_MET
                return self._within(self._quantities.place(look), flags_domain(TRUE if formula.value else FALSE))
            case Present(source=source):
                kind = source.kind if isinstance(source, Trait | Property | Aggregate) else Kind.ANY
                return self._within(self._quantities.place_of(source), _OF_KIND.get(kind, PRESENT))
            case Test():
                return self._test(formula.operator, formula.left, formula.right)
            case All(parts=parts):
                return self._join(AllOf, [self._of_formula(part) for part in parts])
            case Any(parts=parts):
                return self._join(AnyOf, [self._of_formula(part) for part in parts])
            case Lacks(part=part):
                return self.otherwise(self._of_formula(part))

    def _test(self, operator: str, left: Node, right: Node) -> Constraint:
        first, second = constant_of_node(left), constant_of_node(right)
        if first is not None and second is not None:
            if isinstance(first, str) or isinstance(second, str):
                return ALWAYS_MET if (first == second) is (operator == "==") else NEVER_MET
            return ALWAYS_MET if compare_numbers(operator, first, second) else NEVER_MET
        if first is not None:
            return self._compared(_TURNED_ROUND[operator], right, first)
        if second is not None:
            return self._compared(operator, left, second)
        places = (self._quantities.place_of(left), self._quantities.place_of(right))
        if places[0] == places[1]:
            return self._within(places[0], A_NUMBER) if operator in ("==", "<=", ">=") else NEVER_MET
        if places[0] > places[1]:
            left, right, operator = right, left, _TURNED_ROUND[operator]
        return self._compared(operator, Relation(untyped(left), untyped(right)), 0)

    def _compared(self, operator: str, quantity: Node | Relation, limit: float | str) -> Constraint:
        place = (
            self._quantities.place(quantity) if isinstance(quantity, Relation) else self._quantities.place_of(quantity)
        )
        key = (place, operator, limit)
        found = self._thresholds.get(key)
        if found is None:
            found = self._thresholds[key] = self._threshold(place, operator, limit)
        return found

    def _threshold(self, place: int, operator: str, limit: float | str) -> Constraint:
        if isinstance(limit, str):
            values = texts_domain(limit) if operator == "==" else A_STRING - texts_domain(limit)
        elif limit != limit:  # noqa: PLR0124 - not a number: missing
            return NEVER_MET
        else:
            values = numbers_domain(numbers_compared(operator, limit))
        return self._within(place, values)

    def _within(self, place: int, values: Domain) -> Constraint:
        whole, has_whole_numbers = self._quantities.universes[place]
        left = whole & values
        if has_whole_numbers:
            left = left.with_whole_numbers()
        if left.is_empty:
            return NEVER_MET
        return ALWAYS_MET if left == whole else Within(place, left)

    def _join(self, how: type[AllOf | AnyOf], parts: list[Constraint]) -> Constraint:
        """All or any of the parts, flattened; those about one quantity become one."""
        neutral, ruling = (ALWAYS_MET, NEVER_MET) if how is AllOf else (NEVER_MET, ALWAYS_MET)
        single: dict[int, list[Within]] = {}
        others: list[Constraint] = []
        for part in itertools.chain.from_iterable(part.parts if isinstance(part, how) else (part,) for part in parts):
            if part == ruling:
                return ruling
            if isinstance(part, Within):
                single.setdefault(part.place, []).append(part)
            elif part != neutral:
                others.append(part)
        merged: list[Constraint] = []
        for place, same in single.items():
            if len(same) == 1:
                merged += same
                continue
            sets = [part.values for part in same]
            constraint = self._within(place, all_of(sets) if how is AllOf else any_of(sets))
            if constraint == ruling:
                return ruling
            if constraint != neutral:
                merged.append(constraint)
        merged += others
        return merged[0] if len(merged) == 1 else how(tuple(merged))


def places_of(constraint: Constraint) -> Iterator[int]:
    """The numbers of the quantities that a constraint is about, with repeats."""
    waiting: list[Constraint] = [constraint]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Within):
            yield current.place
        else:
            waiting += current.parts
