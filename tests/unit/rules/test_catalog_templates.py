"""Templates: written once, used by several segments, and what is said where one is wrong."""

from __future__ import annotations

import re

import pytest

from rules import Catalog, CatalogError, CatalogProblem, Goal, parse_catalog
from rules.nodes import Aggregate, And, Compare, Kind, NumberValue, Property, TextValue, Trait
from rules.templates import MAX_PARAMETERS

HEAD = "catalog: shop\nversion: 1\n"
DAY_MS = 86_400_000
FAN = """templates:
  fan_of:
    parameters: [category, least]
    segment:
      title: {en: "Fans of {category}", zh: "{category} × {least}"}
      kind: interest
      when: count("Viewed", last="30d", where=property("category") == category) >= least
      goal: {event: Bought, within: 7d}
"""


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


def fans(category: str, least: float) -> Compare:
    where = Compare("==", Property("category", Kind.STRING), TextValue(category))
    return Compare(">=", Aggregate("count", "Viewed", None, 30 * DAY_MS, where), NumberValue(least))


def test_a_use_is_the_template_with_its_constants() -> None:
    made = catalog(
        f"{FAN}segments:\n  books: {{template: fan_of, with: {{category: Books, least: 3}}}}\n"
        '  toys: {template: fan_of, with: {category: "7", least: 2.5}}\n'
    )
    books, toys = made.segments.values()

    assert (books.when, toys.when) == (fans("Books", 3), fans("7", 2.5))
    assert (books.name, books.kind, books.goal) == ("books", "interest", Goal("Bought", 7 * DAY_MS, None))
    assert (books.titles, toys.title) == ({"en": "Fans of Books", "zh": "Books × 3"}, "Fans of 7 / 7 × 2.5")


def test_keys_of_the_use_come_before_those_of_the_template() -> None:
    made = catalog(
        f"{FAN}segments:\n  books:\n    template: fan_of\n    with: {{category: Books, least: 3}}\n"
        "    title: Readers\n    exit: count() > least\n    min_stay: 1d\n"
    )
    books = made.segments["books"]

    assert (books.title, books.kind, books.min_stay_ms) == ("Readers", "interest", DAY_MS)
    assert books.exit == Compare(">", Aggregate("count", None), NumberValue(3))


def test_a_parameter_stands_wherever_a_constant_may() -> None:
    text = (
        "templates:\n  t:\n    parameters: [name, event, window, yes, city, least]\n    segment:\n"
        "      when: trait(name) == city and sum(event, name, last=window) > least + 1 and yes\n"
        "      exit: since(event) > window or days_since(trait(name), yearly=yes) in [least, 5]\n"
        "        or starts_with(trait(name), city)\n"
        "segments:\n  s: {template: t, with: {name: a, event: E, window: 7d, yes: true, city: 'x', least: -2}}\n"
    )
    when = catalog(text).segments["s"].when

    assert isinstance(when, And)
    assert when.operands[0] == Compare("==", Trait("a", Kind.STRING), TextValue("x"))
    assert when.operands[1].left == Aggregate("sum", "E", "a", 7 * DAY_MS)  # type: ignore[union-attr]  # a Compare


def test_a_constant_is_no_text_of_an_expression() -> None:
    injected = '"A") > 0 or count("B'
    made = catalog(
        "templates:\n  t: {parameters: [x], segment: {when: count(x) > 0}}\n"
        f"segments:\n  s: {{template: t, with: {{x: '{injected}'}}}}\n"
    )

    assert made.segments["s"].when == Compare(">", Aggregate("count", injected), NumberValue(0))


def test_a_template_that_nothing_uses_is_no_segment_and_is_checked_all_the_same() -> None:
    assert list(catalog(f"{FAN}segments:\n  s: {{when: count() > 1}}\n").segments) == ["s"]
    problem = only_problem(f"{FAN.replace('count(', 'cuont(')}segments:\n  s: {{when: count() > 1}}\n")
    assert (str(problem.code), problem.line, problem.column) == ("unknown_function", 9, 13)
    assert only_problem(FAN).code == "empty_catalog"
    without_when = "templates: {t: {parameters: [a], segment: {kind: value}}}\ntags: {a_tag: count()}\n"
    assert list(catalog(without_when).segments) == []


def test_what_is_wrong_in_a_template_is_said_once_at_its_place_with_the_use() -> None:
    problem = only_problem(
        f"{FAN.replace('>= least', '>= leest')}segments:\n"
        "  a: {template: fan_of, with: {category: Books, least: 3}}\n"
        "  b: {template: fan_of, with: {category: Toys, least: 3}}\n"
    )

    assert (str(problem.code), problem.line, problem.column) == ("unknown_name", 9, 84)
    assert problem.message.endswith("(in the template fan_of as it is used in line 12)")


def test_what_only_one_use_makes_wrong_names_that_use() -> None:
    problem = only_problem(
        f"{FAN}segments:\n  a: {{template: fan_of, with: {{category: Books, least: 3}}}}\n"
        "  b: {template: fan_of, with: {category: Toys, least: 'three'}}\n"
    )

    assert (str(problem.code), problem.line) == ("wrong_type", 9)
    assert "line 13" in problem.message


