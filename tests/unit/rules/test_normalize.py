from __future__ import annotations

import pytest

from rules.aggregates import Between, cuts_at, hop_ms, key_text, place_test
from rules.catalog import parse_catalog
from rules.nodes import Aggregate, Compare, Kind, Node, Property, TextValue
from rules.normalize import ALWAYS, NEVER, All, Any, Constant, Formula, Lacks, falsehood, truth
from rules.program import compile_catalog


def condition(text: str) -> Node:
    catalog = parse_catalog(f"catalog: t\nversion: 1\nsegments:\n  s:\n    when: >-\n      {text}\n")
    return catalog.segments["s"].when


def truths(text: str) -> Formula:
    return truth(condition(text))


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("not count() > 3", "count() <= 3"),
        ("not (count() > 3 and count() < 9)", "count() <= 3 or count() >= 9"),
        ('not trait("a") in ["x", "y"]', 'trait("a") != "x" and trait("a") != "y"'),
        ("not not count() == 3", "count() == 3"),
        ("1 < count() < 3", "count() > 1 and count() < 3"),
        ("count() > 2 * 3 - 1", "count() > 5"),
        ("5 < count()", "count() > 5"),
    ],
)
def test_conditions_that_mean_the_same_compile_to_the_same_leaves(text: str, same: str) -> None:
    def leaves(source: str) -> list[list[int]]:
        catalog = parse_catalog(f"catalog: t\nversion: 1\nsegments:\n  s:\n    when: >-\n      {source}\n")
        tables = compile_catalog(catalog).tables
        return [tables.leaf_low.tolist(), tables.leaf_high.tolist(), tables.cut.tolist(), tables.program_code.tolist()]

    assert leaves(text) == leaves(same)


@pytest.mark.parametrize("text", ["1 / 0 > 1", "not 1 / 0 > 1", "2 > 3", "false", "not has(count())"])
def test_what_can_never_hold_folds_to_never(text: str) -> None:
    assert truths(text) == NEVER


@pytest.mark.parametrize("text", ["2 < 3", "true", "has(count())", "count() == count()", "false or true"])
def test_what_always_holds_folds_to_always(text: str) -> None:
    assert truths(text) == ALWAYS


def test_a_condition_over_something_missing_is_neither_true_nor_false() -> None:
    node = condition('trait("age") > 30')
    assert truth(node) != falsehood(node)
    assert isinstance(truths('not has(trait("age") > 30)'), Lacks)
    assert isinstance(truths('has(trait("age") > 30)'), Any)
    assert isinstance(truths('trait("a") and trait("b")'), All)
    assert not isinstance(truths('trait("a")'), Constant)


COUNT = Aggregate("count", None)
SUM = Aggregate("sum", "A", "x")


@pytest.mark.parametrize(
    ("operator", "threshold", "held", "not_held"),
    [
        (">=", 2.5, (3, 9), (2, 0)),
        (">", 2, (3,), (2,)),
        ("<", 2, (1, 0), (2,)),
        ("<=", 2.5, (2,), (3,)),
        ("==", 2, (2,), (1, 3)),
        ("==", 2.5, (), (2, 3)),
        ("!=", 2, (1, 3), (2,)),
    ],
)
def test_a_comparison_is_a_range_of_whole_values(
    operator: str, threshold: float, held: tuple[int, ...], not_held: tuple[int, ...]
) -> None:
    between = place_test(COUNT, operator, threshold)
    assert [value for value in held if not inside(between, value)] == []
    assert [value for value in not_held if inside(between, value)] == []


def inside(between: Between, value: int) -> bool:
    return (between.low <= value < between.high) is not between.outside


@pytest.mark.parametrize("threshold", [0.1, 0.3, 1e-7, 999999999999.9, -2.675, 5e-7, 1e300, -1e300])
def test_a_sums_cuts_are_where_the_doubles_compare_differently(threshold: float) -> None:
    at, above = cuts_at(SUM, threshold)
    assert (at / 1e6 >= threshold, (at - 1) / 1e6 < threshold) == (True, True) or abs(threshold) > 1e12
    assert (above / 1e6 > threshold, (above - 1) / 1e6 <= threshold) == (True, True) or abs(threshold) > 1e12


def test_hops_are_rounded_up_to_whole_milliseconds() -> None:
    assert [hop_ms(last_ms) for last_ms in (1_000, 60_000, 61_000, 86_400_000)] == [17, 1_000, 1_017, 1_440_000]


def test_stored_rows_tell_aggregates_apart_by_everything_that_makes_them_differ() -> None:
    where = Compare("==", Property("c", Kind.STRING), TextValue("x"))
    different = [
        COUNT,
        SUM,
        Aggregate("count", "A"),
        Aggregate("count", "A", last_ms=1_000),
        Aggregate("count", "A", last_ms=2_000),
        Aggregate("count", "A", where=where),
        Aggregate("count", "A", where=Compare("!=", Property("c", Kind.STRING), TextValue("x"))),
        Aggregate("count", "A", where=Compare("==", Property("d", Kind.STRING), TextValue("x"))),
        Aggregate("since", "A"),
        Aggregate("since_first", "A"),
        Aggregate("sum", "A", "y"),
        Aggregate("count", "=1000"),
    ]
    assert len({key_text(aggregate) for aggregate in different}) == len(different)
