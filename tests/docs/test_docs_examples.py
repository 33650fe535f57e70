"""The catalogs in the docs are right, and the values that docs/catalog.md promises are those that come out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rules.catalog import Catalog, parse_catalog
from rules.errors import ProblemCode
from rules.functions import FUNCTIONS
from rules.nodes import Aggregate, Days, Node, children
from rules.program import compile_catalog
from rules.reference import Reference
from stream.examples import run_examples
from stream.replay import Replay

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CATALOG_PAGE = (ROOT / "docs" / "catalog.md").read_text(encoding="utf-8")
END_OF_MARCH_2026_MS = 1_774_915_200_000
FAR_MS = 10**15
# Blocks that are no examples of expressions begin with one of these.
WHOLE = ("catalog:", "segments:", "models:", "#")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


CATALOGS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page.read_text(encoding="utf-8"), "yaml"))
    if block.startswith("catalog:")
]
EXAMPLE_BLOCKS = [block for block in blocks(CATALOG_PAGE, "yaml") if not block.startswith(WHOLE)]
EXAMPLES = {
    name: (expression.strip(), json.loads(value))
    for block in EXAMPLE_BLOCKS
    for name, expression, value in re.findall(r"^([a-z_0-9]+): (.+?) +# → (.+)$", block, flags=re.MULTILINE)
}


@pytest.fixture(scope="module")
def examples() -> Catalog:
    composed = "".join(block for block in blocks(CATALOG_PAGE, "yaml") if block.startswith(("segments:", "models:")))
    tags = "".join(f"  {name}: {json.dumps(expression)}\n" for name, (expression, _) in EXAMPLES.items())
    return parse_catalog(f"catalog: examples\nversion: 1\n{composed}tags:\n{tags}")


@pytest.fixture(scope="module")
def snapshots(examples: Catalog) -> dict[str, dict[str, Any]]:
    """What the models of the examples have learned."""
    (learned,) = blocks(CATALOG_PAGE, "json")
    return {
        snapshot["model"]: {**snapshot, "fingerprint": examples.models[snapshot["model"]].fingerprint}
        for snapshot in json.loads(learned)
    }


def log() -> list[bytes]:
    (lines,) = blocks(CATALOG_PAGE.split("### The log of the examples")[1], "jsonl")
    return lines.encode().splitlines()


@pytest.mark.parametrize("text", CATALOGS)
def test_a_catalog_in_the_docs_is_right_and_its_tests_hold(text: str) -> None:
    catalog = parse_catalog(text)
    assert catalog.warnings == ()
    assert [outcome.example.name for outcome in run_examples(catalog) if not outcome.holds] == []


def test_every_example_gives_what_it_promises_by_the_engine(
    examples: Catalog, snapshots: dict[str, dict[str, Any]]
) -> None:
    program = compile_catalog(examples, snapshots=snapshots)
    run = Replay(program, app="docs", horizon_ms=END_OF_MARCH_2026_MS, row_budget_bytes=2**20)
    rejects = [reject for step in run.feed(log()) for reject in step.rejects]
    assert rejects == []
    for _ in run.finish(END_OF_MARCH_2026_MS):
        pass
    (ann,) = run.profiles(END_OF_MARCH_2026_MS)
    assert ann.tags == {name: value for name, (_, value) in EXAMPLES.items()}


def test_every_example_gives_what_it_promises_by_the_reference(
    examples: Catalog, snapshots: dict[str, dict[str, Any]]
) -> None:
    reference = Reference(examples, snapshots=snapshots)
    for offset, line in enumerate(log()):
        assert reference.feed(line, offset, -FAR_MS, FAR_MS).reason is None
    reference.advance(END_OF_MARCH_2026_MS)
    ann = reference.profile("ann", END_OF_MARCH_2026_MS)
    assert ann.tags == {name: value for name, (_, value) in EXAMPLES.items()}


def test_every_line_of_the_example_blocks_is_an_example() -> None:
    lines = [line for block in EXAMPLE_BLOCKS for line in block.splitlines() if line.strip()]
    assert len(lines) == len(EXAMPLES)


def test_every_function_of_the_language_has_its_usage_and_examples() -> None:
    expressions = " ".join(text for text, _ in EXAMPLES.values())
    assert [name for name in FUNCTIONS if not re.search(rf"\b{name}\(", expressions)] == []
    assert [function.usage for function in FUNCTIONS.values() if f"`{function.usage}`" not in CATALOG_PAGE] == []


def test_every_argument_by_name_has_an_example(examples: Catalog) -> None:
    shown = {pair for tag in examples.tags.values() for pair in arguments_by_name(tag.expression)}
    assert {(name, word) for name, function in FUNCTIONS.items() for word in function.keywords} - shown == set()


def arguments_by_name(node: Node) -> Iterator[tuple[str, str]]:
    if isinstance(node, Aggregate):
        given = {"last": node.last_ms, "where": node.where, "half_life": node.half_life_ms}
        yield from ((node.function, word) for word, value in given.items() if value is not None)
    if isinstance(node, Days) and node.yearly:
        yield node.function, "yearly"
    for child in children(node):
        yield from arguments_by_name(child)


def test_every_code_of_a_problem_is_documented_and_the_reverse() -> None:
    tables = CATALOG_PAGE.split("## What can be wrong")[1]
    documented = dict(re.findall(r"^\| `([a-z0-9_]+)` \| (.+) \|$", tables, flags=re.MULTILINE))
    assert documented == {code.value: code.meaning for code in ProblemCode}
