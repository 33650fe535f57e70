"""The walk in docs/catalog.md, done as it is written: files, mistakes, mends and what the commands print."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from tests.integration.commands_runner import run_here

PAGE = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text(encoding="utf-8")
WALK = PAGE.split("## From an empty file to a running catalog")[1].split("\n## ")[0]
SECONDS = re.compile(r"\d+\.\d+ s$", flags=re.MULTILINE)


def test_the_walk_goes_as_it_is_written(tmp_path: Path) -> None:
    catalog = tmp_path / "flowers.yaml"
    commands = 0
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", WALK, flags=re.DOTALL | re.MULTILINE):
        if language == "yaml":
            catalog.write_text(block, encoding="utf-8")
        elif language == "jsonl":
            (tmp_path / "flowers.jsonl").write_text(block, encoding="utf-8")
        elif language == "diff":
            catalog.write_text(mended(catalog.read_text(encoding="utf-8"), block), encoding="utf-8")
        elif language == "console":
            command, _, expected = block.removeprefix("$ ").partition("\n")
            words = shlex.split(command)
            if words[0] == "cp":
                shutil.copy(tmp_path / words[1], tmp_path / words[2])
                continue
            printed = run_here(*words[1:], folder=tmp_path).stdout.decode("utf-8")
            assert without_seconds(printed) == without_seconds(expected), command
            commands += 1
    assert commands == 7


def mended(text: str, block: str) -> str:
    """The text after a change written as a diff: its lines less those with a plus must stand there once."""
    before = "".join(f"{line[1:]}\n" for line in block.splitlines() if line[:1] != "+")
    after = "".join(f"{line[1:]}\n" for line in block.splitlines() if line[:1] != "-")
    assert text.count(before) == 1, block
    return text.replace(before, after)


def without_seconds(text: str) -> list[str]:
    return [line.rstrip() for line in SECONDS.sub("… s", text).strip().splitlines()]
