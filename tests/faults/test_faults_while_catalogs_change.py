"""Catalogs change under load while workers are killed: each user's changes are the reference's, gapless and unmixed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from rules.catalog import Catalog, parse_catalog
from stream.clock import SystemClock
from stream.embedded import Addresses, Stack
from stream.settings import Settings
from stream.topics import ensure_topics
from stream.worker.apply_run import ApplyReport
from stream.worker.applying import with_version
from stream.worker.overview import open_store
from stream.worker.position import Position
from tests.apache_kafka import ApacheKafka
from tests.contract.redis_servers import redis_server
from tests.faults.checks import wait_until_drained
from tests.faults.fleet import Fleet
from tests.faults.reference_fold import Expected, assert_published_is_the_references, expected_by_reference
from tests.faults.traffic import CATALOG, Traffic
from tests.integration.apply_runs import apply, overview
from tests.integration.worker_runs import wait_for

SEED = 20261122
NEXT = """
catalog: faults
version: 2
tags:
  orders: count("Order Completed")
  views: count("Product Viewed")
  lately: sum("Order Completed", "revenue", last="4s")
segments:
  buyer: {when: orders >= 3}
  big: {when: lately > 60, exit: lately < 20, min_stay: 1s, indexed: true}
  idle: {when: 'since() > "3s"', indexed: true}
  looker: {when: views >= 5, indexed: true}
  torn: {when: 'in_segment(looker) and not in_segment(buyer)'}
tiers:
  worth:
    kind: value
    levels:
      high: sum("Order Completed", "revenue") >= 100
      some: orders >= 1
      none: always
