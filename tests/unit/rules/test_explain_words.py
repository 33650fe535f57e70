"""Moments, spans and amounts in words; values of expressions as the reference has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.catalog import parse_catalog
from rules.explain.values import Source, evaluate
from rules.explain.words import amount_text, count_text, joined, moment_text, moment_utc, span_text, value_text
from rules.history import Event
from rules.interpret import PRESENT, History, Value, value_of
from rules.nodes import Kind, Trait

DAY = 86_400_000


@pytest.mark.parametrize(
    ("t_ms", "timezone", "text"),
    [
        (0, "UTC", "1970-01-01 00:00 UTC"),
        (1_500, "UTC", "1970-01-01 00:00:01.500 UTC"),
        (0, "Asia/Shanghai", "1970-01-01 08:00 (00:00 UTC)"),
        (20 * 3_600_000, "Asia/Shanghai", "1970-01-02 04:00 (1970-01-01 20:00 UTC)"),
    ],
)
def test_a_moment_is_told_in_both_zones_as_exactly_as_it_is(t_ms: int, timezone: str, text: str) -> None:
    assert moment_text(t_ms, timezone) == text


def test_a_moment_for_programs_has_milliseconds() -> None:
    assert moment_utc(1_700_000_000_123) == "2023-11-14T22:13:20.123Z"


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (14 * DAY, "14 days"),
        (DAY + 3_600_000, "1 day 1 hour"),
        (DAY + 5, "1 day"),
        (61_000, "1 minute 1 second"),
        (7, "7 ms"),
    ],
)
def test_a_span_has_its_two_largest_units(ms: int, text: str) -> None:
    assert span_text(ms) == text


def test_counts_and_amounts() -> None:
    assert [count_text(2), count_text(10), count_text(1200)] == ["two", "ten", "1,200"]
    assert [amount_text(312.5), amount_text(3000), amount_text(0.123456)] == ["312.50", "3,000", "0.123456"]
    assert [joined(["a"]), joined(["a", "b"]), joined(["a", "b", "c"], "or")] == ["a", "a and b", "a, b or c"]


def test_values() -> None:
    assert [value_text(value) for value in (None, True, "x", 1.5, PRESENT)] == [
        "missing",
        "true",
        '"x"',
        "1.50",
        "there, of no comparable type",
    ]


CONDITIONS = """
catalog: c
version: 1
segments:
  a: {when: 'trait("a") > 1 and not trait("b") == "x" or trait("c")'}
  b: {when: 'starts_with(lower(trait("b")), "x") or trait("b") in ["y", "z"]'}
  c: {when: 'has(trait("a")) and trait("a") * 2 - 1 != 3 / trait("a")'}
  d: {when: 'not has(trait("c")) or -trait("a") <= 0'}
  e: {when: 'days_since(trait("d"), yearly=true) >= 0 or contains(trait("b"), "x") or ends_with(trait("b"), "z")'}
"""
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["x", "X1", "y", "z", ""]), st.just({"an": "object"})
)


@given(st.dictionaries(st.sampled_from("abc"), VALUES))
def test_conditions_come_to_what_the_reference_says(traits: dict[str, object]) -> None:
    catalog = parse_catalog(CONDITIONS, with_lint=False)
    history = History([Event("u", "identify", None, 0, None, {}, traits)], 0)

    def read(source: Source) -> Value:
        return value_of(source, history, 0)

    for segment in catalog.segments.values():
        assert evaluate(segment.when, read) is value_of(segment.when, history, 0)


def test_a_value_of_another_kind_is_missing_where_it_is_asked_for() -> None:
    assert evaluate(Trait("a", Kind.NUMBER), lambda _: "text") is None
    assert evaluate(Trait("a", Kind.NUMBER), lambda _: True) is None
    assert evaluate(Trait("a", Kind.STRING), lambda _: PRESENT) is None
    assert evaluate(Trait("a", Kind.ANY), lambda _: PRESENT) is PRESENT
