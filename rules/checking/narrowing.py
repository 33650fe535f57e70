"""Sets of values that narrow each other: what is known of one quantity, carried over to those that depend on it.

A rule looks at the sets of some quantities and takes out values that cannot go with any of the others'. It never takes
out one that can, so a set that comes out empty proves that the conditions exclude each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rules.checking.domains import (
    FALSE,
    MISSING,
    NOTHING,
    OTHER,
    TRUE,
    Domain,
    flags_domain,
    numbers_compared,
    numbers_domain,
)
from rules.checking.quantities import A_NUMBER, A_STRING, Look, reach
from rules.checking.relations import PRESENT
from rules.nodes import Arithmetic, Negate, Node
from rules.normalize import matches

__all__ = [
    "Arises",
    "Domains",
    "Finds",
    "Follows",
    "Impossible",
    "Ordered",
    "Related",
    "Rule",
    "UsedUp",
    "settle",
]

MAX_ROUNDS = 12
"""Rounds over all rules until no set changes. `x < y` and `y < x` of whole numbers would go on for ever."""

ROUNDING = 1e-12
"""How far, relatively, a mean of doubles may lie beyond the least and the greatest of them: well above what rounding
does."""


class Impossible(Exception):  # noqa: N818 - no error: the answer that is looked for
    """The set of a quantity is empty: nothing meets the conditions."""


class UsedUp(Exception):  # noqa: N818 - no error either
    """The work allowed is used up, and there is no answer."""


class Domains:
    """The sets of some quantities by their numbers; those not narrowed yet are their universes."""

    def __init__(
        self, universes: Sequence[tuple[Domain, bool]], work: list[int], narrowed: dict[int, Domain] | None = None
    ) -> None:
        self._universes = universes
        self._narrowed = narrowed or {}
        self._work = work
        self.changes = 0

    def __getitem__(self, place: int) -> Domain:
        found = self._narrowed.get(place)
        return self._universes[place][0] if found is None else found

    def is_whole(self, place: int) -> bool:
        """Whether the quantity's numbers are whole."""
        return self._universes[place][1]

    def narrow(self, place: int, values: Domain) -> None:
        """Take out what is not in `values`. Raises Impossible if nothing is left, UsedUp if it took too long."""
        before = self[place]
        self.spend(1 + len(before.numbers) // 8 + len(before.texts) // 8)
        left = before & values
        if self._universes[place][1] and left.numbers:
            left = left.with_whole_numbers()
        if left.is_empty:
            raise Impossible
        if left != before:
            self._narrowed[place] = left
            self.changes += 1

    def spend(self, work: int) -> None:
        """Count work. Raises UsedUp if it is more than is allowed."""
        self._work[0] -= work
        if self._work[0] < 0:
            raise UsedUp

    def copy(self) -> Domains:
        """The same sets, to be narrowed apart. The allowance for work is common to all copies."""
        return Domains(self._universes, self._work, dict(self._narrowed))


def settle(domains: Domains, rules: Sequence[Rule]) -> None:
    """Apply the rules until no set changes any more. Raises Impossible, or UsedUp."""
    for _ in range(MAX_ROUNDS):
        before = domains.changes
        domains.spend(len(rules) // 4)
        for rule in rules:
            rule.apply(domains)
        if domains.changes == before:
            return


@dataclass(frozen=True, slots=True)
class Ordered:
    """`low <= high` where both are numbers; `is_rounded`: nearly so."""

    low: int
    high: int
    is_rounded: bool = False

    def apply(self, domains: Domains) -> None:
        """Cut each at the other's end, where the other is surely there."""
        low, high = domains[self.low], domains[self.high]
        if low.is_number and low.numbers[0][0] != -math.inf:
            place = low.numbers[0]
            start = (place[0] - abs(place[0]) * ROUNDING, 0) if self.is_rounded else place
            domains.narrow(self.high, _numbers_or_none((start, (math.inf, 1))))
        if high.is_number and high.numbers[-1][0] != math.inf:
            place = high.numbers[-1]
            end = (place[0] + abs(place[0]) * ROUNDING, 1) if self.is_rounded else place
            domains.narrow(self.low, _numbers_or_none(((-math.inf, 0), end)))


def _numbers_or_none(places: tuple[tuple[float, int], tuple[float, int]]) -> Domain:
    """These numbers, or whatever is no number."""
    return Domain(MISSING | OTHER | FALSE | TRUE, places if places[0] < places[1] else (), frozenset(), True)


@dataclass(frozen=True, slots=True)
class Follows:
    """Where `one` has one of `values`, `other` has one of `needed`; where `other` has none, neither has `one`."""

    one: int
    values: Domain
    other: int
    needed: Domain
    others: Domain = NOTHING
    """All but `values`, so that it is computed once."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "others", ~self.values)

    def apply(self, domains: Domains) -> None:
        """Carry it both ways."""
        if (domains[self.one] & self.others).is_empty:
            domains.narrow(self.other, self.needed)
        elif (domains[self.other] & self.needed).is_empty:
            domains.narrow(self.one, self.others)


@dataclass(frozen=True, slots=True)
class Related:
    """`sign` is how the numbers of `left` and `right` compare; missing where one of them is no number."""

    sign: int
    left: int
    right: int

    def apply(self, domains: Domains) -> None:
        """Which signs the ends leave, and which ends the sign leaves."""
        sign, left, right = domains[self.sign], domains[self.left], domains[self.right]
        if sign.is_present:
            domains.narrow(self.left, A_NUMBER)
            domains.narrow(self.right, A_NUMBER)
            left, right = domains[self.left], domains[self.right]
        if left.is_number and right.is_number:
            domains.narrow(self.sign, PRESENT)
            sign = domains[self.sign]
        if not left.numbers or not right.numbers:
            domains.narrow(self.sign, flags_domain(MISSING))
            return
        signs = [
            *([-1] if left.numbers[0][0] < right.numbers[-1][0] else []),
            *([0] if (left & right).numbers else []),
            *([1] if right.numbers[0][0] < left.numbers[-1][0] else []),
        ]
        places = tuple((sign, side) for sign in signs for side in (0, 1))
        domains.narrow(self.sign, Domain(MISSING, places))
        sign = domains[self.sign]
        if not sign.is_present:
            return
        least, greatest = sign.numbers[0][0], sign.numbers[-1][0]
        if greatest <= 0:  # left <= right, or < where equality is out
            self._cut(domains, self.left, self.right, is_strict=greatest < 0)
        if least >= 0:
            self._cut(domains, self.right, self.left, is_strict=least > 0)

    @staticmethod
    def _cut(domains: Domains, low: int, high: int, *, is_strict: bool) -> None:
        end = domains[high].numbers[-1][0]
        domains.narrow(low, numbers_domain(numbers_compared("<" if is_strict else "<=", end)))
        start = domains[low].numbers[0][0]
        domains.narrow(high, numbers_domain(numbers_compared(">" if is_strict else ">=", start)))


@dataclass(frozen=True, slots=True)
class Arises:
    """`result` is arithmetic over other quantities, which `place_of` finds; `leaves` are those. Of `size` nodes."""

    result: int
    node: Negate | Arithmetic
    leaves: tuple[int, ...]
    size: int
    is_duration: bool
    place_of: Callable[[Node], int]

    def apply(self, domains: Domains) -> None:
        """The result lies between the ends computed from the parts; if it is there, so are they."""
        if domains[self.result].is_present:
            for leaf in self.leaves:
                domains.narrow(leaf, A_NUMBER)

        def domain_of(node: Node) -> tuple[Domain, bool]:
            place = self.place_of(node)
            return domains[place], domains.is_whole(place)

        domains.spend(self.size)
        domains.narrow(self.result, reach(self.node, domain_of, is_duration=self.is_duration))


@dataclass(frozen=True, slots=True)
class Finds:
    """`verdict` is what a look into the string of `source` finds; missing where that is no string."""

    verdict: int
    source: int
    look: Look

    def apply(self, domains: Domains) -> None:
        """A string that is known decides; a look that has found something has found a string."""
        verdict, source = domains[self.verdict], domains[self.source]
        if verdict.is_present:
            domains.narrow(self.source, A_STRING)
        elif verdict == flags_domain(MISSING):
            domains.narrow(self.source, ~A_STRING)
        source = domains[self.source]
        if source.is_inside(A_STRING):
            domains.narrow(self.verdict, PRESENT)
        if source.texts_out:
            return
        wanted = domains[self.verdict]
        fitting = {text for text in source.texts if wanted.bits & (TRUE if self._finds(text) else FALSE)}
        domains.narrow(self.source, Domain(source.bits, source.numbers, frozenset(fitting)))
        bits = MISSING
        for text in fitting:
            bits |= TRUE if self._finds(text) else FALSE
        domains.narrow(self.verdict, flags_domain(bits))

    def _finds(self, text: str) -> bool:
        return matches(self.look.function, self.look.text, text.lower() if self.look.lowered else text)


Rule = Ordered | Follows | Related | Arises | Finds
