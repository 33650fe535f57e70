"""What resolving makes of a parsed expression: kinds by place, durations, tags written out."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rules.nodes import (
    Aggregate,
    Among,
    And,
    Arithmetic,
    Compare,
    DurationValue,
    Has,
    Kind,
    Negate,
    Node,
    Not,
    NumberValue,
    Property,
    TextValue,
    Trait,
    kind_of,
)
from rules.parse import parse_expression
from rules.types import ResolvedTag, resolve

DAY_MS = 86_400_000


def tag(text: str) -> ResolvedTag:
    return resolved(text)


def resolved(text: str, tags: Mapping[str, ResolvedTag] | None = None, want: Kind = Kind.ANY) -> ResolvedTag:
    parsed = parse_expression(text)
    assert parsed.flaws == ()
    assert parsed.node is not None
    result = resolve(parsed.node, tags or {}, want)
    assert [flaw for flaw in result.flaws if flaw.severity == "error"] == []
    return result.tag


TAGS = {
    "orders": tag('count("Order")'),
    "spend": tag('sum("Order", "revenue")'),
    "idle": tag("since()"),
    "vip": tag('count("Order") > 5'),
    "gender": tag('trait("gender")'),
    "week": tag('"7d"'),
    "limit": tag("100"),
    "lowest": tag("-(1 + 2)"),
    "female": tag('"F"'),
}

NUMBER, STRING, BOOLEAN, DURATION = Kind.NUMBER, Kind.STRING, Kind.BOOLEAN, Kind.DURATION
COUNT = Aggregate("count", "Order")
SINCE = Aggregate("since", None)


def trait(kind: Kind) -> Trait:
    return Trait("x", kind)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        # A trait takes the type its place asks for
        ('trait("x") > 1', Compare(">", trait(NUMBER), NumberValue(1))),
        ('1 == trait("x")', Compare("==", NumberValue(1), trait(NUMBER))),
        ('trait("x") == "F"', Compare("==", trait(STRING), TextValue("F"))),
        ('"F" != trait("x")', Compare("!=", TextValue("F"), trait(STRING))),
        ('trait("x") in ["F", "M"]', Among(trait(STRING), (TextValue("F"), TextValue("M")), negated=False)),
        ('trait("x") not in [1, -2]', Among(trait(NUMBER), (NumberValue(1), NumberValue(-2)), negated=True)),
        ('trait("x") < trait("x")', Compare("<", trait(NUMBER), trait(NUMBER))),
        ('trait("x") + 1 == trait("x")', Compare("==", Arithmetic("+", trait(NUMBER), NumberValue(1)), trait(NUMBER))),
        ('trait("x") * trait("x") > 1', Compare(">", Arithmetic("*", trait(NUMBER), trait(NUMBER)), NumberValue(1))),
        ('-trait("x") > 1', Compare(">", Negate(trait(NUMBER)), NumberValue(1))),
        ('not trait("x")', Not(trait(BOOLEAN))),
        ('trait("x") and vip', And((trait(BOOLEAN), Compare(">", COUNT, NumberValue(5))))),
        ('has(trait("x"))', Has(trait(Kind.ANY))),
        ('has(trait("x") > 1)', Has(Compare(">", trait(NUMBER), NumberValue(1)))),
        ('trait("x") == orders', Compare("==", trait(NUMBER), COUNT)),
        (
            '1 < trait("x") < 3',
            And((Compare("<", NumberValue(1), trait(NUMBER)), Compare("<", trait(NUMBER), NumberValue(3)))),
        ),
        # A string is a duration only beside one
        ('since() < "7d"', Compare("<", SINCE, DurationValue(7 * DAY_MS))),
        ('"26w" >= since()', Compare(">=", DurationValue(182 * DAY_MS), SINCE)),
        ('since() == "90s"', Compare("==", SINCE, DurationValue(90_000))),
        ('since() in ["1d", "2d"]', Among(SINCE, (DurationValue(DAY_MS), DurationValue(2 * DAY_MS)), negated=False)),
        (
            'since() - since() < "1d" + "1d"',
            Compare("<", Arithmetic("-", SINCE, SINCE), Arithmetic("+", DurationValue(DAY_MS), DurationValue(DAY_MS))),
        ),
        (
            '"7d" + since() > "30m"',
            Compare(">", Arithmetic("+", DurationValue(7 * DAY_MS), SINCE), DurationValue(1_800_000)),
        ),
        ('since() > -"1d"', Compare(">", SINCE, DurationValue(-DAY_MS))),
        ('-since() < "1d"', Compare("<", Negate(SINCE), DurationValue(DAY_MS))),
        ('trait("x") == "7d"', Compare("==", trait(STRING), TextValue("7d"))),
        ('"7d" == "7d"', Compare("==", TextValue("7d"), TextValue("7d"))),
        # Tags are written out
        ("orders > 1", Compare(">", COUNT, NumberValue(1))),
        (
            "spend / orders",
            Arithmetic("/", Aggregate("sum", "Order", "revenue"), COUNT),
        ),
        ("idle > week", Compare(">", SINCE, DurationValue(7 * DAY_MS))),
        (
            "idle > week + week",
            Compare(">", SINCE, Arithmetic("+", DurationValue(7 * DAY_MS), DurationValue(7 * DAY_MS))),
        ),
        ("gender == week", Compare("==", Trait("gender", STRING), TextValue("7d"))),
        ("gender == female", Compare("==", Trait("gender", STRING), TextValue("F"))),
        ("gender > limit", Compare(">", Trait("gender", NUMBER), NumberValue(100))),
        ("gender or vip", None),
        ("has(gender)", Has(Trait("gender", Kind.ANY))),
        ("gender", Trait("gender", Kind.ANY)),
        # Where
        (
            'count("Order", where=property("x") == "A" and not property("y"))',
            Aggregate(
                "count",
                "Order",
                where=And((Compare("==", Property("x", STRING), TextValue("A")), Not(Property("y", BOOLEAN)))),
            ),
        ),
        (
            'count(where=1 < property("x") <= 2 * 3)',
            Aggregate(
                "count",
                None,
                where=And(
                    (
                        Compare("<", NumberValue(1), Property("x", NUMBER)),
                        Compare("<=", Property("x", NUMBER), Arithmetic("*", NumberValue(2), NumberValue(3))),
                    )
                ),
            ),
        ),
        (
            'count(where=has(property("x")) or property("x") in [1])',
            None,
        ),
        (
            'count(where=property("x") > limit)',
            Aggregate("count", None, where=Compare(">", Property("x", NUMBER), NumberValue(100))),
        ),
        (
            'count(where=property("x") == "7d")',
            Aggregate("count", None, where=Compare("==", Property("x", STRING), TextValue("7d"))),
        ),
        ("count(where=true)", None),
        ('count(where=property("x") > lowest)', None),
    ],
)
def test_each_value_gets_the_type_its_place_asks_for(text: str, node: Node | None) -> None:
    tree = resolved(text, TAGS).node

    assert node is None or tree == node


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("count()", NUMBER),
        ('sum("A", "p") / 2', NUMBER),
        ("since()", DURATION),
        ('since() + "1d"', DURATION),
        ("-since()", DURATION),
        ("since() - since_first()", DURATION),
        ('trait("x")', Kind.ANY),
        ("gender", Kind.ANY),
        ('-trait("x")', NUMBER),
        ('trait("x") + trait("y")', NUMBER),
        ('"F"', STRING),
        ("week", STRING),
        ("3", NUMBER),
        ("true", BOOLEAN),
        ("has(gender)", BOOLEAN),
        ("vip", BOOLEAN),
        ("not gender", BOOLEAN),
    ],
)
def test_a_tag_has_the_kind_of_its_tree(text: str, kind: Kind) -> None:
    result = resolved(text, TAGS)

    assert result.kind == kind
    assert result.node is not None
    assert kind_of(result.node) == kind


def test_a_bare_trait_as_a_condition_is_a_boolean() -> None:
    assert resolved('trait("vip")', want=BOOLEAN).node == Trait("vip", BOOLEAN)
    assert resolved("gender", TAGS, BOOLEAN).node == Trait("gender", BOOLEAN)


def test_the_tree_of_a_tag_is_shared_by_its_uses() -> None:
    tree = resolved("orders > 1 or orders < 9", TAGS).node

    assert tree is not None
    left, right = tree.operands  # type: ignore[union-attr]  # an Or, as the text says
    assert left.left is right.left  # type: ignore[union-attr]  # two Compares


def test_parts_and_depth_count_tags_written_out() -> None:
    double = resolved("orders + orders", TAGS)
    quadruple = resolved("double + double", {"double": double})

    assert (double.parts, double.depth) == (3, 2)
    assert (quadruple.parts, quadruple.depth) == (7, 3)
