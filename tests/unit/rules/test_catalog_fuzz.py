"""Whatever text comes in, a catalog or a CatalogError comes out, and soon."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rules import CatalogError, parse_catalog
from rules.catalog import Catalog
from rules.nodes import Node, TagName, children
from rules.parse import parse_expression

WORDS = [
    *("and", "or", "not", "in", "true", "false", "count", "sum", "since", "since_first", "trait", "property", "has"),
    *("mean", "distinct", "top", "latest", "lower", "contains", "days_until", "in_segment", "level", "yearly"),
    *("last", "where", "a", "b", "c", "lambda", "is", "if", "else", "mean", "always", "__class__", "None"),
    *("(", ")", "[", "]", ",", "=", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "**", ":=", ".", "{", "}"),
    *(
        '"7d"',
        '"A"',
        "'x'",
        '"',
        "'",
        "\\",
        "7",
        "0.5",
        "1e3",
        "007",
        "1e400",
        "7d",
        "#",
        "&",
        "女",
        "（",
        "\n",
        "\t",
        "\0",
    ),
]

expressions = st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join) | st.text(max_size=60)
scalars = expressions | st.sampled_from(
    ["", "1", "1d", "true", "UTC", "value", "[a]", "{a: b}", "&x a", "*x", "!!int 1"]
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Catalogs that are almost right: the keys mostly exist, what stands under them is anything."""
    names = st.sampled_from(["a", "b", "c", "A", "count", "a", "<<", "~"])
    lines = [f"catalog: {draw(st.just('shop') | scalars)}", f"version: {draw(st.just('1') | scalars)}"]
    if draw(st.booleans()):
        lines.append(f"timezone: {draw(st.sampled_from(['UTC', 'Asia/Shanghai', 'Mars', '', '/']))}")
    for section in draw(
        st.lists(st.sampled_from(["tags", "segments", "tagz", "tiers", "tests", "templates", "models"]), max_size=3)
    ):
        lines.append(f"{section}:")
        for name in draw(st.lists(names, max_size=4)):
            if section != "segments":
                lines.append(f"  {name}: {draw(_value())}")
                continue
            lines.append(f"  {name}:")
            keys = st.sampled_from(["when", "when", "exit", "title", "kind", "min_stay", "indexed", "goal", "wehn"])
            lines += [f"    {key}: {draw(_value())}" for key in draw(st.lists(keys, max_size=4))]
    return "\n".join(lines)


def _value() -> st.SearchStrategy[str]:
    def quoted(text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    def double_quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    def block(text: str) -> str:
        return "|\n" + "\n".join(f"        {line}" for line in text.split("\n"))

    return scalars | expressions.map(quoted) | expressions.map(double_quoted) | expressions.map(block)


def parsed(text: str) -> Catalog | CatalogError:
    try:
        return parse_catalog(text)
    except CatalogError as error:
        return error


def outcome(text: str) -> Catalog | CatalogError:
    start = time.process_time()
    result = parsed(text)
    assert time.process_time() - start < 10
    if isinstance(result, CatalogError):
        lines = text.count("\n") + text.count("\r") + 1
        assert any(problem.severity == "error" for problem in result.problems)
        assert all(1 <= problem.line <= lines and problem.column >= 1 for problem in result.problems)
        assert all("\n" not in str(problem) for problem in result.problems)
    return result


def assert_resolved(node: Node) -> None:
    assert not isinstance(node, TagName)
    for child in children(node):
        assert_resolved(child)


@settings(max_examples=300, deadline=None)
@given(st.text())
@example("\ufeff")
@example("\ud800")
@example("a: \x00")
@example("%TAG ! !\n---\na: b")
@example("? - ? -")
@example("'\\")
@example("{a: [b, {c: d}, *e, &f g]}")
def test_any_text_is_a_catalog_or_a_catalog_error(text: str) -> None:
    outcome(text)


@settings(max_examples=500, deadline=None)
@given(documents())
def test_any_document_is_a_catalog_or_a_catalog_error(text: str) -> None:
    result = outcome(text)

    if isinstance(result, Catalog):
        for segment in result.segments.values():
            assert_resolved(segment.when)
        for tag in result.tags.values():
            assert_resolved(tag.expression)


@settings(max_examples=500, deadline=None)
@given(expressions)
@example("(" * 4_096)
@example("not " * 1_024)
@example("-" * 4_096)
@example("a+" * 2_048)
@example("a and " * 682)
@example('"' * 4_096)
@example("1" * 4_096)
def test_any_expression_parses_or_has_flaws_inside_its_text(text: str) -> None:
    parsed = parse_expression(text)

    assert parsed.node is not None or parsed.flaws != ()
    for flaw in parsed.flaws:
        assert 0 <= flaw.span.start <= flaw.span.end <= len(text)


HEAD = "catalog: x\nversion: 1\n"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        "{" * 1_000_000,
        "? " * 500_000,
        "- " * 500_000,
        "a" * 1_000_000 + ": 1",
        "&a " * 300_000,
        HEAD + "".join(f"k{number}: 1\n" for number in range(20_000)),
        HEAD + "tags:\n" + "".join(f"  k{number}: x{number}\n" for number in range(20_000)),
        HEAD + "tags:\n  k0: count()\n" + "".join(f"  k{n}: k{n - 1} + 1\n" for n in range(1, 10_000)),
        HEAD + "tags:\n" + "".join(f"  k{number}: {' + '.join(['k0'] * 100)}\n" for number in range(1_000)),
        HEAD + "tags:\n" + f"  k: {'@ ' * 2_000}\n" * 100,
        HEAD + "version: " + "1" * 500_000,
        HEAD + "tags: {a: '" + "''" * 500_000 + "'}",
        HEAD + 'tags: {a: "' + "\\n" * 500_000 + '"}',
        HEAD + "segments: {a: {when: true, title: " + "x" * 900_000 + "}}",
    ],
    ids=lambda text: text[22:40],
)
def test_large_hostile_texts_are_answered_in_seconds(text: str) -> None:
    assert isinstance(outcome(text), CatalogError)
