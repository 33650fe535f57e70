"""The page of each pack says what the pack says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rules.catalog import Catalog, Goal, load_catalog
from rules.nodes import Aggregate, Node, Property, Trait, children
from rules.packs import pack_names

FOLDER = Path(__file__).parents[2] / "docs" / "packs"
KINDS = {
    "demographic": "Who they are",
    "value": "What they are worth",
    "behaviour": "What they do",
    "interest": "What they like",
    "predictive": "What they will do",
}


@pytest.fixture(scope="module", params=pack_names())
def pack(request: pytest.FixtureRequest) -> Catalog:
    return load_catalog(request.param)


def page_of(catalog: Catalog) -> str:
    return (FOLDER / f"{catalog.name}.md").read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    return re.split(rf"^#+ {re.escape(heading)}$", page, flags=re.MULTILINE)[1].split("\n#", 1)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of the rows that begin with code."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def goal_text(goal: Goal | None) -> str:
    if goal is None:
        return ""
    assert goal.target is not None
    assert goal.within_ms % 86_400_000 == 0
    return f"`{goal.event}` within {goal.within_ms // 86_400_000}d, {goal.target * 100:g} %"


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from walk(child)


def nodes_of(catalog: Catalog) -> list[Node]:
    tops = [tag.expression for tag in catalog.tags.values()]
    tops += [node for segment in catalog.segments.values() for node in (segment.when, segment.exit) if node]
    tops += [level.when for tier in catalog.tiers.values() for level in tier.levels.values()]
    return [node for top in tops for node in walk(top)]


def test_there_is_a_page_for_each_pack_and_no_other() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.md")) == list(pack_names())


def test_the_segments_stand_there_with_their_titles_and_goals(pack: Catalog) -> None:
    for kind, heading in KINDS.items():
        written = [(row[0], row[1], row[2], row[4]) for row in rows(section(page_of(pack), heading))]
        assert written == [
            (f"`{segment.name}`", segment.titles["zh"], segment.titles["en"], goal_text(segment.goal))
            for segment in pack.segments.values()
            if segment.kind == kind
        ]


def test_each_segment_is_said_in_words(pack: Catalog) -> None:
    page = page_of(pack)
    assert all(len(row[3]) > 5 for heading in KINDS.values() for row in rows(section(page, heading)))


def test_the_levels_of_the_tiers_stand_there(pack: Catalog) -> None:
    assert rows(section(page_of(pack), "Tiers")) == [
        [f"`{level.name}`", level.titles["zh"], level.titles["en"]]
        for tier in pack.tiers.values()
        for level in tier.levels.values()
    ]


def test_the_models_stand_there_with_what_they_look_at(pack: Catalog) -> None:
    written = rows(section(page_of(pack), "Models"))
    assert written == [
        [
            f"`{model.name}`",
            model.kind,
            model.titles["zh"],
            model.titles["en"],
            ", ".join(f"`{field}`" for field in model.fields),
        ]
        for model in pack.models.values()
    ]


def test_what_to_send_is_what_is_read(pack: Catalog) -> None:
    text = section(page_of(pack), "What to send")
    read: dict[str, set[str]] = {}
    for node in nodes_of(pack):
        if isinstance(node, Aggregate) and node.event is not None:
            inside = walk(node.where) if node.where is not None else ()
            held = read.setdefault(node.event, set())
            held |= {node.property} if node.property else set()
            held |= {inner.name for inner in inside if isinstance(inner, Property)}
    assert {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1])) for row in rows(text)} == read
    traits = re.search(r"^Traits, by `identify`: (.*)\.$", text, flags=re.MULTILINE)
    assert traits is not None
    assert set(re.findall(r"`(\w+)`", traits[1])) == {node.name for node in nodes_of(pack) if isinstance(node, Trait)}
