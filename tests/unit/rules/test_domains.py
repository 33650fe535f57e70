from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.checking.domains import (
    ANYTHING,
    EVERY_NUMBER,
    FALSE,
    MISSING,
    NOTHING,
    TRUE,
    Domain,
    all_of,
    any_of,
    flags_domain,
    numbers_between,
    numbers_compared,
    numbers_domain,
    texts_domain,
    whole_numbers,
)
from rules.normalize import compare_numbers

OPERATORS = ("==", "!=", "<", "<=", ">", ">=")
SAMPLE = [-math.inf, -2, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, math.inf]
WORDS = ["a", "b", "c"]

_limits = st.sampled_from([-1, 0, 0.5, 1, 2])
_pieces = st.one_of(
    st.builds(
        lambda operator, limit: numbers_domain(numbers_compared(operator, limit)), st.sampled_from(OPERATORS), _limits
    ),
    st.builds(lambda words: texts_domain(*words), st.sets(st.sampled_from(WORDS))),
    st.builds(flags_domain, st.integers(0, 15)),
    st.sampled_from([NOTHING, ANYTHING]),
)
_domains = st.recursive(
    _pieces,
    lambda inner: st.one_of(
        st.builds(lambda one, other: one & other, inner, inner),
        st.builds(lambda one, other: any_of([one, other]), inner, inner),
        st.builds(lambda one: ~one, inner),
    ),
    max_leaves=6,
)


def members(domain: Domain) -> set[object]:
    """Which of a few values are in a set, by looking."""
    found: set[object] = {f"bit {bit}" for bit in (1, 2, 4, 8) if domain.bits & bit}
    for number in SAMPLE:
        pairs = zip(domain.numbers[::2], domain.numbers[1::2], strict=True)
        if any(low <= (number, 0) and (number, 1) <= high for low, high in pairs):
            found.add(float(number))
    found |= {word for word in WORDS if (word in domain.texts) is not domain.texts_out}
    return found


EVERYTHING = members(ANYTHING)


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_comparison_is_the_set_of_numbers_that_meet_it(operator: str) -> None:
    finite = [number for number in SAMPLE if math.isfinite(number)]
    found = members(numbers_domain(numbers_compared(operator, 1)))
    assert {number for number in finite if number in found} == {
        number for number in finite if compare_numbers(operator, number, 1)
    }


@given(one=_domains, other=_domains)
def test_sets_join_as_sets_do(one: Domain, other: Domain) -> None:
    assert members(one & other) == members(one) & members(other)
    assert members(any_of([one, other])) == members(one) | members(other)
    assert members(all_of([one, other])) == members(one) & members(other)
    assert members(one - other) == members(one) - members(other)
    assert members(~one) == EVERYTHING - members(one)
    assert ~~one == one
    assert one.is_inside(any_of([one, other]))
    assert one.is_empty is (one == NOTHING)


@given(domain=_domains)
def test_the_places_of_numbers_are_in_order_and_no_interval_is_empty(domain: Domain) -> None:
    assert list(domain.numbers) == sorted(set(domain.numbers))
    assert len(domain.numbers) % 2 == 0


def test_intervals_that_touch_become_one() -> None:
    halves = [numbers_domain(numbers_compared("<", 1)), numbers_domain(numbers_compared(">=", 1))]
    assert any_of(halves) == numbers_domain(EVERY_NUMBER)
    around = [numbers_domain(numbers_compared("<", 1)), numbers_domain(numbers_compared(">", 1))]
    assert any_of(around) == numbers_domain(numbers_compared("!=", 1))


def test_whole_numbers_draw_the_ends_in() -> None:
    assert whole_numbers(numbers_compared(">", 1)) == ((2, 0), (math.inf, 1))
    assert whole_numbers(numbers_compared("<", 1.5)) == ((-math.inf, 0), (1, 1))
    assert whole_numbers(numbers_compared("==", 2.5)) == ()
    assert whole_numbers(numbers_between(0.5, 2.5)) == ((1, 0), (2, 1))
    assert whole_numbers(numbers_compared("!=", 2)) == ((-math.inf, 0), (1, 1), (3, 0), (math.inf, 1))


def test_an_interval_the_wrong_way_round_is_empty() -> None:
    assert numbers_between(2, 1) == ()


def test_presence_and_being_a_number_are_told_apart() -> None:
    assert flags_domain(TRUE | FALSE).is_present
    assert not flags_domain(MISSING | TRUE).is_present
    assert numbers_domain(EVERY_NUMBER).is_number
    assert not ANYTHING.is_number
    assert not texts_domain("a").is_number


def test_an_unknown_comparison_is_refused() -> None:
    with pytest.raises(ValueError, match="no comparison '~'"):
        numbers_compared("~", 1)
