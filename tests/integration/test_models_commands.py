"""What `status`, `profile`, `members`, `lag` and `apply` say where there are models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from stream.clock import SystemClock
from stream.compacted import publish_record
from stream.embedded import Stack
from stream.settings import Settings
from tests.integration.apply_runs import overview
from tests.integration.commands_runner import run_here
from tests.integration.model_runs import MODELS, catalog, leaving, publish, rfm, worth
from tests.integration.worker_runs import Run, Shop, wait_for


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"session_timeout_ms": 1_500, "partitions": 2})


@pytest.fixture
def running(stack: Stack, settings: Settings) -> Iterator[Run]:
    """A worker with a snapshot of each model in force, and two users."""
    market, given = (
        Shop(settings, stack.addresses),
        catalog(MODELS.replace("[spent]", "[spent]\n    names: {2: Whales}")),
    )
    with Run(settings, stack.addresses, given) as run:
        market.send([market.track("ann", revenue=500), market.track("bob", revenue=1), market.track("bob", revenue=1)])
        run.until("events_total", 3)
        for snapshot in (worth(given), rfm(given), leaving(given, 2.0)):
            publish(settings, stack.addresses, snapshot)
        versions = {"worth": 1, "rfm": 1, "leaving": 1}
        wait_for(
            lambda: all(
                each.model_versions == versions and each.walk is None
                for each in overview(settings, stack.addresses).positions
            )
        )
        yield run


def tagstream(settings: Settings, folder: Path, *words: str) -> CompletedProcess[bytes]:
    environment = {"TAGSTREAM_RUNTIME_DIR": str(settings.runtime_path()), "TAGSTREAM_APP": settings.app}
    return run_here(*words, folder=folder, settings=environment)


def told(done: CompletedProcess[bytes]) -> Any:
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.mark.usefixtures("running")
def test_a_profile_says_what_the_models_say(settings: Settings, tmp_path: Path) -> None:
    found = told(tagstream(settings, tmp_path, "profile", "ann", "--json"))
    assert (found["clusters"], found["quantiles"]) == ({"worth": 2}, {"rfm": {"often": 1}})
    assert found["scores"]["leaving"] == pytest.approx(0.8808, abs=1e-4)
    assert found["model_versions"] == {"leaving": 1, "rfm": 1, "worth": 1}
    assert "worth" in found["since"]
    page = tagstream(settings, tmp_path, "profile", "ann").stdout.decode()
    assert "cluster 2" in page
    assert "Whales" in page
    assert "88%" in page
    assert "1 of 3" in page


@pytest.mark.usefixtures("running")
def test_members_of_a_segment_of_a_cluster_are_found(settings: Settings, tmp_path: Path) -> None:
    found = tagstream(settings, tmp_path, "members", "big", "--json")
    assert found.returncode == 0
    assert "ann" in found.stdout.decode()
    assert "bob" not in found.stdout.decode()


def test_status_names_what_is_in_force_what_waits_and_what_cannot_be_applied(
    stack: Stack, settings: Settings, running: Run, tmp_path: Path
) -> None:
    other = catalog(MODELS.replace("features: [spent]", "features: {spent: spent + orders}"), 2)
    publish(settings, stack.addresses, worth(other, version=2))
    running.until("steps_total{kind=note}", settings.partitions)
    publish_record(stack.addresses, settings.models_topic, "test", b"rfm@2", b"{}", SystemClock().now_ms())
    found = told(tagstream(settings, tmp_path, "status", "--json"))
    assert [(each["model"], each["newest"], each["in_force"], each["waiting"]) for each in found["models"]] == [
        ("leaving", 1, [1], []),
        ("rfm", 2, [1], []),
        ("worth", 2, [1], [2]),
    ]
    assert "rfm@2" in found["models"][1]["problem"]
    assert [each["models_waiting"] for each in found["partitions"]] == [{"worth": 2}] * 2
    assert {each["switch"]["kind"] for each in found["partitions"]} == {"model"}
    page = tagstream(settings, tmp_path, "status").stdout.decode()
    assert "worth 1 (2 waits)" in page
    assert "can't be applied" in page
    assert tagstream(settings, tmp_path, "lag").returncode == 0


@pytest.mark.usefixtures("running")
def test_apply_counts_who_moved_because_of_the_catalog_and_not_because_of_a_model(
    settings: Settings, tmp_path: Path
) -> None:
    text = MODELS.replace("version: 1", "version: 2").replace("orders >= 1", "orders >= 2")
    (tmp_path / "shop.yaml").write_text(text, encoding="utf-8")
    report = told(tagstream(settings, tmp_path, "apply", "shop.yaml", "--json"))
    assert report["changes"] == {"buyer": {"exited": 1}}


@pytest.mark.usefixtures("running")
def test_a_live_preview_leaves_everybody_where_the_models_see_them(settings: Settings, tmp_path: Path) -> None:
    text = MODELS.replace("version: 1", "version: 2").replace("orders >= 1", "orders >= 2")
    (tmp_path / "shop.yaml").write_text(text, encoding="utf-8")
    report = told(tagstream(settings, tmp_path, "preview", "shop.yaml", "--against", "live", "--json"))
    keys = ("now", "then", "enter", "leave")
    found = {name: tuple(count[key] for key in keys) for name, count in report["segments"].items()}
    assert found["big"] == (1, 1, 0, 0)
    assert found["buyer"] == (2, 1, 0, 1)


@pytest.mark.usefixtures("running")
def test_an_explanation_shows_the_cluster_that_a_condition_reads(settings: Settings, tmp_path: Path) -> None:
    page = tagstream(settings, tmp_path, "explain", "ann", "big").stdout.decode()
    assert "ann is in big" in page
    assert 'cluster(worth) ("Whales"): 2' in page
