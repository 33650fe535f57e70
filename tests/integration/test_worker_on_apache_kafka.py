"""What only Apache Kafka can show: steps beside offsets, transactions, log time by the broker, and its refusals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import NonEmptyGroupError

from stream.clock import SystemClock
from stream.embedded import Addresses
from stream.errors import ConfigurationError
from stream.settings import Settings
from stream.topics import ensure_topics
from stream.worker import Reader, worker
from stream.worker.lookup import group_of, new_lookup
from stream.worker.position import Committed
from tagstream.partitioning import partition_of
from tests.apache_kafka import ApacheKafka
from tests.contract.redis_servers import connected, redis_server
from tests.faults.checks import wait_until_drained
from tests.integration.worker_runs import Run, Shop, shop, wait_for

pytestmark = pytest.mark.kafka


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


@pytest.fixture
def admin(apache_kafka: ApacheKafka) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=apache_kafka.brokers)
    yield client
    client.close()


def set_topic(admin: KafkaAdminClient, topic: str, **values: str) -> None:
    configs = {name.replace("_", "."): value for name, value in values.items()}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs)])


def committed(settings: Settings, addresses: Addresses, partition: int) -> Committed | None:
    return new_lookup(settings, addresses, SystemClock()).committed(partition)


def test_offsets_carry_step_and_versions_and_every_change_is_visible_once(
    addresses: Addresses, settings: Settings
) -> None:
    market = Shop(settings, addresses)
    for _ in range(2):
        with Run(settings, addresses) as run:
            market.send([market.track(f"user-{i}", revenue=60) for i in range(40)])
            run.until("events_total", 40)
            wait_until_drained(settings, addresses, within_s=20)
        assert run.count("resends_total") == 0
    changes = market.changes()
    assert len(changes) == 80
    assert set(Counter(change.id for change in changes).values()) == {1}
    with Reader(settings, addresses, shop()) as reader:
        for partition, position in reader.positions().items():
            k = committed(settings, addresses, partition)
            assert k is not None
            assert (k.offset, k.step, k.catalog_version) == (position.next_offset, position.step, 1)


def test_a_k_without_a_step_has_the_outbox_looked_for_and_only_what_is_missing_published(
    addresses: Addresses, settings: Settings
) -> None:
    market = Shop(settings, addresses)
    with Run(settings, addresses) as run:
        market.send([market.track("ann")])
        run.until("changes_total{cause=event,change=entered,segment=buyer}", 1)
    lost = market.user_of(0 if market.user_of(0) != "ann" else 1)
    with Run(settings, addresses) as run:
        market.send([market.track(lost)])
        run.until("changes_total{cause=event,change=entered,segment=buyer}", 1)
    before = len(market.changes())
    admin = KafkaAdminClient(bootstrap_servers=addresses.kafka)
    wait_for(lambda: _forgotten(admin, group_of(settings.app)))
    admin.close()
    assert [committed(settings, addresses, partition) for partition in (0, 1)] == [None, None]
    with Run(settings, addresses) as run:
        market.send([market.track("zoe")])
        run.until("changes_total{cause=event,change=entered,segment=buyer}", 1)
    changes = market.changes()
    assert len(changes) == before + 1
    assert set(Counter(change.id for change in changes).values()) == {1}


def _forgotten(admin: KafkaAdminClient, group: str) -> bool:
    """The group's offsets have expired, as they do after a week without members."""
    try:
        admin.delete_groups([group])
    except NonEmptyGroupError:  # it is still being left
        return False
    return True


def test_at_least_once_works_here_too(addresses: Addresses, settings: Settings) -> None:
    settings = settings.model_copy(update={"delivery": "at_least_once"})
    market = Shop(settings, addresses)
    for _ in range(2):
        with Run(settings, addresses) as run:
            market.send([market.track(f"user-{i}") for i in range(20)])
            run.until("events_total", 20)
            wait_until_drained(settings, addresses, within_s=20)
    assert {change.version for change in market.changes()} == {1}
    assert len({change.id for change in market.changes()}) == 20


def test_an_events_topic_with_the_producers_times_ends_the_worker_with_what_to_do(
    addresses: Addresses, settings: Settings, admin: KafkaAdminClient
) -> None:
    ensure_topics(settings, addresses)
    set_topic(admin, settings.events_topic, message_timestamp_type="CreateTime")
    run = Run(settings, addresses).start()
    run.wait()
    assert isinstance(run.error, ConfigurationError)
    assert "message.timestamp.type is CreateTime" in str(run.error)


def test_records_that_carry_producers_times_pause_their_partition(
    addresses: Addresses, settings: Settings, admin: KafkaAdminClient
) -> None:
    market = Shop(settings, addresses)
    with Run(settings, addresses) as run:
        market.send([market.track(market.user_of(0)), market.track(market.user_of(1))])
        run.until("events_total", 2)
        set_topic(admin, settings.events_topic, message_timestamp_type="CreateTime")

        def is_noticed() -> bool:
            market.send([market.track(market.user_of(1))])
            return run.paused() == {1: "timestamp_type"}

        wait_for(is_noticed)
        assert "message.timestamp.type=LogAppendTime" in str(run.worker.paused()[1])


