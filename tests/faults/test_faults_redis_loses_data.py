"""Redis comes back without its newest steps, or empty: nothing is published twice, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from rules.catalog import Catalog, parse_catalog
from stream.admin import kafka_admin
from stream.embedded import Addresses
from stream.settings import Settings
from stream.topics import ensure_topics
from tests.apache_kafka import ApacheKafka
from tests.contract.redis_servers import connected, redis_server
from tests.faults.checks import assert_equal_to_folds, expected_folds, wait_until_drained
from tests.faults.learned import LAST_FLIP_MS, catalogs, leaving, rank, worth
from tests.faults.reference_fold import Expected, assert_published_is_the_references, expected_by_reference
from tests.integration.apply_runs import overview
from tests.integration.model_runs import publish
from tests.integration.worker_runs import CATALOG, Run, Shop, shop, wait_for

Snapshot = Mapping[str, Any]

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
def addresses(apache_kafka: ApacheKafka) -> Iterator[Addresses]:
    with redis_server() as redis:
        yield apache_kafka.addresses(redis)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"session_timeout_ms": 6_000, "partitions": 2})


def busy_day(market: Shop, first: int) -> list[dict[str, Any]]:
    """Events of ten users, two of them new each time, a reject, and an event in the wrong partition."""
    lost = market.track(f"user-{first}")
    return [
        *(market.track(f"user-{first + i}", revenue=30) for i in range(10)),
        {"value": b"{broken", "key": b"x"},
        {**lost, "partition": 0},
        {**lost, "partition": 1},
    ]


def run_on(settings: Settings, addresses: Addresses, market: Shop, first: int, catalog: Catalog | None = None) -> Run:
    """Let a worker do a day's work and stop."""
    with Run(settings, addresses, catalog) as run:
        market.send(busy_day(market, first))
        run.until("events_total", 12)
        wait_until_drained(settings, addresses, within_s=25)
    return run


def saved(addresses: Addresses) -> dict[bytes, bytes]:
    with connected(addresses.redis) as client:
        return {key: client.dump(key) for key in client.keys("*")}


def put_back(addresses: Addresses, keys: dict[bytes, bytes]) -> None:
    with connected(addresses.redis) as client:
        client.flushall()
        for key, value in keys.items():
            client.restore(key, 0, value)


def forget_catalogs(settings: Settings, addresses: Addresses) -> None:
    """The topic of catalogs is lost, and made anew."""
    with kafka_admin(addresses.kafka) as admin:
        admin.delete_topics([settings.catalog_topic])
        wait_for(lambda: settings.catalog_topic not in admin.list_topics())
    wait_for(lambda: ensure_topics(settings, addresses) == (settings.catalog_topic,))


def published_right(settings: Settings, addresses: Addresses) -> None:
    folds = expected_folds(shop(), settings, addresses, "read_committed")
    assert_equal_to_folds(folds, settings, addresses, "read_committed", repeats=False)


def test_i9_a_lost_tail_is_noticed_and_gone_through_again_without_publishing_twice(
    addresses: Addresses, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    market = Shop(settings, addresses)
    first = run_on(settings, addresses, market, 0)
    kept = saved(addresses)
    run_on(settings, addresses, market, 2)
    run_on(settings, addresses, market, 4)
    assert first.count("redis_lost_tail_total") == 0
    assert "Redis has lost data" not in caplog.text
    put_back(addresses, kept)
    again = run_on(settings, addresses, market, 6)
    assert again.count("redis_lost_tail_total") >= 1
    assert "Redis has lost data" in caplog.text
    published_right(settings, addresses)
    assert run_on(settings, addresses, market, 8).count("redis_lost_tail_total") == 0
    published_right(settings, addresses)


def test_i9_an_empty_redis_is_refilled_from_a_log_that_is_whole(addresses: Addresses, settings: Settings) -> None:
    market = Shop(settings, addresses)
    run_on(settings, addresses, market, 0)
    run_on(settings, addresses, market, 2)
    put_back(addresses, {})
    assert run_on(settings, addresses, market, 4).count("redis_lost_tail_total") == 2
    published_right(settings, addresses)


def test_a_recomputed_change_that_differs_pauses_the_partition_and_names_the_rebuild(
    addresses: Addresses, settings: Settings
) -> None:
    market = Shop(settings, addresses)
    run_on(settings, addresses, market, 0)
    put_back(addresses, {})
    forget_catalogs(settings, addresses)
    edited = parse_catalog(CATALOG.replace("orders >= 1", "orders >= 2"))  # a version that says two things
    with Run(settings, addresses, edited) as run:
        wait_for(lambda: set(run.paused().values()) == {"differs_from_published"})
        assert "rebuild" in str(next(iter(run.worker.paused().values())))
    published_right(settings, addresses)


def learn_on(
    settings: Settings, addresses: Addresses, market: Shop, first: int, new: Sequence[Snapshot], **versions: int
) -> Run:
    """A day's work, then these snapshots, until users are evaluated with these versions."""

    def has_come() -> bool:
        found = overview(settings, addresses).positions
        return len(found) == settings.partitions and all(each.model_versions == versions for each in found)

    with Run(settings, addresses, catalogs()[1]) as run:
        market.send(busy_day(market, first))
        run.until("events_total", 12)
        for snapshot in new:
            publish(settings, addresses, snapshot)
        wait_for(lambda: run.error is not None or has_come())
        assert run.error is None
        wait_until_drained(settings, addresses, within_s=25, due_within_ms=LAST_FLIP_MS)
    return run


def test_i9_switches_of_models_are_gone_through_again_with_the_log(addresses: Addresses, settings: Settings) -> None:
    market, given = Shop(settings, addresses), catalogs()[1]
    snapshots = [
        worth(given, 1, (1, 0, 0), (2, 0.6, 0)),
        rank(given, 1, [1, 2], [500, 1_500]),
        worth(given, 2, (2, 0.1, 0), (3, 0.3, 0), (4, 0.9, 0)),
        leaving(given, 1, 0.5),
    ]

    def published_right() -> Expected:
        expected = expected_by_reference(catalogs(), settings, addresses, "read_committed", snapshots)
        assert_published_is_the_references(expected, settings, addresses, "read_committed")
        return expected

    learn_on(settings, addresses, market, 0, snapshots[:1], worth=1)
    kept = saved(addresses)
    learn_on(settings, addresses, market, 2, snapshots[1:3], worth=2, rank=1)
    published_right()
    put_back(addresses, kept)
    again = learn_on(settings, addresses, market, 4, snapshots[3:], worth=2, rank=1, leaving=1)
    assert again.count("redis_lost_tail_total") >= 1
    published_right()
    put_back(addresses, {})
    assert learn_on(settings, addresses, market, 6, [], worth=2, rank=1, leaving=1).count("redis_lost_tail_total") == 2
    changes = [change["data"] for found in published_right().changes.values() for change in found]
    assert {change["cause"] for change in changes if change.get("model") == "worth"} == {"model", "event"}
    assert {change["model_versions"].get("worth") for change in changes} == {None, 1, 2}
