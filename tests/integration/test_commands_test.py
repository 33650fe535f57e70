"""`test`: the examples inside catalogs, by the engine and by the reference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.commands_runner import run_here

CATALOG = """catalog: corner
version: 1
timezone: Asia/Shanghai
tags:
  spend: sum("Bought", "price", last="90d")
  idle: since("Bought")
  currency: latest("Bought", "currency")
segments:
  good: {when: spend >= 100, exit: spend < 50}
  other: {when: in_segment(good) and level(life) == "active"}
tiers:
  life:
    levels:
      active: since() < "14d"
      lost: always
tests:
"""
HOLDS = """  holds:
    events:
      - {at: 2026-11-01T09:00:00Z, event: Bought, properties: {price: 100, currency: EUR}}
      - {at: 2026-11-02T09:00:00Z, event: Bought, properties: {price: 50.5}}
    at: 2026-11-02T12:00:00Z
    expect:
      tags: {spend: 150.5, currency: EUR, idle: 3h}
      segments: [good, other]
      levels: {life: active}
"""
FAILS = """  fails:
    events:
      - {at: 2026-11-01T09:00:00Z, event: Bought, properties: {price: 40}}
    at: 2026-11-20
    expect:
      tags: {spend: 99, currency: null}
      in: [good]
      not_in: [other]
      levels: {life: active}
"""
REFUSED = """  refused:
    events:
      - {at: 2026-11-01T09:00:00Z, event: Bought, properties: {price: 40}}
      - {at: 2026-11-01T09:00:00Z, event: Bought, properties: {price: a lot}}
    expect:
      tags: {spend: 40}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.yaml").write_text(CATALOG + HOLDS, encoding="utf-8")
    (tmp_path / "bad.yaml").write_text(CATALOG + HOLDS + FAILS, encoding="utf-8")
    (tmp_path / "none.yaml").write_text(CATALOG.replace("tests:\n", ""), encoding="utf-8")
    (tmp_path / "wrong.yaml").write_text(CATALOG.replace("in_segment(good)", "in_segment(god)") + HOLDS, "utf-8")
    return tmp_path


def test_examples_that_hold_are_exit_code_0(folder: Path) -> None:
    done = run_here("test", "good.yaml", folder=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == "✓ holds\nok  good.yaml: corner, version 1, 1 of 1 test holds\n"


def test_one_that_fails_shows_expected_actual_and_why(folder: Path) -> None:
    done = run_here("test", "bad.yaml", folder=folder)
    said = done.stdout.decode()
    assert done.returncode == 1
    assert "✗ fails  (bad.yaml:26)" in said
    assert "    tag spend: expected 99, is 40\n" in said
    assert "    segment good: expected in, is not in\n      when:\n        ✗ spend >= 100\n" in said
    assert 'spend = sum("Bought", "price", last="90d"): 40' in said
    assert '    tier life: expected "active", is "lost"\n' in said
    assert "tag currency" not in said
    assert "failed  bad.yaml: corner, version 1, 1 of 2 tests hold" in said


def test_json_has_failures_with_their_conditions(folder: Path) -> None:
    (report,) = json.loads(run_here("test", "bad.yaml", "--json", folder=folder).stdout)
    assert (report["ok"], [each["ok"] for each in report["tests"]]) == (False, [True, False])
    failures = {each["name"]: each for each in report["tests"][1]["failures"]}
    assert (failures["spend"]["what"], failures["spend"]["expected"], failures["spend"]["actual"]) == ("tag", 99, 40.0)
    assert failures["good"]["conditions"]["when"]["verdict"] is False
    assert report["tests"][1]["differences"] == []


def test_an_event_that_the_catalog_refuses_is_named(folder: Path) -> None:
    (folder / "refused.yaml").write_text(CATALOG + REFUSED, encoding="utf-8")
    done = run_here("test", "refused.yaml", folder=folder)
    assert (done.returncode, "event 2: expected" in done.stdout.decode()) == (1, True)
    assert "not_a_number" in done.stdout.decode()


def test_a_catalog_without_tests_says_so(folder: Path) -> None:
    done = run_here("test", "none.yaml", folder=folder)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"no tests" in done.stderr


def test_a_wrong_catalog_is_exit_code_2_and_others_are_tested(folder: Path) -> None:
    done = run_here("test", "wrong.yaml", "good.yaml", folder=folder)
    assert done.returncode == 2
    assert "god" in done.stdout.decode()
    assert "✓ holds" in done.stdout.decode()


def test_the_packs_hold() -> None:
    done = run_here("test", "retail", folder=Path())
    assert done.returncode == 0, done.stdout.decode()
