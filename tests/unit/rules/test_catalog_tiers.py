"""Tiers, and the order of segments and tiers that read each other."""

from __future__ import annotations

import pytest

from rules import Catalog, CatalogError, CatalogProblem, TierLevel, parse_catalog
from rules.nodes import Aggregate, BooleanValue, Compare, Level, Membership, NumberValue

HEAD = "catalog: shop\nversion: 1\n"
TIER = (
    "tiers:\n  stage:\n    title: {en: Stage}\n    kind: value\n    levels:\n"
    "      top: count() > 9\n      some: {when: count() > 0, title: {en: Some, zh: 有}}\n      none: always\n"
)


def catalog(text: str) -> Catalog:
    return parse_catalog(HEAD + text, with_lint=False)


def problems_of(text: str) -> list[CatalogProblem]:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(HEAD + text, "shop.yaml")
    return list(caught.value.problems)


def only_problem(text: str) -> CatalogProblem:
    problems = problems_of(text)
    assert len(problems) == 1, [str(problem) for problem in problems]
    return problems[0]


def more_than(count: int) -> Compare:
    return Compare(">", Aggregate("count", None), NumberValue(count))


def test_a_tier_becomes_what_it_says() -> None:
    stage = catalog("tags: {many: count() > 9}\n" + TIER.replace("count() > 9", "many")).tiers["stage"]

    assert (stage.name, stage.title, stage.titles, stage.kind) == ("stage", "Stage", {"en": "Stage"}, "value")
    assert list(stage.levels.values()) == [
        TierLevel("top", "top", {}, more_than(9)),
        TierLevel("some", "Some / 有", {"en": "Some", "zh": "有"}, more_than(0)),
        TierLevel("none", "none", {}, BooleanValue(value=True)),
    ]
    assert stage.reads == ("many",)


def test_a_tier_of_one_level_and_without_title_is_a_tier() -> None:
    stage = catalog("tiers: {stage: {levels: {all: always}}}").tiers["stage"]

    assert (stage.title, stage.kind, list(stage.levels)) == ("stage", "behaviour", ["all"])


def test_always_may_stand_in_quotes_and_in_a_mapping() -> None:
    for last in ('"always"', "{when: always}", "{when: 'always', title: Rest}"):
        levels = catalog(f"tiers: {{stage: {{levels: {{a: count() > 1, b: {last}}}}}}}").tiers["stage"].levels
        assert levels["b"].when == BooleanValue(value=True)


def test_reads_are_the_tags_of_all_levels_each_once_in_the_order_of_the_text() -> None:
    text = (
        "tags: {a: count() > 1, b: count() > 2, c: a}\n"
        "tiers: {t: {levels: {x: c and b, y: b or c, z: a, rest: always}}}"
    )

    assert catalog(text).tiers["t"].reads == ("c", "b", "a")


@pytest.mark.parametrize(
    ("levels", "code", "line", "column"),
    [
        ("{a: count() > 1}", "last_level", 5, 17),
        ("{a: count() > 1, b: 'true'}", "last_level", 5, 33),
        ("{a: always, b: always}", "last_level", 5, 17),
        ("{a: {when: always}, b: always}", "last_level", 5, 24),
        ("{a: count() > 1 and always, b: always}", "wrong_sort", 5, 33),
        ("{a: count(), b: always}", "wrong_type", 5, 17),
        ("{a: speed > 1, b: always}", "unknown_name", 5, 17),
        ("{A: count() > 1, b: always}", "bad_name", 5, 14),
        ("{a: {title: x}, b: always}", "missing_key", 5, 14),
        ("{a: {whn: count() > 1}, b: always}", "unknown_key", 5, 18),
        ("{a: [count() > 1], b: always}", "wrong_shape", 5, 17),
        ("{a: , b: always}", "empty_value", 5, 14),
        ("{a: count() > 1, b: always, a: spd > 1}", "duplicate_key", 5, 41),
        ("{}", "empty_value", 5, 13),
        ("[a, b]", "wrong_shape", 5, 13),
        ("", "empty_value", 5, 5),
        (
            "{" + ", ".join(f"l{number}: count() > {number + 1}" for number in range(100)) + ", z: always}",
            "bad_value",
            5,
            13,
        ),
    ],
)
def test_a_wrong_level_is_placed(levels: str, code: str, line: int, column: int) -> None:
    problems = problems_of(f"tiers:\n  stage:\n    levels: {levels}\n")

    assert (str(problems[0].code), problems[0].line, problems[0].column) == (code, line, column)


