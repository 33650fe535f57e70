"""Characters that nobody sees are refused in every text of a catalog, each with its place."""

from __future__ import annotations

import unicodedata

import pytest

from rules.unseen import unseen_in
from tests.unit.rules.catalog_errors import errors_of

HEAD = "catalog: shop\nversion: 1\n"
RTL = "\u202e"

CATALOG = """catalog: shop
version: 1
tags:
  orders: count("Order Completed")
  paid: count("Order Completed", where=property("method") == "card")
models:
  kinds:
    title: Kinds
    kind: clusters
    features: {number: orders, paid: paid}
    names: {1: Owls}
  churn:
    kind: classifier
    features: [orders, paid]
    label: {event: Order Completed, within: 7d}
templates:
  likes:
    parameters: [category]
    segment: {title: "Likes {category}", when: 'top("Product Viewed", "category") == category'}
segments:
  owls: {when: 'cluster(kinds) == "Owls"', exit: 'trait("mood") == "gone"'}
  tea: {template: likes, with: {category: tea}}
  buyers: {title: {en: Buyers, fr: Acheteurs}, when: orders > 3, goal: {event: Order Completed, within: 7d}}
tiers:
  life:
    title: Life
    levels:
      busy: {title: Busy, when: paid > 2}
      idle: always
tests:
  an_owl:
    events: [{at: 2026-01-01, event: Order Completed, properties: {method: card}}]
    expect: {levels: {life: idle}}
"""
TEXTS = [
    *('"Order Completed")\n', 'property("method', '"card"', "title: Kinds", "Owls}"),
    "event: Order Completed, within: 7d}",
    *("{category: tea", "Likes", "gone", "Buyers", "Acheteurs", "title: Life", "title: Busy", "an_owl", "method: card"),
    *("Product Viewed", "goal: {event: Order Completed", "# a remark"),
]


def place(text: str, at: int) -> tuple[int, int]:
    before = text[:at]
    return before.count("\n") + 1, at - before.rfind("\n")


def test_the_catalog_of_these_tests_is_right() -> None:
    assert errors_of(CATALOG) == []


@pytest.mark.parametrize("within", TEXTS)
@pytest.mark.parametrize("character", [RTL, "\u2066", "\u200b", "\u200d", "\u00ad", "\u2060", "\u3164", "\U000e0041"])
def test_what_nobody_sees_is_refused_in_every_text_with_its_place(within: str, character: str) -> None:
    text = f"{CATALOG}# a remark"
    at = text.index(within) + len(within) - 2
    text = text[:at] + character + text[at:]

    assert ("bad_character", *place(text, at)) in [(each.code, each.line, each.column) for each in errors_of(text)]


def test_the_character_is_named() -> None:
    (problem,) = errors_of(CATALOG.replace("1: Owls", f"1: O{RTL}wls").replace('"Owls"', "1"))

    assert (problem.found, problem.expected) == ("U+202E", "text that is what it looks like")
    assert problem.message.startswith("the character U+202E (RIGHT-TO-LEFT OVERRIDE) changes what is seen")
    assert str(problem).isprintable()


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ('segments: {a: {title: "Bu\\u202eyers", when: count() > 1}}', 26),
        ('segments: {a: {title: "\\N\\u00a0\\u200byers", when: count() > 1}}', 32),
        ('segments: {a: {when: \'trait("x") == "a\\u202eb"\'}}', 39),
        ('segments: {a: {when: \'trait("x\\u200b") == "a"\'}}', 31),
        ("segments: {a: {when: count() > 1, exit: 'count(\"\\U0001F600\\U000E0041\") > 1'}}", 59),
        ("tags: {a: 'count(\"\\u200d\")'}", 19),
        ("tiers: {t: {levels: {a: 'count(\"A\\xad\") > 1', b: always}}}", 34),
        ('tests: {"a\\eb": {events: [{at: 2026-01-01, event: A}], expect: {}}}', 11),
        ('tests: {"a\\u2069b": {events: [{at: 2026-01-01, event: A}], expect: {}}}', 11),
    ],
)
def test_escapes_are_no_way_around_it(line: str, column: int) -> None:
    text = f"{HEAD}{line}\n"
    found = [(problem.code, problem.line, problem.column) for problem in errors_of(text)]

    assert ("bad_character", 3, column) in found


def test_values_for_templates_steer_no_terminal() -> None:
    found = errors_of(CATALOG.replace("category: tea", 'category: "t\\e[31mea"'))

    assert [(problem.code, problem.line, problem.column) for problem in found][1] == ("bad_character", 22, 45)


@pytest.mark.parametrize(
    "title",
    ["👩‍💻 at work", "❤️‍🔥", "1️⃣ first", "می‌خواهم", "क्‍ष", "葛󠄀城", "שלום", "مرحبا", "Ünïcödé", "a\u3000b"],
)
def test_what_a_script_needs_may_stand_where_it_needs_it(title: str) -> None:
    assert errors_of(f"{HEAD}segments: {{a: {{title: {title}, when: count() > 1}}}}\n") == []


@pytest.mark.parametrize(
    "text", ["a\u200d", "\u200d👩", "👩\u200d\u200d💻", "Зак\u200dаз", "é\u200cé", "a\U000e0100", "👩\u200d b"]
)
def test_a_joiner_that_joins_nothing_is_refused(text: str) -> None:
    assert [*unseen_in(text)] != []


def test_a_catalog_that_was_accepted_before_is_read_on() -> None:
    text = CATALOG.replace("1: Owls", f"1: O{RTL}wls").replace('"Owls"', "1")

    assert errors_of(text, with_lint=False) == []


def test_no_mark_of_direction_is_forgotten() -> None:
    marks = [chr(code) for code in range(0x110000) if unicodedata.bidirectional(chr(code)) in _DIRECTIONS]

    assert [mark for mark in marks if not [*unseen_in(f"ab{mark}cd")]] == []


_DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
