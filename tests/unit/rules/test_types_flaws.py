"""What is well formed and wrongly typed: each with its code and its place, and nothing said twice."""

from __future__ import annotations

import pytest

from rules.errors import Flaw, ProblemCode
from rules.nodes import Kind
from rules.parse import MAX_TREE_DEPTH, parse_expression
from rules.scope import BROKEN, ResolvedTag, Scope
from rules.suggest import Suggester
from rules.types import MAX_PARTS, resolve

Code = ProblemCode


def resolved_tag(text: str) -> ResolvedTag:
    node = parse_expression(text).node
    assert node is not None
    return resolve(node, {}).tag


TAGS = {
    "orders": resolved_tag('count("Order")'),
    "idle": resolved_tag("since()"),
    "vip": resolved_tag('count("Order") > 5'),
    "gender": resolved_tag('trait("gender")'),
    "female": resolved_tag('"F"'),
    "broken": BROKEN,
}


def flaws_of(text: str, want: Kind = Kind.ANY) -> tuple[Flaw, ...]:
    node = parse_expression(text).node
    assert node is not None
    scope = Scope(TAGS, segments=("loyal",), tiers={"stage": ("new", "lost")})
    return resolve(node, scope, want).flaws


@pytest.mark.parametrize(
    ("text", "code", "at"),
    [
        # Conditions are no values
        ("orders and vip", Code.WRONG_TYPE, "orders"),
        ("vip and idle", Code.WRONG_TYPE, "idle"),
        ('not "F"', Code.WRONG_TYPE, '"F"'),
        ("not 1", Code.WRONG_TYPE, "1"),
        ("vip + 1", Code.WRONG_TYPE, "vip"),
        ("-vip", Code.WRONG_TYPE, "-vip"),
        ("vip + vip", Code.WRONG_TYPE, "vip + vip"),
        ("vip in [1]", Code.WRONG_TYPE, "vip"),
        ("vip == true", Code.CONDITION_COMPARED, "vip == true"),
        ('trait("x") == true', Code.CONDITION_COMPARED, 'trait("x") == true'),
        ("(orders > 1) != (orders > 2)", Code.CONDITION_COMPARED, "(orders > 1) != (orders > 2)"),
        ("true < 1", Code.CONDITION_COMPARED, "true < 1"),
        # Strings
        ('orders == "5"', Code.WRONG_TYPE, '"5"'),
        ('orders > "5"', Code.WRONG_TYPE, '"5"'),
        ('trait("x") > "F"', Code.WRONG_TYPE, 'trait("x") > "F"'),
        ('"a" < "b"', Code.WRONG_TYPE, '"a" < "b"'),
        ('"a" + "b" == trait("x")', Code.WRONG_TYPE, '"a" + "b"'),
        ('trait("x") + "b"', Code.WRONG_TYPE, 'trait("x") + "b"'),
        ('"7d" + "1d"', Code.WRONG_TYPE, '"7d" + "1d"'),
        ('-"7d"', Code.WRONG_TYPE, '-"7d"'),
        ('orders in ["A"]', Code.WRONG_TYPE, "orders"),
        ("female in [1]", Code.WRONG_TYPE, "female"),
        ('"a" * 2', Code.WRONG_TYPE, '"a"'),
        # Durations
        ("idle > 5", Code.WRONG_TYPE, "5"),
        ("idle == 5", Code.WRONG_TYPE, "5"),
        ("idle + 5", Code.WRONG_TYPE, "5"),
        ("idle * 2", Code.WRONG_TYPE, "idle * 2"),
        ("idle / idle", Code.WRONG_TYPE, "idle / idle"),
        ('idle * 2 > "1d"', Code.WRONG_TYPE, "idle * 2"),
        ("2 * (idle + idle) > 5", Code.WRONG_TYPE, "2 * (idle + idle)"),
        ('idle > trait("x")', Code.WRONG_TYPE, 'trait("x")'),
        ("idle > gender", Code.WRONG_TYPE, "gender"),
        ("idle == orders", Code.WRONG_TYPE, "orders"),
        ("idle in [1]", Code.WRONG_TYPE, "idle"),
        ('idle > "7 days"', Code.BAD_DURATION, '"7 days"'),
        ('idle > "seven"', Code.BAD_DURATION, '"seven"'),
        ("idle > female", Code.BAD_DURATION, "female"),
        ('idle in ["1d", "x"]', Code.BAD_DURATION, '"x"'),
        # Nothing tells the type
        ('trait("x") == trait("y")', Code.UNCLEAR_TYPE, 'trait("x") == trait("y")'),
        ("gender != gender", Code.UNCLEAR_TYPE, "gender != gender"),
        # Choices
        ('gender in [1, "F"]', Code.BAD_CHOICES, '"F"'),
        (f'gender in [1, "{"F" * 257}"]', Code.BAD_CHOICES, f'"{"F" * 257}"'),
        # Names
        ("ordres > 1", Code.UNKNOWN_NAME, "ordres"),
        ("loyal", Code.WRONG_SORT, "loyal"),
        # where
        ('property("x") > 1', Code.PROPERTY_OUTSIDE_WHERE, 'property("x")'),
        ('count(where=trait("x"))', Code.NOT_IN_WHERE, 'trait("x")'),
        ('count(where=property("x") == trait("y"))', Code.NOT_IN_WHERE, 'trait("y")'),
        ("count(where=orders > 1)", Code.NOT_IN_WHERE, "orders"),
        ("count(where=count() > 1)", Code.NOT_IN_WHERE, "count()"),
        ('count(where=property("x") > property("y"))', Code.NOT_IN_WHERE, 'property("x") > property("y")'),
        ('count(where=property("x") * 2 > 1)', Code.NOT_IN_WHERE, 'property("x")'),
        ('count(where=-property("x") > 1)', Code.NOT_IN_WHERE, 'property("x")'),
        ('count(where=property("x") in [1] and has(gender))', Code.NOT_IN_WHERE, "gender"),
        ("count(where=1)", Code.WRONG_TYPE, "1"),
        ("count(where=ordres > 1)", Code.UNKNOWN_NAME, "ordres"),
        ('count(where=(property("x") > 1) == 2)', Code.CONDITION_COMPARED, '(property("x") > 1) == 2'),
        ('count(where=(trait("x") > 1) == 2)', Code.NOT_IN_WHERE, 'trait("x")'),
        ('count(where=property("x") > "F")', Code.WRONG_TYPE, 'property("x") > "F"'),
        ("count(where=female)", Code.WRONG_TYPE, "female"),
    ],
)
def test_a_wrong_type_is_placed_and_said_once(text: str, code: Code, at: str) -> None:
    found = [(flaw.code, text[flaw.span.start : flaw.span.end]) for flaw in flaws_of(text)]

    assert found == [(code, at)]


