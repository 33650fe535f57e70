"""`apply`, `status`, `lag` and `doctor` beside a worker at work: what they do, say and refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from stream.catalogs import read_catalogs
from stream.embedded import Stack
from stream.settings import Settings
from tests.contract.redis_servers import connected
from tests.integration.apply_runs import FIRST, SECOND, catalog, overview
from tests.integration.commands_runner import run_here
from tests.integration.worker_runs import Run, Shop, wait_for


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"session_timeout_ms": 1_500})


@pytest.fixture
def running(stack: Stack, settings: Settings) -> Iterator[Run]:
    """A worker with the first catalog, three users of whom one has ordered three times, and one of long ago."""
    market = Shop(settings, stack.addresses)
    with Run(settings, stack.addresses, catalog(FIRST)) as run:
        orders = [market.track(user, revenue=60) for user in ("ann", "bob", "cid", "cid", "cid")]
        market.send([*orders, market.track("dan", "Product Viewed", ago_ms=5_000)])
        run.until("events_total", 6)
        wait_for(lambda: len(overview(settings, stack.addresses).positions) == settings.partitions)
        yield run


def tagstream(settings: Settings, folder: Path, *words: str) -> CompletedProcess[bytes]:
    environment = {"TAGSTREAM_RUNTIME_DIR": str(settings.runtime_path()), "TAGSTREAM_APP": settings.app}
    return run_here(*words, folder=folder, settings=environment)


def told(done: CompletedProcess[bytes]) -> Any:
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_apply_says_how_many_entered_and_left_because_of_it(
    stack: Stack, settings: Settings, running: Run, tmp_path: Path
) -> None:
    (tmp_path / "shop.yaml").write_text(SECOND, encoding="utf-8")
    report = told(tagstream(settings, tmp_path, "apply", "shop.yaml", "--json"))
    assert (report["catalog"], report["version"], report["previous"], report["is_done"]) == ("shop", 2, 1, True)
    assert report["changes"] == {"buyer": {"exited": 2}, "rich": {"entered": 1}, "worth": {"changed": 4}}
    assert report["problem"] is None
    market = Shop(settings, stack.addresses)
    caused = [change for change in market.changes() if change.cause == "catalog"]
    assert len(caused) == 7
    assert {change.data.catalog_version for change in caused} == {2}
    status = told(tagstream(settings, tmp_path, "status", "--json"))
    assert status["catalog"]["running"] == 2
    assert [(each["version"], each["runs"]) for each in status["catalog"]["applied"]] == [(2, True), (1, False)]
    assert [each["catalog_version"] for each in status["partitions"]] == [2] * settings.partitions
    assert {each["owner"] for each in status["partitions"]} == set(status["workers"])
    assert status["paused"] == []


def test_apply_and_rollback_are_readable(stack: Stack, settings: Settings, running: Run, tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(SECOND, encoding="utf-8")
    there = tagstream(settings, tmp_path, "apply", "shop.yaml", "--yes")
    assert there.returncode == 0, there.stderr
    assert "shop, version 2" in there.stdout.decode()
    assert "worth" in there.stdout.decode()
    back = tagstream(settings, tmp_path, "apply", "--rollback")
    assert back.returncode == 0, back.stderr
    assert "shop, version 3" in back.stdout.decode()
    assert read_catalogs(settings, stack.addresses).record(3).text == FIRST.replace("version: 1", "version: 3")
    profile = told(tagstream(settings, tmp_path, "profile", "cid", "--json"))
    assert (profile["segments"], profile["tags"]) == (["buyer", "regular"], {"orders": 3})
    status = tagstream(settings, tmp_path, "status").stdout.decode()
    assert "catalog shop, version 3 runs" in status
    assert "1 worker alive" in status


@pytest.mark.parametrize(
    ("text", "words", "sentence"),
    [
        (FIRST, ("shop.yaml",), "has been applied already, with the same text"),
        (FIRST.replace(">= 3", ">= 4"), ("shop.yaml",), "Write `version: 2`"),
        (SECOND.replace("catalog: shop", "catalog: other"), ("shop.yaml",), "This app's catalog is shop, not other"),
        (SECOND.replace("count(", "counts("), ("shop.yaml",), "count"),
        (SECOND, ("nowhere.yaml",), "no such file"),
        (SECOND, (), "Name the catalog to apply"),
        (SECOND, ("shop.yaml", "--rollback"), "not both"),
        (SECOND, ("--rollback",), "no version before"),
        (SECOND, ("shop.yaml", "--timeout", "soon"), "--timeout soon is no length of time"),
    ],
)
def test_what_cannot_be_applied_is_refused_with_exit_code_2_and_nothing_changed(
    stack: Stack, settings: Settings, running: Run, tmp_path: Path, text: str, words: tuple[str, ...], sentence: str
) -> None:
    market = Shop(settings, stack.addresses)
    (tmp_path / "shop.yaml").write_text(text, encoding="utf-8")
    done = tagstream(settings, tmp_path, "apply", *words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert sentence in done.stderr.decode()
    assert read_catalogs(settings, stack.addresses).versions == [1]
    marks = [dict(message.headers() or []).get("tagstream") for message in market.log()]
    assert b"switch" not in marks


def test_without_waiting_the_switch_is_written_and_the_rest_goes_on_by_itself(
    stack: Stack, settings: Settings, running: Run, tmp_path: Path
) -> None:
    (tmp_path / "shop.yaml").write_text(SECOND, encoding="utf-8")
    done = tagstream(settings, tmp_path, "apply", "shop.yaml", "--no-wait")
    assert done.returncode == 0
    assert "the switch is in the log" in done.stdout.decode()
    wait_for(lambda: all(each.has_switched(2) for each in overview(settings, stack.addresses).partitions))


def test_one_position_that_cannot_be_read_is_named_and_takes_nothing_down(
    stack: Stack, settings: Settings, running: Run, tmp_path: Path
) -> None:
    with connected(stack.addresses.redis) as client:
        client.set(f"{{{settings.app}:1}}:position", b"nonsense")
    market = Shop(settings, stack.addresses)
    market.send([market.track(market.user_of(1))])
    wait_for(lambda: running.paused() == {1: "position_unreadable"})
    wait_for(lambda: any(overview(settings, stack.addresses).paused()))
    for command in ("status", "lag"):
        report = told(tagstream(settings, tmp_path, command, "--json"))
        assert [each["next_offset"] is None for each in report["partitions"]] == [False, True, False, False]
        (paused,) = report["paused"]
        assert (paused["partition"], paused["reason"]) == (1, "position_unreadable")
        assert paused["remedy"]
        shown = tagstream(settings, tmp_path, command).stdout.decode()
        assert "partition 1 is paused (position_unreadable)" in shown
        assert paused["remedy"] in shown
    doctor = tagstream(settings, tmp_path, "doctor")
    assert doctor.returncode == 1
    assert "partition 1 is paused (position_unreadable)" in doctor.stdout.decode()


def test_status_bears_with_an_app_of_which_nothing_is_known_but_the_topics(
    stack: Stack, settings: Settings, tmp_path: Path
) -> None:
    assert tagstream(settings, tmp_path, "topics", "create").returncode == 0
    report = told(tagstream(settings, tmp_path, "status", "--json"))
    assert (report["catalog"]["running"], report["workers"], report["paused"]) == (None, {}, [])
    shown = tagstream(settings, tmp_path, "status").stdout.decode()
    assert "no catalog has been applied yet" in shown
    assert "never taken" in shown


def test_the_first_catalog_can_be_applied_before_any_worker_runs(
    stack: Stack, settings: Settings, tmp_path: Path
) -> None:
    assert tagstream(settings, tmp_path, "topics", "create").returncode == 0
    (tmp_path / "shop.yaml").write_text(SECOND, encoding="utf-8")
    done = tagstream(settings, tmp_path, "apply", "shop.yaml")
    assert done.returncode == 0
    assert "first catalog" in done.stderr.decode()
    with Run(settings, stack.addresses, applied=True):
        wait_for(lambda: overview(settings, stack.addresses).running_version == 2)


def test_where_topics_are_missing_apply_says_what_makes_them(stack: Stack, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(SECOND, encoding="utf-8")
    done = tagstream(settings, tmp_path, "apply", "shop.yaml")
    assert done.returncode == 2
    assert "tagstream topics create" in done.stderr.decode()
