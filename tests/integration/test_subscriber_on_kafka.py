"""What only Apache Kafka can show: transactions, and a broker that goes and comes back with its data."""

from __future__ import annotations

import gc
import logging
import secrets

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from tagstream import Producer, Subscriber
from tagstream.connection import ask_about_topic
from tests.apache_kafka import ApacheKafka
from tests.unit.tagstream.change_messages import published, segment_change

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

WAIT_S = 60.0


@pytest.fixture
def app(apache_kafka: ApacheKafka) -> str:
    """An app with its topics of events and changes, one partition each."""
    name = f"t{secrets.token_hex(6)}"
    admin = KafkaAdminClient(bootstrap_servers=apache_kafka.brokers)
    admin.create_topics([NewTopic(f"{name}.events", 1, 1), NewTopic(f"{name}.segment-changes", 1, 1)])
    admin.close()
    return name


def publish(producer: KafkaProducer, app: str, *versions: int) -> None:
    for version in versions:
        message = published(segment_change("ada", version))
        producer.send(f"{app}.segment-changes", message.value, message.key, list(message.headers), 0)
    producer.flush()


def versions_of(subscriber: Subscriber, count: int) -> list[int]:
    changes = [subscriber.next_change(WAIT_S) for _ in range(count)]
    return [change.version for change in changes if change is not None]


def test_apache_kafka_is_not_taken_for_the_embedded_broker(apache_kafka: ApacheKafka, app: str) -> None:
    facts = ask_about_topic([apache_kafka.brokers], f"{app}.events", timeout_s=10, options={}, client_id="test")
    assert (facts.embedded, facts.idempotence, facts.partition_count) == (False, True, 1)


def test_aborted_changes_are_never_seen_and_open_ones_not_yet(apache_kafka: ApacheKafka, app: str) -> None:
    worker = KafkaProducer(bootstrap_servers=apache_kafka.brokers, transactional_id=app)
    worker.init_transactions()
    worker.begin_transaction()
    publish(worker, app, 1, 2)
    worker.commit_transaction()
    worker.begin_transaction()
    publish(worker, app, 3, 4)
    worker.abort_transaction()
    with Subscriber(apache_kafka.brokers, group=app, app=app) as subscriber:
        assert versions_of(subscriber, 2) == [1, 2]
        worker.begin_transaction()
        publish(worker, app, 3)
        assert subscriber.next_change(1.0) is None
        worker.commit_transaction()
        assert versions_of(subscriber, 1) == [3]
        assert (subscriber.counts.gaps, subscriber.counts.repeats) == (0, 0)
    worker.close()


def test_a_new_group_begins_at_the_end_if_told_so(apache_kafka: ApacheKafka, app: str) -> None:
    worker = KafkaProducer(bootstrap_servers=apache_kafka.brokers)
    publish(worker, app, 1, 2)
    with Subscriber(apache_kafka.brokers, group=app, app=app, start="latest") as subscriber:
        assert subscriber.next_change(10.0) is None
        publish(worker, app, 3)
        assert versions_of(subscriber, 1) == [3]
    worker.close()


# kafka-python leaves a socket to the garbage collector whenever nobody listens at the broker's address.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_producer_and_subscriber_outlast_a_broker_that_goes_and_comes_back(
    apache_kafka: ApacheKafka, app: str, caplog: pytest.LogCaptureFixture
) -> None:
    # A captured record of a failed connection would keep its socket beyond this test.
    caplog.set_level(logging.CRITICAL + 1, "kafka")
    with (
        Producer(apache_kafka.brokers, app=app) as producer,
        Subscriber(apache_kafka.brokers, group=app, app=app) as subscriber,
    ):
        worker = KafkaProducer(bootstrap_servers=apache_kafka.brokers)
        publish(worker, app, 1, 2)
        assert versions_of(subscriber, 1) == [1]
        assert producer.track("ada", "Signed Up").result(WAIT_S).offset == 0
        apache_kafka.kill()
        while_away = [producer.track("ada", "Signed Up") for _ in range(10)]
        assert versions_of(subscriber, 1) == [2]  # fetched before
        assert subscriber.next_change(2.0) is None
        apache_kafka.start()
        assert [future.result(WAIT_S).offset for future in while_away] == list(range(1, 11))
        publish(worker, app, 3)
        assert versions_of(subscriber, 1) == [3]
        assert subscriber.counts.gaps == 0
        worker.close()
    del producer, subscriber, worker, while_away
    gc.collect()
