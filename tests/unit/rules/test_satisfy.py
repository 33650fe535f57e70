from __future__ import annotations

import sys

import pytest

from rules.checking.constraints import AllOf, AnyOf
from rules.checking.satisfy import WORK_OF_ALL, WORK_OF_LEAF, Reasoner
from rules.nodes import Kind, Node
from rules.parse import parse_expression
from rules.scope import Scope
from rules.types import resolve

LEVELS = {"life": ("new", "old")}


def condition(text: str) -> Node:
    parsed = parse_expression(text)
    assert parsed.node is not None
    node = resolve(parsed.node, Scope({}, {"vip"}, LEVELS), Kind.BOOLEAN).tag.node
    assert node is not None, text
    return node


def can_hold(text: str) -> bool:
    reasoner = Reasoner(LEVELS)
    return reasoner.is_possible(reasoner.holds(condition(text)))


def can_fail_to_hold(text: str) -> bool:
    reasoner = Reasoner(LEVELS)
    return reasoner.is_avoidable(reasoner.holds(condition(text)))


def can_be_false(text: str) -> bool:
    return Reasoner(LEVELS).can_fail(condition(text))


NEVER = [
    "count() < 0",
    "count() == 2.5",
    'count("A") in [-1, 0.5]',
    '"0s" > since()',
    "top_hour() == 24",
    "top_hour() < 0",
    'days_until(trait("d"), yearly=true) > 365',
    'days_since(trait("d")) == 0.5',
    'distinct("A", "p") < 0',
    'distinct("A", "p") == 2.5',
    'sum("A", "p") > 10 * 1000000000000',
    'mean("A", "p") > 10 * 1000000000000',
    'trait("age") > 30 and trait("age") < 20',
    'trait("age") > 30 and trait("age") <= 30',
    'trait("x") == "a" and trait("x") == "b"',
    'trait("x") == "a" and trait("x") > 3',
    'trait("x") and trait("x") == "a"',
    'trait("x") and not trait("x")',
    'trait("x") in ["a", "b"] and trait("x") not in ["a", "b", "c"]',
    'not has(trait("x")) and trait("x") != "a"',
    'latest("A", "p") == "a" and latest("A", "p") == "b"',
    'count("A", last="7d") > count("A", last="30d")',
    'count("A", last="7d") >= 5 and count("A") < 5',
    'count("A", where=property("p") == 1 and property("q") == 2) > count("A", where=property("p") == 1)',
    'count("A") > count()',
    'distinct("A", "p") > count("A")',
    'distinct("A", "p", last="1d") > distinct("A", "p", last="2d")',
    'since("A") > since_first("A")',
    'since() > since("A")',
    'since_first() < since_first("A")',
    'since("A") < since("B") and since("B") < since("A")',
    'trait("a") <= trait("b") <= trait("c") and trait("a") > 5 and trait("c") < 5',
    'not has(since("A")) and count("A") > 0',
    'not has(since("A")) and sum("A", "p") != 0',
    'not has(top_hour()) and has(top("A", "p"))',
    'has(latest("A", "p")) and count("A") == 0',
    'min("A", "p") > max("A", "p")',
    'min("A", "p") > 3 and mean("A", "p") < 2',
    'max("A", "p") < 2 and mean("A", "p") > 3',
    'min("A", "p", last="1d") < 2 and min("A", "p", last="2d") > 3 and has(min("A", "p", last="2d"))',
    'has(mean("A", "p")) and not has(min("A", "p"))',
    'count("A", last="60s") > 0 and since("A") >= "61s"',
    'count("A", last="60s") == 0 and since("A") <= "60s"',
    'sum("A", "p") / count("A") > 7 and sum("A", "p") / count("A") < 5',
    'count("A") / count("B") < 0',
    'count("A") + count("B") < 0',
    'count("A") * 0 > 1',
    '-count("A") > 0',
    'count("A") / (0 - 1 - count("B")) > 0',
    'sum("A", "p") > 0 and sum("A", "p") / count("A") == 3 and not has(since("A"))',
    'since("A") - since("A") > "1d" and since("A") < since("A")',
    'trait("a") + trait("b") > 3 and trait("a") == "x"',
    'starts_with(trait("x"), "ab") and starts_with(trait("x"), "b")',
    'ends_with(trait("x"), "ab") and ends_with(trait("x"), "cb")',
    'starts_with(trait("x"), "ab") and not starts_with(trait("x"), "a")',
    'starts_with(trait("x"), "abc") and not contains(trait("x"), "bc")',
    'trait("x") == "abc" and not contains(trait("x"), "bc")',
    'trait("x") == "Abc" and lower(trait("x")) == "abd"',
    'lower(trait("x")) == "Abc"',
    'contains(lower(trait("x")), "A")',
    'lower(trait("x")) == "abc" and starts_with(lower(trait("x")), "b")',
    'contains(trait("x"), "a") and trait("x") > 3',
    'days_since(trait("d")) > 3 and not has(trait("d"))',
    'level("life") == "new" and level("life") == "old"',
    "in_segment(vip) and not in_segment(vip)",
    '(count("A") == 1 or count("A") == 2) and (count("A") == 3 or count("A") == 4)',
    'not (trait("age") > 30 or trait("age") <= 30 or not has(trait("age"))) and trait("age") == 5',
    'has(trait("x")) and not (trait("x") > 3) and not (trait("x") <= 3)',
    '(trait("a") or trait("b")) and not trait("a") and not trait("b")',
    "1 > 2",
]

