"""What stands twice is refused, and what is wrong inside it is found all the same."""

from __future__ import annotations

import pytest

from rules import CatalogError, parse_catalog

HEAD = "catalog: shop\nversion: 1\n"


def problems_of(text: str) -> list[tuple[str, int]]:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(HEAD + text)
    return [(str(problem.code), problem.line) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("tags:\n  a: count()\n  a: wrong + 1\n", [("duplicate_key", 5), ("unknown_name", 5)]),
        (
            "segments:\n  a: {when: count() > 1}\n  a: {when: wrong, kind: none}\n",
            [("duplicate_key", 5), ("unknown_name", 5), ("bad_value", 5)],
        ),
        (
            "segments:\n  a:\n    when: count() > 1\n    when: wrong\n    kind: value\n    kind: none\n",
            [("duplicate_key", 6), ("unknown_name", 6), ("duplicate_key", 8), ("bad_value", 8)],
        ),
        (
            "tags: {a: count()}\ntags: {b: wrong, a: wrong too}\n",
            [("duplicate_key", 4), ("unknown_name", 4), ("syntax", 4)],
        ),
        ("tags: {a: count()}\ntags:\n", [("duplicate_key", 4)]),
        ("tags: {a: count()}\nversion: x\n", [("duplicate_key", 4)]),
        (
            "tiers:\n  t:\n    levels: {a: count() > 1, a: wrong, b: always}\n  t: {levels: {a: 5 + , b: always}}\n",
            [("duplicate_key", 5), ("unknown_name", 5), ("duplicate_key", 6), ("syntax", 6)],
        ),
        (
            "tests:\n  t: {events: [{at: 2026-01-01, event: A}], expect: {in: []}}\n  t: {events: []}\n",
            [("empty_catalog", 1), ("duplicate_key", 5), ("missing_key", 5), ("wrong_shape", 5)],
        ),
    ],
)
def test_problems_inside_what_stands_twice_are_found(text: str, problems: list[tuple[str, int]]) -> None:
    assert problems_of(text) == problems


def test_the_first_of_a_name_is_the_one_that_is_read_by_others() -> None:
    text = "tags: {a: count(), a: '\"x\"', b: a > 1, c: a == 'x'}\n"

    assert problems_of(text) == [("duplicate_key", 3), ("wrong_type", 3)]


def test_a_name_that_stands_twice_is_suggested_as_it_is() -> None:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(f"{HEAD}tags: {{spend: 1, spend: 2, a: spned}}")

    assert [problem.suggestion for problem in caught.value.problems] == [None, "spend"]


def test_only_some_of_very_many_repeats_are_looked_into() -> None:
    problems = problems_of("tags:\n" + "  a: wrong\n" * 100)

    assert [code for code, _ in problems].count("unknown_name") == 21
    assert [code for code, _ in problems].count("duplicate_key") == 99
