"""`tagstream replay` of the examples, held to a computation in pandas that knows nothing of Tagstream."""

from __future__ import annotations

import ast
import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from examples.confirm import CHANGE, CONFIRM, read_changes
from examples.convert import cdnow_events, shop_events
from rules.catalog import load_catalog
from stream.replay import Replay

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
UNTIL = {"cdnow": "1998-06-30T23:59:59Z", "shop": "2024-07-01T00:00:00Z"}
COUNTS = {"cdnow": 7_181, "shop": 3_201}
both_examples = pytest.mark.parametrize("name", sorted(UNTIL))


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The file of changes of each example, written by the command."""
    folder = tmp_path_factory.mktemp("examples")
    files = {}
    for name, until in UNTIL.items():
        files[name] = folder / f"{name}.jsonl"
        log, catalog = EXAMPLES / name / "events.jsonl.gz", EXAMPLES / name / "catalog.yaml"
        command = [sys.executable, "-m", "stream.cli", "replay", str(log), "--catalog", str(catalog)]
        options = ["--until", until, "--changes", str(files[name])]
        result = subprocess.run([*command, *options], cwd=EXAMPLES.parent, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
    return files


def in_order(changes: pd.DataFrame) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in changes[CHANGE].to_numpy().tolist())


@both_examples
def test_pandas_finds_the_same_changes_to_the_millisecond(name: str, replayed: dict[str, Path]) -> None:
    actual = read_changes(replayed[name].read_text(encoding="utf-8").splitlines())
    expected = CONFIRM[name]()
    assert len(actual) == COUNTS[name]
    assert in_order(actual) == in_order(expected)


@both_examples
def test_every_segment_moves_and_time_alone_has_its_share(name: str, replayed: dict[str, Path]) -> None:
    changes = read_changes(replayed[name].read_text(encoding="utf-8").splitlines())
    assert set(changes["segment"]) == set(load_catalog(EXAMPLES / name / "catalog.yaml").segments)
    assert set(changes["cause"]) == {"event", "time"}


@both_examples
def test_a_single_millisecond_s_difference_is_found(name: str, replayed: dict[str, Path], tmp_path: Path) -> None:
    lines = replayed[name].read_text(encoding="utf-8").splitlines()
    command = [sys.executable, str(EXAMPLES / "confirm.py"), name]
    good = subprocess.run([*command, str(replayed[name])], capture_output=True, text=True, check=False)
    assert (good.returncode, good.stdout) == (0, f"{COUNTS[name]:,} changes, all confirmed\n")
    lines[100] = re.sub(r"(\d)Z\"", lambda digit: f'{(int(digit[1]) + 1) % 10}Z"', lines[100], count=1)
    (tmp_path / "off.jsonl").write_text("\n".join(lines), encoding="utf-8")
    off = subprocess.run([*command, str(tmp_path / "off.jsonl")], capture_output=True, text=True, check=False)
    assert off.returncode == 1
    assert "pandas alone" in off.stdout
    assert "replay alone" in off.stdout


@both_examples
def test_the_table_in_the_readme_is_what_comes_out(name: str, replayed: dict[str, Path]) -> None:
    changes = read_changes(replayed[name].read_text(encoding="utf-8").splitlines())
    catalog = load_catalog(EXAMPLES / name / "catalog.yaml")
    counted = changes.groupby(["segment", "change"]).size()
    expected = []
    for segment in catalog.segments.values():
        entered, left = (int(counted.get((segment.name, change), 0)) for change in ("entered", "exited"))
        expected.append([segment.name, f"{entered:,}", f"{left:,}", f"{entered - left:,}", segment.title])
    readme = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^```\n(segment .*?)^```", readme, flags=re.DOTALL | re.MULTILINE)
    assert [re.split(r"  +| (?=\d)", line, maxsplit=4) for line in table.splitlines()[1:]] == expected
    assert f"# {COUNTS[name]:,} changes, all confirmed" in readme


def test_the_events_are_what_the_conversion_makes_of_the_originals() -> None:
    for name, events in (
        ("cdnow", cdnow_events(EXAMPLES / "cdnow" / "cdnow_sample.txt")),
        ("shop", shop_events(EXAMPLES / "shop" / "ecom.csv.gz")),
    ):
        with gzip.open(EXAMPLES / name / "events.jsonl.gz", "rt", encoding="utf-8") as file:
            assert [json.loads(line) for line in file] == list(events)


def test_repeated_rows_of_the_clickstream_are_duplicates_and_nothing_is_rejected() -> None:
    run = Replay(load_catalog(EXAMPLES / "shop" / "catalog.yaml"), app="t", horizon_ms=2**60, row_budget_bytes=2**28)
    with gzip.open(EXAMPLES / "shop" / "events.jsonl.gz") as file:
        rejects = [reject for step in run.feed(file.read().splitlines()) for reject in step.rejects]
    assert rejects == []
    assert (run.accepted, run.duplicates) == (32_486, 30)


def test_the_confirmation_imports_nothing_of_ours() -> None:
    tree = ast.parse((EXAMPLES / "confirm.py").read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }
    assert imported & {"rules", "stream", "tagstream", "examples"} == set()
