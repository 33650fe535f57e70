from __future__ import annotations

import pytest

from rules.aggregates import Between, cuts_at, hop_ms, key_text, place_test
from rules.catalog import parse_catalog
from rules.errors import CatalogError, ProblemCode
from rules.nodes import Aggregate, Compare, Kind, Node, Property, TextValue, Trait
from rules.normalize import ALWAYS, NEVER, All, Any, Constant, Formula, Lacks, Present, falsehood, formula_size, truth
from rules.program import compile_catalog


def condition(text: str) -> Node:
    catalog = parse_catalog(f"catalog: t\nversion: 1\nsegments:\n  s:\n    when: >-\n      {text}\n", with_lint=False)
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
        catalog = parse_catalog(
            f"catalog: t\nversion: 1\nsegments:\n  s:\n    when: >-\n      {source}\n", with_lint=False
        )
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
    assert truths('has(trait("age") > 30)') == Present(Trait("age", Kind.NUMBER))
    assert isinstance(truths('has(trait("a") or trait("b"))'), Any)
    assert isinstance(truths('trait("a") and trait("b")'), All)
    assert not isinstance(truths('trait("a")'), Constant)


def test_a_has_inside_another_makes_no_more_of_it() -> None:
    text = 'trait("a") > 1'
    for number in range(12):
        text = f'has(trait("b") > {number} and {text})'
    node = condition(text)
    assert size(truth(node)) <= formula_size(node) <= 40


@pytest.mark.parametrize(
    "text",
    [
        'count() > 1 and not (trait("a") in ["x", "y"] or trait("b"))',
        'has(trait("a") or trait("b") > 3 and has(trait("c") + 1))',
        'has(trait("b") and (trait("c") or has(trait("d") and (trait("e") or has(trait("f") and count() > 1)))))',
        'not has(mean("A", "x") > 3 and (count() > 1 or trait("a") == "x"))',
        'has(since() - since("A") > "1d" and not (trait("a") or since("B") < "3d"))',
        "has(count() > 1) and 1 < 2",
    ],
)
def test_the_size_of_a_formula_is_known_before_it_is_made(text: str) -> None:
    node = condition(text)
    assert size(truth(node)) <= formula_size(node)


def size(formula: Formula) -> int:
    match formula:
        case All(parts=parts) | Any(parts=parts):
            return sum(map(size, parts))
        case Lacks(part=part):
            return size(part)
        case _:
            return 1


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


@pytest.mark.parametrize(
    "threshold", [0.1, 0.3, 1e-7, 999999999999.9, 600000000001, -999999999999, -2.675, 5e-7, 1e300, -1e300]
)
def test_a_sums_cuts_are_where_the_doubles_compare_differently(threshold: float) -> None:
    at, above = cuts_at(SUM, threshold)
    assert (at / 10**6 >= threshold, (at - 1) / 10**6 < threshold) == (True, True) or abs(threshold) > 1e12
    assert (above / 10**6 > threshold, (above - 1) / 10**6 <= threshold) == (True, True) or abs(threshold) > 1e12


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


def test_what_would_come_to_far_too_many_comparisons_is_refused_before_it_is_made() -> None:
    lines, inner = [], 'trait("z") > 3'
    for tag in range(6):
        for level in range(12):
            inner = f'has(trait("b{level}") > {tag} and (trait("c{level}") > {tag} or {inner}))'
        lines.append(f"  t{tag}: {inner}\n")
        inner = f"t{tag}"
    with pytest.raises(CatalogError) as raised:
        parse_catalog(f"catalog: t\nversion: 1\ntags:\n{''.join(lines)}segments:\n  s: {{when: {inner}}}\n")
    errors = [problem for problem in raised.value.problems if problem.severity == "error"]
    assert [(problem.code, problem.line) for problem in errors] == [(ProblemCode.EXPRESSION_TOO_LARGE, 4)]
    assert "use has(…) of single values" in errors[0].message
