"""Every function of the language: the node it becomes, and the types of its values."""

from __future__ import annotations

import pytest

from rules.errors import Flaw
from rules.errors import ProblemCode as Code
from rules.functions import FUNCTIONS
from rules.nodes import (
    Aggregate,
    Among,
    And,
    Compare,
    Days,
    Has,
    Kind,
    Lower,
    Node,
    NumberValue,
    Property,
    TextTest,
    TextValue,
    Trait,
)
from rules.parse import parse_expression
from rules.scope import Scope
from rules.types import Resolved, resolve

DAY_MS = 86_400_000
STRING, NUMBER, BOOLEAN, ANY = Kind.STRING, Kind.NUMBER, Kind.BOOLEAN, Kind.ANY


def resolved(text: str, want: Kind = ANY, tags: dict[str, str] | None = None) -> Resolved:
    known = {name: resolved(expression).tag for name, expression in (tags or {}).items()}
    parsed = parse_expression(text)
    assert parsed.node is not None, parsed.flaws
    if any(flaw.severity == "error" for flaw in parsed.flaws):
        return Resolved(resolve(parsed.node, Scope(known), want).tag, parsed.flaws)
    return resolve(parsed.node, Scope(known), want)


def node_of(text: str, want: Kind = ANY, tags: dict[str, str] | None = None) -> Node:
    result = resolved(text, want, tags)
    assert result.flaws == ()
    assert result.tag.node is not None
    return result.tag.node


def only_flaw(text: str, want: Kind = ANY, tags: dict[str, str] | None = None) -> Flaw:
    flaws = resolved(text, want, tags).flaws
    assert len(flaws) == 1, flaws
    return flaws[0]


def trait(kind: Kind, name: str = "x") -> Trait:
    return Trait(name, kind)


def latest(kind: Kind) -> Aggregate:
    return Aggregate("latest", "A", "p", kind=kind)


PROPERTY_IS_X = Compare("==", Property("q", STRING), TextValue("x"))


@pytest.mark.parametrize(
    ("text", "node", "kind"),
    [
        ('mean("A", "p")', Aggregate("mean", "A", "p"), NUMBER),
        ('min("A", "p", last="7d")', Aggregate("min", "A", "p", 7 * DAY_MS), NUMBER),
        (
            'max("A", "p", where=property("q") == "x")',
            Aggregate("max", "A", "p", where=PROPERTY_IS_X),
            NUMBER,
        ),
        ('distinct("A", "p", last="1d")', Aggregate("distinct", "A", "p", DAY_MS), NUMBER),
        ('latest("A", "p")', latest(ANY), ANY),
        ('top("A", "p")', Aggregate("top", "A", "p"), ANY),
        ('top("A", "p", half_life="1d")', Aggregate("top", "A", "p", half_life_ms=DAY_MS), ANY),
        ("top_hour()", Aggregate("top_hour", None), NUMBER),
        ('top_hour("A", half_life="1s")', Aggregate("top_hour", "A", half_life_ms=1_000), NUMBER),
        ('lower(trait("x"))', Lower(trait(STRING)), STRING),
        ('lower(latest("A", "p"))', Lower(latest(STRING)), STRING),
        ('starts_with(trait("x"), "a")', TextTest("starts_with", trait(STRING), TextValue("a")), BOOLEAN),
        ('ends_with(latest("A", "p"), "a")', TextTest("ends_with", latest(STRING), TextValue("a")), BOOLEAN),
        (
            'contains(lower(trait("x")), "a")',
            TextTest("contains", Lower(trait(STRING)), TextValue("a")),
            BOOLEAN,
        ),
        ('days_since(trait("x"))', Days("days_since", trait(STRING), yearly=False), NUMBER),
        ('days_until(latest("A", "p"), yearly=true)', Days("days_until", latest(STRING), yearly=True), NUMBER),
        ('days_until(trait("x"), yearly=false)', Days("days_until", trait(STRING), yearly=False), NUMBER),
    ],
)
def test_each_function_becomes_its_node(text: str, node: Node, kind: Kind) -> None:
    result = resolved(text)

    assert (result.tag.node, result.tag.kind, result.flaws) == (node, kind, ())


def test_every_function_has_a_node() -> None:
    arguments = {"event": '"A"', "property": '"p"', "name": '"x"', "value": 'trait("x")', "text": '"t"'}
    for name, function in FUNCTIONS.items():
        places = [arguments.get(place, "name") for place in function.places[: function.required]]
        assert parse_expression(f"{name}({', '.join(places)})").flaws == (), name


