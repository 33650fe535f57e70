"""The weightiest value: fading, order of ties, what is thrown out of 32."""

from __future__ import annotations

import math

import pytest

from rules.weights import Category, Weight, top_hour, top_value

HOUR_MS = 3_600_000


def _counted(*values: Category) -> list[tuple[Category, int]]:
    """Occurrences, all at the same time."""
    return [(value, 1_000) for value in values]


def test_nothing_has_no_weightiest_value() -> None:
    assert top_value([], None) is None
    assert top_hour([], HOUR_MS) is None


def test_without_a_half_life_occurrences_are_counted() -> None:
    assert top_value(_counted("a", "b", "a"), None) == "a"


def test_of_equal_counts_the_newer_wins() -> None:
    assert top_value([("a", 5), ("a", 1), ("b", 6), ("b", 0)], None) == "b"
    assert top_value([("b", 6), ("b", 0), ("a", 5), ("a", 6)], None) == "a"


@pytest.mark.parametrize(
    ("values", "winner"),
    [
        (("b", "a"), "a"),
        (("a", "Z"), "Z"),
        (("é", "z"), "z"),
        (("\U0001f600", "\ufffd"), "\ufffd"),  # by code point, where UTF-16 would say otherwise
        ((2.0, 10.0), 2.0),
        ((-1.0, 0.0), -1.0),
        (("1", 1.0), 1.0),
        ((0.0, True), True),
        ((True, False), False),
        (("", "a"), ""),
    ],
)
def test_of_equal_weight_and_time_the_smaller_wins(values: tuple[Category, ...], winner: Category) -> None:
    for order in (values, values[::-1]):
        actual = top_value(_counted(*order), HOUR_MS)
        assert (actual, type(actual)) == (winner, type(winner))


def test_true_is_not_one() -> None:
    assert top_value(_counted(True, 1.0, 1.0), None) == 1.0
    assert top_value(_counted(2.0, True, True, 2.0, 2.0), None) == 2.0


def test_a_weight_halves_with_each_half_life() -> None:
    once = Weight(1.0, 0)
    assert once.after(HOUR_MS, HOUR_MS) == Weight(1.5, HOUR_MS)
    assert once.after(2 * HOUR_MS, HOUR_MS) == Weight(1.25, 2 * HOUR_MS)
    assert once.after(0, HOUR_MS) == Weight(2.0, 0)


def test_a_late_occurrence_weighs_what_it_would_by_now() -> None:
    late = Weight(1.0, HOUR_MS).after(0, HOUR_MS)
    assert late == Weight(1.5, HOUR_MS)
    assert late.score(HOUR_MS) == math.log2(1.5) + 1.0


def test_a_score_is_the_same_however_late_it_is_looked_at() -> None:
    # Two occurrences at 0 weigh as much as one a half-life later: 2·2^-1 = 1.
    assert Weight(2.0, 0).score(HOUR_MS) == Weight(1.0, HOUR_MS).score(HOUR_MS)
    # So at equal scores the newer wins.
    assert top_value([("a", 0), ("a", 0), ("b", HOUR_MS)], HOUR_MS) == "b"
    assert top_value([("a", 0), ("a", 0), ("a", 0), ("b", HOUR_MS)], HOUR_MS) == "a"


def test_a_33rd_value_takes_the_place_of_the_lightest() -> None:
    # v00 to v31 once each at 0 to 31 s: v00 is the oldest of equal counts, so w takes its place, and it starts anew.
    first = [(f"v{place:02}", 1_000 * place) for place in range(32)]
    assert top_value([*first, ("w", 50), ("v00", 60)], None) == "v31"
    # With a second occurrence v00 is kept, and v01 goes instead.
    assert top_value([*first, ("v00", 0), ("w", 50), ("v00", 60)], None) == "v00"


def test_of_equal_score_and_time_the_greatest_value_goes() -> None:
    same = _counted(*(f"v{place:02}" for place in range(32)))
    # v31 has gone for w: of two more occurrences it keeps two, v00 three.
    assert top_value([*same, ("w", 1_000), *[("v31", 1_000)] * 2, *[("v00", 1_000)] * 2], None) == "v00"
    assert top_value([*same, ("w", 1_000), *[("v30", 1_000)] * 2, ("v00", 1_000)], None) == "v30"


def test_of_equal_hours_the_earlier_in_the_day_wins_even_if_older() -> None:
    assert top_hour([(9, 0), (8, 60), (9, 1)], None) == 9
    assert top_hour([(9, 5), (8, 4)], None) == 8
    assert top_hour([(9, 0), (8, HOUR_MS)], HOUR_MS) == 8
    assert top_hour([(8, 0), (8, 0), (9, HOUR_MS)], HOUR_MS) == 8