PERHAPS = [
    "count() == 0",
    "top_hour() == 23",
    'days_until(trait("d"), yearly=true) == 365',
    'sum("A", "p") < 0',
    'count("A", last="30d") > count("A", last="7d")',
    # Of two nearly equal windows neither holds the other: their hops differ.
    'count("A", last="2999m") > count("A", last="3000m")',
    'count("A", last="7d", where=property("p") == 1) < count("A", last="7d")',
    'count("A", where=property("p") == 1) > count("A", where=property("p") == 2)',
    # A window of a minute sees an event for up to 61 seconds.
    'count("A", last="60s") > 0 and since("A") > "60s"',
    'count("A", last="60s") == 0 and since("A") < "61s"',
    'count("A", last="60s", where=property("p") == 1) == 0 and since("A") < "60s"',
    # The mean of three times 0.1 is a little less than 0.1, as doubles are.
    'min("A", "p") >= 0.1 and mean("A", "p") < 0.1',
    'max("A", "p") <= 0.7 and mean("A", "p") > 0.7',
    'min("A", "p") >= 0 and mean("A", "p") == 0',
    'max("A", "p") <= 0 and mean("A", "p") == 0',
    'since("A") - since("B") > "1d"',
    'trait("x") != "a" and trait("x") != "b"',
    'trait("x") > 3 or trait("x") == "a"',
    'starts_with(trait("x"), "ab") and starts_with(trait("x"), "abc")',
    'starts_with(trait("x"), "a") and ends_with(trait("x"), "b")',
    'starts_with(trait("x"), "a") and starts_with(trait("y"), "b")',
    'starts_with(trait("x"), "A") and not starts_with(lower(trait("x")), "A")',
    'lower(trait("x")) == "abc" and trait("x") == "ABC"',
    'not contains(lower(trait("x")), "A")',
    'count("A") / count("B") < 1',
    '0 * count("A") == 0',
    'trait("x") * 0 == 0',
    'count("A") * trait("x") == 0',
    'sum("A", "p") / count("A") < 0',
    '(trait("a") or trait("b")) and (not trait("a") or trait("b")) and (not trait("a") or not trait("b"))',
    "-top_hour() == -23",
    "-top_hour() == 0",
]


@pytest.mark.parametrize("text", NEVER)
def test_what_nobody_can_meet_is_known(text: str) -> None:
    assert not can_hold(text)


@pytest.mark.parametrize("text", PERHAPS)
def test_what_somebody_may_meet_is_let_be(text: str) -> None:
    assert can_hold(text)


@pytest.mark.parametrize(
    "text",
    [
        "count() >= 0",
        'has(trait("x")) or not has(trait("x"))',
        'count("A") > 3 or count("A") <= 3',
        'level("life") in ["new", "old"]',
        'in_segment("vip") or not in_segment("vip")',
        'not has(since("A")) or count("A") > 0',
        'count("A") + count("B") >= 0',
        "true",
    ],
)
def test_what_everybody_meets_is_known(text: str) -> None:
    assert not can_fail_to_hold(text)


