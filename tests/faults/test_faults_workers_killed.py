"""Two workers share the partitions and are killed at random moments under load: nothing is lost, nothing doubled."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from rules.catalog import parse_catalog
from stream.clock import SystemClock
from stream.embedded import Addresses, Stack
from stream.settings import Settings
from stream.topics import ensure_topics
from tests.apache_kafka import ApacheKafka
from tests.contract.redis_servers import redis_server
from tests.faults.checks import (
    assert_equal_to_folds,
    assert_state_is_the_folds,
    expected_folds,
    wait_until_drained,
)
from tests.faults.fleet import Fleet
from tests.faults.traffic import CATALOG, Traffic

SEED = 20261122


def run_and_kill(
    folder: Path, settings: Settings, addresses: Addresses, *, kills: int, rate: int, pause_s: float
) -> str:
    """Let two workers run under load, kill one or the other now and then, and wait until all is drained; their logs."""
    clock, chance = SystemClock(), random.Random(SEED)
    catalog = folder / "catalog.yaml"
    catalog.write_text(CATALOG, encoding="utf-8")
    ensure_topics(settings, addresses)
    traffic = Traffic(addresses.kafka, settings.events_topic, settings.partitions, seed=SEED, rate=rate)
    with Fleet(folder, settings, addresses, catalog) as fleet:
        fleet.start(0)
        fleet.start(1)
        traffic.start()
        try:
            clock.sleep_s(2 * pause_s)
            for _ in range(kills):
                worker = chance.randrange(2)
                fleet.kill(worker)
                clock.sleep_s(chance.uniform(0.0, 0.5))
                fleet.start(worker)
                clock.sleep_s(chance.uniform(0.5, 1.5) * pause_s)
        finally:
            traffic.stop()
        try:
            wait_until_drained(settings, addresses, within_s=40)
            assert fleet.running() == [0, 1]
            assert fleet.stop() == [0, 0]
        except BaseException as error:
            error.add_note(fleet.logs())
            raise
        return fleet.logs()


@pytest.mark.slow
def test_changes_equal_the_fold_of_the_log_after_workers_were_killed(
    stack: Stack, settings: Settings, tmp_path: Path
) -> None:
    logs = run_and_kill(tmp_path, settings, stack.addresses, kills=6, rate=600, pause_s=2.5)
    folds = expected_folds(parse_catalog(CATALOG), settings, stack.addresses, "read_uncommitted")
    assert min(len(each.changes) for each in folds.values()) > 200, logs
    assert_equal_to_folds(folds, settings, stack.addresses, "read_uncommitted", repeats=True)
    assert_state_is_the_folds(folds, settings, stack.addresses)


@pytest.mark.kafka
@pytest.mark.slow
def test_i4_exactly_once_holds_on_apache_kafka_after_workers_were_killed(
    apache_kafka: ApacheKafka, settings: Settings, tmp_path: Path
) -> None:
    with redis_server() as redis:
        addresses = apache_kafka.addresses(redis)
        logs = run_and_kill(tmp_path, settings, addresses, kills=5, rate=600, pause_s=5)
        folds = expected_folds(parse_catalog(CATALOG), settings, addresses, "read_committed")
        assert min(len(each.changes) for each in folds.values()) > 200, logs
        assert_equal_to_folds(folds, settings, addresses, "read_committed", repeats=False)
        assert_state_is_the_folds(folds, settings, addresses)
