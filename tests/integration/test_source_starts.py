"""The events log is read from where it was said to begin, every record of it, whatever the broker is busy with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Final

import confluent_kafka
import psutil
import pytest
from confluent_kafka import Message

from stream.clock import SystemClock
from stream.embedded import Addresses, Stack
from stream.settings import Settings
from stream.topics import ensure_topics
from stream.worker import source as source_module
from stream.worker.errors import PauseError
from stream.worker.source import Source, SourceOptions
from tests.apache_kafka import ApacheKafka
from tests.contract.redis_servers import redis_server
from tests.embedded_broker import broker_process
from tests.integration.worker_runs import wait_for

RECORDS = 300
"""Of each partition, in batches of ten."""


def fill(addresses: Addresses, settings: Settings) -> None:
    ensure_topics(settings, addresses)
    producer = confluent_kafka.Producer({"bootstrap.servers": addresses.kafka, "linger.ms": 0})
    for number in range(RECORDS):
        for partition in range(settings.partitions):
            producer.produce(settings.events_topic, b"%d" % number, partition=partition)
        if number % 10 == 9:
            producer.flush()


class Reader:
    """A member of the workers' group, alone. read: offsets by partition, as they came.  problems: as in `Fetched`.

    on_assigned: called as soon as it has got its partitions.
    """

    def __init__(
        self, addresses: Addresses, settings: Settings, on_assigned: Callable[[], None] = lambda: None
    ) -> None:
        self.read: dict[int, list[int]] = {}
        self.problems: dict[int, PauseError] = {}
        self.assigned: list[int] = []
        self._on_assigned = on_assigned
        self.source = Source(
            SourceOptions(
                brokers=addresses.kafka,
                topic=settings.events_topic,
                app=settings.app,
                client_id="test",
                embedded=addresses.embedded,
                session_timeout_ms=6_000,
            ),
            on_assigned=self._assigned,
            on_revoked=lambda _: None,
        )
        self.source.subscribe()

    def close(self) -> None:
        self.source.close()

    def poll(self) -> None:
        fetched = self.source.poll(1_000, 0.05, 0.0)
        self.problems |= fetched.problems
        for partition, messages in fetched.messages.items():
            self.read.setdefault(partition, []).extend(message.offset() or 0 for message in messages)

    def read_all(self, partitions: int, until: Callable[[], bool] | None = None) -> None:
        """Wait for partitions, start them, read to their ends, or until something else is the case."""

        def at_the_ends() -> bool:
            return [each[-1] for each in self.read.values()] == [RECORDS - 1] * partitions

        def polled(holds: Callable[[], bool]) -> bool:
            self.poll()
            return holds()

        wait_for(lambda: polled(lambda: len(self.assigned) == partitions))
        SystemClock().sleep_s(0.05)  # the client is about to ask what it has to ask
        for partition in self.assigned:
            self.source.start(partition, 0)
        wait_for(lambda: polled(until or at_the_ends))

    def _assigned(self, partitions: list[int]) -> None:
        self.assigned += partitions
        self._on_assigned()


def read_while_the_broker_stands_still(
    addresses: Addresses, settings: Settings, broker: Sequence[psutil.Process]
) -> dict[int, list[int]]:
    """What the client asks of the broker about its new partitions is answered only after it was told where to begin."""

    def stop() -> None:
        for each in broker:
            each.suspend()
        goes_on.start()

    def go_on() -> None:
        for each in broker:
            each.resume()

    fill(addresses, settings)
    goes_on = threading.Timer(0.5, go_on)
    with closing(Reader(addresses, settings, stop)) as reader:
        reader.read_all(settings.partitions)
        goes_on.join()
        return reader.read


def all_records(settings: Settings) -> dict[int, list[int]]:
    return {partition: list(range(RECORDS)) for partition in range(settings.partitions)}


def test_all_is_read_though_the_embedded_broker_stood_still(stack: Stack, settings: Settings) -> None:
    broker = broker_process(stack.kafka)
    assert read_while_the_broker_stands_still(stack.addresses, settings, [broker]) == all_records(settings)


@pytest.mark.kafka
def test_all_is_read_though_apache_kafka_stood_still(apache_kafka: ApacheKafka, settings: Settings) -> None:
    with redis_server() as redis:
        addresses = apache_kafka.addresses(redis)
        read = read_while_the_broker_stands_still(addresses, settings, apache_kafka.processes())
    assert read == all_records(settings)


class Overtaking(confluent_kafka.Consumer):
    """Hands out a later record where the one at an offset is not to be seen yet, `times` times."""

    offset: Final = 100
    times = 0

    def poll(self, *arguments: Any, **options: Any) -> Message | None:
        while (message := super().poll(*arguments, **options)) is not None and self._withholds([message]):
            pass
        return message

    def consume(self, *arguments: Any, **options: Any) -> list[Message]:
        messages = super().consume(*arguments, **options)
        return [m for m in messages if m.offset() != self.offset] if self._withholds(messages) else messages

    def _withholds(self, messages: list[Message]) -> bool:
        if type(self).times == 0 or all(message.offset() != self.offset for message in messages):
            return False
        type(self).times -= 1
        return True


@pytest.mark.parametrize("times", [1, 3])
def test_a_record_that_the_embedded_broker_shows_late_is_read_in_its_place(
    stack: Stack, settings: Settings, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setattr(source_module, "Consumer", Overtaking)
    monkeypatch.setattr(Overtaking, "times", times)
    fill(stack.addresses, settings)
    with closing(Reader(stack.addresses, settings)) as reader:
        reader.read_all(settings.partitions)
        assert Overtaking.times == 0
        assert {p: sorted(set(offsets)) for p, offsets in reader.read.items()} == all_records(settings)
        assert all(offsets == sorted(offsets) for offsets in reader.read.values())


def test_records_that_never_come_are_a_problem_and_not_passed_over(
    stack: Stack, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "Consumer", Overtaking)
    monkeypatch.setattr(Overtaking, "times", 1_000_000)
    settings = settings.model_copy(update={"partitions": 1})
    fill(stack.addresses, settings)
    with closing(Reader(stack.addresses, settings)) as reader:
        reader.read_all(1, until=lambda: bool(reader.problems))
    assert reader.problems[0].reason == "records_missing"
    assert "offset 100 of partition 0" in str(reader.problems[0])
    assert max(reader.read.get(0, [0])) < Overtaking.offset
