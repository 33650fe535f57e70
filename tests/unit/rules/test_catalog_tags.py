"""Tags that use tags: order, cycles, sizes."""

from __future__ import annotations

import time

import pytest

from rules import CatalogError, CatalogProblem, parse_catalog
from rules.nodes import Aggregate, And, Compare, DurationValue, Kind, NumberValue, TagName, Trait, children
from tests.machine import patient

HEAD = "catalog: shop\nversion: 1\ntags:\n"


def tags(**expressions: str) -> str:
    return HEAD + "".join(f"  {name}: {expression}\n" for name, expression in expressions.items())


def problems_of(text: str) -> tuple[CatalogProblem, ...]:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text)
    return caught.value.problems


def test_a_tag_may_be_used_before_it_is_defined() -> None:
    catalog = parse_catalog(tags(frequent="orders > 3", orders='count("Order")'))

    assert list(catalog.tags) == ["frequent", "orders"]
    assert catalog.tags["frequent"].expression == Compare(">", Aggregate("count", "Order"), NumberValue(3))
    assert (catalog.tags["frequent"].kind, catalog.tags["orders"].kind) == (Kind.BOOLEAN, Kind.NUMBER)


def test_no_tag_name_is_left_in_a_resolved_tree() -> None:
    catalog = parse_catalog(
        tags(a="b + c", b="c * 2", c="count(where=property('x') > d)", d="5")
        + "segments: {s: {when: a > b, exit: c < d}}"
    )
    waiting = [
        catalog.segments["s"].when,
        catalog.segments["s"].exit,
        *(tag.expression for tag in catalog.tags.values()),
    ]
    while waiting:
        node = waiting.pop()
        assert node is not None
        assert not isinstance(node, TagName)
        waiting.extend(children(node))


def test_an_open_tag_takes_the_type_of_each_use_through_other_names() -> None:
    catalog = parse_catalog(
        tags(gender="trait('gender')", sex="gender", week="""'"7d"'""", soon="week")
        + "segments:\n  s: {when: 'sex == \"F\" and since() < soon', exit: sex}\n"
    )

    assert catalog.tags["sex"].kind == Kind.ANY
    assert catalog.tags["soon"].kind == Kind.STRING
    assert catalog.segments["s"].exit == Trait("gender", Kind.BOOLEAN)
    when = catalog.segments["s"].when
    assert isinstance(when, And)
    assert when.operands[1] == Compare("<", Aggregate("since", None), DurationValue(604_800_000))
    assert catalog.segments["s"].reads == ("sex", "soon")


@pytest.mark.parametrize(
    ("expressions", "cycles", "lines"),
    [
        ({"a": "a + 1"}, ["a -> a"], [4]),
        ({"a": "b", "b": "a"}, ["a -> b -> a"], [5]),
        ({"a": "1 + b", "b": "c", "c": "2 * a", "d": "a"}, ["a -> b -> c -> a"], [6]),
        ({"x": "a", "a": "b", "b": "a"}, ["a -> b -> a"], [6]),
        ({"a": "b", "b": "a", "c": "d", "d": "c", "e": "1"}, ["a -> b -> a", "c -> d -> c"], [5, 7]),
        ({"a": "b + c", "b": "a", "c": "a"}, ["a -> b -> a", "a -> c -> a"], [5, 6]),
        ({"a": "count(where=a)"}, ["a -> a"], [4]),
    ],
)
def test_a_cycle_is_named_where_it_closes(expressions: dict[str, str], cycles: list[str], lines: list[int]) -> None:
    problems = problems_of(tags(**expressions))

    assert [str(problem.code) for problem in problems] == ["cycle"] * len(cycles)
    assert [problem.line for problem in problems] == lines
    for problem, cycle in zip(problems, cycles, strict=True):
        assert f" {cycle};" in problem.message


def test_nothing_is_said_of_the_tags_and_segments_that_use_a_cycle() -> None:
    text = tags(a="b + 1", b="a", c="a > 1 and b", d="has(c) == 1") + "segments: {s: {when: 'a == \"x\" or c + b > a'}}"

    assert [str(problem.code) for problem in problems_of(text)] == ["cycle", "condition_compared"]


def test_a_long_cycle_is_shortened_in_the_middle() -> None:
    problem = problems_of(tags(**{f"t{number}": f"t{(number + 1) % 5_000}" for number in range(5_000)}))[0]

    assert "t0 -> t1 -> t2" in problem.message
    assert "t4998 -> t4999 -> t0" in problem.message
    assert len(problem.message) < 200


def test_tags_that_multiply_are_refused_before_they_fill_the_memory() -> None:
    expressions = {"t0": "count()", **{f"t{number}": " + ".join([f"t{number - 1}"] * 10) for number in range(1, 500)}}
    problems = problems_of(tags(**expressions))

    assert [(str(problem.code), problem.line) for problem in problems] == [("expression_too_large", 9)]


def test_a_catalog_is_bounded_as_a_whole() -> None:
    wide = " + ".join(["count()"] * 190)
    text = tags(wide=wide, wider=" or ".join(["wide > 1"] * 50))
    text += "segments:\n" + "".join(f"  s{number}: {{when: wider}}\n" for number in range(60))

    assert [str(problem.code) for problem in problems_of(text)] == ["catalog_too_large"]


def test_a_long_chain_of_other_names_is_no_depth() -> None:
    expressions = {"t0": "trait('x')", **{f"t{number}": f"t{number - 1}" for number in range(1, 3_000)}}
    catalog = parse_catalog(tags(**dict(reversed(expressions.items()))))

    assert catalog.tags["t2999"].expression == Trait("x", Kind.ANY)


def test_a_catalog_of_a_thousand_segments_is_ready_at_once() -> None:
    lines = [HEAD]
    lines += [f'  t{number}: sum("Order {number}", "revenue", last="{number + 1}d")\n' for number in range(90)]
    lines.append("segments:\n")
    lines += [
        f"  s{number}:\n    title: {{zh: 标题, en: Title {number}}}\n    kind: value\n"
        f'    when: count("E{number}", last="7d") >= {number + 1} and t{number % 90} > 5 and trait("g") == "F"'
        f' and 30 <= trait("age") <= 45\n    exit: count("E{number}", last="7d") < {number + 1}\n'
        for number in range(1_000)
    ]
    text = "".join(lines)
    start = time.process_time()
    catalog = parse_catalog(text)
    took_s = time.process_time() - start

    assert len(catalog.segments) == 1_000
    assert took_s < patient(1.5)
