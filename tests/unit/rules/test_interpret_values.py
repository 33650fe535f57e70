"""The meaning of single nodes: three-valued logic, types, windows, sums, durations."""

from __future__ import annotations

import pytest

from rules.history import Event
from rules.interpret import PRESENT, History, value_of
from rules.looks import looks_ms, sum_peak_units
from rules.nodes import (
    Aggregate,
    Among,
    And,
    Arithmetic,
    BooleanValue,
    Compare,
    DurationValue,
    Has,
    Kind,
    Negate,
    Node,
    Not,
    NumberValue,
    Or,
    Property,
    TagName,
    TextValue,
    Trait,
)
from rules.windows import bucket_of, hop_of, leaving_ms

NOTHING = History((), 0)
TRUE, FALSE = BooleanValue(True), BooleanValue(False)
UNKNOWN = Compare(">", Trait("age", Kind.NUMBER), NumberValue(30))


def _track(t_ms: int, name: str = "A", **properties: object) -> Event:
    return Event("abc", "track", name, t_ms, None, properties, {})


def _identify(t_ms: int, **traits: object) -> Event:
    return Event("abc", "identify", None, t_ms, None, {}, traits)


@pytest.mark.parametrize(
    ("left", "right", "both", "either"),
    [
        (TRUE, TRUE, True, True),
        (TRUE, FALSE, False, True),
        (FALSE, FALSE, False, False),
        (UNKNOWN, TRUE, None, True),
        (UNKNOWN, FALSE, False, None),
        (UNKNOWN, UNKNOWN, None, None),
    ],
)
def test_conditions_combine_in_three_valued_logic(left: Node, right: Node, both: object, either: object) -> None:
    for operands in ((left, right), (right, left)):
        assert value_of(And(operands), NOTHING, 0) is both
        assert value_of(Or(operands), NOTHING, 0) is either


@pytest.mark.parametrize(("operand", "expected"), [(TRUE, False), (FALSE, True), (UNKNOWN, None)])
def test_not_of_unknown_is_unknown(operand: Node, expected: object) -> None:
    assert value_of(Not(operand), NOTHING, 0) is expected


def test_has_is_never_missing() -> None:
    assert value_of(Has(UNKNOWN), NOTHING, 0) is False
    assert value_of(Has(TRUE), NOTHING, 0) is True
    assert value_of(Has(FALSE), NOTHING, 0) is True


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (5, Kind.NUMBER, 5.0),
        (5, Kind.STRING, None),
        (True, Kind.NUMBER, None),
        (True, Kind.BOOLEAN, True),
        (1, Kind.BOOLEAN, None),
        ("x", Kind.STRING, "x"),
        ("x", Kind.ANY, "x"),
        ([], Kind.ANY, PRESENT),
        ({}, Kind.NUMBER, None),
        (None, Kind.ANY, None),
        (2**53 + 1, Kind.NUMBER, float(2**53)),
    ],
)
def test_a_trait_of_another_type_than_its_place_asks_for_is_missing(
    value: object, kind: Kind, expected: object
) -> None:
    actual = value_of(Trait("x", kind), History([_identify(0, x=value)], 0), 0)
    assert (actual, type(actual)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("operator", "left", "right", "expected"),
    [
        ("+", 0.1, 0.2, 0.1 + 0.2),
        ("-", 1, 3, -2.0),
        ("*", 2, 2.5, 5.0),
        ("/", 1, 4, 0.25),
        ("/", 1, 0, None),
        ("/", 0, 0, None),
        ("*", 1e200, 1e200, None),
    ],
)
def test_arithmetic_is_in_doubles_and_what_is_not_finite_is_missing(
    operator: str, left: float, right: float, expected: float | None
) -> None:
    assert value_of(Arithmetic(operator, NumberValue(left), NumberValue(right)), NOTHING, 0) == expected


def test_arithmetic_with_a_missing_operand_is_missing() -> None:
    missing = Trait("age", Kind.NUMBER)
    assert value_of(Arithmetic("+", missing, NumberValue(1)), NOTHING, 0) is None
    assert value_of(Negate(missing), NOTHING, 0) is None


def test_durations_are_whole_milliseconds() -> None:
    history = History([_track(1_000)], 0)
    node = Arithmetic("-", DurationValue(2**53 + 1), Negate(Aggregate("since", "A")))
    assert value_of(node, history, 1_001) == 2**53 + 2