def test_a_level_that_stands_twice_is_read_all_the_same() -> None:
    problems = problems_of("tiers: {t: {levels: {a: count() > 1, a: wrong > 1, z: always}}}")

    assert [str(problem.code) for problem in problems] == ["duplicate_key", "unknown_name"]


def test_a_tier_without_levels_is_an_error_at_its_name() -> None:
    assert (only_problem("tiers: {t: {kind: value}}").code, only_problem("tiers: {t: always}").code) == (
        "missing_key",
        "wrong_shape",
    )


def test_a_hundred_levels_are_allowed() -> None:
    levels = ", ".join(f"l{number}: count() > {200 - number}" for number in range(99))

    assert len(catalog(f"tiers: {{t: {{levels: {{{levels}, z: always}}}}}}").tiers["t"].levels) == 100


def test_tags_segments_and_tiers_share_one_name_space() -> None:
    text = (
        "tags: {a: count()}\nsegments: {b: {when: a > 1}}\ntiers: {a: {levels: {x: always}}, b: {levels: {x: always}}}"
    )

    assert [(str(problem.code), problem.column, problem.found) for problem in problems_of(text)] == [
        ("name_taken", 9, "a"),
        ("name_taken", 35, "b"),
    ]


def test_in_segment_and_level_take_a_bare_name_or_a_string() -> None:
    text = (
        "segments:\n  a: {when: count() > 1}\n  b: {when: in_segment(a) and in_segment('a')}\n"
        "  c:\n    when: level(stage) == 'top' or level('stage') in ['some', 'none']\n"
    )
    made = catalog(TIER + text)

    assert made.segments["b"].when.operands == (Membership("a"), Membership("a"))  # type: ignore[union-attr]  # an And
    assert made.segments["c"].when.operands[0].left == Level("stage")  # type: ignore[union-attr]  # an Or of Compare


@pytest.mark.parametrize(
    ("when", "code", "found", "suggestion"),
    [
        ("in_segment(lojal)", "unknown_name", "lojal", "in_segment(loyal)"),
        ("in_segment('zebra')", "unknown_name", "zebra", None),
        ("in_segment(stage)", "wrong_sort", "stage", "level(stage)"),
        ("in_segment(many)", "wrong_sort", "many", "many"),
        ("in_segment(count() > 1)", "bad_argument", "", None),
        ("in_segment()", "missing_argument", "", None),
        ("in_segment(loyal, b)", "too_many_arguments", "", None),
        ("in_segment('')", "bad_argument", '""', None),
        ("loyal", "wrong_sort", "loyal", "in_segment(loyal)"),
        ("stage == 'top'", "wrong_sort", "stage", "level(stage)"),
        ("level(stag) == 'top'", "unknown_name", "stag", "level(stage)"),
        ("level(loyal) == 'top'", "wrong_sort", "loyal", "in_segment(loyal)"),
        ("level(stage) == 'tops'", "unknown_name", "tops", '"top"'),
        ("not 'zebra' != level(stage)", "unknown_name", "zebra", None),
        ("level(stage) in ['top', 'nones']", "unknown_name", "nones", '"none"'),
        ("level(stage) == trait('x')", "strings_compared", "another value", None),
        ("level(stage) == level(stage)", "strings_compared", "another value", None),
        ("level(stage) > 'top'", "wrong_type", "a string", None),
        ("level(stage)", "wrong_type", "a string", None),
        ("level(stage) == 1", "wrong_type", "a string", None),
        ("named == 'tops'", "unknown_name", "tops", '"top"'),
        ("count(where=in_segment(loyal)) > 1", "not_in_where", "in_segment", None),
        ("count(where=level(stage) == 'top') > 1", "not_in_where", "level", None),
        ("lower(level(stage)) == 'top'", "bad_argument", "", None),
        ("in_segment(loyal) == true", "condition_compared", "a condition", None),
    ],
)
def test_a_wrong_use_of_a_segment_or_tier_is_explained(
    when: str, code: str, found: str, suggestion: str | None
) -> None:
    tags = "tags: {many: count(), named: level(stage)}\n"
    problem = only_problem(f"{tags}{TIER}segments:\n  loyal: {{when: many > 1}}\n  s:\n    when: {when}\n")

    assert (str(problem.code), problem.line, problem.found, problem.suggestion) == (code, 15, found, suggestion)


