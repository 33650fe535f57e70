from __future__ import annotations

import pytest

from rules.catalog import parse_catalog
from rules.nodes import Aggregate, Compare, DurationValue, Kind, NumberValue, Trait
from rules.packs import pack_names, pack_text
from rules.parse import parse_expression
from rules.text import comparison_text, duration_text, expression_text, number_text, string_text, tag_texts

CANONICAL = [
    'count("Order Completed", last="30d") >= 3',
    'sum("Order Completed", "revenue", last="36h", where=property("coupon") == "X" and has(property("y"))) > 0.5',
    "count() == 0",
    'count(last="14d") > 2',
    'since() < "14d" and since_first("A") >= "1s"',
    'since() - since_first() < -"3d"',
    '30 <= trait("age") <= 45 and trait("sex") == "F"',
    'trait("a") > trait("b") > trait("c")',
    'trait("city") in ["Beijing", "上海"] or not trait("x")',
    'trait("n") not in [1, -2, 0.5]',
    'not (trait("a") and trait("b")) or (trait("c") or trait("d")) and trait("e")',
    'count("A") - (count("B") - count("C")) > 1',
    'count("A") / (count("B") * 2) >= 1 - 2 - 3',
    '(count("A") + 1) * 2 == -count("B")',
    '-(count("A") - 1) != 2',
    "-count() * 2 < 5",
    'has(trait("a")) and has(count("A") / count("B"))',
    'trait("q\\"uote\\\\ \\t\\n") == "it\'s"',
    'not trait("a") and not not trait("b")',
    "true or false",
    'top("Product Viewed", "category", half_life="15d") == "Books" or latest("A", "p") in ["x", "y"]',
    'mean("A", "p", last="7d") > min("A", "p") and max("A", "p") < 3 and distinct("A", "p", last="1d") >= 2',
    'top_hour("A", half_life="30d") == 9',
    'starts_with(lower(trait("city")), "bei") and not contains(trait("a"), "x") or ends_with(trait("b"), "y")',
    'days_until(trait("birthday"), yearly=true) <= 7 and days_since(latest("A", "d")) > 3',
    'in_segment(vip) and level(life) == "new"',
]


@pytest.mark.parametrize("text", CANONICAL)
def test_canonical_text_is_written_as_it_was_read(text: str) -> None:
    parsed = parse_expression(text)
    assert parsed.node is not None
    assert parsed.flaws == ()
    assert expression_text(parsed.node) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("((count(  'A' )))>=(3.0)", 'count("A") >= 3'),
        ('since() < "2w"', 'since() < "2w"'),
        ("a < b and b < c", "a < b < c"),
        ("a < b and b > c", "a < b and b > c"),
        ("(a and b) and c", "(a and b) and c"),
        ("1000.0 < .5", "1000 < 0.5"),
    ],
)
def test_brackets_and_spellings_that_mean_nothing_go(text: str, canonical: str) -> None:
    node = parse_expression(text).node
    assert node is not None
    assert expression_text(node) == canonical


@pytest.mark.parametrize("pack", pack_names())
def test_every_expression_of_the_packs_reads_back_to_the_same_tree(pack: str) -> None:
    text = pack_text(pack)
    catalog = parse_catalog(text)
    nodes = [tag.expression for tag in catalog.tags.values()]
    nodes += [node for segment in catalog.segments.values() for node in (segment.when, segment.exit) if node]
    nodes += [level.when for tier in catalog.tiers.values() for level in tier.levels.values()]
    expressions = "".join(f"  x{number}: {_quoted(expression_text(node))}\n" for number, node in enumerate(nodes))
    again = parse_catalog(text.replace("\ntags:\n", f"\ntags:\n{expressions}", 1), with_lint=False)
    assert [again.tags[f"x{number}"].expression for number in range(len(nodes))] == nodes


def test_tags_stand_under_their_names() -> None:
    spend = Aggregate("sum", "Order", "revenue", 7_776_000_000)
    names = tag_texts([("spend_90d", spend), ("age", Trait("age")), ("limit", NumberValue(3)), ("again", spend)])
    assert comparison_text(">=", spend, NumberValue(3), names) == "spend_90d >= 3"
    assert comparison_text("<", Trait("age", Kind.NUMBER), NumberValue(30), names) == "age < 30"


def test_durations_are_in_days_not_weeks() -> None:
    assert [duration_text(ms) for ms in (0, 1_500, 90_000, 36 * 3_600_000, 14 * 86_400_000, -60_000)] == [
        "0s",
        "1500ms",
        "90s",
        "36h",
        "14d",
        "-1m",
    ]
    since = Compare("<", Aggregate("since", None), DurationValue(1_209_600_000))
    assert expression_text(since) == 'since() < "14d"'


def test_numbers_and_strings_are_written_as_the_language_reads_them() -> None:
    assert [number_text(value) for value in (3, 3.0, 0.5, -2, 1e-7)] == ["3", "3", "0.5", "-2", "1e-07"]
    assert string_text('a"\\\n') == '"a\\"\\\\\\n"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
