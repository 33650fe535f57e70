"""`tagstream schema` and `tagstream diff` as they are called."""

from __future__ import annotations

import json
from pathlib import Path

from rules.jsonschema import catalog_schema
from tests.integration.commands_runner import run_here

OLD = (
    'catalog: shop\nversion: 1\ntags:\n  spend: sum("Order", "revenue", last="90d")\n'
    "segments:\n  vip: {when: spend >= 3000, min_stay: 7d}\n  gone: {when: spend > 1}\n"
)
NEW = (
    'catalog: shop\nversion: 2\ntags:\n  spend: sum("Order", "revenue", last="90d")\n'
    "segments:\n  vip: {when: spend >= 2500, min_stay: 3d}\n  new: {when: count('Visit') > 3}\n"
)


def test_the_schema_is_printed(tmp_path: Path) -> None:
    done = run_here("schema", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == catalog_schema()


def test_the_schema_goes_to_a_file_with_a_hint_how_to_name_it(tmp_path: Path) -> None:
    done = run_here("schema", "--out", "catalog.schema.json", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"")
    assert json.loads((tmp_path / "catalog.schema.json").read_text(encoding="utf-8")) == catalog_schema()
    assert b"# yaml-language-server: $schema=catalog.schema.json" in done.stderr


def test_a_file_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    done = run_here("schema", "--out", "no/such/folder/schema.json", folder=tmp_path)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"no/such/folder" in done.stderr


def test_a_difference_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(OLD)
    (tmp_path / "new.yaml").write_text(NEW)
    done = run_here("diff", "old.yaml", "new.yaml", folder=tmp_path)
    assert done.returncode == 0
    assert done.stdout.decode().splitlines() == [
        "~ catalog shop",
        "    version: 1 -> 2",
        "~ segment vip",
        "    when: spend >= 3000 -> >= 2500: easier to enter",
        "    min_stay: 7d -> 3d",
        '+ segment new  new: count("Visit") > 3',
        "- segment gone  removed: its members leave it at once",
        "to be filled from the events that the log still keeps:",
        '    count("Visit")',
    ]


def test_a_difference_is_told_in_json(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(OLD)
    (tmp_path / "new.yaml").write_text(NEW)
    done = run_here("diff", "--json", "old.yaml", "new.yaml", folder=tmp_path)
    told = json.loads(done.stdout)
    assert told["old"] == {"source": "old.yaml", "catalog": "shop", "version": 1}
    assert told["new"] == {"source": "new.yaml", "catalog": "shop", "version": 2}
    assert told["backfill"] == ['count("Visit")']
    (when,) = [change for change in told["changes"] if change["aspect"] == "when"]
    assert when == {
        "what": "segment",
        "name": "vip",
        "change": "changed",
        "aspect": "when",
        "text": "spend >= 3000 -> >= 2500: easier to enter",
        "old": "spend >= 3000",
        "new": "spend >= 2500",
        "effect": "more",
    }


def test_no_difference_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(OLD)
    done = run_here("diff", "old.yaml", "old.yaml", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"nothing has changed in what the catalog means\n")


def test_a_wrong_catalog_has_no_difference(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(OLD)
    (tmp_path / "bad.yaml").write_text("catalog: shop\nversion: 1\nsegments: {a: {wehn: x}}\n")
    done = run_here("diff", "old.yaml", "bad.yaml", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"bad.yaml:3:" in done.stderr


def test_an_old_catalog_that_would_be_refused_today_is_compared_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(OLD.replace("spend > 1", "count() >= 0"))
    (tmp_path / "new.yaml").write_text(NEW)
    assert run_here("diff", "old.yaml", "new.yaml", folder=tmp_path).returncode == 0
