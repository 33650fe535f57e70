from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewTopic

from stream.clock import ManualClock
from stream.embedded import Stack, start_stack
from stream.settings import load_settings
from tagstream import (
    ClientClosedError,
    ClientConfigurationError,
    DeliveryError,
    Identify,
    InvalidEventError,
    KafkaUnavailableError,
    Position,
    Producer,
    TopicMissingError,
    parse_event,
)
from tagstream.connection import ask_about_topic
from tagstream.contracts.timestamps import from_ms
from tagstream.partitioning import partition_of

PARTITIONS = 4
NOW_MS = 1_795_336_200_125
NOBODY = "127.0.0.1:9"
"""The discard port: nobody listens there."""


def create_topic(brokers: str, topic: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=brokers)
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    admin.close()


def topics_of(brokers: str) -> set[str]:
    admin = KafkaAdminClient(bootstrap_servers=brokers)
    names = set(admin.list_topics())
    admin.close()
    return names


def records_of(brokers: str, topic: str) -> list[Any]:
    """All records of a topic, partition by partition."""
    consumer = KafkaConsumer(bootstrap_servers=brokers, group_id=None, enable_auto_commit=False)
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    found: list[Any] = []
    # The embedded broker tells the end of a partition with a fetch only.
    while any(
        consumer.highwater(each) is None or consumer.position(each) < consumer.highwater(each) for each in partitions
    ):
        for batch in consumer.poll(timeout_ms=500).values():
            found.extend(batch)
    consumer.close()
    return sorted(found, key=lambda record: (record.partition, record.offset))


@pytest.fixture
def topic(stack: Stack, fresh_app: str) -> str:
    create_topic(stack.kafka, f"{fresh_app}.events")
    return f"{fresh_app}.events"


@pytest.fixture
def producer(stack: Stack, fresh_app: str, topic: str) -> Iterator[Producer]:
    made = Producer(stack.kafka, app=fresh_app, clock=ManualClock(NOW_MS))
    yield made
    made.close()


def test_every_type_of_event_arrives_as_the_contract_says(stack: Stack, producer: Producer, topic: str) -> None:
    sent = [
        producer.track("ada", "Order Completed", {"revenue": 99.5}, context={"ip": "127.0.0.1"}),
        producer.identify("李雷", {"age": 36, "gender": None}, message_id="m-1"),
        producer.page("ada", "Home", {"path": "/"}, category="Shop"),
        producer.screen("ada", timestamp="2026-11-22T09:00:00+08:00"),
        producer.alias("ada", "visitor-7"),
        producer.group("ada", "acme", {"plan": "gold"}),
        producer.send(Identify(user_id="bob", timestamp=datetime(2026, 1, 1, tzinfo=UTC), traits={})),
    ]
    producer.flush()
    records = {Position(each.topic, each.partition, each.offset): each for each in records_of(stack.kafka, topic)}
    arrived = [records[future.result(0)] for future in sent]
    events = [parse_event(record.value) for record in arrived]
    assert [event.type for event in events] == ["track", "identify", "page", "screen", "alias", "group", "identify"]
    assert [record.key.decode() for record in arrived] == [event.user_id for event in events]
    assert [record.partition for record in arrived] == [partition_of(event.user_id, PARTITIONS) for event in events]
    assert {record.timestamp for record in arrived} == {NOW_MS}
    assert events[0].timestamp == from_ms(NOW_MS)
    assert events[3].timestamp == datetime(2026, 11, 22, 1, tzinfo=UTC)
    assert json.loads(arrived[1].value) == {
        "type": "identify",
        "userId": "李雷",
        "timestamp": "2026-11-22T08:30:00.125Z",
        "messageId": "m-1",
        "traits": {"age": 36, "gender": None},
    }
    generated = {event.message_id for event in events if event.message_id not in {None, "m-1"}}
    assert len(generated) == 5