@pytest.mark.parametrize("function", ["latest", "top"])
def test_latest_and_top_take_the_type_that_their_place_asks_for(function: str) -> None:
    value = f'{function}("A", "p")'

    def made(kind: Kind) -> Aggregate:
        return Aggregate(function, "A", "p", kind=kind)

    assert node_of(f"{value} > 3") == Compare(">", made(NUMBER), NumberValue(3))
    assert node_of(f'{value} == "x"') == Compare("==", made(STRING), TextValue("x"))
    assert node_of(f'{value} in ["x"]') == Among(made(STRING), (TextValue("x"),), negated=False)
    assert node_of(value, BOOLEAN) == made(BOOLEAN)
    assert node_of(f"has({value})") == Has(made(ANY))
    assert node_of(f"{value} + 1 > 2", BOOLEAN).left.left == made(NUMBER)  # type: ignore[union-attr]  # a Compare
    assert only_flaw(f"since() > {value}").code == Code.WRONG_TYPE
    assert only_flaw(f"{value} == {value}").code == Code.UNCLEAR_TYPE


def test_a_tag_that_is_nothing_but_latest_or_top_is_as_open_as_a_trait() -> None:
    tags = {"favourite": 'top("A", "p")', "other": "favourite", "shown": 'latest("A", "p")'}
    tags_in_order = dict(list(tags.items()))
    node = node_of('favourite == "x" and favourite > 3 and shown', BOOLEAN, tags_in_order | {"other": 'top("A", "p")'})

    assert isinstance(node, And)
    assert node.operands == (
        Compare("==", Aggregate("top", "A", "p", kind=STRING), TextValue("x")),
        Compare(">", Aggregate("top", "A", "p", kind=NUMBER), NumberValue(3)),
        latest(BOOLEAN),
    )


@pytest.mark.parametrize(
    ("text", "code", "at"),
    [
        ('mean("A")', Code.MISSING_ARGUMENT, 'mean("A")'),
        ('min("A", "p", "7d")', Code.TOO_MANY_ARGUMENTS, '"7d"'),
        ('latest("A", "p", last="7d")', Code.UNKNOWN_ARGUMENT, "last"),
        ('distinct("A", "p", where=property("q") > 1)', Code.UNKNOWN_ARGUMENT, "where"),
        ('top("A", "p", last="7d")', Code.UNKNOWN_ARGUMENT, "last"),
        ('top("A", "p", half_lif="7d")', Code.UNKNOWN_ARGUMENT, "half_lif"),
        ('top("A", "p", half_life=7)', Code.BAD_ARGUMENT, "7"),
        ('top("A", "p", half_life="7 days")', Code.BAD_DURATION, '"7 days"'),
        ('top_hour(half_life="0s")', Code.BAD_DURATION, '"0s"'),
        ('count(half_life="7d")', Code.UNKNOWN_ARGUMENT, "half_life"),
        ("lower()", Code.MISSING_ARGUMENT, "lower()"),
        ('starts_with(trait("x"))', Code.MISSING_ARGUMENT, 'starts_with(trait("x"))'),
        ('starts_with(trait("x"), trait("y"))', Code.BAD_ARGUMENT, 'trait("y")'),
        ('contains(trait("x"), "")', Code.BAD_ARGUMENT, '""'),
        ('contains(trait("x"), 3)', Code.BAD_ARGUMENT, "3"),
        ('days_since(trait("x"), yearly=1)', Code.BAD_ARGUMENT, "1"),
        ('days_since(trait("x"), yearly="yes")', Code.BAD_ARGUMENT, '"yes"'),
        ('days_since(trait("x"), true)', Code.TOO_MANY_ARGUMENTS, "true"),
        ('days_since(trait("x"), monthly=true)', Code.UNKNOWN_ARGUMENT, "monthly"),
        ('lower("ABC")', Code.BAD_ARGUMENT, '"ABC"'),
        ('lower(lower(trait("x")))', Code.BAD_ARGUMENT, 'lower(trait("x"))'),
        ("lower(3)", Code.WRONG_TYPE, "3"),
        ("lower(count())", Code.WRONG_TYPE, "count()"),
        ('contains("abc", "b")', Code.BAD_ARGUMENT, '"abc"'),
        ('days_since("2026-11-01")', Code.BAD_ARGUMENT, '"2026-11-01"'),
        ('days_since(top("A", "p"))', Code.BAD_ARGUMENT, 'top("A", "p")'),
        ('days_since(lower(trait("x")))', Code.BAD_ARGUMENT, 'lower(trait("x"))'),
        ("days_since(since())", Code.WRONG_TYPE, "since()"),
        ('days_since(trait("x")) > "7d"', Code.WRONG_TYPE, '"7d"'),
        ('lower(trait("x")) == trait("y")', Code.STRINGS_COMPARED, 'lower(trait("x")) == trait("y")'),
        ('lower(trait("x")) > "a"', Code.WRONG_TYPE, 'lower(trait("x")) > "a"'),
        ('starts_with(trait("x"), "a") == true', Code.CONDITION_COMPARED, 'starts_with(trait("x"), "a") == true'),
        ('mean("A", "p") == "x"', Code.WRONG_TYPE, '"x"'),
        (f'trait("x") == "{"女" * 86}"', Code.TEXT_TOO_LONG, f'"{"女" * 86}"'),
        (f'trait("x") in ["{"a" * 257}"]', Code.TEXT_TOO_LONG, f'"{"a" * 257}"'),
        (f'contains(trait("x"), "{"a" * 257}")', Code.TEXT_TOO_LONG, f'"{"a" * 257}"'),
    ],
)
def test_what_is_wrong_with_a_call_is_placed(text: str, code: Code, at: str) -> None:
    flaw = only_flaw(text)

    assert (flaw.code, text[flaw.span.start : flaw.span.end]) == (code, at)


