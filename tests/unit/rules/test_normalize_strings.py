from __future__ import annotations

import pytest

from rules.aggregates import key_text
from rules.nodes import (
    Aggregate,
    And,
    Compare,
    Days,
    Has,
    Kind,
    Level,
    Lower,
    Membership,
    Node,
    Not,
    NumberValue,
    TextTest,
    TextValue,
    Trait,
)
from rules.normalize import ALWAYS, NEVER, All, Any, Constant, Flag, Match, Present, falsehood, truth
from rules.normalize import Test as SingleTest

CITY = Trait("city", Kind.STRING)
TOP = Aggregate("top", "A", "x", kind=Kind.STRING)
MEAN = Aggregate("mean", "A", "x")


def test_a_look_into_a_string_is_one_leaf_that_knows_small_letters() -> None:
    node = TextTest("starts_with", Lower(Lower(CITY)), TextValue("bei"))
    assert truth(node) == Match(CITY, "starts_with", "bei", True, True)
    assert falsehood(node) == Match(CITY, "starts_with", "bei", True, False)
    assert truth(Not(TextTest("contains", TOP, TextValue("x")))) == Match(TOP, "contains", "x", False, False)


def test_a_lowered_string_beside_a_constant_is_a_look_into_it() -> None:
    for left, right in ((Lower(CITY), TextValue("x")), (TextValue("x"), Lower(CITY))):
        assert truth(Compare("==", left, right)) == Match(CITY, "equals", "x", True, True)
        assert truth(Compare("!=", left, right)) == Match(CITY, "equals", "x", True, False)
        assert falsehood(Compare("!=", left, right)) == Match(CITY, "equals", "x", True, True)


@pytest.mark.parametrize(
    ("node", "value"),
    [
        (Compare("==", Lower(TextValue("ABC")), TextValue("abc")), True),
        (Compare("==", TextValue("ABC"), Lower(TextValue("ABC"))), False),
        (TextTest("ends_with", Lower(TextValue("ABC")), TextValue("bc")), True),
        (TextTest("contains", TextValue("ABC"), TextValue("bc")), False),
    ],
)
def test_constant_strings_are_looked_into_at_once(node: Node, value: bool) -> None:
    assert truth(node) == Constant(value)
    assert falsehood(node) == Constant(not value)


def test_memberships_are_flags_and_levels_are_strings() -> None:
    assert truth(And((Membership("a"), Not(Membership("b"))))) == All(
        (Flag(Membership("a"), True), Flag(Membership("b"), False))
    )
    assert truth(Compare("==", Level("t"), TextValue("new"))) == SingleTest("==", Level("t"), TextValue("new"))


@pytest.mark.parametrize(
    ("node", "formula"),
    [
        (Membership("a"), ALWAYS),
        (Level("t"), ALWAYS),
        (Aggregate("distinct", "A", "x"), ALWAYS),
        (Aggregate("sum", "A", "x"), ALWAYS),
        (MEAN, Present(MEAN)),
        (Aggregate("min", "A", "x"), Present(Aggregate("min", "A", "x"))),
        (Aggregate("top_hour", None), Present(Aggregate("top_hour", None))),
        (TOP, Present(TOP)),
        (Lower(CITY), Present(CITY)),
        (TextTest("contains", Lower(CITY), TextValue("x")), Present(CITY)),
        (Days("days_since", CITY, False), Present(Days("days_since", CITY, False))),
    ],
)
def test_what_has_asks_of_each_function(node: Node, formula: object) -> None:
    assert truth(Has(node)) == formula


def test_a_condition_is_there_where_its_parts_are_or_one_decides() -> None:
    above = Compare(">", MEAN, NumberValue(1))
    assert truth(Has(And((Membership("a"), above)))) == Any(
        (Present(MEAN), Flag(Membership("a"), False), SingleTest("<=", MEAN, NumberValue(1)))
    )


@pytest.mark.parametrize("node", [MEAN, Aggregate("max", "A", "x"), Days("days_until", CITY, True)])
def test_what_may_be_missing_equals_itself_where_it_is_there(node: Node) -> None:
    assert truth(Compare("==", node, node)) == Present(node)  # type: ignore[arg-type]  # all of them can be missing
    assert truth(Compare("<", node, node)) == NEVER
    assert truth(Compare("<=", Aggregate("count", "A"), Aggregate("count", "A"))) == ALWAYS


def test_stored_rows_know_each_function_by_its_own_text() -> None:
    last = 86_400_000
    different = [
        Aggregate(function, "A", "x", last) for function in ("sum", "values", "min", "max", "distinct", "mean")
    ]
    different += [
        Aggregate("top", "A", "x"),
        Aggregate("top", "A", "x", half_life_ms=last),
        Aggregate("latest", "A", "x"),
    ]
    texts = {key_text(node) for node in different}
    days = [Days(function, CITY, yearly) for function in ("days_since", "days_until") for yearly in (False, True)]
    texts |= {key_text(node) for node in [*days, Days("days_since", Aggregate("latest", "A", "x"), False)]}
    assert len(texts) == len(different) + len(days) + 1


def test_latest_and_top_are_stored_once_whatever_kind_is_asked_for() -> None:
    assert len({key_text(Aggregate("top", "A", "x", kind=kind)) for kind in Kind}) == 1


def test_the_keys_of_rows_that_are_stored_already_stay() -> None:
    assert key_text(Aggregate("sum", "A", "x", 1_000)) == "sum\x1f=A\x1f=x\x1f=1000\x1f"
    assert key_text(Aggregate("count", None)) == "count\x1f\x1f\x1f\x1f"
