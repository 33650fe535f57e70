"""What each construct of the language parses to, and where its nodes stand in the text."""

from __future__ import annotations

import pytest

from rules.dependencies import uses_in
from rules.nodes import (
    Aggregate,
    Among,
    And,
    Arithmetic,
    BooleanValue,
    Compare,
    Has,
    Negate,
    Node,
    Not,
    NumberValue,
    Or,
    Property,
    Span,
    TagName,
    TextValue,
    Trait,
)
from rules.parse import parse_expression


def parsed(text: str) -> Node:
    result = parse_expression(text)
    assert result.flaws == ()
    assert result.node is not None
    return result.node


A, B, C = TagName("a"), TagName("b"), TagName("c")


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("a", A),
        ("(a)", A),
        ("true", BooleanValue(value=True)),
        ("false", BooleanValue(value=False)),
        ("30", NumberValue(30)),
        ("0.5", NumberValue(0.5)),
        (".5", NumberValue(0.5)),
        ("3.", NumberValue(3.0)),
        ("1e3", NumberValue(1000.0)),
        ("1E5", NumberValue(100_000.0)),
        ("2.5e-3", NumberValue(0.0025)),
        ("0", NumberValue(0)),
        ("0.0", NumberValue(0.0)),
        ("1000000000000", NumberValue(10**12)),
        ("1e12", NumberValue(1e12)),
        ("-7", NumberValue(-7)),
        ("--7", NumberValue(7)),
        ("-a", Negate(A)),
        ('"F"', TextValue("F")),
        ("'F'", TextValue("F")),
        ('"女"', TextValue("女")),
        (r'"a\"b\\c\n\x41\u5973\U0001F600"', TextValue('a"b\\c\nA女😀')),
        ('"it\'s"', TextValue("it's")),
        ('""', TextValue("")),
        ("a + b - c", Arithmetic("-", Arithmetic("+", A, B), C)),
        ("a + b * c", Arithmetic("+", A, Arithmetic("*", B, C))),
        ("(a + b) / c", Arithmetic("/", Arithmetic("+", A, B), C)),
        ("a - (b - c)", Arithmetic("-", A, Arithmetic("-", B, C))),
        ("a == b", Compare("==", A, B)),
        ("a != b", Compare("!=", A, B)),
        ("a < b", Compare("<", A, B)),
        ("a <= b", Compare("<=", A, B)),
        ("a > b", Compare(">", A, B)),
        ("a >= b", Compare(">=", A, B)),
        ("a < b < c", And((Compare("<", A, B), Compare("<", B, C)))),
        ('a in ["x", "y"]', Among(A, (TextValue("x"), TextValue("y")), negated=False)),
        ("a not in [1, -2,]", Among(A, (NumberValue(1), NumberValue(-2)), negated=True)),
        ("1 < a in [2]", And((Compare("<", NumberValue(1), A), Among(A, (NumberValue(2),), negated=False)))),
        ("a and b and c", And((A, B, C))),
        ("a or b or c", Or((A, B, C))),
        ("a and b or c", Or((And((A, B)), C))),
        ("a and (b or c)", And((A, Or((B, C))))),
        ("not a and b", And((Not(A), B))),
        ("not a == b", Not(Compare("==", A, B))),
        ("not not a", Not(Not(A))),
        ("count()", Aggregate("count", None)),
        ('count("A")', Aggregate("count", "A")),
        ('count("A", last="7d")', Aggregate("count", "A", last_ms=604_800_000)),
        ('count(last="1s")', Aggregate("count", None, last_ms=1_000)),
        ('count("A", where=property("p"))', Aggregate("count", "A", where=Property("p"))),
        (
            'sum("A", "p", where=property("q") > 1, last="24h")',
            Aggregate("sum", "A", "p", 86_400_000, Compare(">", Property("q"), NumberValue(1))),
        ),
        ("since()", Aggregate("since", None)),
        ('since("A")', Aggregate("since", "A")),
        ('since_first("A")', Aggregate("since_first", "A")),
        ('trait("城市")', Trait("城市")),
        ('has(trait("age"))', Has(Trait("age"))),
        ("has(a > b)", Has(Compare(">", A, B))),
        ('count("A",)', Aggregate("count", "A")),
    ],
)
def test_each_construct_parses_to_its_node(text: str, node: Node) -> None:
    assert parsed(text) == node


def test_a_number_keeps_whether_it_was_written_whole() -> None:
    whole, decimal = parsed("3"), parsed("3.0")

    assert isinstance(whole, NumberValue)
    assert type(whole.value) is int
    assert isinstance(decimal, NumberValue)
    assert type(decimal.value) is float


@pytest.mark.parametrize("space", ["\n", "\r\n", "\t", "   ", " \n\n "])
def test_white_space_between_tokens_says_nothing(space: str) -> None:
    text = f"{space}a{space}and{space}not{space}b{space}in{space}[1,{space}2]{space}"

    assert parsed(text) == parsed("a and not b in [1, 2]")


def test_spans_count_characters_of_the_text_as_it_stands() -> None:
    text = '\n trait("性别") ==\n  "女" and 积 > 1'.replace("积", "age_1")
    node = parsed(text)
    assert isinstance(node, And)
    first, second = node.operands
    assert isinstance(first, Compare)
    assert isinstance(second, Compare)

    spans = [first.left.span, first.right.span, second.left.span, second.right.span]
    assert [text[span.start : span.end] for span in spans] == ['trait("性别")', '"女"', "age_1", "1"]


def test_the_pairs_of_a_chain_have_their_own_spans() -> None:
    node = parsed("30 <= a <= 45")
    assert isinstance(node, And)

    assert [pair.span for pair in node.operands] == [Span(0, 7), Span(6, 13)]
    assert node.span == Span(0, 13)


def test_what_an_expression_reads_comes_in_the_order_of_the_text_with_repeats() -> None:
    node = parsed("b > 1 and (a + c > b or not has(a)) and count(where=d) > 0")

    assert [name for (_, name), _ in uses_in(node)] == ["b", "a", "c", "b", "a", "d"]


def test_equal_trees_are_equal_wherever_they_stand() -> None:
    assert parsed("a  >  1") == parsed("(a > 1)")
