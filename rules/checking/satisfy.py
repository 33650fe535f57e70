"""Can a condition ever hold, and can it ever fail to? By the values that each quantity can have, and how they depend.

A condition becomes a constraint (`rules.checking.constraints`): quantities that lie in sets, joined by all-of and
any-of. Whether it can be met is found by narrowing the sets of all quantities until nothing changes, and by trying the
alternatives of an any-of one after the other. The answer "no" is a proof; "perhaps" is all else, and what takes too
long is "perhaps" too. So a set may always be taken too large, never too small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rules.checking.constraints import NEVER_MET, AllOf, AnyOf, Conditions, Constraint, Within, places_of
from rules.checking.dependence import Quantities
from rules.checking.narrowing import Domains, Impossible, Rule, UsedUp, settle
from rules.nodes import Node

__all__ = ["Reasoner"]

WORK_OF_ONE = 4_000
"""What one question may take, in narrowings of a set (some 3 µs); a usual question takes ten."""

WORK_OF_ALL = 120_000
"""What all questions to one reasoner may take together, half a second; then every answer is "perhaps". A catalog of
1,000 segments with 6,000 comparisons takes half of it."""

WORK_OF_LEAF = 5
"""What a comparison takes to become a constraint."""

MAX_DEPTH = 60
"""Alternatives that are chosen one inside the other."""


class Reasoner:
    """Answers questions about conditions of one catalog. `levels` are the names of each tier's levels.

    Nodes are known again by their identity, so those asked about must live as long as the reasoner.
    """

    def __init__(
        self, levels: Mapping[str, Sequence[str]] | None = None, bins: Mapping[str, int] | None = None
    ) -> None:
        self._quantities = Quantities(levels or {}, bins or {})
        self._conditions = Conditions(self._quantities)
        self.holds = self._conditions.holds
        self.fails = self._conditions.fails
        self.otherwise = self._conditions.otherwise
        self.both = self._conditions.both
        self._work_left = WORK_OF_ALL

    def can_fail(self, node: Node) -> bool:
        """False if the comparison is false for nothing at all: true for everybody who has the value."""
        holds = self.holds(node)
        if not isinstance(holds, Within) or not self._is_plain(holds):
            return self.is_possible(self.fails(node))
        whole, _ = self._quantities.universes[holds.place]
        if holds.values.numbers:
            return holds.values.numbers != whole.numbers
        return (holds.values.texts, holds.values.texts_out) != (whole.texts, whole.texts_out)

    def is_possible(self, constraint: Constraint) -> bool:
        """False if nothing at all can meet the constraint; True if something can, or if that was not found out."""
        if self._is_plain(constraint) or constraint == NEVER_MET:
            return constraint != NEVER_MET
        work = [min(WORK_OF_ONE, self._work_left - WORK_OF_LEAF * self._conditions.leaves)]
        allowed = work[0]
        try:
            places = [*places_of(constraint)]
            work[0] -= len(places) // 4
            rules = self._quantities.rules(places, work)
            if not rules and self._is_separate(places):
                return True
            return self._search(Domains(self._quantities.universes, work), [constraint], rules, 0)
        except UsedUp:
            return True
        finally:
            self._work_left -= allowed - max(work[0], 0)

    def is_avoidable(self, constraint: Constraint) -> bool:
        """False if everything meets the constraint; True if something does not, or if that was not found out."""
        match constraint:
            case AllOf(parts=parts):
                return any(self.is_avoidable(part) for part in parts)
            case Within() if self._is_plain(constraint):
                return True
            case _:
                return self.is_possible(self.otherwise(constraint))

    def _is_plain(self, constraint: Constraint) -> bool:
        """Whether it is about a quantity that is not made of others: such sets are never empty, nor everything."""
        return isinstance(constraint, Within) and constraint.place not in self._quantities.parts

    def _is_separate(self, places: Sequence[int]) -> bool:
        """Whether each quantity is there only once, and none is made of others: nothing can conflict."""
        return len(places) == len(set(places)) and self._quantities.parts.keys().isdisjoint(places)

    @property
    def is_tired(self) -> bool:
        """Whether the work allowed is used up, so that every answer is "perhaps"."""
        return self._work_left - WORK_OF_LEAF * self._conditions.leaves <= 0

    # The search

    def _search(self, domains: Domains, constraints: list[Constraint], rules: list[Rule], depth: int) -> bool:
        """Whether the constraints may all be met, with the sets narrowed so far."""
        if depth > MAX_DEPTH:
            raise UsedUp
        try:
            open_choices = self._assume(domains, constraints, rules)
        except Impossible:
            return False
        if not open_choices:
            return True
        choice = min(open_choices, key=lambda choice: len(choice.parts))
        rest: list[Constraint] = [other for other in open_choices if other is not choice]
        return any(self._search(domains.copy(), [part, *rest], rules, depth + 1) for part in choice.parts)

    def _assume(self, domains: Domains, constraints: list[Constraint], rules: list[Rule]) -> list[AnyOf]:
        """Narrow by everything that leaves no choice. What remains are choices of two alternatives or more."""
        waiting = list(constraints)
        choices: list[AnyOf] = []
        while True:
            while waiting:
                constraint = waiting.pop()
                match constraint:
                    case Within(place=place, values=values):
                        domains.narrow(place, values)
                    case AllOf(parts=parts):
                        waiting += parts
                    case AnyOf():
                        choices.append(constraint)
            settle(domains, rules)
            undecided: list[AnyOf] = []
            domains.spend(sum(len(choice.parts) for choice in choices))
            for choice in choices:
                left = _left_of(choice, domains)
                if left is None:
                    continue
                if not left:
                    raise Impossible
                if len(left) == 1:
                    waiting.append(left[0])
                else:
                    undecided.append(choice if len(left) == len(choice.parts) else AnyOf(tuple(left)))
            choices = undecided
            if not waiting:
                return choices


def _left_of(choice: AnyOf, domains: Domains) -> list[Constraint] | None:
    """The alternatives that the sets as they are do not rule out at a glance; None if one of them holds anyhow."""
    left: list[Constraint] = []
    for part in choice.parts:
        if isinstance(part, Within):
            values = domains[part.place]
            common = values & part.values
            if common == values:
                return None
            if common.is_empty:
                continue
        elif _is_excluded(part, domains):
            continue
        left.append(part)
    return left


def _is_excluded(constraint: Constraint, domains: Domains) -> bool:
    """Whether the sets as they are rule a constraint out, at a glance."""
    match constraint:
        case Within(place=place, values=values):
            return (domains[place] & values).is_empty
        case AllOf(parts=parts):
            return any(isinstance(part, Within) and _is_excluded(part, domains) for part in parts)
        case AnyOf():
            return False
