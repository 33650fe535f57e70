"""What is to be known of topic and group before a partition can run: K, the log's bounds, the topic's id.

Asked by an admin client, so from any thread: librdkafka's consumer, asked for committed offsets by one thread while
another polls it, now and then never answers (seen with confluent-kafka 2.16).
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin import OffsetSpec as _OffsetSpec  # type: ignore[attr-defined]  # it is public, says its text

from stream.clock import Clock
from stream.embedded import Addresses
from stream.errors import unavailable
from stream.kafka_clients import client_options, error_of, kafka_error
from stream.settings import Settings
from stream.worker.position import Committed

__all__ = ["Lookup", "TopicFacts", "group_of", "new_lookup"]

_CALL_S: Final = 5.0
_ASK_AGAIN_S: Final = 0.05
_STABLE_MORE_S: Final = 1.0
_BEGINNING: Final = _OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # the client's own types lack it
_END: Final = _OffsetSpec.latest()  # type: ignore[no-untyped-call]


def group_of(app: str) -> str:
    """The consumer group of an app's workers."""
    return f"{app}.workers"


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What must not change under a partition's position. topic_id: empty if the broker has none."""

    topic_id: str
    partition_count: int


class Lookup:
    """Looks at one topic and the group of an app's workers. All calls block; any thread; all raise UnavailableError.

    stable_s: how long to wait for an open transaction that could still change K.
    embedded: asked for a log's end, that broker names the second offset of its last batch; its fetches tell the end.
    """

    def __init__(
        self, brokers: str, *, app: str, topic: str, stable_s: float, clock: Clock, embedded: bool = False
    ) -> None:
        self._brokers = brokers
        self._group = group_of(app)
        self._topic = topic
        self._stable_s = stable_s
        self._clock = clock
        self._embedded = embedded
        self._client_id = f"tagstream-{app}-lookup"
        self._admin = self._new_admin()

    def committed(self, partition: int) -> Committed | None:
        """K, or None. Waits while an open transaction could still change it (`require_stable`)."""
        deadline_s = self._clock.monotonic_s() + self._stable_s
        wanted = ConsumerGroupTopicPartitions(self._group, [TopicPartition(self._topic, partition)])
        while True:
            answer = self._admin.list_consumer_group_offsets([wanted], require_stable=True, request_timeout=_CALL_S)
            found = self._result(answer[self._group]).topic_partitions[0]
            if found.error is None:
                return None if found.offset < 0 else Committed.parse(found.offset, found.metadata)
            unstable = found.error.code() == KafkaError.UNSTABLE_OFFSET_COMMIT
            if not unstable or self._clock.monotonic_s() > deadline_s:
                raise kafka_error(found.error, self._brokers)
            self._clock.sleep_s(_ASK_AGAIN_S)

    def bounds(self, partition: int) -> tuple[int, int]:
        """Where the log begins, and the offset after its end."""
        low, high = self._offset(partition, _BEGINNING), self._offset(partition, _END)
        return low, self._fetched_end(partition, high - 1) if self._embedded and high > low else high

    def low(self, partition: int) -> int:
        """Where the log begins."""
        return self._offset(partition, _BEGINNING)

    def time_of(self, partition: int, offset: int) -> int | None:
        """The log time (ms) of the first record from this offset on, or None if there is none."""
        messages = self._fetched(partition, offset)[0]
        return messages[0].timestamp()[1] if messages else None

    def facts(self) -> TopicFacts:
        """The topic's id and number of partitions."""
        described = self._admin.describe_topics(TopicCollection([self._topic]), request_timeout=_CALL_S)
        topic = self._result(described[self._topic])
        return TopicFacts(str(topic.topic_id or ""), len(topic.partitions))

    def _fetched_end(self, partition: int, offset: int) -> int:
        """The end of the log as the answer to a fetch of the record at the offset tells it."""
        return self._fetched(partition, offset)[1]

    def _fetched(self, partition: int, offset: int) -> tuple[list[Message], int]:
        """The record at the offset, or the next, if there is one; and the end of the log."""
        place = TopicPartition(self._topic, partition, offset)
        options = {
            "group.id": self._group,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_uncommitted" if self._embedded else "read_committed",
            "fetch.wait.max.ms": 10,
        }
        consumer: Any = Consumer(client_options(self._brokers, self._client_id) | options)
        try:
            consumer.assign([place])
            message = consumer.poll(_CALL_S)
            if message is None:
                raise unavailable("Kafka", self._brokers, f"no answer within {_CALL_S:.0f} s")
            error = message.error()
            at_end = error is not None and error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001
            if error is not None and not at_end:
                raise kafka_error(error, self._brokers)
            return [] if at_end else [message], int(consumer.get_watermark_offsets(place, cached=True)[1])
        except KafkaException as exception:
            raise kafka_error(error_of(exception), self._brokers) from exception
        finally:
            consumer.close()

    def _offset(self, partition: int, which: _OffsetSpec) -> int:
        place = TopicPartition(self._topic, partition)
        answer = self._admin.list_offsets(
            {place: which}, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=_CALL_S
        )
        return int(self._result(next(iter(answer.values()))).offset)

    def _result(self, answer: Future[Any]) -> Any:
        try:
            return answer.result(2 * _CALL_S)
        except KafkaException as exception:
            # After its coordinator was lost a client may ask the old connection for ever (librdkafka's issue 5511).
            self._admin = self._new_admin()
            raise kafka_error(error_of(exception), self._brokers) from exception
        except TimeoutError as error:
            self._admin = self._new_admin()
            raise unavailable("Kafka", self._brokers, f"no answer within {2 * _CALL_S:.0f} s") from error

    def _new_admin(self) -> AdminClient:
        return AdminClient(client_options(self._brokers, self._client_id))


def new_lookup(settings: Settings, addresses: Addresses, clock: Clock) -> Lookup:
    """A dead worker's transaction ends by its timeout, so K is waited for a little longer than that."""
    return Lookup(
        addresses.kafka,
        app=settings.app,
        topic=settings.events_topic,
        stable_s=settings.transaction_timeout_ms / 1000 + _STABLE_MORE_S,
        clock=clock,
        embedded=addresses.embedded,
    )
