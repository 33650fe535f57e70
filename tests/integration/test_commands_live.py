"""While `up` runs in one terminal, the other commands work in a second one without any setting."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stream.clock import SystemClock
from stream.commands.tag_texts import TagTexts
from stream.embedded import Addresses, find_stack
from stream.settings import load_settings
from tagstream import Producer, parse_change
from tests.integration.commands_runner import COMMAND, ROOT, clean_environment, run, run_here

CATALOG = """
catalog: corner
version: 4
tags:
  spend: sum("Order Completed", "revenue")
  idle: since()
segments:
  buyers: {title: {zh: 买家, en: Buyers}, when: spend > 0}
  rich: {when: spend >= 1000, indexed: true}
  quiet: {when: idle > "400d"}
"""
DEADLINE_S = 100.0

pytestmark = pytest.mark.timeout(240)


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """What the condition gives once it is true; fails after a deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {DEADLINE_S:.0f} s for {what}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("up")
    (folder / "corner.yaml").write_text(CATALOG, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def up(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """`tagstream up`, its worker at work on all partitions."""
    with (folder / "up.out").open("w") as out, (folder / "up.err").open("w") as err:
        process = subprocess.Popen(
            [*COMMAND, "up", "--catalog", "corner.yaml"],
            cwd=folder,
            env=clean_environment(folder),
            stdout=out,
            stderr=err,
            text=True,
        )

        def at_work() -> bool:
            assert process.poll() is None, (folder / "up.err").read_text()
            done = run_here("lag", "--json", folder=folder)
            report = json.loads(done.stdout) if done.returncode == 0 else {"partitions": [{"next_offset": None}]}
            return all(each["next_offset"] is not None for each in report["partitions"])

        try:
            wait_for(at_work, "the worker to take its partitions")
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def addresses(folder: Path, up: subprocess.Popen[str]) -> Addresses:
    found = find_stack(load_settings({"TAGSTREAM_RUNTIME_DIR": str(folder / "run")}, folder=folder))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def events(folder: Path, addresses: Addresses) -> None:
    """Three users: one of them rich, one not, one who only looked. Returns when all is seen."""
    with Producer(addresses.kafka) as producer:
        producer.track("ada", "Order Completed", {"revenue": 1250.5})
        producer.track("bob", "Order Completed", {"revenue": 20})
        producer.page("eve")
    wait_for(lambda: run_here("profile", "eve", folder=folder).returncode == 0, "the page to be read")
    wait_for(lambda: json.loads(run_here("lag", "--json", folder=folder).stdout)["lag"] == 0, "all to be read")


def test_up_says_where_things_are_and_what_to_type_next(
    folder: Path, up: subprocess.Popen[str], addresses: Addresses
) -> None:
    said = (folder / "up.out").read_text(encoding="utf-8")
    assert addresses.kafka in said
    assert "corner, version 4: 3 segments" in said
    assert "tagstream watch" in said


def test_a_profile_has_tags_and_segments(folder: Path, events: None) -> None:
    found = json.loads(run_here("profile", "ada", "--json", folder=folder).stdout)
    assert (found["user"], found["version"], found["segments"]) == ("ada", 2, ["buyers", "rich"])
    assert found["tags"]["spend"] == 1250.5
    assert sorted(found["since"]) == ["buyers", "rich"]
    assert (found["levels"], found["clusters"]) == ({}, {})


def test_a_profile_is_readable(folder: Path, events: None) -> None:
    told = run_here("profile", "ada", folder=folder).stdout.decode()
    assert "1250.5" in told
    assert "买家 / Buyers" in told


def test_a_user_that_is_not_there_is_exit_code_1(folder: Path, events: None) -> None:
    done = run_here("profile", "nobody", folder=folder)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"no user 'nobody'" in done.stderr


@pytest.mark.parametrize(("segment", "users"), [("buyers", ["ada", "bob"]), ("rich", ["ada"]), ("quiet", [])])
def test_members_are_listed_indexed_or_not(folder: Path, events: None, segment: str, users: list[str]) -> None:
    as_lines = run_here("members", segment, folder=folder)
    as_json = run_here("members", segment, "--json", folder=folder)
    assert sorted(line.split("\t")[0] for line in as_lines.stdout.decode().splitlines()) == users
    assert sorted(json.loads(line)["user"] for line in as_json.stdout.splitlines()) == users


def test_a_segment_that_is_not_there_is_exit_code_2_and_the_nearest_is_named(folder: Path, events: None) -> None:
    done = run_here("members", "byers", folder=folder)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"did you mean buyers?" in done.stderr


def test_a_catalog_that_the_workers_do_not_run_is_refused(folder: Path, events: None) -> None:
    done = run_here("profile", "ada", "--catalog", "retail", folder=folder)
    assert done.returncode == 2
    assert b"version 4 of the catalog corner" in done.stderr


def test_watch_shows_what_is_kept(folder: Path, events: None) -> None:
    done = run("watch", "--from-start", "--limit", "3", "--json", folder=folder)
    seen = {(change["subject"], change["data"]["segment"]) for change in map(json.loads, done.stdout.splitlines())}
    assert (done.returncode, seen) == (0, {("ada", "buyers"), ("ada", "rich"), ("bob", "buyers")})


def test_watch_shows_only_the_segment_asked_for(folder: Path, events: None) -> None:
    done = run("watch", "--from-start", "--limit", "1", "--segment", "rich", folder=folder)
    assert done.returncode == 0
    assert " ada  entered rich  (event)  spend=1250.5" in done.stdout.decode()


def test_watch_shows_a_change_as_it_comes_and_none_that_was_before(
    folder: Path, addresses: Addresses, events: None
) -> None:
    process = subprocess.Popen(
        [*COMMAND, "watch", "--limit", "1"],
        cwd=folder,
        env=clean_environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("Watching tagstream.segment-changes")
    with Producer(addresses.kafka) as producer:
        producer.track("zoe", "Order Completed", {"revenue": 5})
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert " zoe  entered buyers  (event)  spend=5" in out


def test_watch_shows_durations_as_people_read_them_and_json_as_they_are(
    folder: Path, addresses: Addresses, events: None, capsys: pytest.CaptureFixture[str]
) -> None:
    seen_at = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC) - timedelta(days=401, hours=5, minutes=30)
    with Producer(addresses.kafka) as producer:
        producer.page("old", timestamp=seen_at)
    told = [
        run("watch", "--from-start", "--limit", "1", "-s", "quiet", *more, folder=folder) for more in ([], ["--json"])
    ]
    line, message = (done.stdout.decode() for done in told)

    assert "  old  entered quiet  (event)  idle=401d 5h\n" in line
    assert json.loads(message)["data"]["tags"]["idle"] >= (401 * 24 + 5) * 3_600_000
    # A catalog that its topic does not have any more.
    unknown = parse_change(message.replace('"catalog_version":4', '"catalog_version":99').encode())
    texts = TagTexts(load_settings({"TAGSTREAM_RUNTIME_DIR": str(folder / "run")}, folder=folder), addresses)
    assert [texts.of(unknown), texts.of(unknown)] == [f"idle={unknown.tags['idle']}"] * 2
    assert capsys.readouterr().err == (
        "Version 99 of the catalog can't be read, so durations are in milliseconds: its topic does not have it.\n"
    )


def test_ctrl_c_ends_watch_with_130(folder: Path, events: None) -> None:
    process = subprocess.Popen(
        [*COMMAND, "watch"],
        cwd=folder,
        env=clean_environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "")


def test_lag_counts_what_has_not_been_read(folder: Path, events: None) -> None:
    report = json.loads(run_here("lag", "--json", folder=folder).stdout)
    assert (report["topic"], report["lag"], len(report["partitions"])) == ("tagstream.events", 0, 4)
    assert {each["catalog"] for each in report["partitions"]} == {"corner 4"}


def test_topics_are_there_and_create_touches_nothing(folder: Path, events: None) -> None:
    listed = json.loads(run_here("topics", "--json", folder=folder).stdout)
    made = run_here("topics", "create", folder=folder)
    assert [(topic["name"], topic["partitions"]) for topic in listed["topics"]] == [
        ("tagstream.events", 4),
        ("tagstream.segment-changes", 4),
        ("tagstream.events.dlq", 4),
        ("tagstream.catalog", 1),
        ("tagstream.profile-samples", 4),
        ("tagstream.models", 1),
        ("tagstream.learner-state", 1),
        ("tagstream.ops-metrics", 1),
    ]
    assert (made.returncode, made.stdout) == (0, b"")


def test_create_makes_the_topics_of_another_app(folder: Path, events: None) -> None:
    other = {"TAGSTREAM_APP": "other", "TAGSTREAM_PARTITIONS": "2"}
    missing = run_here("topics", folder=folder, settings=other)
    made = run_here("topics", "create", folder=folder, settings=other)
    assert (missing.returncode, b"tagstream topics create" in missing.stdout) == (1, True)
    assert made.stdout.decode().split() == [
        "created", "other.events", "created", "other.segment-changes", "created", "other.events.dlq",
        "created", "other.catalog", "created", "other.profile-samples", "created", "other.models",
        "created", "other.learner-state", "created", "other.ops-metrics",
    ]  # fmt: skip


def test_doctor_finds_everything_right(folder: Path, events: None) -> None:
    report = json.loads(run_here("doctor", "--json", folder=folder).stdout)
    named = {(check["name"], check["status"]) for check in report["checks"] if check["name"] != "versions"}
    parts = ("servers", "Kafka", "topics", "Redis", "catalog", "workers")
    assert named == {(part, "ok") for part in parts}
    origins = {each["setting"]: each["origin"] for each in report["settings"]}
    assert (origins["TAGSTREAM_RUNTIME_DIR"], origins["TAGSTREAM_GRACE"]) == ("environment", "default")


def test_doctor_fails_where_redis_may_forget_users(folder: Path, addresses: Addresses, events: None) -> None:
    import redis

    client = redis.Redis.from_url(addresses.redis)
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        done = run_here("doctor", folder=folder)
        worker = run("worker", folder=folder)
    finally:
        client.config_set("maxmemory-policy", "noeviction")
        client.close()
    assert (done.returncode, b"noeviction" in done.stdout) == (1, True)
    assert (worker.returncode, b"allkeys-lru" in worker.stderr, b"Traceback" in worker.stderr) == (2, True, False)


def test_doctor_warns_of_a_misspelt_setting(folder: Path, events: None) -> None:
    done = run_here("doctor", folder=folder, settings={"TAGSTREAM_GRASE": "5s"})
    assert (done.returncode, b"did you mean TAGSTREAM_GRACE?" in done.stdout) == (0, True)


def test_a_password_is_shown_nowhere(folder: Path, addresses: Addresses, events: None) -> None:
    password = addresses.redis.split(":")[2].split("@")[0].encode()
    told = [run_here(*words, folder=folder) for words in (["doctor"], ["doctor", "--json"], ["lag"])]
    assert [password in done.stdout + done.stderr for done in told] == [False, False, False]
    assert password.decode() not in (folder / "up.out").read_text() + (folder / "up.err").read_text()


def test_a_second_up_is_refused(folder: Path, events: None) -> None:
    done = run("up", folder=folder)
    assert done.returncode == 1
    assert b"running already" in done.stderr


def test_a_second_worker_shares_the_work_and_leaves_when_asked(folder: Path, events: None) -> None:
    log = folder / "worker.err"
    with log.open("w") as err:
        process = subprocess.Popen(
            [*COMMAND, "worker"], cwd=folder, env=clean_environment(folder), stdout=subprocess.DEVNULL, stderr=err
        )
        try:
            wait_for(lambda: "partition" in log.read_text(), "the second worker to get partitions")
            process.terminate()
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()
            process.wait()
    assert "Traceback" not in log.read_text()


def test_the_programs_in_the_readme_run_as_they_stand(folder: Path, addresses: Addresses, events: None) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    produce, subscribe = (
        block.replace("localhost:9092", addresses.kafka)
        for block in re.findall(r"^```python\n(.*?)^```", readme, flags=re.DOTALL | re.MULTILINE)
    )
    environment = {**clean_environment(folder), "PYTHONUNBUFFERED": "1"}
    subprocess.run([sys.executable, "-c", produce], env=environment, cwd=folder, check=True, timeout=60)
    reader = subprocess.Popen([sys.executable, "-c", subscribe], env=environment, cwd=folder, stdout=subprocess.PIPE)
    assert reader.stdout is not None
    stuck = threading.Timer(DEADLINE_S, reader.kill)
    stuck.start()
    try:
        first = reader.stdout.readline().decode()
    finally:
        stuck.cancel()
        reader.kill()
        reader.stdout.close()
        reader.wait()
    assert " entered " in first


def test_up_ends_with_0_when_asked_and_leaves_nothing_behind(folder: Path, up: subprocess.Popen[str]) -> None:
    watch = subprocess.Popen(
        [*COMMAND, "watch"],
        cwd=folder,
        env=clean_environment(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watch.stderr is not None
    watch.stderr.readline()
    up.send_signal(signal.SIGTERM)
    assert up.wait(timeout=60) == 0
    _, said = watch.communicate(timeout=60)
    assert (watch.returncode, said.splitlines()[0]) == (1, "tagstream: The embedded stack has ended.")
    assert find_stack(load_settings({"TAGSTREAM_RUNTIME_DIR": str(folder / "run")}, folder=folder)) is None
    assert not [path for path in (folder / "run").iterdir() if path.name.startswith("stack-")]
    assert "Traceback" not in (folder / "up.err").read_text()
