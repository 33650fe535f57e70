"""The keys of a catalog: what each takes, what it becomes, and what is said about anything else."""

from __future__ import annotations

import contextlib
import gc

import pytest

from rules import CatalogError, CatalogProblem, Goal, parse_catalog

DAY_MS = 86_400_000
SEGMENT = "catalog: shop\nversion: 1\nsegments:\n  loyal:\n    when: count() > 1\n"


def problems_of(text: str) -> tuple[CatalogProblem, ...]:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text, "shop.yaml")
    return caught.value.problems


def only_problem(text: str) -> CatalogProblem:
    problems = problems_of(text)
    assert len(problems) == 1, [str(problem) for problem in problems]
    return problems[0]


def test_a_full_catalog_becomes_what_it_says() -> None:
    text = (
        "catalog: shop\nversion: 20261122\ntimezone: Asia/Shanghai\n"
        'tags:\n  spend: sum("Order", "revenue", last="90d")\n  idle: since()\n'
        "segments:\n"
        "  loyal:\n    title: {zh: 忠诚, en: Loyal}\n    kind: value\n"
        '    when: idle < "7d" and spend > 100 and idle > "1d"\n'
        '    exit: spend < 50 or idle > "30d"\n    min_stay: 1d\n    indexed: true\n'
        "    goal: {event: Order Completed, within: 30d, target: 0.35}\n"
        "  anybody:\n    when: count() > 0\n"
    )
    catalog = parse_catalog(text)

    assert (catalog.name, catalog.version, catalog.timezone) == ("shop", 20261122, "Asia/Shanghai")
    assert catalog.text == text
    assert list(catalog.tags) == ["spend", "idle"]
    assert list(catalog.segments) == ["loyal", "anybody"]
    loyal = catalog.segments["loyal"]
    assert (loyal.name, loyal.title, loyal.titles) == ("loyal", "忠诚 / Loyal", {"zh": "忠诚", "en": "Loyal"})
    assert (loyal.kind, loyal.min_stay_ms, loyal.indexed) == ("value", DAY_MS, True)
    assert loyal.goal == Goal("Order Completed", 30 * DAY_MS, 0.35)
    assert loyal.exit is not None
    assert loyal.reads == ("idle", "spend")
    assert catalog.warnings == ()


def test_what_is_left_out_has_a_default() -> None:
    catalog = parse_catalog(SEGMENT)
    loyal = catalog.segments["loyal"]

    assert catalog.timezone == "UTC"
    assert catalog.tags == {}
    assert (loyal.title, loyal.titles, loyal.kind) == ("loyal", {}, "behaviour")
    assert (loyal.exit, loyal.min_stay_ms, loyal.indexed, loyal.goal) == (None, 0, False, None)
    assert loyal.reads == ()


def test_a_goal_needs_no_target_and_a_title_is_put_on_one_line() -> None:
    loyal = parse_catalog(f"{SEGMENT}    title: 'Very\n\n      loyal'\n    goal: {{event: A, within: 1s}}").segments[
        "loyal"
    ]

    assert loyal.title == "Very loyal"
    assert loyal.goal == Goal("A", 1_000, None)


def test_tags_alone_and_segments_alone_are_catalogs() -> None:
    assert list(parse_catalog("catalog: a\nversion: 1\ntags: {b: 1}\nsegments:\n").tags) == ["b"]
    assert list(parse_catalog("catalog: a\nversion: 1\ntags:\nsegments: {b: {when: count() > 1}}\n").segments) == ["b"]


@pytest.mark.parametrize("sections", ["", "tags:\n", "tags: {}\nsegments:\n", "segments: {}\n"])
def test_a_catalog_that_defines_nothing_is_an_error(sections: str) -> None:
    assert only_problem(f"catalog: a\nversion: 1\n{sections}").code == "empty_catalog"


