"""The `replay` command against the hand-worked cases that are files (no log times)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden.golden_cases import CASES, load_case, text_of_moment
from tests.integration.commands_runner import run_here

FILES = [name for name in CASES if not load_case(name).live]


@pytest.mark.parametrize("name", FILES)
def test_replay_writes_what_was_worked_out_by_hand(name: str, tmp_path: Path) -> None:
    case = load_case(name)
    (tmp_path / "catalog.yaml").write_text(case.catalog, encoding="utf-8")
    half = len(case.records) // 2
    for part, records in (("1.jsonl", case.records[:half]), ("2.jsonl", case.records[half:])):
        # Lines are records; an empty one is none, and has no offset.
        (tmp_path / part).write_bytes(b"".join(b"\n" + (record.value or b"") + b"\n" for record in records))

    outputs = ("--changes", "changes.jsonl", "--profiles", "profiles.jsonl", "--rejects", "rejects.jsonl")
    until = ("--until", text_of_moment(case.until_ms))
    done = run_here("replay", "1.jsonl", "2.jsonl", "--catalog", "catalog.yaml", *until, *outputs, folder=tmp_path)

    assert done.returncode == 0, done.stderr.decode()
    case.check_changes(_lines(tmp_path / "changes.jsonl"))
    places = {}
    for reject in _lines(tmp_path / "rejects.jsonl"):
        assert reject["line"] % 2 == 0
        places[reject["line"] // 2 - 1 + (half if reject["file"] == "2.jsonl" else 0)] = reject["reason"]
    case.check_rejects(places)
    case.check_profiles(_lines(tmp_path / "profiles.jsonl"))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]
