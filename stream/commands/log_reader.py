"""Reading a topic beside its consumer groups: all partitions, no group, nothing committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stream.embedded import Addresses

__all__ = ["LogReader", "open_log"]

_POLL_MS = 200
_CONNECT_S = 5.0
_ENDS_POLLS = 10


class LogReader:
    """A topic's partitions, read together from the start or from the end. Made by `open_log`."""

    def __init__(self, consumer: Any, partitions: list[Any], *, embedded: bool) -> None:
        self._consumer = consumer
        self._partitions = partitions
        self._embedded = embedded

    @property
    def partition_count(self) -> int:
        """How many partitions the topic has."""
        return len(self._partitions)

    def ends(self) -> list[int]:
        """The offset after the last record of each partition, as of now. Reading goes on there."""
        consumer = self._consumer
        consumer.seek_to_end()
        ends = {partition: int(consumer.position(partition)) for partition in self._partitions}
        if self._embedded:
            # Asked for its latest offset, this broker tells that after the first record of the last batch. What comes
            # with a fetch is right.
            for _ in range(_ENDS_POLLS):
                consumer.poll(timeout_ms=_POLL_MS)
                known = {partition: consumer.highwater(partition) for partition in self._partitions}
                if None not in known.values():
                    break
            for partition in self._partitions:
                ends[partition] = max(ends[partition], consumer.highwater(partition) or 0)
                consumer.seek(partition, ends[partition])
        return [ends[partition] for partition in self._partitions]

    def records(self, *, from_start: bool, idle: Callable[[], None]) -> Iterator[Any]:
        """Records of kafka-python as they come, without end; those that come together are ordered by log time.

        idle: called a few times a second while nothing comes; what it raises ends the reading.
        """
        if from_start:
            self._consumer.seek_to_beginning()
        else:
            self.ends()
        return self._endless(idle)

    def _endless(self, idle: Callable[[], None]) -> Iterator[Any]:
        while True:
            batches = self._consumer.poll(timeout_ms=_POLL_MS)
            if not batches:
                idle()
            records = [record for batch in batches.values() for record in batch]
            records.sort(key=lambda record: record.timestamp)  # across partitions; stable within each
            yield from records


@contextmanager
def open_log(addresses: Addresses, topic: str, *, client: str) -> Iterator[LogReader]:
    """A reader of the topic, closed at the end. Raises the errors of `tagstream` (no broker, no topic, no rights)."""
    from kafka import KafkaConsumer, TopicPartition

    from tagstream.connection import ask_about_topic, bootstrap_list

    brokers = bootstrap_list(addresses.kafka)
    facts = ask_about_topic(brokers, topic, timeout_s=_CONNECT_S, options={}, client_id=client)
    consumer = KafkaConsumer(
        bootstrap_servers=brokers,
        client_id=client,
        group_id=None,
        enable_auto_commit=False,
        # The embedded broker knows no transactions worth waiting for, and its readers of committed ones may hang.
        isolation_level="read_uncommitted" if addresses.embedded else "read_committed",
    )
    try:
        partitions = [TopicPartition(topic, partition) for partition in range(facts.partition_count)]
        consumer.assign(partitions)
        yield LogReader(consumer, partitions, embedded=addresses.embedded)
    finally:
        consumer.close()