@pytest.mark.parametrize(
    ("line", "code", "column", "suggestion"),
    [
        ("titel: x", "unknown_key", 5, "title"),
        ("colour: x", "unknown_key", 5, None),
        ("kind: behavior", "bad_value", 11, "behaviour"),
        ("kind: gold", "bad_value", 11, None),
        ("kind:", "empty_value", 5, None),
        ("kind: [value]", "wrong_shape", 11, None),
        ("title:", "empty_value", 5, None),
        ("title: ''", "empty_value", 12, None),
        ("title: [a]", "wrong_shape", 12, None),
        ("title: {}", "empty_value", 12, None),
        ("title: {chinese: a}", "bad_value", 12, None),
        ("title: {zh: }", "empty_value", 12, None),
        ("title: {zh: [a]}", "wrong_shape", 12, None),
        ('title: "\\e[31m"', "bad_character", 12, None),
        (f"title: {'x' * 201}", "bad_value", 12, None),
        ("exit:", "empty_value", 5, None),
        ("exit: {a: b}", "wrong_shape", 11, None),
        ("exit: ''", "empty_expression", 12, None),
        ("min_stay: 1 day", "bad_duration", 15, "1d"),
        ("min_stay: 1", "bad_duration", 15, None),
        ("min_stay: 1.5d", "bad_duration", 15, None),
        ("min_stay:", "empty_value", 5, None),
        ("min_stay: 9999999999999w", "bad_duration", 15, None),
        ("indexed: yes", "bad_value", 14, "true"),
        ("indexed: 'true'", "bad_value", 14, "true"),
        ("indexed: off", "bad_value", 14, "false"),
        ("indexed:", "empty_value", 5, None),
        ("goal:", "empty_value", 5, None),
        ("goal: Order", "wrong_shape", 11, None),
        ("goal: {event: A}", "missing_key", 5, None),
        ("goal: {within: 1d}", "missing_key", 5, None),
        ("goal: {event: A, within: 0s}", "bad_duration", 30, "1s"),
        ("goal: {event: A, within: soon}", "bad_duration", 30, None),
        ("goal: {event: '', within: 1d}", "empty_value", 19, None),
        ('goal: {event: "\\x1b", within: 1d}', "bad_character", 19, None),
        ("goal: {event: A, within: 1d, target: 35%}", "bad_value", 42, "0.35"),
        ("goal: {event: A, within: 1d, target: 0}", "bad_value", 42, None),
        ("goal: {event: A, within: 1d, target: 1.01}", "bad_value", 42, None),
        ("goal: {event: A, within: 1d, target: .nan}", "bad_value", 42, None),
        ("goal: {event: A, within: 1d, target: .inf}", "bad_value", 42, None),
        ("goal: {event: A, within: 1d, target: '0.3'}", "bad_value", 42, None),
        ("goal: {event: A, within: 1d, target: }", "empty_value", 34, None),
        ("goal: {event: A, within: 1d, targte: 0.3}", "unknown_key", 34, "target"),
    ],
)
def test_a_wrong_line_in_a_segment_is_placed(line: str, code: str, column: int, suggestion: str | None) -> None:
    problem = only_problem(f"{SEGMENT}    {line}\n")

    if code == "empty_expression":
        assert (problem.code, problem.line) == (code, 6)
    else:
        assert (problem.code, problem.line, problem.column, problem.suggestion) == (code, 6, column, suggestion)


