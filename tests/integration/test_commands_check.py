from __future__ import annotations

import json
from pathlib import Path

from tests.integration.commands_runner import run_here

GOOD = (
    "catalog: shop\nversion: 2\ntags:\n  orders: count('Order Completed')\nsegments:\n  buyers: {when: orders >= 1}\n"
)
BAD = (
    "catalog: shop\nversion: 1\ntags:\n  orders: coutn('Order Completed')\n"
    "segments:\n  buyers: {when: ordrs >= 1}\n  vips: {wehn: orders >= 9}\n"
)

FULL = """catalog: full
version: 1
tags: {orders: count("Bought")}
models: {kinds: {kind: clusters, features: [orders, since()]}}
segments: {buyers: {when: orders >= 1}}
tiers: {stage: {levels: {new: orders < 2, old: always}}}
tests:
  one: {events: [{at: 2026-11-01, event: Bought}], expect: {in: [buyers]}}
  two: {events: [{at: 2026-11-01, event: Seen}], expect: {not_in: [buyers]}}
"""


def test_a_right_catalog_is_ok(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(GOOD)
    done = run_here("check", "good.yaml", "retail", folder=tmp_path)
    assert done.returncode == 0
    first, second = done.stdout.decode().splitlines()
    assert first == "ok  good.yaml: shop, version 2, 1 tag, 1 segment"
    assert second.startswith("ok  retail: retail, version ")


def test_all_that_a_catalog_has_is_counted(tmp_path: Path) -> None:
    (tmp_path / "full.yaml").write_text(FULL, encoding="utf-8")
    line = run_here("check", "full.yaml", folder=tmp_path)
    shown = run_here("check", "full.yaml", "--json", folder=tmp_path)

    assert line.stdout.decode() == ("ok  full.yaml: full, version 1, 1 tag, 1 segment, 1 tier, 1 model, 2 tests\n")
    (report,) = json.loads(shown.stdout)
    assert (report["models"], report["tests"]) == (["kinds"], ["one", "two"])


def test_everything_wrong_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    done = run_here("check", "bad.yaml", folder=tmp_path)
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 2
    assert [line.split(": ")[0] for line in lines[:3]] == ["bad.yaml:4:11", "bad.yaml:6:18", "bad.yaml:7:10"]
    assert ["count" in lines[0], "orders" in lines[1], "when" in lines[2]] == [True, True, True]
    assert b"Traceback" not in done.stderr


def test_one_bad_catalog_among_good_ones_is_exit_code_2_and_all_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    (tmp_path / "good.yaml").write_text(GOOD)
    done = run_here("check", "bad.yaml", "good.yaml", folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout.decode().splitlines()[-1].startswith("ok  good.yaml")


def test_json_has_every_problem_with_its_fields(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    (tmp_path / "good.yaml").write_text(GOOD)
    done = run_here("check", "--json", "good.yaml", "bad.yaml", folder=tmp_path)
    good, bad = json.loads(done.stdout)
    assert done.returncode == 2
    assert (good["ok"], good["catalog"], good["version"], good["segments"]) == (True, "shop", 2, ["buyers"])
    assert (bad["ok"], bad["catalog"], len(bad["problems"])) == (False, None, 3)
    first = bad["problems"][0]
    assert (first["file"], first["line"], first["column"], first["severity"]) == ("bad.yaml", 4, 11, "error")
    assert first["code"] == "unknown_function"


def test_of_thousands_of_warnings_a_hundred_are_listed_and_the_others_counted(tmp_path: Path) -> None:
    segments = "".join(f"  s{number}: {{when: count() > 1}}\n" for number in range(151))
    (tmp_path / "same.yaml").write_text(f"catalog: shop\nversion: 1\nsegments:\n{segments}")
    done = run_here("check", "same.yaml", folder=tmp_path)
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0
    assert [len(lines), *lines[-2:]] == [
        102,
        "same.yaml: 50 warnings more; --json lists them all",
        "ok  same.yaml: shop, version 1, 0 tags, 151 segments",
    ]
    (report,) = json.loads(run_here("check", "--json", "same.yaml", folder=tmp_path).stdout)
    assert len(report["problems"]) == 150


def test_a_catalog_that_is_not_there_is_told_with_the_packs(tmp_path: Path) -> None:
    done = run_here("check", "retial", folder=tmp_path)
    assert done.returncode == 2
    assert b"retail" in done.stdout
    assert b"Traceback" not in done.stderr


def test_a_catalog_that_is_wrong_stops_other_commands_with_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    (tmp_path / "events.jsonl").write_text("")
    done = run_here("replay", "events.jsonl", "--catalog", "bad.yaml", "--changes", "out.jsonl", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"bad.yaml:") == 3
    assert not (tmp_path / "out.jsonl").exists()
