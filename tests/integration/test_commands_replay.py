from __future__ import annotations

import gzip
import json
import random
import subprocess
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands_runner import COMMAND, clean_environment, run, run_here

CATALOG = """
catalog: shop
version: 3
tags:
  orders_7d: count("Order Completed", last="7d")
  spend_7d: sum("Order Completed", "revenue", last="7d")
  idle: since()
segments:
  buyers: {when: orders_7d >= 1}
  spenders: {title: {zh: 大客户, en: Spenders}, kind: value, when: spend_7d >= 100, exit: spend_7d < 50, min_stay: 1d}
  sleepers: {when: idle >= "2d"}
"""
EVENTS = [
    {"type": "track", "event": "Order Completed", "userId": "ann", "timestamp": "2026-03-01T00:00:00Z",
     "properties": {"revenue": 120}},
    {"type": "page", "userId": "bob", "timestamp": "2026-03-01T06:00:00Z"},
    {"type": "page", "userId": "ann", "timestamp": "2026-03-04T00:00:00Z"},
]  # fmt: skip


def lines(events: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with a catalog and three events."""
    (tmp_path / "shop.yaml").write_text(CATALOG)
    (tmp_path / "events.jsonl").write_bytes(lines(EVENTS))
    return tmp_path


def told(output: bytes) -> list[tuple[str, str, str, str, str]]:
    """Moment, user, change, segment, cause of each change."""
    changes = [json.loads(line) for line in output.splitlines()]
    return [
        (
            change["time"],
            change["subject"],
            change["type"].removeprefix("tagstream.segment."),
            change["data"]["segment"],
            change["data"]["cause"],
        )
        for change in changes
    ]


def test_changes_come_in_the_order_of_the_records_and_those_of_the_end_by_time(shop: Path) -> None:
    done = run(
        *("replay", "events.jsonl", "--catalog", "shop.yaml", "--changes", "-", "--until", "2026-03-06T12:00:00Z"),
        folder=shop,
    )
    assert done.returncode == 0
    assert told(done.stdout) == [
        ("2026-03-01T00:00:00.000Z", "ann", "entered", "buyers", "event"),
        ("2026-03-01T00:00:00.000Z", "ann", "entered", "spenders", "event"),
        ("2026-03-03T00:00:00.000Z", "ann", "entered", "sleepers", "time"),
        ("2026-03-04T00:00:00.000Z", "ann", "exited", "sleepers", "event"),
        ("2026-03-03T06:00:00.000Z", "bob", "entered", "sleepers", "time"),
        ("2026-03-06T00:00:00.000Z", "ann", "entered", "sleepers", "time"),
    ]


def test_a_change_is_a_cloud_event_with_its_cause_and_tags(shop: Path) -> None:
    done = run_here("replay", "events.jsonl", "--catalog", "shop.yaml", "--changes", "-", folder=shop)
    change = json.loads(done.stdout.splitlines()[1])
    assert list(change) == ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"]
    assert change["data"] == {
        "user": "ann",
        "incarnation": 0,
        "version": 2,
        "cause": "event",
        "catalog_version": 3,
        "model_versions": {},
        "tags": {"spend_7d": 120},
        "record": {"partition": 0, "offset": 0},
        "segment": "spenders",
        "kind": "value",
        "title": "大客户 / Spenders",
    }
    assert "大客户" in done.stdout.decode()


def test_profiles_are_as_of_until_one_a_line_by_user(shop: Path) -> None:
    run_here(
        *("replay", "events.jsonl", "-c", "shop.yaml", "--profiles", "out.jsonl", "--until", "2026-03-04T06:00:00Z"),
        folder=shop,
    )
    profiles = [json.loads(line) for line in (shop / "out.jsonl").read_text().splitlines()]
    assert profiles == [
        {
            "user": "ann",
            "version": 4,
            "tags": {"orders_7d": 1, "spend_7d": 120, "idle": 6 * 3_600_000},
            "segments": ["buyers", "spenders"],
            "levels": {},
            "clusters": {},
        },
        {
            "user": "bob",
            "version": 1,
            "tags": {"orders_7d": 0, "spend_7d": 0, "idle": 3 * 86_400_000},
            "segments": ["sleepers"],
            "levels": {},
            "clusters": {},
        },
    ]


def test_until_is_the_newest_accepted_event_by_default(shop: Path) -> None:
    log = [*EVENTS, {"type": "page", "userId": "eve", "timestamp": "2199-01-01T00:00:00Z"}]
    (shop / "events.jsonl").write_bytes(lines(log))
    done = run_here("replay", "events.jsonl", "--catalog", "shop.yaml", "--json", folder=shop)
    summary = json.loads(done.stdout)
    assert (summary["until"], summary["users"], summary["rejected"]) == (
        "2026-03-04T00:00:00.000Z",
        2,
        {"too_far_ahead": 1},
    )


def test_until_before_the_newest_event_is_refused_and_changes_nothing(shop: Path) -> None:
    (shop / "changes.jsonl").write_text("before")
    done = run_here(
        *("replay", "events.jsonl", "--catalog", "shop.yaml", "--until", "2026-03-03T23:59:59.999Z"),
        *("--changes", "changes.jsonl", "--profiles", "profiles.jsonl"),
        folder=shop,
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"2026-03-04T00:00:00.000Z" in done.stderr
    assert (shop / "changes.jsonl").read_text() == "before"
    assert {path.name for path in shop.iterdir()} <= {"changes.jsonl", "events.jsonl", "shop.yaml", "run"}


@pytest.mark.parametrize(
    ("until", "moment"),
    [
        ("2026-03-05", "2026-03-04T16:00:00.000Z"),
        ("2026-03-05 09:00", "2026-03-05T01:00:00.000Z"),
        ("2026-03-05T09:00:00", "2026-03-05T01:00:00.000Z"),
        ("2026-03-05T09:00:00Z", "2026-03-05T09:00:00.000Z"),
        ("2026-03-05T09:00:00.123456+01:00", "2026-03-05T08:00:00.123Z"),
    ],
)
@pytest.mark.parametrize("words", [("replay", "events.jsonl", "-c"), ("preview", "--against", "events.jsonl")])
def test_an_until_is_written_as_the_times_of_tests(shop: Path, words: tuple[str], until: str, moment: str) -> None:
    (shop / "shop.yaml").write_text(CATALOG.replace("version: 3", "version: 3\ntimezone: Asia/Shanghai"))
    done = run_here(*words, "shop.yaml", "--until", until, "--json", folder=shop)
    assert (done.returncode, json.loads(done.stdout)["until"]) == (0, moment)


@pytest.mark.parametrize("until", ["tomorrow", "2026-02-30", "2026-03-04T25:00:00", "1969-12-31T23:59:59Z", ""])
def test_an_until_that_is_no_moment_is_refused(shop: Path, until: str) -> None:
    done = run_here("replay", "events.jsonl", "--catalog", "shop.yaml", "--until", until, folder=shop)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--until" in done.stderr


def test_rejects_name_file_and_line_and_do_not_fail_the_command(shop: Path) -> None:
    (shop / "one.jsonl").write_bytes(b"\n" + lines(EVENTS[:1]) + b"not json\n\r\n")
    (shop / "two.jsonl").write_bytes(b'{"type": "page", "timestamp": "2026-03-01T00:00:00Z"}\n\n[]')
    done = run_here(
        *("replay", "one.jsonl", "two.jsonl", "--catalog", "shop.yaml", "--rejects", "rejects.jsonl"),
        folder=shop,
    )
    assert done.returncode == 0
    assert [json.loads(line) for line in (shop / "rejects.jsonl").read_text().splitlines()] == [
        {"file": "one.jsonl", "line": 3, "reason": "not_json"},
        {"file": "two.jsonl", "line": 1, "reason": "no_user"},
        {"file": "two.jsonl", "line": 3, "reason": "not_object"},
    ]
    assert b"3 rejected (no_user 1, not_json 1, not_object 1)" in done.stdout


def test_plain_gzip_and_standard_input_are_one_log_in_the_order_given(shop: Path) -> None:
    (shop / "second.jsonl.gz").write_bytes(gzip.compress(lines(EVENTS[1:2])))
    (shop / "third.jsonl").write_bytes(lines(EVENTS[2:]))
    whole = run_here("replay", "events.jsonl", "--catalog", "shop.yaml", "--changes", "-", folder=shop)
    parts = run_here(
        *("replay", "-", "second.jsonl.gz", "third.jsonl", "--catalog", "shop.yaml", "--changes", "-"),
        folder=shop,
        stdin=lines(EVENTS[:1]),
    )
    assert (parts.returncode, parts.stdout) == (0, whole.stdout)
    assert whole.stdout != b""


def test_the_summary_tells_changes_and_members_by_segment(shop: Path) -> None:
    done = run_here("replay", "events.jsonl", "--catalog", "shop.yaml", folder=shop)
    rows = [line.split() for line in done.stdout.decode().splitlines()]
    assert done.returncode == 0
    assert ["buyers", "1", "0", "1", "buyers"] in rows
    assert ["spenders", "1", "0", "1", "大客户", "/", "Spenders"] in rows
    assert ["sleepers", "2", "1", "1", "sleepers"] in rows


def test_nothing_but_changes_goes_to_standard_output(shop: Path) -> None:
    done = run_here("replay", "events.jsonl", "--catalog", "shop.yaml", "--changes", "-", folder=shop)
    assert all(line.startswith(b'{"specversion"') for line in done.stdout.splitlines())
    assert b"3 events of 2 users" in done.stderr


def test_an_empty_log_is_no_error(shop: Path) -> None:
    (shop / "events.jsonl").write_bytes(b"\n\n")
    done = run_here(
        *("replay", "events.jsonl", "--catalog", "shop.yaml", "--changes", "c", "--profiles", "p", "--rejects", "r"),
        folder=shop,
    )
    assert done.returncode == 0
    assert [(shop / name).read_bytes() for name in "cpr"] == [b"", b"", b""]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.jsonl"], b"nowhere.jsonl"),
        (["events.jsonl", "--changes", "nowhere/out.jsonl"], b"nowhere/out.jsonl"),
        (["events.jsonl", "--changes", "events.jsonl"], b"is also"),
        (["events.jsonl", "--rejects", "shop.yaml"], b"is also"),
        (["events.jsonl", "--changes", "x", "--profiles", "x"], b"is also"),
        (["events.jsonl", "--changes", "-", "--rejects", "-"], b"is also"),
        (["events.jsonl", "--changes", "-", "--json"], b"--json"),
        (["-", "-"], b"more than once"),
        (["."], b"directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_can_not_be_read_or_written_is_exit_code_2(shop: Path, arguments: list[str], said: bytes) -> None:
    done = run_here("replay", *arguments, "--catalog", "shop.yaml", folder=shop)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr
    assert b"Traceback" not in done.stderr
    assert (shop / "events.jsonl").read_bytes() == lines(EVENTS)


def some_log(count: int, *, users: int, seed: int) -> bytes:
    """Orders and pages, some late, some repeated, some no events, blank lines between."""
    source = random.Random(seed)
    start_ms = 1_772_323_200_000
    written: list[bytes] = []
    for place in range(count):
        moment = start_ms + place * 3_600_000 - source.choice([0, 0, 0, 200_000_000])
        seconds, fraction = divmod(moment, 1_000)
        event = {
            "type": source.choice(["page", "track"]),
            "event": "Order Completed",
            "userId": f"user-{source.randrange(users)}",
            "messageId": f"m{source.randrange(count)}",
            "timestamp": f"{stamp(seconds)}.{fraction:03d}Z",
            "properties": {"revenue": source.choice([10, 60, 99.5, "much"])},
        }
        written.append(json.dumps(event).encode())
        if source.random() < 0.05:
            written.append(source.choice([b"", b"{", b"\xff", b"  ", b"null"]))
    return b"\n".join(written)


def stamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def test_the_output_does_not_depend_on_the_size_of_batches(shop: Path) -> None:
    (shop / "events.jsonl").write_bytes(some_log(1_500, users=40, seed=7))
    outcomes = []
    for batch_lines in (1, 7, 500, 100_000):
        outputs = [f"{kind}-{batch_lines}" for kind in ("changes", "profiles", "rejects")]
        done = run_here(
            *("replay", "events.jsonl", "--catalog", "shop.yaml", "--batch-lines", str(batch_lines)),
            *("--until", "2026-06-01T00:00:00Z"),
            *("--changes", outputs[0], "--profiles", outputs[1], "--rejects", outputs[2]),
            folder=shop,
        )
        assert done.returncode == 0, done.stderr
        outcomes.append([(shop / name).read_bytes() for name in outputs])
    assert outcomes == [outcomes[0]] * len(outcomes)
    assert all(len(content.splitlines()) > 30 for content in outcomes[0])


def test_users_that_do_not_fit_the_memory_come_out_the_same(shop: Path) -> None:
    users = 40_000
    (shop / "events.jsonl").write_bytes(some_log(2 * users, users=users, seed=8))
    outcomes = []
    for memory_mib in ("1", "2000"):
        done = run_here(
            *("replay", "events.jsonl", "--catalog", "shop.yaml", "--changes", "c", "--profiles", "p"),
            folder=shop,
            settings={"TAGSTREAM_ROW_MEMORY_MIB": memory_mib},
        )
        assert done.returncode == 0, done.stderr
        outcomes.append([(shop / name).read_bytes() for name in "cp"])
    assert outcomes[0] == outcomes[1]


def test_what_is_piped_in_is_answered_before_the_pipe_ends(shop: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "replay", "-", "--catalog", "shop.yaml", "--changes", "-"],
        cwd=shop,
        env=clean_environment(shop),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stuck = threading.Timer(100, process.kill)
    stuck.start()
    process.stdin.write(lines(EVENTS[:1]))
    process.stdin.flush()
    first = process.stdout.readline()
    process.stdin.close()
    rest = process.stdout.read()
    assert process.wait(timeout=60) == 0
    stuck.cancel()
    process.stdout.close()
    assert told(first + rest) == [
        ("2026-03-01T00:00:00.000Z", "ann", "entered", "buyers", "event"),
        ("2026-03-01T00:00:00.000Z", "ann", "entered", "spenders", "event"),
    ]


def test_a_catalog_that_check_refuses_as_not_meant_can_be_tried_out(shop: Path) -> None:
    (shop / "odd.yaml").write_text('catalog: odd\nversion: 1\nsegments:\n  everyone: {when: "count() >= 0"}\n')
    assert run("check", "odd.yaml", folder=shop).returncode == 2
    tried = run("replay", "events.jsonl", "--catalog", "odd.yaml", "--changes", "-", folder=shop)
    assert tried.returncode == 0
    assert [change[3] for change in told(tried.stdout)] == ["everyone", "everyone"]
    assert b"odd.yaml:4:21: error[always_holds]" in tried.stderr
    assert b"`tagstream apply` would refuse it" in tried.stderr
