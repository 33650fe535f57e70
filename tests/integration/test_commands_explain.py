"""`explain`, `profile` and `members` on a running stack, with segments, tiers and levels."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tagstream import Producer
from tests.integration.commands_runner import run_here
from tests.integration.running_up import running_up, told

CATALOG = """
catalog: corner
version: 1
timezone: Asia/Shanghai
tags:
  spend: sum("Order Completed", "revenue", last="90d")
segments:
  rich: {title: {zh: 富, en: Rich}, when: spend >= 1000, exit: spend < 500, min_stay: 1d, indexed: true}
  fans: {when: 'in_segment(rich) and trait("city") == "Wuhan"'}
tiers:
  activity:
    levels:
      active: {title: Active, when: since() < "14d"}
      lost: always
"""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    (folder / "corner.yaml").write_text(CATALOG, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[subprocess.Popen[str]]:
    def tell(producer: Producer) -> None:
        producer.track("ada", "Order Completed", {"revenue": 1200})
        producer.track("bob", "Order Completed", {"revenue": 687.5})

    with running_up(folder, "corner.yaml") as process:
        told(folder, tell)
        yield process


def explained(folder: Path, *words: str) -> dict[str, Any]:
    done = run_here("explain", *words, "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_somebody_outside_is_told_what_would_bring_them_in(folder: Path, stack: object) -> None:
    report = explained(folder, "bob", "rich")
    assert (report["in"], report["since"], report["cause"]) == (False, None, None)
    assert report["conditions"]["when"]["verdict"] is False
    assert report["conditions"]["when"]["values"][0]["value"] == 687.5
    assert report["flips"][0]["words"].startswith('312.50 more revenue from "Order Completed", within 9')
    assert report["flips"][0]["happenings"] == [
        {"event": "Order Completed", "times": 1, "properties": {"revenue": 312.5}}
    ]


def test_a_member_is_told_since_when_by_what_and_what_holds(folder: Path, stack: object) -> None:
    report = explained(folder, "ada", "rich")
    assert (report["in"], report["cause"], report["title"]) == (True, "event", "富 / Rich")
    assert report["since"] == report["as_of"] or report["since"] < report["as_of"]
    assert report["stays_until"] is not None
    assert report["holds"][1] == "leaves only when spend < 500"
    assert [flip["to"] for flip in report["flips"]] == ["out"]


def test_a_tier_may_be_explained_too(folder: Path, stack: object) -> None:
    report = explained(folder, "ada", "activity")
    assert (report["in"], report["level"], report["tier"]) == (None, "active", "activity")
    assert (report["flips"][0]["to"], report["flips"][0]["without"]) == ("lost", ["any"])


def test_another_segment_is_gone_through(folder: Path, stack: object) -> None:
    (flip,) = explained(folder, "ada", "fans")["flips"]
    # As long as she is rich by what she has spent: a window of 90 days closes after 90 to 91.5, as its hops lie.
    assert flip["words"].startswith(('city "Wuhan", within 90 days', 'city "Wuhan", within 91 days'))
    assert flip["happenings"] == [{"traits": {"city": "Wuhan"}}]


def test_people_read_a_tree_with_marks(folder: Path, stack: object) -> None:
    said = run_here("explain", "bob", "rich", folder=folder).stdout.decode()
    assert said.startswith("bob is not in rich (富 / Rich)\nhas never been in it\nas of ")
    assert "times in Asia/Shanghai" in said
    assert '  ✗ spend >= 1000\n      spend = sum("Order Completed", "revenue", last="90d"): 687.5' in said
    assert "what would bring the user in, cheapest first:\n  1. 312.50 more revenue" in said


def test_an_unknown_user_is_exit_code_1(folder: Path, stack: object) -> None:
    done = run_here("explain", "nobody", "rich", folder=folder)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"no user 'nobody'" in done.stderr


def test_an_unknown_segment_is_exit_code_2_with_the_nearest_name(folder: Path, stack: object) -> None:
    done = run_here("explain", "ada", "rihc", folder=folder)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"did you mean rich?" in done.stderr


@pytest.mark.parametrize("command", [("profile", ""), ("explain", "", "rich")])
def test_no_name_is_bad_usage(folder: Path, command: tuple[str, ...]) -> None:
    done = run_here(*command, folder=folder)
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_profile_has_levels(folder: Path, stack: object) -> None:
    report = json.loads(run_here("profile", "ada", "--json", folder=folder).stdout)
    assert (report["segments"], report["levels"]) == (["rich"], {"activity": "active"})
    assert (report["warming"], report["catalog_version"]) == ({}, 1)
    said = run_here("profile", "ada", folder=folder).stdout.decode()
    assert "activity  active  Active" in said


def test_members_of_a_level(folder: Path, stack: object) -> None:
    active = run_here("members", "activity=active", folder=folder)
    lost = run_here("members", "activity=lost", "--json", folder=folder)
    assert sorted(line.split("\t")[0] for line in active.stdout.decode().splitlines()) == ["ada", "bob"]
    assert (lost.returncode, lost.stdout) == (0, b"")
    assert b"2 members of activity=active" in active.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("activity", b"activity=active, activity=lost"),
        ("activity=actve", b"did you mean active?"),
        ("rich=active", b"no segment"),
    ],
)
def test_a_level_that_is_not_there_is_exit_code_2(folder: Path, stack: object, name: str, said: bytes) -> None:
    done = run_here("members", name, folder=folder)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr


def test_the_text_that_runs_is_kept_beside_the_stack(folder: Path, stack: object) -> None:
    explained(folder, "ada", "rich")
    (kept,) = (folder / "run").glob("catalog-*-corner-1.yaml")
    assert kept.read_text(encoding="utf-8") == CATALOG


def test_live_preview_counts_who_would_enter_and_leave(folder: Path, stack: object) -> None:
    text = CATALOG.replace("version: 1", "version: 2").replace("spend >= 1000", "spend >= 600")
    text += "      never: always\n"
    text = text.replace("      lost: always\n      never: always\n", "      lost: always\n")
    text = text.replace("segments:\n", 'segments:\n  new: {when: count("Seen") >= 1}\n')
    (folder / "next.yaml").write_text(text, encoding="utf-8")
    done = run_here("preview", "next.yaml", "--against", "live", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["segments"]["rich"] == {
        "now": 1,
        "then": 2,
        "enter": 1,
        "leave": 0,
        "entering": ["bob"],
        "leaving": [],
        "reason": None,
    }
    assert report["levels"]["activity=active"]["then"] == 2
    assert report["starting_from_nothing"] == ['count("Seen")']
    assert (report["users"], report["compared_with"]) == (2, {"catalog": "corner", "version": 1})


def test_live_preview_says_of_what_it_cannot_tell_that_it_cannot(folder: Path, stack: object) -> None:
    added = '  bulk: {when: count("Order Completed") >= 1}\n  both: {when: in_segment(bulk) and in_segment(rich)}\n'
    text = CATALOG.replace("version: 1", "version: 2").replace("segments:\n", f"segments:\n{added}")
    (folder / "bulk.yaml").write_text(text, encoding="utf-8")
    report = json.loads(run_here("preview", "bulk.yaml", "--against", "live", "--json", folder=folder).stdout)
    told, reason = {"rich": 1, "fans": 0}, report["segments"]["both"].pop("reason")
    assert {name: count["then"] for name, count in report["segments"].items()} == {"bulk": None, "both": None, **told}
    unknown = dict.fromkeys(["then", "enter", "leave", "entering", "leaving"])
    assert report["segments"]["both"] == {"now": 0, **unknown}
    assert reason == 'Not in the live state before `tagstream apply` fills it: count("Order Completed").'
    lines = run_here("preview", "bulk.yaml", "--against", "live", folder=folder).stdout.decode().splitlines()
    assert [line.split() for line in lines if line.startswith(("bulk ", "both "))] == [
        ["bulk", "0", "?", "?", "?"],
        ["both", "0", "?", "?", "?"],
    ]
    assert "So it can't be told for bulk, both." in lines


def test_live_preview_of_the_same_version_compares_too(folder: Path, stack: object) -> None:
    done = run_here("preview", "corner.yaml", "--against", "live", "--json", folder=folder)
    report = json.loads(done.stdout)
    assert {name: (count["enter"], count["leave"]) for name, count in report["segments"].items()} == {
        "rich": (0, 0),
        "fans": (0, 0),
    }


def test_live_preview_of_another_catalog_is_refused(folder: Path, stack: object) -> None:
    done = run_here("preview", "retail", "--against", "live", folder=folder)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"The workers run the catalog corner" in done.stderr
