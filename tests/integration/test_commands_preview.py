"""`preview` against a file of events."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.commands_runner import run_here

OLD = """
catalog: corner
version: 1
segments:
  rich: {when: 'sum("Order Completed", "revenue") >= 1000'}
  gone: {when: count("Order Completed") >= 1}
"""
NEW = """
catalog: corner
version: 2
segments:
  rich: {when: 'sum("Order Completed", "revenue") >= 100', exit: 'count("Refunded") >= 1'}
tiers:
  activity:
    levels:
      active: since() < "1d"
      lost: always
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "old.yaml").write_text(OLD, encoding="utf-8")
    (tmp_path / "new.yaml").write_text(NEW, encoding="utf-8")
    revenues = [1200] * 2 + [150] * 13
    lines = [_line(f"user{number:02}", "Order Completed", {"revenue": each}) for number, each in enumerate(revenues)]
    lines.append(_line("user00", "Refunded", {}))
    (tmp_path / "log.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def _line(user: str, name: str, properties: dict[str, object]) -> str:
    record = {"type": "track", "userId": user, "event": name, "properties": properties}
    return json.dumps({**record, "timestamp": "2026-11-01T08:00:00Z"})


def test_two_versions_are_compared(folder: Path) -> None:
    done = run_here("preview", "new.yaml", "--against", "log.jsonl", "--from", "old.yaml", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    rich = report["segments"]["rich"]
    assert (rich["now"], rich["then"], rich["enter"], rich["leave"]) == (2, 14, 13, 1)
    assert (rich["entering"], rich["leaving"]) == ([f"user{number:02}" for number in range(2, 12)], ["user00"])
    assert (report["segments"]["gone"]["now"], report["segments"]["gone"]["leave"]) == (15, 15)
    assert report["levels"]["activity=active"]["enter"] == 15
    assert (report["users"], report["events"], report["until"]) == (15, 16, "2026-11-01T08:00:00.000Z")
    assert report["compared_with"] == {"catalog": "corner", "version": 1}


def test_without_a_version_to_compare_with_all_enter(folder: Path) -> None:
    done = run_here("preview", "new.yaml", "--against", "log.jsonl", "--json", folder=folder)
    report = json.loads(done.stdout)
    assert report["compared_with"] is None
    assert (report["segments"]["rich"]["now"], report["segments"]["rich"]["enter"]) == (0, 14)


def test_time_may_pass_further(folder: Path) -> None:
    done = run_here(
        "preview", "new.yaml", "--against", "log.jsonl", "--until", "2026-11-05T00:00:00Z", "--json", folder=folder
    )
    report = json.loads(done.stdout)
    assert (report["levels"]["activity=lost"]["then"], report["levels"]["activity=active"]["then"]) == (15, 0)


def test_people_read_tables_with_examples(folder: Path) -> None:
    said = run_here(
        "preview", "new.yaml", "--against", "log.jsonl", "--from", "old.yaml", folder=folder
    ).stdout.decode()
    assert said.startswith("corner, version 2, compared with version 1: 15 users; ")
    assert "rich, enter: user02, user03, " in said
    assert "user11 and 3 more" in said
    assert "rich, leave: user00" in said


def test_what_is_no_event_is_told_and_counted_by_reason(folder: Path) -> None:
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write('\njunk\nmore junk\n{"type": "page", "userId": "a"}\n')
    done = run_here("preview", "new.yaml", "--against", "log.jsonl", "--from", "old.yaml", "--json", folder=folder)
    report = json.loads(done.stdout)
    assert (report["events"], report["accepted"], report["rejected"]) == (19, 16, {"no_timestamp": 1, "not_json": 2})
    assert done.stderr.decode() == "19 events, 3 rejected (no_timestamp 1, not_json 2)\n"


def test_a_file_of_nothing_but_rejects_says_so(folder: Path) -> None:
    (folder / "junk").write_text("junk\n" * 3, encoding="utf-8")
    done = run_here("preview", "new.yaml", "--against", "junk", folder=folder)
    assert (done.returncode, done.stderr) == (0, b"3 events, 3 rejected (not_json 3)\n")
    assert done.stdout.startswith(b"corner, version 2, compared with nothing: 0 users; ")


def test_where_nothing_is_rejected_nothing_is_said(folder: Path) -> None:
    done = run_here("preview", "new.yaml", "--against", "log.jsonl", "--json", folder=folder)
    assert (json.loads(done.stdout)["rejected"], done.stderr) == ({}, b"")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--against", "live", "--from", "old.yaml"], b"live stands alone"),
        (["--against", "missing.jsonl"], b"missing.jsonl"),
        (["--against", "log.jsonl", "--until", "2026-01-01T00:00:00Z"], b"before the newest event"),
        (["--against", "log.jsonl", "--until", "yesterday"], b"is no moment"),
    ],
)
def test_bad_usage_is_exit_code_2(folder: Path, words: list[str], said: bytes) -> None:
    done = run_here("preview", "new.yaml", *words, folder=folder)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr


def test_live_without_a_stack_says_so(folder: Path) -> None:
    done = run_here("preview", "new.yaml", "--against", "live", folder=folder)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"tagstream up" in done.stderr
