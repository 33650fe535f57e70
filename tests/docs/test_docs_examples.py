"""The catalogs in the docs are right, and the values that docs/catalog.md promises are those that come out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from rules.catalog import parse_catalog
from stream.replay import Replay

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CATALOG_PAGE = (ROOT / "docs" / "catalog.md").read_text(encoding="utf-8")
END_OF_MARCH_2026_MS = 1_774_915_200_000


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


CATALOGS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page.read_text(encoding="utf-8"), "yaml"))
    if block.startswith("catalog:")
]
EXAMPLES = {
    name: (expression.strip(), json.loads(value))
    for block in blocks(CATALOG_PAGE, "yaml")
    for name, expression, value in re.findall(r"^([a-z_0-9]+): (.+?) +# → (.+)$", block, flags=re.MULTILINE)
}


@pytest.mark.parametrize("text", CATALOGS)
def test_a_catalog_in_the_docs_is_right(text: str) -> None:
    assert parse_catalog(text).warnings == ()


def test_every_example_gives_what_it_promises() -> None:
    (log,) = blocks(CATALOG_PAGE, "jsonl")
    tags = "".join(f"  {name}: {json.dumps(expression)}\n" for name, (expression, _) in EXAMPLES.items())
    head = "catalog: examples\nversion: 1\nsegments:\n  everybody: {when: count() >= 0}\n"
    catalog = parse_catalog(f"{head}tags:\n{tags}")
    run = Replay(catalog, app="docs", horizon_ms=END_OF_MARCH_2026_MS, row_budget_bytes=2**20)
    rejects = [reject for step in run.feed(log.encode().splitlines()) for reject in step.rejects]
    assert rejects == []
    for _ in run.finish(END_OF_MARCH_2026_MS):
        pass
    (ann,) = run.profiles(END_OF_MARCH_2026_MS)
    assert ann.tags == {name: value for name, (_, value) in EXAMPLES.items()}


def test_every_line_of_the_example_blocks_is_an_example() -> None:
    lines = [
        line
        for block in blocks(CATALOG_PAGE, "yaml")
        if not block.startswith("catalog:")
        for line in block.splitlines()
        if line.strip()
    ]
    assert len(lines) == len(EXAMPLES)


def test_every_function_of_the_language_has_a_section_with_examples() -> None:
    from rules.functions import FUNCTIONS

    missing = [name for name in FUNCTIONS if f"{name}(" not in " ".join(text for text, _ in EXAMPLES.values())]
    assert missing == []
