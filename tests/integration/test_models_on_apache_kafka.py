"""The whole way of a model on Apache Kafka: samples, a learner, a snapshot, switches, and users who move, once each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, TopicPartition

from rules.catalog import parse_catalog
from stream.clock import SystemClock
from stream.control.sweep import Sweep
from stream.embedded import Addresses
from stream.settings import Settings
from tagstream.contracts import ClusterChanged
from tests.apache_kafka import ApacheKafka
from tests.contract.redis_servers import redis_server
from tests.integration.apply_runs import overview
from tests.integration.control_runs import eventually, published_models, running_control
from tests.integration.model_runs import catalog, publish, worth
from tests.integration.worker_runs import Run, Shop

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

CATALOG = """catalog: shop
version: 1
tags:
  spend: sum("Order Completed", "revenue")
models:
  behaviour: {kind: clusters, clusters: 2, features: [spend], sample: {at: events, share: 1.0}}
segments:
  big: {when: cluster(behaviour) == 1}
"""


@pytest.fixture
def addresses(apache_kafka: ApacheKafka) -> Iterator[Addresses]:
    with redis_server() as redis:
        yield apache_kafka.addresses(redis)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"session_timeout_ms": 6_000, "partitions": 2})


def test_users_move_once_each_by_what_was_learned_from_their_events(
    addresses: Addresses, settings: Settings, tmp_path: Path
) -> None:
    market = Shop(settings, addresses)
    where = {"TAGSTREAM_KAFKA": addresses.kafka, "TAGSTREAM_REDIS": addresses.redis, "TAGSTREAM_PARTITIONS": "2"}
    with (
        Run(settings, addresses, parse_catalog(CATALOG)) as run,
        running_control(settings, tmp_path / "control", **where) as control,
    ):
        for _ in range(2):
            market.send([market.track(f"user-{i}", revenue=10 + i % 7 + 500 * (i % 2)) for i in range(600)])
        run.until("events_total", 1_200)

        def moved() -> list[ClusterChanged]:
            assert control.poll() is None, (tmp_path / "control" / "control.err").read_text()
            assert run.error is None
            found = [change for change in market.changes() if isinstance(change, ClusterChanged)]
            return found if len(found) >= 600 else []

        changes = eventually(moved, "everybody's cluster")
        assert published_models(settings, addresses).newest("behaviour") == 1
    assert {change.cause for change in changes} == {"model"}
    assert set(Counter(change.user for change in changes).values()) == {1}
    found = {number: {c.to_cluster for c in changes if int(c.user[5:]) % 2 == number} for number in (0, 1)}
    assert [len(clusters) for clusters in found.values()] == [1, 1]
    assert found[0] != found[1]


def cut(addresses: Addresses, settings: Settings, offsets: dict[int, int]) -> None:
    """Delete the records below these offsets, by partition of the events."""
    admin = KafkaAdminClient(bootstrap_servers=addresses.kafka)
    admin.delete_records({TopicPartition(settings.events_topic, each): offset for each, offset in offsets.items()})
    admin.close()


def test_once_all_logs_are_cut_behind_a_snapshot_those_before_it_are_deleted(
    addresses: Addresses, settings: Settings
) -> None:
    market, given = Shop(settings, addresses), catalog()
    users = [market.user_of(partition) for partition in range(2)]
    sweep = Sweep(settings, addresses, SystemClock())
    long_ago_ms = SystemClock().now_ms() - 7_200_000

    def in_force(version: int) -> bool:
        found = overview(settings, addresses).positions
        return len(found) == 2 and all(each.model_versions == {"worth": version} and not each.walk for each in found)

    with Run(settings, addresses, given) as run:
        market.send([market.track(user, revenue=5) for user in users])
        run.until("events_total", 2)
        for version in (1, 2, 3):
            centres = (5.0, 60.0 + version)
            publish(settings, addresses, {**worth(given, centres, version), "made_at": long_ago_ms + version})
        eventually(lambda: in_force(3), "the third snapshot")
        ends = [each.next_offset for each in overview(settings, addresses).positions]
        market.send([market.track(user, revenue=500) for user in users])
        run.until("events_total", 4)
        assert sweep.sweep() == []
        cut(addresses, settings, {0: ends[0]})
        assert sweep.sweep() == []
        cut(addresses, settings, {1: ends[1]})
        assert sweep.sweep() == [("worth", 2), ("worth", 1)]
        assert published_models(settings, addresses).versions("worth") == [3]
    with Run(settings, addresses, applied=True) as run:
        market.send([market.track(user, revenue=1) for user in users])
        run.until("events_total", 2)
        assert run.paused() == {}
    assert in_force(3)