def test_i10_a_dead_letter_topic_that_refuses_stops_progress_and_loses_nothing(
    addresses: Addresses, settings: Settings, admin: KafkaAdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_PAUSE_RETRY_S", 4.0)
    market = Shop(settings, addresses)
    sick, well = market.user_of(0), market.user_of(1)
    with Run(settings, addresses) as run:
        market.send([market.track(sick), market.track(well)])
        run.until("events_total", 2)
        set_topic(admin, settings.events_dlq_topic, max_message_bytes="100")
        market.send([{"value": b"{broken", "partition": 0}, market.track(sick)])
        wait_for(lambda: run.paused() == {0: "messages_refused"})
        market.send([market.track(well)])
        run.until("events_total", 3)
        set_topic(admin, settings.events_dlq_topic, max_message_bytes="1048576")
        wait_for(lambda: run.paused() == {})
        wait_until_drained(settings, addresses, within_s=20)
        assert run.count("events_total") == 4
    assert [letter.reason for letter in market.dead_letters()] == ["not_json"]
    with Reader(settings, addresses, shop()) as reader:
        profiles = [reader.profile(user) for user in (sick, well)]
    assert [profile and profile.tags for profile in profiles] == [{"orders": 2}, {"orders": 2}]


def test_records_deleted_before_they_were_read_pause_the_partition(
    addresses: Addresses, settings: Settings, admin: KafkaAdminClient
) -> None:
    market = Shop(settings, addresses)
    user = market.user_of(1)
    with Run(settings, addresses) as run:
        market.send([market.track(user)])
        run.until("events_total", 1)
    market.send([market.track(user) for _ in range(5)])
    delete_below(admin, settings.events_topic, 1, 4)
    with Run(settings, addresses) as run:
        wait_for(lambda: run.paused() == {1: "position_out_of_range"})
        assert "offsets from 4 to" in str(run.worker.paused()[1])


def test_a_first_start_begins_where_the_log_does(
    addresses: Addresses, settings: Settings, admin: KafkaAdminClient
) -> None:
    ensure_topics(settings, addresses)
    market = Shop(settings, addresses)
    user = market.user_of(1)
    market.send([market.track(user) for _ in range(5)])
    delete_below(admin, settings.events_topic, 1, 3)
    with Run(settings, addresses) as run:
        run.until("events_total", 2)
    # With K but without R, and a log that isn't whole, nothing may be started anew by itself.
    with connected(addresses.redis) as client:
        client.delete(*client.keys(f"{{{settings.app}:1}}:*"))
    with Run(settings, addresses) as run:
        wait_for(lambda: run.paused() == {1: "redis_lost"})
        assert "TAGSTREAM_REDIS" in str(run.worker.paused()[1])


def delete_below(admin: KafkaAdminClient, topic: str, partition: int, offset: int) -> None:
    from kafka import TopicPartition

    admin.delete_records({TopicPartition(topic, partition): offset})


def test_what_an_aborted_transaction_wrote_is_no_event(addresses: Addresses, settings: Settings) -> None:
    market = Shop(settings, addresses)
    ensure_topics(settings, addresses)
    stranger = Producer({"bootstrap.servers": addresses.kafka, "transactional.id": f"{settings.app}-stranger"})
    stranger.init_transactions(10)
    stranger.begin_transaction()
    record = market.track("ann")
    home = partition_of("ann", settings.partitions)
    stranger.produce(settings.events_topic, record["value"], key=record["key"], partition=home)
    stranger.flush(10)
    stranger.abort_transaction(10)
    with Run(settings, addresses) as run:
        market.send([market.track("ann")])
        run.until("events_total", 1)
        wait_until_drained(settings, addresses, within_s=20)
    with Reader(settings, addresses, shop()) as reader:
        profile = reader.profile("ann")
    assert profile is not None
    assert profile.tags == {"orders": 1}


def test_more_workers_than_partitions_come_and_go_and_nothing_is_lost_or_doubled(
    addresses: Addresses, settings: Settings
) -> None:
    market = Shop(settings, addresses)
    orders = [market.track(f"user-{i}") for i in range(40)]
    runs = [Run(settings, addresses) for _ in range(settings.partitions + 1)]
    for run in runs:
        run.start()
        market.send(orders)
    for number, run in enumerate(runs[:-1]):
        wait_for(lambda count=number: sum(each.count("events_total") for each in runs) > 40 * count)  # type: ignore[misc]
        run.stop()
        market.send(orders)
    sent = 40 * (2 * len(runs) - 1)
    wait_for(lambda: sum(run.count("events_total") for run in runs) >= sent)
    wait_until_drained(settings, addresses, within_s=20)
    runs[-1].stop()
    assert [run.error for run in runs] == [None] * len(runs)
    assert sum(run.count("events_total") for run in runs) == sent
    with Reader(settings, addresses, shop()) as reader:
        profiles = [reader.profile(f"user-{i}") for i in range(40)]
    assert {profile.tags["orders"] if profile else None for profile in profiles} == {sent // 40}
    assert Counter(change.segment for change in market.changes()) == {"buyer": 40}
