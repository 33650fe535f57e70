"""What only Apache Kafka can show of catalogs: a log that was cut, a compacted topic, transactions around a switch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, TopicPartition

from stream.catalogs import read_catalogs
from stream.embedded import Addresses
from stream.engine import NEVER_MS
from stream.settings import Settings
from stream.topics import verify_topics
from tests.apache_kafka import ApacheKafka
from tests.contract.redis_servers import connected, redis_server
from tests.integration.apply_runs import FIRST, SECOND, apply, catalog, overview
from tests.integration.commands_runner import run_here
from tests.integration.worker_runs import Run, Shop, wait_for

pytestmark = pytest.mark.kafka

HOUR_MS = 3_600_000
NEXT = """
catalog: shop
version: 2
tags:
  orders: count("Order Completed")
  lately: sum("Order Completed", "revenue", last="1h")
  ever: sum("Order Completed", "revenue")
segments:
  buyer: {when: orders >= 1, indexed: true}
  spender: {when: lately >= 300}
"""


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.fixture
def addresses(apache_kafka: ApacheKafka, redis: str) -> Addresses:
    return apache_kafka.addresses(redis)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"session_timeout_ms": 6_000, "partitions": 2})


def cut(addresses: Addresses, settings: Settings, partition: int, offset: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=addresses.kafka)
    admin.delete_records({TopicPartition(settings.events_topic, partition): offset})
    admin.close()


def test_where_the_log_was_cut_it_is_said_from_when_new_values_are_whole(
    addresses: Addresses, settings: Settings, tmp_path: Path
) -> None:
    market = Shop(settings, addresses)
    cut_user, whole_user = market.user_of(0), market.user_of(1)
    with Run(settings, addresses, catalog(FIRST)) as run:
        market.send([market.track(user, revenue=100) for user in (cut_user, whole_user) for _ in range(5)])
        run.until("events_total", 10)
        cut(addresses, settings, 0, 3)
        before_ms = market.log()[0].timestamp()[1]
        assert apply(settings, addresses, catalog(NEXT)).is_done
        positions = [each.position for each in overview(settings, addresses).partitions]
        assert positions[0] is not None
        assert positions[1] is not None
        warming = {text.split("\x1f")[3]: until_ms for text, until_ms in positions[0].warming.items()}
        assert positions[1].warming == {}
        assert (set(warming), warming[""]) == ({"", f"={HOUR_MS}"}, NEVER_MS)
        until_ms = warming[f"={HOUR_MS}"]
        assert until_ms == pytest.approx(before_ms + HOUR_MS * 61 / 60, abs=60_000)
        environment = {"TAGSTREAM_KAFKA": addresses.kafka, "TAGSTREAM_REDIS": addresses.redis}
        environment |= {"TAGSTREAM_APP": settings.app}
        status = json.loads(run_here("status", "--json", folder=tmp_path, settings=environment).stdout)
        assert len(status["catalog"]["warming"]) == 2
        assert "warming until" in run_here("status", folder=tmp_path, settings=environment).stdout.decode()
    spenders = [change.user for change in market.changes() if change.segment == "spender"]
    assert spenders == [whole_user]


def test_after_redis_was_lost_the_log_brings_every_version_back_and_nothing_is_published_twice(
    addresses: Addresses, settings: Settings
) -> None:
    market = Shop(settings, addresses)
    orders = [market.track(f"user-{number}", revenue=60) for number in range(40)]
    with Run(settings, addresses, catalog(FIRST)) as run:
        market.send(orders)
        run.until("events_total", 40)
        assert apply(settings, addresses, catalog(SECOND)).is_done
        market.send(orders)
        run.until("events_total", 80)
        wait_for(lambda: not any(each.walk for each in overview(settings, addresses).positions))
    before = [change.id for change in market.changes()]
    with connected(addresses.redis) as client:
        client.delete(*client.keys(f"{{{settings.app}:*}}:*"))
    with Run(settings, addresses, applied=True) as run:
        wait_for(lambda: all(each.has_switched(2) for each in overview(settings, addresses).partitions) or run.error)
        run.until("events_total", 80)
        market.send(orders)
        run.until("events_total", 120)
    after = [change.id for change in market.changes()]
    assert set(before) <= set(after)
    assert len(after) == len(set(after))


def test_the_topic_of_catalogs_is_compacted_and_must_stay_so(addresses: Addresses, settings: Settings) -> None:
    from kafka.admin import ConfigResource, ConfigResourceType

    with Run(settings, addresses, catalog(FIRST)) as run:
        wait_for(lambda: overview(settings, addresses).running_version == 1 or run.error)
    assert verify_topics(settings, addresses) == ()
    assert read_catalogs(settings, addresses).versions == [1]
    admin = KafkaAdminClient(bootstrap_servers=addresses.kafka)
    configs = {"cleanup.policy": "delete"}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, settings.catalog_topic, configs=configs)])
    admin.close()

    def finding() -> str:
        return " ".join(each.message for each in verify_topics(settings, addresses) if each.severity == "error")

    wait_for(lambda: "the text of the catalog that runs would be deleted" in finding())
