"""Every relative link in the docs leads somewhere, and every anchor exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", without_code(page.read_text(encoding="utf-8")), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = without_code(page.read_text(encoding="utf-8"))
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors_of(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    text = without_code(page.read_text(encoding="utf-8"))
    named = re.findall(r"`((?:rules|stream|tagstream|tests|bench|docs|examples)/[\w./-]*\w\.[a-z]+)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_decisions_are_numbered_without_repeats() -> None:
    numbers = [path.name.split("-")[0] for path in sorted((ROOT / "docs" / "decisions").glob("*.md"))]
    assert numbers == sorted(set(numbers))
    assert all(re.fullmatch(r"\d{4}", number) for number in numbers)


def test_functions_and_classes_that_are_named_with_their_file_exist() -> None:
    named = [
        (name, file)
        for page in PAGES
        for name, file in re.findall(
            r"`([A-Za-z_.]+)`\s+(?:\(|in\s+)`([\w/]+\.py)`", without_code(page.read_text(encoding="utf-8"))
        )
    ]
    missing = []
    for name, file in named:
        text = (ROOT / file).read_text(encoding="utf-8")
        if not all(re.search(rf"(?:def|class) {part}\b", text) for part in name.split(".")):
            missing.append((name, file))
    assert missing == []
    assert len(named) > 20