def test_a_users_events_stay_in_order(stack: Stack, producer: Producer, topic: str) -> None:
    for number in range(2_000):
        producer.track(f"user-{number % 7}", "Counted", {"number": number})
    producer.flush()
    seen: dict[str, list[int]] = {}
    for record in records_of(stack.kafka, topic):
        fields = json.loads(record.value)
        seen.setdefault(fields["userId"], []).append(fields["properties"]["number"])
    assert seen == {f"user-{user}": list(range(user, 2_000, 7)) for user in range(7)}


def test_the_embedded_broker_is_known_and_takes_an_idempotent_producer(
    stack: Stack, producer: Producer, topic: str
) -> None:
    facts = ask_about_topic([stack.kafka], topic, timeout_s=5, options={}, client_id="test")
    assert (facts.partition_count, facts.idempotence, facts.embedded) == (PARTITIONS, True, True)
    assert producer.idempotent is True


def test_a_broker_without_idempotence_is_used_without_it(
    stack: Stack, fresh_app: str, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Producer(stack.kafka, app=fresh_app, options={"enable_idempotence": False}) as producer:
        producer.track("ada", "Signed Up")
        assert producer.idempotent is False
    assert len(records_of(stack.kafka, topic)) == 1
    assert "no idempotent producer" in caplog.text


def test_events_can_be_compressed(stack: Stack, fresh_app: str, topic: str) -> None:
    with Producer(stack.kafka, app=fresh_app, compression="gzip") as producer:
        for _ in range(100):
            producer.track("ada", "Signed Up", {"text": "x" * 1_000})
    assert len(records_of(stack.kafka, topic)) == 100


@pytest.mark.parametrize(
    ("user", "event", "changes", "problem"),
    [
        ("", "Signed Up", {}, "user_id: is empty"),
        ("x" * 513, "Signed Up", {}, "has 513 bytes"),
        (7, "Signed Up", {}, "user_id: must be text, not a number"),
        ("ada", "", {}, "event: is empty"),
        ("ada", "Signed Up", {"properties": {"when": {1, 2}}}, "properties.when: is of type set"),
        ("ada", "Signed Up", {"properties": "x"}, "properties: must be an object, not text"),
        ("ada", "Signed Up", {"timestamp": "yesterday"}, "timestamp: 'yesterday' is no RFC 3339 time"),
        ("ada", "Signed Up", {"timestamp": from_ms(NOW_MS + 3_600_001)}, "lies 1.0 h ahead of this machine's clock"),
        ("ada", "Signed Up", {"properties": {"note": "x" * 262_144}}, "256 KiB"),
    ],
)
def test_an_invalid_event_is_not_sent(
    stack: Stack, producer: Producer, topic: str, user: Any, event: str, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidEventError, match="the event is not valid") as caught:
        producer.track(user, event, **changes)
    producer.flush()
    assert problem in str(caught.value)
    assert records_of(stack.kafka, topic) == []


def test_an_event_an_hour_ahead_is_sent(producer: Producer) -> None:
    future = producer.track("ada", "Signed Up", timestamp=from_ms(NOW_MS) + timedelta(hours=1))
    producer.flush()
    assert future.result(0).offset == 0


def test_a_missing_topic_is_named_and_not_created(stack: Stack, fresh_app: str) -> None:
    with pytest.raises(TopicMissingError, match=rf"'{fresh_app}\.events' does not exist.*topics create"):
        Producer(stack.kafka, app=fresh_app)
    assert f"{fresh_app}.events" not in topics_of(stack.kafka)


def test_nobody_at_the_address_is_said_in_time() -> None:
    before_s = time.monotonic()
    with pytest.raises(
        KafkaUnavailableError, match=rf"no Kafka broker answers at {NOBODY} within 1 s \(Connection"
    ) as caught:
        Producer(NOBODY, connect_timeout_s=1)
    assert caught.value.retriable is True
    assert time.monotonic() - before_s < 5


@pytest.mark.parametrize("bootstrap", ["", "http://localhost:9092", "localhost:port", "localhost:99999", ":9092", []])
def test_what_is_no_address_is_refused(bootstrap: Any) -> None:
    with pytest.raises(ClientConfigurationError, match=r"host:port, such as localhost:9092"):
        Producer(bootstrap)


def test_options_that_kafka_python_does_not_know_are_refused(stack: Stack, fresh_app: str, topic: str) -> None:
    with pytest.raises(ClientConfigurationError, match=r"kafka-python does not take these options.*colour"):
        Producer(stack.kafka, app=fresh_app, options={"colour": "blue"})
    with pytest.raises(ClientConfigurationError, match=r"kafka-python does not take these options.*magic"):
        Producer(stack.kafka, app=fresh_app, compression="magic")  # type: ignore[arg-type]  # that is the point


def test_a_closed_producer_says_so(producer: Producer) -> None:
    producer.close()
    producer.close()
    with pytest.raises(ClientClosedError, match="this producer is closed"):
        producer.track("ada", "Signed Up")


@pytest.fixture
def own_stack(runtime_dir: Path) -> Iterator[Stack]:
    """A stack that a test may do to as it likes."""
    settings = load_settings({}, folder=runtime_dir, runtime_dir=runtime_dir)
    with start_stack(settings, advertise=False) as started:
        yield started


@contextmanager
def standing_still(brokers: str) -> Iterator[None]:
    """The broker at this address takes connections and answers nothing, as one does that swaps or whose disk hangs."""
    port = int(brokers.rpartition(":")[2])
    children = psutil.Process().children(recursive=True)
    (broker,) = [
        child
        for child in children
        for at in child.net_connections("tcp")
        if at.status == "LISTEN" and at.laddr.port == port
    ]
    broker.suspend()
    try:
        yield
    finally:
        broker.resume()


def test_events_that_cannot_be_delivered_are_counted_and_told(own_stack: Stack, fresh_app: str) -> None:
    create_topic(own_stack.kafka, f"{fresh_app}.events")
    with Producer(own_stack.kafka, app=fresh_app, delivery_timeout_s=1.0, max_in_flight=3) as producer:
        producer.track("ada", "Signed Up").result(10)
        with standing_still(own_stack.kafka):
            futures = [producer.track("ada", "Signed Up") for _ in range(3)]
            with pytest.raises(DeliveryError, match=r"3 events are not yet delivered.*same message_id"):
                producer.flush(0.05)
            wait(futures, timeout=30)
            assert [type(future.exception(0)) for future in futures] == [DeliveryError] * 3
            with pytest.raises(DeliveryError, match="3 events could not be delivered") as caught:
                producer.flush()
            assert (caught.value.failed, caught.value.pending) == (3, 0)
        producer.flush()
        producer.track("ada", "Signed Up").result(10)


def test_a_full_producer_waits_and_then_says_that_kafka_takes_nothing(own_stack: Stack, fresh_app: str) -> None:
    create_topic(own_stack.kafka, f"{fresh_app}.events")
    with Producer(own_stack.kafka, app=fresh_app, delivery_timeout_s=30.0, max_in_flight=2) as producer:
        producer.track("ada", "Signed Up").result(10)
        producer._delivery_timeout_s = 0.2  # how long `send` waits for room; those under way have the 30 s
        with standing_still(own_stack.kafka):
            waiting = [producer.track("ada", "Signed Up") for _ in range(2)]
            with pytest.raises(KafkaUnavailableError, match=r"does not take events.*nothing of this event was sent"):
                producer.track("ada", "Signed Up")
        assert [future.result(60).offset for future in waiting] == [1, 2]


def test_a_with_block_that_fails_keeps_its_own_error(stack: Stack, fresh_app: str, topic: str) -> None:
    def fail_on_the_way() -> None:
        with Producer(stack.kafka, app=fresh_app) as producer:
            producer.track("ada", "Signed Up")
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        fail_on_the_way()
    assert len(records_of(stack.kafka, topic)) == 1