@pytest.mark.parametrize(("negated", "expected"), [(False, True), (True, False)])
def test_membership_in_a_list_compares_values(negated: bool, expected: bool) -> None:
    node = Among(TextValue("b"), (TextValue("a"), TextValue("b")), negated)
    assert value_of(node, NOTHING, 0) is expected
    assert value_of(Among(Trait("x", Kind.STRING), node.choices, negated), NOTHING, 0) is None


def test_an_unresolved_tag_has_no_value() -> None:
    with pytest.raises(ValueError, match="not resolved"):
        value_of(TagName("spend"), NOTHING, 0)


@pytest.mark.parametrize(
    ("last_ms", "hop_ms"), [(1_000, 17), (60_000, 1_000), (60_001, 1_001), (86_400_000, 1_440_000)]
)
def test_a_hop_is_a_sixtieth_of_the_window_rounded_up(last_ms: int, hop_ms: int) -> None:
    assert hop_of(last_ms) == hop_ms


@pytest.mark.parametrize("last_ms", [1_000, 60_000, 61_000, 90_001])
@pytest.mark.parametrize("user_hash", [0, 1, 479470107, 2**31 - 1])
def test_an_event_is_counted_for_the_window_at_least_and_61_hops_at_most(last_ms: int, user_hash: int) -> None:
    node = Aggregate("count", "A", last_ms=last_ms)
    for t_ms in (1_767_225_600_000, 1_767_225_600_892, 1_767_225_600_893):
        history = History([_track(t_ms)], user_hash)
        left_ms = leaving_ms(t_ms, last_ms, user_hash)
        assert last_ms <= left_ms - t_ms <= 61 * hop_of(last_ms)
        assert value_of(node, history, left_ms - 1) == 1
        assert value_of(node, history, left_ms) == 0


def test_buckets_are_shifted_by_the_phase() -> None:
    assert [bucket_of(t_ms, 1_000, 107) for t_ms in (0, 892, 893, 1_892)] == [0, 0, 1, 1]


def test_only_track_page_and_screen_are_counted() -> None:
    history = History([_track(0), _identify(1), Event("abc", "page", "Page Viewed", 2, None, {}, {})], 0)
    assert value_of(Aggregate("count", None), history, 5) == 2
    assert value_of(Aggregate("since", None), history, 5) == 3
    assert value_of(Aggregate("since_first", None), history, 5) == 5
    assert value_of(Aggregate("since", "B"), history, 5) is None


def test_where_counts_only_what_is_true() -> None:
    history = History([_track(0, x=1), _track(0, x=5), _track(0), _track(0, x="1")], 0)
    cheap = Compare("<", Property("x", Kind.NUMBER), NumberValue(3))
    assert value_of(Aggregate("count", "A", where=cheap), history, 0) == 1
    assert value_of(Aggregate("count", "A", where=Not(cheap)), history, 0) == 1
    assert value_of(Aggregate("count", "A", where=Has(Property("x"))), history, 0) == 3


def test_sums_are_exact_in_millionths() -> None:
    history = History([_track(0, x=x) for x in (0.1, 0.2, 1e11, -1e11, 5e-7, 1.5e-6)], 0)
    assert value_of(Aggregate("sum", "A", "x"), history, 0) == 0.300002


def test_a_sums_peak_may_lie_ahead_in_time() -> None:
    # 1m, hop 1 s, no phase: −5 leaves at 61 s, then the sum is 7; 7 leaves at 62 s.
    history = History([_track(0, x=-5), _track(1_000, x=7)], 0)
    window = Aggregate("sum", "A", "x", last_ms=60_000)
    assert sum_peak_units(window, history, 1_000) == 7_000_000
    assert sum_peak_units(Aggregate("sum", "A", "x"), history, 1_000) == 2_000_000


@pytest.mark.parametrize(
    ("operator", "flips_at_ms"), [("<", 10_000), ("<=", 10_001), ("==", 10_000), (">=", 10_000), (">", 10_001)]
)
def test_a_duration_comparison_is_looked_at_where_it_flips(operator: str, flips_at_ms: int) -> None:
    history = History([_track(0)], 0)
    node = Compare(operator, Aggregate("since", "A"), DurationValue(10_000))
    assert flips_at_ms in set(looks_ms([node], history, 0, 60_000))
    assert value_of(node, history, flips_at_ms - 1) is not value_of(node, history, flips_at_ms)


def test_a_difference_of_durations_has_no_moment() -> None:
    history = History([_track(0), _track(4, "B")], 0)
    node = Compare("<", Arithmetic("-", Aggregate("since", "A"), Aggregate("since", "B")), DurationValue(5))
    assert list(looks_ms([node], history, 0, 60_000)) == []