# Order


def test_segments_and_tiers_are_in_the_order_of_the_file_where_nothing_else_is_said() -> None:
    text = "tiers: {t: {levels: {x: always}}}\nsegments: {b: {when: count() > 1}, a: {when: count() > 2}}\n"
    more = "segments: {b: {when: count() > 1}}\ntiers: {t: {levels: {x: always}}}\n"

    assert catalog(text).order == ("t", "b", "a")
    assert catalog(more).order == ("b", "t")


def test_what_is_read_comes_first_and_then_the_order_of_the_file() -> None:
    text = (
        "tags: {loyal: in_segment(c), deep: loyal}\n"
        "segments:\n"
        "  a: {when: deep and count() > 1}\n"
        "  b: {when: count() > 2}\n"
        "  c: {when: count() > 3, exit: level(t) == 'y'}\n"
        "  d: {when: count() > 4}\n"
        "tiers: {t: {levels: {x: in_segment(d), y: always}}}\n"
    )

    assert catalog(text).order == ("b", "d", "t", "c", "a")


@pytest.mark.parametrize(
    ("text", "cycle", "line", "column"),
    [
        ("segments:\n  a: {when: in_segment(a)}", "segments are defined through each other: a -> a;", 4, 13),
        ("segments:\n  a: {when: count() > 1, exit: in_segment(a)}", "a -> a;", 4, 32),
        ("segments:\n  a: {when: in_segment(b)}\n  b: {when: in_segment('a')}", "a -> b -> a;", 5, 13),
        (
            "tags:\n  x: in_segment(a)\nsegments:\n  a: {when: x}",
            "tags and segments are defined through each other: x -> a -> x;",
            6,
            13,
        ),
        (
            "segments:\n  a:\n    when: level(t) == 'p'\ntiers:\n  t: {levels: {p: in_segment(a), q: always}}",
            "segments and tiers are defined through each other: a -> t -> a;",
            7,
            19,
        ),
        ("tiers:\n  t:\n    levels:\n      p: level(t) == 'q'\n      q: always", "tiers are defined through", 6, 10),
    ],
)
def test_a_cycle_is_named_where_it_closes(text: str, cycle: str, line: int, column: int) -> None:
    problem = only_problem(text)

    assert (str(problem.code), problem.line, problem.column) == ("cycle", line, column)
    assert cycle in problem.message


def test_each_cycle_is_named_and_what_reads_one_is_still_checked() -> None:
    text = (
        "segments:\n  a: {when: in_segment(b)}\n  b: {when: in_segment(a)}\n"
        "  c: {when: in_segment(a) and wrong}\n  d: {when: in_segment(d)}\n"
    )

    assert [(str(problem.code), problem.line) for problem in problems_of(text)] == [
        ("cycle", 5),
        ("unknown_name", 6),
        ("cycle", 7),
    ]


def test_a_long_chain_of_segments_is_put_in_order() -> None:
    chain = "".join(f"  s{number}: {{when: in_segment(s{number + 1})}}\n" for number in range(2_000))
    made = catalog(f"segments:\n{chain}  s2000: {{when: count() > 1}}\n")

    assert made.order[:2] == ("s2000", "s1999")
    assert len(made.order) == 2_001