@pytest.mark.parametrize(
    ("head", "code", "line", "column", "suggestion"),
    [
        ("version: 1", "missing_key", 1, 1, None),
        ("catalog: a", "missing_key", 1, 1, None),
        ("catalog: a\nversion:", "empty_value", 2, 1, None),
        ("catalog:\nversion: 1", "empty_value", 1, 1, None),
        ("catalog: My-Shop\nversion: 1", "bad_name", 1, 10, None),
        ("catalog: {a: b}\nversion: 1", "wrong_shape", 1, 10, None),
        ("catalog: a\nversion: 0", "bad_value", 2, 10, None),
        ("catalog: a\nversion: -1", "bad_value", 2, 10, None),
        ("catalog: a\nversion: 1.5", "bad_value", 2, 10, None),
        ("catalog: a\nversion: v1", "bad_value", 2, 10, None),
        ("catalog: a\nversion: '1'", "bad_value", 2, 10, None),
        ("catalog: a\nversion: 0x1", "bad_value", 2, 10, None),
        ("catalog: a\nversion: 1_0", "bad_value", 2, 10, None),
        ("catalog: a\nversion: ١", "bad_value", 2, 10, None),
        (f"catalog: a\nversion: {2**53}", "bad_value", 2, 10, None),
        (f"catalog: a\nversion: {'9' * 5_000}", "bad_value", 2, 10, None),
        ("catalog: a\nversion: [1]", "wrong_shape", 2, 10, None),
        ("catalog: a\nversion: 1\ntimezone: Asia/Shangai", "unknown_timezone", 3, 11, "Asia/Shanghai"),
        ("catalog: a\nversion: 1\ntimezone: Asia", "unknown_timezone", 3, 11, None),
        ("catalog: a\nversion: 1\ntimezone: ../../etc/passwd", "unknown_timezone", 3, 11, None),
        ("catalog: a\nversion: 1\ntimezone: /etc/localtime", "unknown_timezone", 3, 11, None),
        ("catalog: a\nversion: 1\ntimezone: localtime", "unknown_timezone", 3, 11, None),
        ("catalog: a\nversion: 1\ntimezone: right/UTC", "unknown_timezone", 3, 11, None),
        ("catalog: a\nversion: 1\ntimezone: '+08:00'", "unknown_timezone", 3, 11, None),
        ("catalog: a\nversion: 1\ntimezone: ''", "unknown_timezone", 3, 11, None),
        ("catalog: a\nversion: 1\ntimezone:", "empty_value", 3, 1, None),
        ("catalog: a\nversion: 1\ntriggers: {}", "key_not_yet", 3, 1, None),
        ("catalog: a\nversion: 1\nowner: me", "unknown_key", 3, 1, None),
        ("catalog: a\nversion: 1\ntimzone: UTC", "unknown_key", 3, 1, "timezone"),
        ("catalogue: a\nversion: 1", "unknown_key", 1, 1, "catalog"),
    ],
)
def test_a_wrong_key_of_the_catalog_is_placed(
    head: str, code: str, line: int, column: int, suggestion: str | None
) -> None:
    problem = only_problem(f"{head}\ntags: {{a: 1}}\n")
    suggested = problem.suggestion if suggestion is not None or code != "unknown_timezone" else None

    assert (problem.code, problem.line, problem.column, suggested) == (code, line, column, suggestion)


def test_what_stands_under_a_misspelt_key_is_checked_and_the_key_not_missed() -> None:
    text = "catalog: a\nversion: 1\ntagz:\n  b: wrong\nsegmants:\n  c:\n    wehn: b > alsowrong\n"

    assert [(str(problem.code), problem.line) for problem in problems_of(text)] == [
        ("unknown_key", 3),
        ("unknown_name", 4),
        ("unknown_key", 5),
        ("unknown_key", 7),
        ("unknown_name", 7),
    ]


def test_a_segment_without_a_condition_is_an_error_at_its_name() -> None:
    problem = only_problem("catalog: a\nversion: 1\nsegments:\n  b:\n    title: c\n")

    assert (problem.code, problem.line, problem.column) == ("missing_key", 4, 3)
    assert problem.message == 'the key "when" is missing in b'
    assert only_problem("catalog: a\nversion: 1\nsegments:\n  b:\n").code == "empty_value"


@pytest.mark.parametrize(
    ("name", "code", "suggestion"),
    [
        ("Loyal", "bad_name", "loyal"),
        ("big-spender", "bad_name", "big_spender"),
        ("big spender", "bad_name", "big_spender"),
        ("_a", "bad_name", "a"),
        ("1a", "bad_name", None),
        ("女", "bad_name", None),
        ("ａ", "bad_name", "a"),
        ("a" * 129, "bad_name", None),
        ("count", "reserved_name", None),
        ("mean", "reserved_name", None),
        ("in_segment", "reserved_name", None),
        ("true", "reserved_name", None),
        ("not", "reserved_name", None),
        ("class", "reserved_name", None),
        ("always", "reserved_name", None),
    ],
)
@pytest.mark.parametrize("section", ["tags:\n  {}: 1\n", "segments:\n  {}: {{when: true}}\n"])
def test_a_name_that_cannot_be_used_is_refused(section: str, name: str, code: str, suggestion: str | None) -> None:
    problem = only_problem("catalog: a\nversion: 1\n" + section.format(name))

    assert (problem.code, problem.line, problem.column, problem.suggestion) == (code, 4, 3, suggestion)