@pytest.mark.parametrize(
    "text",
    ['since() >= "0s"', 'trait("x") > 3 or trait("x") <= 3', 'trait("x") == "a" or trait("x") != "a"', "count() > 0"],
)
def test_what_is_missing_for_some_is_not_met_by_everybody(text: str) -> None:
    assert can_fail_to_hold(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('since() >= "0s"', False),
        ("top_hour() <= 23", False),
        ('since() >= "1s"', True),
        ('trait("x") > 3', True),
        ('trait("x") == "a"', True),
        ('trait("x") != "a"', True),
        ('count("A") / count("B") >= 0', False),
        ('since("A") <= since_first("A")', False),
        ('contains(trait("x"), "a")', True),
        ('count("A") > -0.5', False),
        ('level("life") != "new"', True),
    ],
)
def test_a_comparison_that_is_false_for_nobody_is_known(text: str, *, expected: bool) -> None:
    assert can_be_false(text) is expected


def test_questions_about_several_conditions_are_joined() -> None:
    reasoner = Reasoner()
    adult, child = condition('trait("age") >= 18'), condition('trait("age") < 18')
    assert not reasoner.is_possible(reasoner.both(reasoner.holds(adult), reasoner.holds(child)))
    assert reasoner.is_possible(reasoner.both(reasoner.holds(adult), reasoner.otherwise(reasoner.holds(child))))
    # Neither grown up nor a child is who has no age.
    neither = reasoner.both(reasoner.otherwise(reasoner.holds(adult)), reasoner.otherwise(reasoner.holds(child)))
    assert reasoner.is_possible(neither)


def test_constants_are_all_or_nothing() -> None:
    reasoner = Reasoner()
    assert reasoner.holds(condition("1 < 2")) == AllOf(())
    assert reasoner.holds(condition("1 / 0 > 1 or not (1 / 0 > 1)")) == AnyOf(())


def test_the_levels_of_an_unknown_tier_are_any_strings() -> None:
    reasoner = Reasoner()
    assert reasoner.is_avoidable(reasoner.holds(condition('level("life") in ["new", "old"]')))


def test_what_would_take_too_long_is_perhaps_and_does_not_take_long() -> None:
    # Nine pigeons in eight holes, one a hole: nothing is nearer than trying all of it.
    reasoner = Reasoner()
    parts = [condition(" or ".join(f'trait("p{pigeon}_{hole}")' for hole in range(8))) for pigeon in range(9)]
    parts += [
        condition(f'not (trait("p{pigeon}_{hole}") and trait("p{other}_{hole}"))')
        for pigeon in range(9)
        for other in range(pigeon)
        for hole in range(8)
    ]
    assert reasoner.is_possible(reasoner.both(*(reasoner.holds(part) for part in parts)))
    assert not reasoner.is_tired


def test_a_tired_reasoner_says_perhaps() -> None:
    reasoner = Reasoner()
    conditions = [condition(f'count("A") > {number} and count("B") < 0.5') for number in range(50)]
    reasoner._work_left = 60
    verdicts = [reasoner.is_possible(reasoner.both(reasoner.holds(node), reasoner.holds(node))) for node in conditions]
    assert all(verdicts)
    assert reasoner.is_tired
    assert WORK_OF_ALL > 100_000


def test_what_a_tired_reasoner_has_no_work_left_for_is_not_found_out() -> None:
    reasoner = Reasoner()
    never = reasoner.holds(condition('count("A") > 3 and count() < 2'))
    for number in range(50):
        reasoner.holds(condition(f'trait("x") > {number}'))
    assert not reasoner.is_possible(never)
    reasoner._work_left = 52 * WORK_OF_LEAF
    assert reasoner.is_possible(never)


def test_a_question_is_charged_with_the_work_that_it_took() -> None:
    reasoner = Reasoner()
    never = reasoner.holds(condition('count("A") > 3 and count() < 2'))
    before = reasoner._work_left
    assert not reasoner.is_possible(never)
    assert 0 < before - reasoner._work_left < 50


def test_no_small_letter_has_another_small_letter() -> None:
    # So a string in small letters has no character that would change if it were made small once more.
    changed = [
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if any(letter.lower() != letter for letter in character.lower())
    ]
    assert changed == []