@pytest.mark.parametrize(
    ("use", "code", "column", "suggestion"),
    [
        ("{template: fan, with: {category: Books, least: 3}}", "unknown_name", 17, "fan_of"),
        ("{template: [fan_of], with: {category: Books, least: 3}}", "wrong_shape", 17, None),
        ("{template: fan_of, with: {category: Books}}", "missing_key", 25, None),
        ("{template: fan_of, with: [Books, 3]}", "wrong_shape", 31, None),
        ("{template: fan_of, with: {category: Books, leest: 3, least: 3}}", "unknown_key", 49, "least"),
        ("{template: fan_of, with: {category: [Books], least: 3}}", "wrong_shape", 42, None),
        ("{template: fan_of, with: {category: , least: 3}}", "empty_value", 42, None),
        ("{template: fan_of, with: {category: a, least: 1e13}}", "number_too_large", 52, None),
        ("{template: fan_of, with: {category: a, least: .nan}}", "bad_number", 52, None),
        ("{template: fan_of, with: {category: -.inf, least: 1}}", "bad_number", 42, None),
        ("{template: fan_of, with: {category: a, least: " + "9" * 5_000 + "}}", "number_too_large", 52, None),
        ("{template: fan_of, with: {category: a, least: 1}, wehn: true}", "unknown_key", 56, "when"),
        ("{template: fan_of, with: {category: a, least: 1}, kind: x}", "bad_value", 62, None),
        ("{with: {category: a, least: 1}, when: count() > 1}", "unknown_key", 7, None),
    ],
)
def test_a_wrong_use_is_placed(use: str, code: str, column: int, suggestion: str | None) -> None:
    problem = only_problem(f"{FAN}segments:\n  s: {use}\n")

    assert (str(problem.code), problem.line, problem.column, problem.suggestion) == (code, 12, column, suggestion)


def test_a_use_without_with_misses_every_parameter() -> None:
    problems = problems_of(f"{FAN}segments:\n  s: {{template: fan_of}}\n")

    assert [(str(problem.code), problem.expected) for problem in problems] == [
        ("missing_key", "the key category"),
        ("missing_key", "the key least"),
    ]


@pytest.mark.parametrize(
    ("templates", "code", "line", "column"),
    [
        ("[a]", "wrong_shape", 3, 12),
        ("{t: a}", "wrong_shape", 3, 16),
        ("{T: {parameters: [a], segment: {when: count() > 1}}}", "bad_name", 3, 13),
        ("{t: {segment: {when: count() > 1}}}", "missing_key", 3, 13),
        ("{t: {parameters: a, segment: {when: count() > 1}}}", "wrong_shape", 3, 29),
        ("{t: {parameters: [], segment: {when: count() > 1}}}", "wrong_shape", 3, 29),
        ("{t: {parameters: [[a]], segment: {when: count() > 1}}}", "wrong_shape", 3, 30),
        ("{t: {parameters: [A], segment: {when: count() > 1}}}", "bad_name", 3, 30),
        ("{t: {parameters: [count], segment: {when: count() > 1}}}", "reserved_name", 3, 30),
        ("{t: {parameters: [a, a], segment: {when: count() > 1}}}", "name_taken", 3, 33),
        ("{t: {parameters: [tag], segment: {when: count() > 1}}}", "name_taken", 3, 30),
        ("{t: {parameters: [a]}}", "missing_key", 3, 13),
        ("{t: {parameters: [a], segment: true}}", "wrong_shape", 3, 43),
        ("{t: {parameters: [a], segment: {when: count() > 1}, owner: me}}", "unknown_key", 3, 64),
        ("{t: {parameters: [a], segment: {wehn: count() > 1}}}", "unknown_key", 3, 44),
        ("{t: {parameters: [a], segment: {when: count() > 1, kind: x}}}", "bad_value", 3, 69),
        ("{t: {parameters: [a], segment: {when: count() > 1, title: '{b}'}}}", "unknown_name", 3, 71),
        ("{t: {parameters: [" + "a" + ", b" * 20 + "], segment: {when: count() > 1}}}", "bad_value", 3, 29),
    ],
)
def test_a_wrong_template_is_placed(templates: str, code: str, line: int, column: int) -> None:
    problems = problems_of(f"templates: {templates}\ntags: {{tag: count()}}\nsegments: {{s: {{when: tag > 1}}}}\n")

    assert [(str(problem.code), problem.line, problem.column) for problem in problems] == [(code, line, column)]


def test_a_title_that_is_no_title_is_placed_where_the_template_is_used() -> None:
    text = f"{FAN}segments:\n  s: {{template: fan_of, with: {{category: Books, least: 3}}}}\n"
    problem = only_problem(re.sub(r"title: .*", "title: [Fans]", text))

    assert (str(problem.code), problem.line, problem.column) == ("wrong_shape", 7, 14)


def test_a_template_has_as_many_parameters_as_are_allowed() -> None:
    names = [f"a{number}" for number in range(MAX_PARAMETERS)]
    values = ", ".join(f"{name}: {number}" for number, name in enumerate(names))
    text = (
        f"templates: {{t: {{parameters: [{', '.join(names)}], segment: {{when: count() > a7}}}}}}\n"
        f"segments: {{s: {{template: t, with: {{{values}}}}}}}\n"
    )

    assert catalog(text).segments["s"].when == Compare(">", Aggregate("count", None), NumberValue(7))


def test_a_template_without_when_is_whole_where_the_uses_have_it() -> None:
    text = (
        "templates: {t: {parameters: [a], segment: {kind: value}}}\n"
        "segments:\n  s: {template: t, with: {a: 3}, when: count() > a}\n"
    )

    assert catalog(text).segments["s"].when == Compare(">", Aggregate("count", None), NumberValue(3))