@pytest.mark.parametrize(
    ("name", "what"), [("count", "a function"), ("level", "a function"), ("always", "a word of the language")]
)
def test_a_reserved_name_is_told_to_be_a_function_or_a_word(name: str, what: str) -> None:
    problem = only_problem(f"catalog: a\nversion: 1\ntags: {{{name}: 1}}")

    assert problem.message == f'"{name}" is {what}; name the tag otherwise'


def test_names_may_be_long_and_have_digits() -> None:
    name = "a1_" + "b" * 125

    assert list(parse_catalog(f"catalog: a\nversion: 1\ntags: {{{name}: 1}}").tags) == [name]


def test_tags_and_segments_share_one_name_space() -> None:
    problem = only_problem("catalog: a\nversion: 1\ntags: {b: 1}\nsegments:\n  b: {when: true}\n")

    assert (problem.code, problem.line, problem.column) == ("name_taken", 5, 3)
    assert "line 3" in problem.message


def test_a_segment_is_no_tag_and_its_condition_no_number() -> None:
    text = 'catalog: a\nversion: 1\nsegments:\n  b: {when: true}\n  c: {when: b, exit: count("A")}\n'

    assert [str(problem.code) for problem in problems_of(text)] == ["wrong_sort", "wrong_type"]


def test_everything_wrong_with_a_catalog_is_said_at_once_in_the_order_of_the_file() -> None:
    text = (
        "catalog: Shop\nversion: none\ntimezone: Mars\n"
        "tags:\n  a: b\n  b: a\n  Tag: 1\n  c: count('A' 'B')\n  d: cuont() + score() + e\n"
        "segments:\n  a: {when: true}\n"
        "  f: {when: count(), exit: since() > 5, kind: x, min_stay: y, colour: z}\n  g: {}\n"
    )
    problems = problems_of(text)

    assert [(problem.line, str(problem.code)) for problem in problems] == [
        (1, "bad_name"),
        (2, "bad_value"),
        (3, "unknown_timezone"),
        (6, "cycle"),
        (7, "bad_name"),
        (8, "syntax"),
        (9, "unknown_function"),
        (9, "missing_argument"),
        (9, "unknown_name"),
        (11, "name_taken"),
        (12, "wrong_type"),
        (12, "wrong_type"),
        (12, "bad_value"),
        (12, "bad_duration"),
        (12, "unknown_key"),
        (13, "missing_key"),
    ]
    assert {problem.file for problem in problems} == {"shop.yaml"}


def test_warnings_do_not_stop_a_catalog_and_are_listed_with_errors() -> None:
    good = "catalog: a\nversion: 1\nsegments:\n  b:\n    when: has(count()) and has(sum('A', 'b')) and count() > 1\n"
    catalog = parse_catalog(good)

    assert [(str(warning.code), warning.severity, warning.line, warning.column) for warning in catalog.warnings] == [
        ("never_missing", "warning", 5, 11),
        ("never_missing", "warning", 5, 28),
    ]
    assert [problem.severity for problem in problems_of(f"{good}    exit: wrong\n")] == ["warning", "warning", "error"]


@pytest.mark.parametrize("was_enabled", [True, False])
@pytest.mark.parametrize("text", ["catalog: x\nversion: 1\ntags: {a: count()}\n", "catalog: x\n", "- x\n"])
def test_garbage_is_collected_after_reading_as_it_was_before(text: str, was_enabled: bool) -> None:
    try:
        if not was_enabled:
            gc.disable()
        with contextlib.suppress(CatalogError):
            parse_catalog(text)
        assert gc.isenabled() is was_enabled
    finally:
        gc.enable()
