"""Workers that wake up after somebody took their partitions, and workers that share a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules.catalog import parse_catalog
from stream.clock import SystemClock
from stream.embedded import Addresses, Stack
from stream.settings import Settings
from stream.topics import ensure_topics
from stream.worker.errors import SharedNameError
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
from tests.integration.worker_runs import Run, Shop, wait_for


def run_and_freeze(folder: Path, settings: Settings, addresses: Addresses, *, frozen_s: float, rounds: int) -> str:
    """Stop a worker's process past its session, again and again, under load; the logs once all is drained."""
    clock = SystemClock()
    catalog = folder / "catalog.yaml"
    catalog.write_text(CATALOG, encoding="utf-8")
    ensure_topics(settings, addresses)
    traffic = Traffic(addresses.kafka, settings.events_topic, settings.partitions, seed=7, rate=500)
    with Fleet(folder, settings, addresses, catalog) as fleet:
        fleet.start(0)
        fleet.start(1)
        traffic.start()
        try:
            clock.sleep_s(6)
            for turn in range(rounds):
                fleet.freeze(turn % 2)
                clock.sleep_s(frozen_s)
                fleet.thaw(turn % 2)
                clock.sleep_s(4)
        finally:
            traffic.stop()
        try:
            wait_until_drained(settings, addresses, within_s=40)
            assert fleet.stop() == [0, 0]
        except BaseException as error:
            error.add_note(fleet.logs())
            raise
        return fleet.logs()


@pytest.mark.slow
def test_a_worker_that_was_frozen_past_its_session_does_no_harm(
    stack: Stack, settings: Settings, tmp_path: Path
) -> None:
    run_and_freeze(tmp_path, settings, stack.addresses, frozen_s=4, rounds=2)
    folds = expected_folds(parse_catalog(CATALOG), settings, stack.addresses, "read_uncommitted")
    assert_equal_to_folds(folds, settings, stack.addresses, "read_uncommitted", repeats=True)
    assert_state_is_the_folds(folds, settings, stack.addresses)


@pytest.mark.kafka
@pytest.mark.slow
def test_i7_after_a_takeover_the_old_owners_script_and_transaction_both_fail(
    apache_kafka: ApacheKafka, settings: Settings, tmp_path: Path
) -> None:
    settings = settings.model_copy(update={"session_timeout_ms": 6_000})
    with redis_server() as redis:
        addresses = apache_kafka.addresses(redis)
        run_and_freeze(tmp_path, settings, addresses, frozen_s=9, rounds=3)
        folds = expected_folds(parse_catalog(CATALOG), settings, addresses, "read_committed")
        assert_equal_to_folds(folds, settings, addresses, "read_committed", repeats=False)
        assert_state_is_the_folds(folds, settings, addresses)


@pytest.mark.kafka
@pytest.mark.slow
def test_a_kafka_that_crashes_and_comes_back_is_gone_on_with(
    apache_kafka: ApacheKafka, settings: Settings, tmp_path: Path
) -> None:
    clock = SystemClock()
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(CATALOG, encoding="utf-8")
    with redis_server() as redis:
        addresses = apache_kafka.addresses(redis)
        ensure_topics(settings, addresses)
        traffic = Traffic(addresses.kafka, settings.events_topic, settings.partitions, seed=8, rate=300)
        with Fleet(tmp_path, settings, addresses, catalog) as fleet:
            fleet.start(0)
            traffic.start()
            try:
                clock.sleep_s(8)
                apache_kafka.kill()
                clock.sleep_s(3)
                apache_kafka.start()
                clock.sleep_s(4)
            finally:
                traffic.stop()
            try:
                wait_until_drained(settings, addresses, within_s=60)
                assert fleet.stop() == [0]
            except BaseException as error:
                error.add_note(fleet.logs())
                raise
        folds = expected_folds(parse_catalog(CATALOG), settings, addresses, "read_committed")
        assert_equal_to_folds(folds, settings, addresses, "read_committed", repeats=False)


@pytest.mark.kafka
@pytest.mark.slow
def test_a_worker_fenced_twice_by_its_own_name_stops_and_says_so(
    apache_kafka: ApacheKafka, settings: Settings, tmp_path: Path
) -> None:
    # Two machines whose workers were given one name: each has a lock of its own, so only Kafka can tell.
    with redis_server() as redis:
        addresses = apache_kafka.addresses(redis)
        twins = [settings.model_copy(update={"worker": "twin", "runtime_dir": tmp_path / side}) for side in ("a", "b")]
        for twin in twins:
            twin.runtime_path().mkdir()
        market = Shop(settings, addresses)
        with Run(twins[0], addresses) as one, Run(twins[1], addresses) as two:

            def somebody_stopped() -> bool:
                market.send([market.track(f"user-{number}") for number in range(20)])
                return one.error is not None or two.error is not None

            wait_for(somebody_stopped)
        (error,) = [run.error for run in (one, two) if run.error is not None]
        assert isinstance(error, SharedNameError)
        assert "same name, twin" in str(error)
        assert "TAGSTREAM_WORKER" in str(error)