@pytest.mark.parametrize("text", ["orders", "idle", "female", "1", '"x"', "orders + 1"])
def test_a_condition_is_asked_for(text: str) -> None:
    flaws = flaws_of(text, Kind.BOOLEAN)

    assert [(flaw.code, flaw.expected) for flaw in flaws] == [(Code.WRONG_TYPE, "a condition")]


@pytest.mark.parametrize(
    ("text", "want", "said"),
    [
        ("orders", Kind.BOOLEAN, "a condition is asked for here, and this is a number; compare it, as in … > 0"),
        ("idle", Kind.BOOLEAN, 'a condition is asked for here, and this is a duration; compare it, as in … > "7d"'),
        ("female", Kind.BOOLEAN, 'a condition is asked for here, and this is a string; compare it, as in … == "A"'),
        (
            "orders",
            Kind.DURATION,
            'a duration is asked for here, and this is a number; a duration is written as in "7d"',
        ),
        (
            "vip",
            Kind.NUMBER,
            "a number is asked for here, and this is a condition; conditions are combined by and, or, not",
        ),
        ("female", Kind.NUMBER, "a number is asked for here, and this is a string"),
    ],
)
def test_a_wrong_type_is_told_with_what_may_be_meant(text: str, want: Kind, said: str) -> None:
    assert [flaw.message for flaw in flaws_of(text, want)] == [said]


@pytest.mark.parametrize(
    "text",
    [
        "broken",
        "broken + 1 > 2",
        "broken == broken",
        'broken == "x"',
        'broken > "7d" or broken > 7',
        "broken and not broken",
        "has(broken)",
        "-broken",
        "broken in [1]",
        "count(where=broken)",
        'idle + broken > "1d"',
    ],
)
def test_nothing_more_is_said_about_what_is_broken(text: str) -> None:
    assert flaws_of(text) == ()
    node = parse_expression(text).node
    assert node is not None
    assert resolve(node, TAGS).tag.node is None


