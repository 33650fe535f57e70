"""Every command, setting, topic, reason and pack that exists is in the docs, and the reverse."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer

from rules.packs import pack_names
from stream.cli import app
from stream.metrics import Metrics
from stream.settings import CONFIG_VARIABLE, Settings
from stream.topics import planned_topics
from tagstream.contracts.deadletters import REASONS

ROOT = Path(__file__).parents[2]
OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def first_cells(text: str, pattern: str) -> list[str]:
    """What matches in the first cell of the tables' rows."""
    return re.findall(rf"^\| `{pattern}` \|", text, flags=re.MULTILINE)


def commands_of(group: Any, before: str = "") -> set[str]:
    names: set[str] = set()
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        names.add(before + name)
        if inner is not None:
            names |= commands_of(command, f"{before}{name} ")
    return names


def test_every_command_is_documented_and_the_reverse() -> None:
    assert set(first_cells(OPERATING, r"tagstream ([a-z ]+)")) == commands_of(typer.main.get_command(app))


def test_every_setting_is_documented_and_the_reverse() -> None:
    settings = [f"TAGSTREAM_{name.upper()}" for name in Settings.model_fields]
    assert first_cells(OPERATING, r"(TAGSTREAM_[A-Z_]+)") == settings


def test_no_page_names_a_setting_that_does_not_exist() -> None:
    known = {f"TAGSTREAM_{name.upper()}" for name in Settings.model_fields} | {CONFIG_VARIABLE}
    unknown = {
        (page.name, name)
        for page in PAGES
        for name in re.findall(r"TAGSTREAM_[A-Z_]*[A-Z]", page.read_text(encoding="utf-8"))
        if name not in known
    }
    assert unknown == set()


def test_no_page_names_a_command_that_does_not_exist() -> None:
    known = {name.split()[0] for name in commands_of(typer.main.get_command(app))}
    unknown = {
        (page.name, name)
        for page in PAGES
        for name in re.findall(r"(?:`|\$ |^)tagstream ([a-z]+)", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
        if name not in known
    }
    assert unknown == set()


def test_every_topic_is_documented_and_the_reverse() -> None:
    topics = [plan.name.replace("tagstream", "{app}", 1) for plan in planned_topics(Settings())]
    assert first_cells(OPERATING, r"(\{app\}\.[a-z.-]+)") == topics


def test_the_defaults_in_the_docs_are_the_defaults() -> None:
    rows = re.findall(r"^\| `TAGSTREAM_([A-Z_]+)` \| `([^`{]+)` \|", OPERATING, flags=re.MULTILINE)
    documented = {name.lower(): value for name, value in rows}
    actual = {
        name: str(field.default)
        for name, field in Settings.model_fields.items()
        if field.default is not None and not field.is_required()
    }
    assert documented == actual


def test_every_reason_for_a_reject_is_documented_and_the_reverse() -> None:
    assert dict(re.findall(r"^\| `([a-z0-9_]+)` \| ([^|]+) \|$", OPERATING, flags=re.MULTILINE)) == REASONS


def test_every_reason_for_a_pause_is_documented_and_the_reverse() -> None:
    table = OPERATING.split("| reason | what has happened | what to do |")[1].split("\n\n")[0]
    documented = re.findall(r"^\| `([a-z_]+)` \| [^|]+ \| [^|]+ \|$", table, flags=re.MULTILINE)
    worker = "".join(file.read_text("utf-8") for file in sorted((ROOT / "stream" / "worker").glob("*.py")))
    assert documented == sorted(set(re.findall(r'PauseError\(\s*"([a-z_]+)"', worker)))


def test_every_metric_is_documented_and_the_reverse() -> None:
    documented = re.findall(r"^\| `(tagstream_[a-z_]+)` \| ([a-z]+) \| (.+) \|$", OPERATING, flags=re.MULTILINE)
    exposed = [
        (family.name + ("_total" if family.type == "counter" else ""), family.type, family.documentation)
        for family in Metrics().registry.collect()
    ]
    assert documented == exposed


def test_every_pack_is_named() -> None:
    catalog_page = (ROOT / "docs" / "catalog.md").read_text(encoding="utf-8")
    assert [name for name in pack_names() if f"`{name}`" not in catalog_page] == []
