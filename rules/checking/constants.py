"""Arithmetic that comes to the same for everybody: `0 * orders`, `spend - spend`, `orders / orders`.

An expression is taken as a quotient of two polynomials over what it reads, with exact coefficients, so that what
cancels cancels. What grows too large is taken as no constant, so the answer "constant" is a proof, for the numbers of
mathematics: what doubles leave of `spend + 0.1 - spend` is no difference between users either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from rules.errors import Flaw, ProblemCode, clip
from rules.nodes import Arithmetic, DurationValue, Kind, Negate, Node, NumberValue, Span, kind_of
from rules.text import duration_text, expression_text, number_text

__all__ = ["Constants"]

MAX_TERMS = 64
"""Terms of a polynomial; features have a few."""

MAX_BITS = 4_096
"""Of a coefficient; a number of an expression has 1,100 at most."""

LARGEST_SHOWN = 10**15

WORK_OF_ALL = 10_000
"""Products of two terms (some 10 µs) that all features of a catalog may take together. Then nothing more is found."""

Monomial = tuple[tuple[Node, int], ...]
"""What is multiplied, each with its power, in the order in which it was met first."""

Polynomial = dict[Monomial, Fraction]
"""Coefficients, none of them 0."""


class _TooLargeError(Exception):
    """Raised where a polynomial has more terms, or longer numbers, than are looked at."""


@dataclass(frozen=True, slots=True)
class _Quotient:
    """`above` / `below`; missing for everybody where `below` is empty."""

    above: Polynomial
    below: Polynomial


class Constants:
    """Looks at the features of one catalog. Nodes are known again by their identity, so they must live as long.

    `names` are the tags', as for `expression_text`.
    """

    def __init__(self, names: Mapping[Node, str]) -> None:
        self._names = names
        self._order: dict[Node, int] = {}
        self._known: dict[int, _Quotient] = {}
        self._work_left = WORK_OF_ALL

    def flaw(self, node: Node, span: Span, what: str) -> Flaw | None:
        """The flaw of a feature that tells no two users apart: its value is always the same, or always missing.

        `what` it is is for the message, such as `feature idle of the model churn`.
        """
        if not isinstance(node, Arithmetic | Negate):
            return None
        try:
            quotient = self._of(node)
        except _TooLargeError:
            return None
        value = _constant_of(quotient)
        if value is None:
            return None
        says = (
            "is missing for every user"
            if not quotient.below
            else f"is {_shown(value, kind_of(node))} for every user who has it"
        )
        message = f"the {what} {says}, so it tells no two users apart"
        expected = "a number or a duration in which users differ"
        found = clip(expression_text(node, self._names))
        return Flaw(ProblemCode.CONSTANT_FEATURE, message, span, found, expected)

    def _of(self, node: Node) -> _Quotient:
        known = self._known.get(id(node))
        if known is None:
            known = self._known[id(node)] = self._made(node)
        return known

    def _made(self, node: Node) -> _Quotient:
        match node:
            case NumberValue(value=value):
                return _whole(_constant(Fraction(repr(value))))  # 0.1 is a tenth
            case DurationValue(ms=ms):
                return _whole(_constant(Fraction(ms)))
            case Negate(operand=operand):
                quotient = self._of(operand)
                return _Quotient(_scaled(quotient.above, Fraction(-1)), quotient.below)
            case Arithmetic(operator=operator, left=left, right=right):
                return self._joined(operator, self._of(left), self._of(right))
            case _:
                self._order.setdefault(node, len(self._order))
                return _whole({((node, 1),): Fraction(1)})

    def _joined(self, operator: str, left: _Quotient, right: _Quotient) -> _Quotient:
        if not left.below or not right.below:
            return _Quotient({}, {})
        if operator == "*":
            return _Quotient(self._product(left.above, right.above), self._product(left.below, right.below))
        if operator == "/":
            return _Quotient(self._product(left.above, right.below), self._product(left.below, right.above))
        sign = Fraction(1 if operator == "+" else -1)
        if left.below == right.below:
            return _Quotient(_sum(left.above, _scaled(right.above, sign)), left.below)
        above = _sum(self._product(left.above, right.below), _scaled(self._product(right.above, left.below), sign))
        return _Quotient(above, self._product(left.below, right.below))

    def _product(self, one: Polynomial, other: Polynomial) -> Polynomial:
        self._work_left -= 1 + len(one) * len(other)
        if self._work_left < 0:
            raise _TooLargeError
        found: Polynomial = {}
        for left, left_times in one.items():
            for right, right_times in other.items():
                monomial = self._merged(left, right)
                found[monomial] = found.get(monomial, Fraction(0)) + left_times * right_times
        return _checked(found)

    def _merged(self, one: Monomial, other: Monomial) -> Monomial:
        powers = dict(one)
        for node, power in other:
            powers[node] = powers.get(node, 0) + power
        return tuple(sorted(powers.items(), key=lambda part: self._order[part[0]]))


def _constant_of(quotient: _Quotient) -> Fraction | None:
    """The value that a quotient always has, 0 for one that is always missing; None if it has several."""
    if not quotient.below or not quotient.above:
        return Fraction(0)
    if quotient.above.keys() != quotient.below.keys():
        return None
    ratios = {coefficient / quotient.below[monomial] for monomial, coefficient in quotient.above.items()}
    return ratios.pop() if len(ratios) == 1 else None


def _shown(value: Fraction, kind: Kind) -> str:
    if abs(value) >= LARGEST_SHOWN:
        return "the same"
    return duration_text(int(value)) if kind is Kind.DURATION else number_text(float(value))


def _whole(polynomial: Polynomial) -> _Quotient:
    return _Quotient(polynomial, _constant(Fraction(1)))


def _constant(value: Fraction) -> Polynomial:
    return {(): value} if value else {}


def _scaled(polynomial: Polynomial, factor: Fraction) -> Polynomial:
    return {monomial: coefficient * factor for monomial, coefficient in polynomial.items()}


def _sum(one: Polynomial, other: Polynomial) -> Polynomial:
    found = dict(one)
    for monomial, coefficient in other.items():
        found[monomial] = found.get(monomial, Fraction(0)) + coefficient
    return _checked(found)


def _checked(polynomial: Polynomial) -> Polynomial:
    found = {monomial: coefficient for monomial, coefficient in polynomial.items() if coefficient}
    is_long = any(max(each.numerator.bit_length(), each.denominator.bit_length()) > MAX_BITS for each in found.values())
    if is_long or len(found) > MAX_TERMS:
        raise _TooLargeError
    return found
