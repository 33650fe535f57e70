"""The quantities that conditions are about, each with the values it can have at all, and how some follow from others.

A quantity is a trait, a property, an aggregate, a membership and so on; also a string in small letters, a look into a
string, arithmetic over others, and how two of them compare (less, equal, greater as -1, 0, 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rules.checking.domains import (
    ANYTHING,
    FALSE,
    MISSING,
    OTHER,
    TRUE,
    Domain,
    flags_domain,
    numbers_between,
    numbers_compared,
    numbers_domain,
    whole_numbers,
)
from rules.nodes import (
    Aggregate,
    Arithmetic,
    ClusterOf,
    Days,
    DurationValue,
    Level,
    Lower,
    Membership,
    Negate,
    Node,
    NumberValue,
    Property,
    QuantileOf,
    ScoreOf,
    TextValue,
    Trait,
)
from rules.normalize import constant_of

__all__ = ["A_NUMBER", "A_STRING", "Look", "Quantity", "Relation", "constant_of_node", "is_small", "reach", "universe"]

MAX_SUM = 9e12
MAX_VALUE = 1e12
MAX_COUNT = 2**53

_EVERY_NUMBER = numbers_compared("<=", math.inf)
A_NUMBER = numbers_domain(_EVERY_NUMBER)
A_STRING = Domain(texts_out=True)
_A_NUMBER_OR_MISSING = Domain(MISSING, _EVERY_NUMBER)
SIGNS = (-1, 0, 1)


@dataclass(frozen=True, slots=True)
class Relation:
    """How the numbers of two nodes compare: -1 where the first is less, 0 where they are equal, 1."""

    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Look:
    """What a look into a string finds: true or false, missing where there is no string."""

    source: Node
    function: str
    text: str
    lowered: bool


Quantity = Node | Relation | Look


def universe(quantity: Quantity, levels: Mapping[str, Sequence[str]], bins: Mapping[str, int]) -> tuple[Domain, bool]:
    """All values that a quantity can have, and whether its numbers are whole.

    levels: those of each tier.  bins: how many each model of quantiles has.
    """
    match quantity:
        case Relation():
            return Domain(MISSING, numbers_between(SIGNS[0], SIGNS[-1])), True
        case Look():
            return flags_domain(MISSING | FALSE | TRUE), False
        case Trait() | Property():
            return ANYTHING, False
        case Membership():
            return flags_domain(FALSE | TRUE), False
        case Level():
            names = levels.get(quantity.tier)
            return (A_STRING if names is None else Domain(0, (), frozenset(names))), False
        case ClusterOf():
            return Domain(MISSING, numbers_compared(">=", 1)), True
        case ScoreOf():
            return Domain(MISSING, numbers_between(0, 1)), False
        case QuantileOf():
            return Domain(MISSING, numbers_between(1, bins.get(quantity.model, math.inf))), True
        case Lower():
            return Domain(MISSING, (), frozenset(), True), False
        case Days():
            return Domain(MISSING, numbers_between(0, 365) if quantity.yearly else _EVERY_NUMBER), True
        case Aggregate():
            return _aggregate(quantity)
        case _:
            return _A_NUMBER_OR_MISSING, False


def _aggregate(node: Aggregate) -> tuple[Domain, bool]:
    match node.function:
        case "count":
            return numbers_domain(numbers_between(0, MAX_COUNT)), True
        case "distinct":
            return numbers_domain(numbers_between(0, 64)), True
        case "sum":
            return numbers_domain(numbers_between(-MAX_SUM, MAX_SUM)), False
        case "mean" | "min" | "max":
            return Domain(MISSING, numbers_between(-MAX_VALUE, MAX_VALUE)), False
        case "since" | "since_first":
            return Domain(MISSING, numbers_compared(">=", 0)), True
        case "top_hour":
            return Domain(MISSING, numbers_between(0, 23)), True
        case "top":
            return ANYTHING - flags_domain(OTHER), False
        case _:
            return ANYTHING, False


def is_small(text: str) -> bool:
    """Whether `lower(…)` can have these characters in it: none of them has a small letter of its own."""
    return all(character.lower() == character for character in text)


def constant_duration(node: Node) -> int | None:
    """The milliseconds of a duration that reads nothing; None if it reads something."""
    match node:
        case DurationValue(ms=ms):
            return ms
        case Negate(operand=operand):
            inner = constant_duration(operand)
            return None if inner is None else -inner
        case Arithmetic(operator="+" | "-", left=left, right=right):
            first, second = constant_duration(left), constant_duration(right)
            if first is None or second is None:
                return None
            return first + second if node.operator == "+" else first - second
        case _:
            return None


def constant_of_node(node: Node) -> float | str | None:
    """The value of a number, a duration (ms) or a string that reads nothing; None if it reads something."""
    if isinstance(node, TextValue):
        return node.value
    number = constant_of(node)
    return constant_duration(node) if number is None else number


def reach(node: Node, domain_of: Callable[[Node], tuple[Domain, bool]], *, is_duration: bool) -> Domain:
    """The numbers that arithmetic can come to, and whether it can be missing; `domain_of` as `universe`, for now.

    Rounding keeps order, so computing with the ends of intervals in doubles, as users' values are computed, is exact
    enough: no value lies outside. What is not finite is missing.
    """
    match node:
        case NumberValue():
            return numbers_domain(numbers_between(float(node.value), float(node.value)))
        case DurationValue():
            return numbers_domain(numbers_between(node.ms, node.ms))
        case Negate():
            inner = reach(node.operand, domain_of, is_duration=is_duration)
            flipped = tuple((-value, 1 - side) for value, side in reversed(inner.numbers))
            return Domain(inner.bits, flipped)
        case Arithmetic():
            left = reach(node.left, domain_of, is_duration=is_duration)
            right = reach(node.right, domain_of, is_duration=is_duration)
            is_whole = isinstance(node.right, Aggregate | Days | ClusterOf | QuantileOf) and domain_of(node.right)[1]
            return _computed(node.operator, left, right, is_duration=is_duration, is_whole=is_whole)
        case _:
            domain, _ = domain_of(node)
            is_always_there = domain.is_number
            return Domain(0 if is_always_there else MISSING, domain.numbers)


def _computed(operator: str, left: Domain, right: Domain, *, is_duration: bool, is_whole: bool) -> Domain:
    """Arithmetic of two sets; `is_whole`: the numbers on the right are whole."""
    missing = (left.bits | right.bits) & MISSING
    divisor = right.numbers
    if operator == "/":
        without_zero = right & numbers_domain(numbers_compared("!=", 0))
        if without_zero.numbers != divisor:
            missing = MISSING
        divisor = without_zero.numbers
        if is_whole:
            divisor = whole_numbers(divisor)
    if not left.numbers or not divisor:
        return flags_domain(MISSING)
    first: tuple[float, float] = (left.numbers[0][0], left.numbers[-1][0])
    second: tuple[float, float] = (divisor[0][0], divisor[-1][0])
    if not is_duration:  # those are whole ms, which Python computes exactly
        first, second = (float(first[0]), float(first[1])), (float(second[0]), float(second[1]))
    match operator:
        case "+":
            ends = [first[0] + second[0], first[1] + second[1]]
        case "-":
            ends = [first[0] - second[1], first[1] - second[0]]
        case "*":
            ends = [_product(a, b) for a in first for b in second]
        case _:
            ends = _quotients(first, second, is_positive=divisor[0] >= (0, 0), is_negative=divisor[-1] <= (0, 1))
    low, high = min(ends), max(ends)
    if not is_duration and not (math.isfinite(low) and math.isfinite(high)):
        missing = MISSING
    return Domain(missing, numbers_between(low, high))


def _product(left: float, right: float) -> float:
    return 0.0 if left == 0 or right == 0 else left * right


def _quotients(
    first: tuple[float, float], second: tuple[float, float], *, is_positive: bool, is_negative: bool
) -> list[float]:
    """Ends between which all quotients lie; the divisors are not zero, but may come as near as they like."""
    if not (is_positive or is_negative):
        return [-math.inf, math.inf]
    sign = 1.0 if is_positive else -1.0
    ends: list[float] = []
    for dividend in first:
        for divisor in second:
            if dividend == 0:
                ends.append(0.0)
            elif divisor == 0:
                ends.append(math.copysign(math.inf, dividend) * sign)
            elif math.isinf(divisor):
                ends += [0.0, math.copysign(math.inf, dividend) * sign] if math.isinf(dividend) else [0.0]
            else:
                ends.append(dividend / divisor)
    return ends
