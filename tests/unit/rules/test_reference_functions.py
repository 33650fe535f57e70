"""The meaning of the functions over a user's events, of memberships, texts and days, and when days are looked at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rules.history import Event
from rules.interpret import PRESENT, History, value_of
from rules.looks import looks_ms, sum_peak_units
from rules.nodes import (
    Aggregate,
    Among,
    Arithmetic,
    Compare,
    Days,
    Kind,
    Level,
    Lower,
    Membership,
    Node,
    NumberValue,
    Property,
    TextTest,
    TextValue,
    Trait,
)

NOTHING = History((), 0)
DAY_MS = 86_400_000


def _bought(*values: object, step_ms: int = 1) -> History:
    """Events A with x of these values, in log order, each a step later."""
    return History([_event(step_ms * place, x=value) for place, value in enumerate(values)], 0)


def _event(t_ms: int, **properties: object) -> Event:
    return Event("abc", "track", "A", t_ms, None, properties, {})


def _aggregate(function: str, **fields: Any) -> Aggregate:
    return Aggregate(function, "A", "x", **fields)


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(("function", "expected"), [("mean", 2.0), ("min", -1.5), ("max", 6.0), ("sum", 6.0)])
def test_numbers_are_summed_up(function: str, expected: float) -> None:
    assert value_of(_aggregate(function), _bought(1.5, -1.5, 6, None), 9) == expected


@pytest.mark.parametrize(("function", "expected"), [("mean", None), ("min", None), ("max", None), ("sum", 0.0)])
def test_of_no_numbers_all_but_the_sum_is_missing(function: str, expected: float | None) -> None:
    assert value_of(_aggregate(function), NOTHING, 9) == expected
    assert value_of(_aggregate(function), _bought(None), 9) == expected


def test_what_an_older_catalog_let_in_is_passed_over_where_it_is_no_number() -> None:
    history = _bought(2, "3", True, 10**12, 10**400, [])
    assert value_of(_aggregate("mean"), history, 9) == 2.0
    assert value_of(_aggregate("max"), history, 9) == 2.0
    assert value_of(_aggregate("count"), history, 9) == 6.0


def test_least_and_greatest_are_in_millionths() -> None:
    assert value_of(_aggregate("max"), _bought(2.5e-6, -1), 9) == 2e-6
    assert value_of(_aggregate("min"), _bought(1.5e-6, 7), 9) == 2e-6


def test_a_window_holds_for_every_function() -> None:
    history = _bought(1, 5, 5, step_ms=61_000)
    at_ms = 2 * 61_000
    assert [
        value_of(_aggregate(function, last_ms=60_000), history, at_ms)
        for function in ("count", "sum", "mean", "min", "max", "distinct")
    ] == [1.0, 5.0, 5.0, 5.0, 5.0, 1.0]


def test_different_values_are_told_apart_by_type_and_value() -> None:
    assert value_of(_aggregate("distinct"), _bought(1, 1.0, True, "1", "a", "a", 0, -0.0, False), 9) == 6.0
    assert value_of(_aggregate("distinct"), _bought(None, [], {}), 9) == 0.0
    long = "é" * 128
    assert value_of(_aggregate("distinct"), _bought(long, long + "x", "é" * 127), 9) == 2.0


def test_64_values_or_more_are_64() -> None:
    assert value_of(_aggregate("distinct"), _bought(*range(63)), 999) == 63.0
    assert value_of(_aggregate("distinct"), _bought(*range(64)), 999) == 64.0
    assert value_of(_aggregate("distinct"), _bought(*range(100)), 999) == 64.0


def test_a_value_counts_while_its_newest_occurrence_is_in_the_window() -> None:
    history = History([_event(0, x=1), _event(30_000, x=1), _event(10_000, x=2)], 0)
    node = _aggregate("distinct", last_ms=60_000)
    assert [value_of(node, history, at_ms) for at_ms in (70_999, 71_000, 90_999, 91_000)] == [2.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([_event(5, x="a"), _event(4, x="b")], "a"),
        ([_event(5, x="a"), _event(5, x="b")], "b"),
        ([_event(5, x="a"), _event(6, y="b")], "a"),
        ([_event(5, x="a"), _event(6, x=None)], None),
        ([_event(6, x=None), _event(5, x="a")], None),
        ([_event(6, x=1)], None),
        ([_event(6, x=[])], None),
    ],
)
def test_the_latest_value_is_the_newest_there_and_null_removes_it(events: list[Event], expected: object) -> None:
    assert value_of(_aggregate("latest", kind=Kind.STRING), History(events, 0), 9) == expected


def test_the_latest_value_may_be_of_any_type() -> None:
    node = _aggregate("latest", kind=Kind.ANY)
    values: tuple[object, ...] = (1, True, "a", [], None)
    assert [value_of(node, _bought(value), 9) for value in values] == [1.0, True, "a", PRESENT, None]


def test_the_top_value_is_missing_where_it_is_of_another_type() -> None:
    history = _bought("a", 1, 1, None, [], [], [])
    assert value_of(_aggregate("top", kind=Kind.NUMBER), history, 9) == 1.0
    assert value_of(_aggregate("top", kind=Kind.STRING), history, 9) is None
    assert value_of(_aggregate("top", kind=Kind.ANY), history, 9) == 1.0


def test_the_top_hour_is_that_of_the_catalogs_zone() -> None:
    events = [_event(_ms("2026-01-01T23:30:00")), _event(_ms("2026-07-01T23:30:00"))]
    node = Aggregate("top_hour", None)
    at_ms = _ms("2027-01-01T00:00:00")
    assert value_of(node, History(events, 0), at_ms) == 23.0
    assert value_of(node, History(events, 0, "Europe/Berlin"), at_ms) == 0.0
    assert value_of(node, History(events[1:], 0, "Europe/Berlin"), at_ms) == 1.0
    assert value_of(node, NOTHING, 0) is None


def test_memberships_are_those_given() -> None:
    history = History((), 0, inside={"vip"}, levels={"life": "new"})
    assert value_of(Membership("vip"), history, 0) is True
    assert value_of(Membership("other"), history, 0) is False
    assert value_of(Compare("==", Level("life"), TextValue("new")), history, 0) is True
    assert value_of(Among(Level("life"), (TextValue("old"),), True), history, 0) is True


@pytest.mark.parametrize(
    ("function", "text", "expected"),
    [
        ("starts_with", "Ab", True),
        ("starts_with", "b", False),
        ("ends_with", "bC", True),
        ("ends_with", "AB", False),
        ("contains", "b", True),
        ("contains", "BC", False),
        ("contains", "", True),
    ],
)
def test_texts_are_tested_with_their_case(function: str, text: str, expected: bool) -> None:
    node = TextTest(function, Property("x", Kind.STRING), TextValue(text))
    assert value_of(node, NOTHING, 0, _event(0, x="AbC")) is expected
    assert value_of(node, NOTHING, 0, _event(0, x=5)) is None


def test_texts_in_small_letters_are_tested_without_their_case() -> None:
    node = TextTest("contains", Lower(Property("x", Kind.STRING)), TextValue("bc"))
    assert value_of(node, NOTHING, 0, _event(0, x="AbC")) is True
    assert value_of(node, NOTHING, 0, _event(0, x=5)) is None


def test_small_letters_are_unicodes() -> None:
    node = Lower(Trait("x", Kind.STRING))
    texts = ("\u00c4\u03a3", "\u00df", "\u0130", 5)
    users = [History([Event("a", "identify", None, 0, None, {}, {"x": value})], 0) for value in texts]
    assert [value_of(node, user, 0) for user in users] == ["\u00e4\u03c2", "\u00df", "i\u0307", None]


BIRTHDAY = Trait("born", Kind.STRING)


def _born(value: object, timezone: str = "UTC") -> History:
    return History([Event("a", "identify", None, 0, None, {}, {"born": value})], 0, timezone)


def test_days_are_counted_in_the_catalogs_zone() -> None:
    node = Days("days_since", BIRTHDAY, False)
    at_ms = _ms("2026-01-10T20:00:00")
    assert value_of(node, _born("2026-01-10"), at_ms) == 0.0
    assert value_of(node, _born("2026-01-10T23:59:59-12:00", "Asia/Shanghai"), at_ms) == 1.0
    assert value_of(node, _born("10.1.2026"), at_ms) is None
    assert value_of(node, _born(20260110), at_ms) is None


def test_days_are_looked_at_when_a_day_begins_that_changes_a_comparison() -> None:
    history = _born("2000-02-29", "Asia/Shanghai")
    birthday = Compare("==", Days("days_until", BIRTHDAY, True), NumberValue(0))
    from_ms, until_ms = _ms("2026-01-01T00:00:00"), _ms("2028-12-31T00:00:00")
    assert list(looks_ms([birthday], history, from_ms, until_ms)) == [
        _ms(f"{day}T16:00:00")
        for day in ("2026-02-27", "2026-02-28", "2027-02-27", "2027-02-28", "2028-02-28", "2028-02-29")
    ]


@pytest.mark.parametrize("negated", [False, True])
def test_days_among_others_are_looked_at_up_to_the_last_moment(negated: bool) -> None:
    listed = Among(Days("days_until", BIRTHDAY, False), (NumberValue(1), NumberValue(3)), negated)
    history = _born("1970-01-05")
    for until_ms, days in ((4 * DAY_MS, [1, 2, 3, 4]), (4 * DAY_MS - 1, [1, 2, 3])):
        assert list(looks_ms([listed], history, 0, until_ms)) == [day * DAY_MS for day in days]


def test_each_of_several_reasons_to_look_has_its_moment() -> None:
    history = History([*_born("1970-01-03").events, _event(0)], 0)
    window = Aggregate("count", "A", last_ms=60_000)
    days: Node = Compare("<", Days("days_until", BIRTHDAY, False), NumberValue(1))
    both: Node = Compare("<", Arithmetic("*", Days("days_until", BIRTHDAY, False), window), NumberValue(1))
    until_ms = 5 * DAY_MS
    assert list(looks_ms([days, window], history, 0, until_ms)) == [61_000, 2 * DAY_MS]
    assert list(looks_ms([both, window], history, 0, until_ms)) == [61_000]
    assert list(looks_ms([days, window], history, 61_000, until_ms)) == [2 * DAY_MS]
    assert list(looks_ms([days, window], history, 0, 60_999)) == []


def test_the_sum_in_a_mean_has_a_peak_too() -> None:
    assert sum_peak_units(_aggregate("mean"), _bought(-5, 7), 9) == 2_000_000


def test_a_function_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not known"):
        value_of(_aggregate("median"), NOTHING, 0)