"""


def catalogs() -> dict[int, Catalog]:
    """Three versions, the last with the text of the first."""
    return {1: parse_catalog(CATALOG), 2: parse_catalog(NEXT), 3: parse_catalog(with_version(CATALOG, 3))}


def run_and_switch(
    folder: Path,
    settings: Settings,
    addresses: Addresses,
    *,
    kill_when: Callable[[Position], bool] | None = None,
    rate: int = 400,
    users: int = 300,
    before_s: float = 4.0,
) -> tuple[str, list[ApplyReport]]:
    """Two workers under load, two switches; the first worker is killed, and started again, as soon as one of the
    partitions stands as `kill_when` says. What they said, and what `apply` reported.
    """
    clock = SystemClock()
    path = folder / "catalog.yaml"
    path.write_text(CATALOG, encoding="utf-8")
    ensure_topics(settings, addresses)
    reports: list[ApplyReport] = []
    traffic = Traffic(addresses.kafka, settings.events_topic, settings.partitions, seed=SEED, rate=rate, users=users)
    with Fleet(folder, settings, addresses, path) as fleet:
        fleet.start(0)
        traffic.start()
        wait_for(lambda: len(overview(settings, addresses).positions) == settings.partitions)
        fleet.start(1)
        clock.sleep_s(before_s)
        try:
            for version in (2, 3):
                applying = threading.Thread(
                    target=lambda v=version: reports.append(apply(settings, addresses, catalogs()[v], timeout_s=120))
                )
                applying.start()
                if kill_when is not None:
                    kill_at(fleet, settings, addresses, kill_when, applying)
                applying.join()
                clock.sleep_s(1.0)
        finally:
            traffic.stop()
        try:
            assert [(report.is_done, report.problem) for report in reports] == [(True, None)] * 2
            wait_until_drained(settings, addresses, within_s=40)
            assert fleet.stop() == [0, 0]
        except BaseException as error:
            error.add_note(fleet.logs())
            raise
        return fleet.logs(), reports


def kill_at(
    fleet: Fleet,
    settings: Settings,
    addresses: Addresses,
    kill_when: Callable[[Position], bool],
    applying: threading.Thread,
) -> None:
    """Kill both workers, one after the other, at moments at which a partition stands as said."""
    clock = SystemClock()
    for worker in (0, 1):
        while applying.is_alive() and not any(map(kill_when, overview(settings, addresses).positions)):
            clock.sleep_s(0.002)
        if applying.is_alive():
            fleet.kill(worker)
            fleet.start(worker)


def assert_state_is_the_references(expected: Expected, settings: Settings, addresses: Addresses) -> None:
    """Sizes and sets are those of the last catalog, and nothing of the former ones is left."""
    sizes: dict[str, int] = {}
    members: dict[str, set[str]] = {}
    with closing(open_store(settings, addresses, settings.partitions)) as store:
        for partition in range(settings.partitions):
            for name, size in store.sizes(partition).items():
                sizes[name] = sizes.get(name, 0) + size
            for name in ("buyer", "idle", "big", "looker"):
                members.setdefault(name, set()).update(store.members(partition, name))
    assert {name: size for name, size in sizes.items() if size} == expected.sizes()
    for name in ("buyer", "idle"):
        assert members[name] == {user for user, profile in expected.profiles.items() if name in profile.segments}
    assert (members["big"], members["looker"]) == (set(), set())
    assert sizes.keys() <= {"buyer", "big", "busy", "idle", "grown"}


@pytest.mark.slow
def test_changes_are_the_references_when_catalogs_change_under_load(
    stack: Stack, settings: Settings, tmp_path: Path
) -> None:
    logs, reports = run_and_switch(tmp_path, settings, stack.addresses)
    expected = expected_by_reference(catalogs(), settings, stack.addresses, "read_uncommitted")
    assert_published_is_the_references(expected, settings, stack.addresses, "read_uncommitted")
    assert_state_is_the_references(expected, settings, stack.addresses)
    assert sum(map(len, expected.changes.values())) > 500, logs
    caused = [
        change["data"]
        for changes in expected.changes.values()
        for change in changes
        if (change["data"]["cause"], change["data"]["catalog_version"]) == ("catalog", 2)
    ]
    for name in ("looker", "busy"):
        counts = reports[0].changes[name]
        assert counts.get("entered", 0) == sum(d.get("segment") == name and "stayed_ms" not in d for d in caused)
        assert counts.get("exited", 0) == sum(d.get("segment") == name and "stayed_ms" in d for d in caused)
    assert reports[0].changes["worth"] == {"changed": sum(data.get("tier") == "worth" for data in caused)}


@pytest.mark.slow
@pytest.mark.parametrize(
    "kill_when",
    [
        pytest.param(lambda position: position.walk is not None and position.walk.bucket > 0, id="in the walk"),
        pytest.param(
            lambda position: (
                position.backfill is not None
                and (position.backfill.next_offset or 0) > 0
                and not position.backfill.caught_up
            ),
            id="in the backfill",
        ),
    ],
)
def test_changes_are_the_references_when_workers_are_killed(
    stack: Stack, settings: Settings, tmp_path: Path, kill_when: Callable[[Position], bool]
) -> None:
    run_and_switch(tmp_path, settings, stack.addresses, kill_when=kill_when, rate=300, users=800, before_s=6.0)
    expected = expected_by_reference(catalogs(), settings, stack.addresses, "read_uncommitted")
    assert_published_is_the_references(expected, settings, stack.addresses, "read_uncommitted")
    assert_state_is_the_references(expected, settings, stack.addresses)


@pytest.mark.kafka
@pytest.mark.slow
def test_catalogs_change_exactly_once_on_apache_kafka(
    apache_kafka: ApacheKafka, settings: Settings, tmp_path: Path
) -> None:
    with redis_server() as redis:
        addresses = apache_kafka.addresses(redis)
        run_and_switch(
            tmp_path,
            settings,
            addresses,
            kill_when=lambda position: position.walk is not None and position.walk.bucket > 0,
            before_s=8.0,
        )
        expected = expected_by_reference(catalogs(), settings, addresses, "read_committed")
        assert_published_is_the_references(expected, settings, addresses, "read_committed")
        assert_state_is_the_references(expected, settings, addresses)