def test_strings_of_256_bytes_are_allowed() -> None:
    assert node_of(f'trait("x") == "{"a" * 256}"') == Compare("==", trait(STRING), TextValue("a" * 256))


@pytest.mark.parametrize("text", ["lower(name)", 'starts_with(name, "a")', "days_since(name)", 'contains(small, "a")'])
def test_tags_that_are_open_stand_where_strings_are_read(text: str) -> None:
    node_of(text, ANY, {"name": 'trait("x")', "small": 'lower(trait("x"))'})


# distinct


@pytest.mark.parametrize(
    "text",
    [
        "> 63",
        ">= 64",
        "< 64",
        "<= 63",
        "== 63",
        "!= 0",
        "> 63.5",
        "<= 63.9",
        "in [1, 63]",
        "> 60 + 3",
        "> count()",
        "* 2 > 200",
    ],
)
def test_distinct_is_compared_up_to_64(text: str) -> None:
    node_of(f'distinct("A", "p") {text}')


@pytest.mark.parametrize(
    ("text", "at", "suggestion"),
    [
        ("D > 64", "64", ">= 64"),
        ("D >= 65", "65", ">= 64"),
        ("D < 65", "65", "< 64"),
        ("D <= 64", "64", "< 64"),
        ("D == 64", "64", ">= 64"),
        ("D != 100", "100", "< 64"),
        ("64 < D", "64", ">= 64"),
        ("100 >= D", "100", "< 64"),
        ("10 < D < 70", "70", "< 64"),
        ("D in [1, 64]", "64", ">= 64"),
        ("D not in [640]", "640", ">= 64"),
        ("D > 8 * 8", "8 * 8", ">= 64"),
        ("D > limit", "limit", ">= 64"),
        ("D > -(1 - 66)", "-(1 - 66)", ">= 64"),
        ("kinds > 64", "64", ">= 64"),
    ],
)
def test_distinct_is_compared_no_further_than_64(text: str, at: str, suggestion: str) -> None:
    written = text.replace("D", 'distinct("A", "p")')
    flaw = only_flaw(written, ANY, {"limit": "80", "kinds": 'distinct("A", "p")'})

    assert (flaw.code, flaw.suggestion) == (Code.DISTINCT_LIMIT, suggestion)
    assert written[flaw.span.start : flaw.span.end] == at


# where=


@pytest.mark.parametrize(
    "where",
    [
        'lower(property("q")) == "x"',
        'lower(property("q")) in ["x", "y"]',
        'starts_with(property("q"), "x")',
        'not ends_with(lower(property("q")), "x") or contains(property("q"), "y")',
        'has(lower(property("q")))',
        'property("q")',
        'property("q") == text',
    ],
)
def test_strings_of_the_event_may_stand_in_where(where: str) -> None:
    node_of(f"count(where={where})", ANY, {"text": '"x"'})


@pytest.mark.parametrize(
    ("where", "at"),
    [
        ('lower(trait("q")) == "x"', 'trait("q")'),
        ('starts_with(latest("A", "q"), "x")', 'latest("A", "q")'),
        ('days_since(property("q")) > 3', 'days_since(property("q"))'),
        ('lower(property("q")) == lower(property("r"))', 'lower(property("q")) == lower(property("r"))'),
        ("top_hour() == 3", "top_hour()"),
    ],
)
def test_what_reads_the_user_may_not_stand_in_where(where: str, at: str) -> None:
    text = f"count(where={where})"
    flaw = only_flaw(text)

    assert (flaw.code, text[flaw.span.start : flaw.span.end]) == (Code.NOT_IN_WHERE, at)


@pytest.mark.parametrize("text", ['lower(property("q"))', 'contains(property("q"), "x")', 'days_since(property("q"))'])
def test_properties_stand_in_where_only(text: str) -> None:
    assert only_flaw(text).code == Code.PROPERTY_OUTSIDE_WHERE