def test_all_flaws_of_an_expression_are_found() -> None:
    text = 'orders and idle > 5 or not "F" and spned > 1 and vip + 1 > count(where=trait("x"))'

    assert [flaw.code for flaw in flaws_of(text)] == [
        Code.WRONG_TYPE,
        Code.WRONG_TYPE,
        Code.WRONG_TYPE,
        Code.UNKNOWN_NAME,
        Code.WRONG_TYPE,
        Code.NOT_IN_WHERE,
    ]


def test_a_name_is_suggested_that_has_three_fifths_in_common_and_none_that_has_less() -> None:
    assert Suggester().nearest("abc", ["abcdefg"]) == "abcdefg"
    assert Suggester().nearest("abc", ["abcdefgh"]) is None


def test_names_are_compared_until_the_budget_is_spent() -> None:
    assert Suggester(budget=2).nearest("abc", ["xyz", "abc"]) == "abc"
    assert Suggester(budget=1).nearest("abc", ["xyz", "abc"]) is None


def test_the_nearest_name_is_suggested() -> None:
    assert flaws_of("ordres > 1")[0].suggestion == "orders"
    assert flaws_of("ORDERS > 1")[0].suggestion == "orders"
    assert flaws_of("zebra > 1")[0].suggestion is None
    assert flaws_of('idle > "7 days"')[0].suggestion == '"7d"'


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("orders / 0", Code.ALWAYS_MISSING),
        ('has(count("A"))', Code.NEVER_MISSING),
        ("has(orders)", Code.NEVER_MISSING),
        ('has(sum("A", "p"))', Code.NEVER_MISSING),
        ("has(1)", Code.NEVER_MISSING),
        ("has(2 * -1)", Code.NEVER_MISSING),
        ("has(has(gender))", Code.NEVER_MISSING),
        ('has(distinct("A", "p"))', Code.NEVER_MISSING),
        ("has(in_segment(loyal))", Code.NEVER_MISSING),
        ("has(level(stage))", Code.NEVER_MISSING),
    ],
)
def test_what_is_valid_and_surely_not_meant_is_a_warning(text: str, code: Code) -> None:
    flaws = flaws_of(text)

    assert [(flaw.code, flaw.severity) for flaw in flaws] == [(code, "warning")]


@pytest.mark.parametrize(
    "text",
    [
        "orders > 0",
        "orders == 0",
        "orders <= 0",
        "orders != 3",
        'idle > "0s"',
        'sum("A", "p") < 0',
        "has(idle)",
        "has(gender)",
        'has(1 + trait("age"))',
        'has(-trait("age"))',
        "has(orders / orders)",
        "orders / 2",
        "orders >= 1.5",
        'has(mean("A", "p"))',
        'has(latest("A", "p"))',
        "has(top_hour())",
        'has(lower(trait("x")))',
        'has(days_since(trait("x")))',
    ],
)
def test_what_may_well_be_meant_is_no_warning(text: str) -> None:
    assert flaws_of(text) == ()


def grown_until_refused(pattern: str) -> tuple[list[ResolvedTag], tuple[Flaw, ...]]:
    """Tags that each use the one before, up to the first that is refused, and why it is."""
    grown = [resolved_tag("count()")]
    while len(grown) < 1_000:
        node = parse_expression(pattern).node
        assert node is not None
        result = resolve(node, {"before": grown[-1]})
        if result.flaws:
            return grown, result.flaws
        grown.append(result.tag)
    return grown, ()


def test_the_size_of_an_expression_with_its_tags_is_bounded() -> None:
    grown, flaws = grown_until_refused("before + before")

    assert [flaw.code for flaw in flaws] == [Code.EXPRESSION_TOO_LARGE]
    assert grown[-1].parts <= MAX_PARTS < 2 * grown[-1].parts + 1


def test_the_depth_of_an_expression_with_its_tags_is_bounded() -> None:
    grown, flaws = grown_until_refused("-before")

    assert [flaw.code for flaw in flaws] == [Code.EXPRESSION_TOO_LARGE]
    assert grown[-1].depth == MAX_TREE_DEPTH
