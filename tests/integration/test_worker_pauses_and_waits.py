"""What stops a partition, what stops a worker, what is only waited for: each with a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stream.clock import SystemClock
from stream.embedded import Addresses, Stack
from stream.embedded.server import free_ports
from stream.errors import ConfigurationError
from stream.settings import Settings
from stream.worker.errors import SharedNameError
from stream.worker.slots import claim_name
from tests.contract.redis_servers import connected, redis_server
from tests.integration.worker_runs import Run, Shop, shop, wait_for

HOUR_MS = 3_600_000


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"session_timeout_ms": 1_500})


def rewrite_position(stack: Stack, settings: Settings, partition: int, *, change: Callable[[bytes], bytes]) -> None:
    """Alter the stored position of a partition, as a fault or an operator might."""
    with connected(stack.addresses.redis) as client:
        key = f"{{{settings.app}:{partition}}}:position"
        before = client.get(key)
        after = change(before)
        assert after != before
        client.set(key, after)


def altered(before: bytes, after: bytes) -> Callable[[bytes], bytes]:
    return lambda stored: stored.replace(before, after, 1)


@pytest.mark.parametrize(
    ("change", "reason", "sentence"),
    [
        (altered(b'"topic_id":"', b'"topic_id":"another'), "topic_recreated", "was deleted and made anew"),
        (
            altered(b'"partition_count":4', b'"partition_count":8'),
            "partitions_changed",
            "as one of 8.* has 4 partitions",
        ),
        (altered(b'"next_offset":', b'"next_offset":9'), "position_out_of_range", "stands at offset 9.*offsets from 0"),
        (altered(b'"catalog_version":1', b'"catalog_version":7'), "unknown_version", "has version 1 of shop"),
        (altered(b'"catalog":"shop"', b'"catalog":"other"'), "unknown_version", "version 1 of the catalog other"),
        (lambda _: b"nonsense", "position_unreadable", "is none that a worker wrote"),
    ],
)
def test_a_partition_that_cannot_go_on_is_paused_with_a_reason_and_the_others_go_on(
    stack: Stack, settings: Settings, change: Callable[[bytes], bytes], reason: str, sentence: str
) -> None:
    market = Shop(settings, stack.addresses)
    sick, well = market.user_of(1), market.user_of(2)
    with Run(settings, stack.addresses) as run:
        market.send([market.track(sick), market.track(well)])
        run.until("events_total", 2)
    rewrite_position(stack, settings, 1, change=change)
    with Run(settings, stack.addresses) as run:
        market.send([market.track(sick), market.track(well)])
        wait_for(lambda: run.paused() == {1: reason})
        run.until("events_total", 1)
        with pytest.raises(Exception, match=sentence):
            raise run.worker.paused()[1]
        assert run.worker.paused()[1].remedy
        assert run.count(f"partition_paused{{partition=1,reason={reason}}}") == 1
        assert run.count("events_total") == 1


def test_a_log_time_far_ahead_of_the_clock_pauses_its_partition_only(stack: Stack, settings: Settings) -> None:
    market = Shop(settings, stack.addresses)
    sick, well = market.user_of(1), market.user_of(2)
    ahead: dict[str, Any] = {"timestamp": SystemClock().now_ms() + 2 * HOUR_MS}
    with Run(settings, stack.addresses) as run:
        market.send([market.track(sick), {**market.track(sick), **ahead}, market.track(well)])
        wait_for(lambda: run.paused() == {1: "log_time_ahead"})
        run.until("events_total", 2)
        assert "2.0 h ahead of this machine's clock" in str(run.worker.paused()[1])


def test_a_foreign_key_in_redis_pauses_its_partition_only(stack: Stack, settings: Settings) -> None:
    market = Shop(settings, stack.addresses)
    sick, well = market.user_of(1), market.user_of(2)
    with connected(stack.addresses.redis) as client:
        client.set(f"{{{settings.app}:1}}:sizes", "foreign")
    with Run(settings, stack.addresses) as run:
        market.send([market.track(sick), market.track(well)])
        wait_for(lambda: run.paused() == {1: "wrong_type"})
        run.until("events_total", 1)


def test_missing_topics_end_the_worker_with_what_to_do(stack: Stack, settings: Settings) -> None:
    run = Run(settings, stack.addresses, topics=False).start()
    run.wait()
    assert isinstance(run.error, ConfigurationError)
    assert f"{settings.events_topic}: The topic is not there." in str(run.error)
    assert "tagstream topics create" in str(run.error)


def test_a_redis_that_evicts_ends_the_worker_with_what_to_do(stack: Stack, settings: Settings) -> None:
    with redis_server("--maxmemory-policy", "allkeys-lru") as redis:
        run = Run(settings, Addresses(stack.kafka, redis, embedded=True)).start()
        run.wait()
    assert isinstance(run.error, ConfigurationError)
    assert "maxmemory-policy allkeys-lru" in str(run.error)


def test_a_name_that_is_taken_ends_the_worker_with_what_to_do(settings: Settings) -> None:
    settings.runtime_path().mkdir(exist_ok=True)
    with (
        claim_name(settings.app, settings.runtime_path(), "blue"),
        pytest.raises(SharedNameError, match="worker named blue is running"),
    ):
        claim_name(settings.app, settings.runtime_path(), "blue")


def test_a_redis_that_is_not_there_is_waited_for_and_lost_midway_too(
    stack: Stack, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_ports(1)[0]
    addresses = Addresses(stack.kafka, f"redis://127.0.0.1:{port}/0", embedded=True)
    market = Shop(settings, addresses)
    with Run(settings, addresses) as run:
        wait_for(lambda: "can't be reached" in caplog.text)
        with redis_server("--appendonly", "no", port=port):
            market.send([market.track("ann") for _ in range(5)])
            run.until("events_total", 5)
        market.send([market.track("ann") for _ in range(5)])
        wait_for(lambda: run.count("errors_total{kind=UnavailableError}") >= 1)
        assert run.error is None
    assert f"Redis at redis://127.0.0.1:{port}/0 can't be reached" in caplog.text
    assert "correct TAGSTREAM_REDIS" in caplog.text


def test_a_redis_that_comes_back_is_gone_on_with_and_nothing_is_lost_or_doubled(
    stack: Stack, settings: Settings
) -> None:
    market = Shop(settings, stack.addresses)
    with redis_server() as redis:
        addresses = Addresses(stack.kafka, redis, embedded=True)
        with Run(settings, addresses) as run, connected(redis) as client:
            market.send([market.track("ann") for _ in range(5)])
            run.until("events_total", 5)
            for _ in range(4):
                client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                market.send([market.track("ann") for _ in range(5)])
            run.until("events_total", 25)
        assert len(market.changes()) == 1
        from stream.worker import Reader

        with Reader(settings, addresses, shop()) as reader:
            profile = reader.profile("ann")
    assert profile is not None
    assert profile.tags == {"orders": 25}


def test_a_kafka_that_is_not_there_is_waited_for(
    stack: Stack, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    addresses = Addresses(f"127.0.0.1:{free_ports(1)[0]}", stack.redis, embedded=True)
    with Run(settings, addresses, topics=False) as run:
        wait_for(lambda: "No Kafka broker answers" in caplog.text)
        assert run.error is None
