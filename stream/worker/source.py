"""The events log, read as a member of the workers' group.

A partition that comes is not read before the worker has taken it and said where to start. Nothing is committed and no
offset is ever reset in here.

The client is never asked to find a place itself, nor to seek: librdkafka, told to seek while it looked for a log's end,
now and then goes on at the end all the same (its issue 2256; seen with 2.16 on a busy machine), past unread records.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from stream.errors import UnavailableError
from stream.kafka_clients import GROUP_REFUSES, client_options, error_of, kafka_error
from stream.worker.errors import REBUILD, DoubtError, PauseError
from stream.worker.lookup import group_of
from stream.worker.position import Committed

__all__ = ["Fetched", "Source", "SourceOptions"]

log = logging.getLogger("tagstream.worker")

_FETCH_WAIT_MS: Final = 20  # a consumer crawls when some partitions are empty and this is high
_EMBEDDED_FETCH_WAIT_MS: Final = 10  # the embedded broker waits it out every time, and walks the whole log each time
_FETCH_BACKOFF_MS: Final = 10  # librdkafka's default of 1 s stalls a consumer whose queue was full once
_QUEUE_KIB: Final = 32 * 1024
_METADATA_MS: Final = 30_000
_GAP_READS: Final = 100
_NOT_COMMITTED: Final = frozenset({KafkaError._STATE, KafkaError._NO_OFFSET})  # noqa: SLF001
_OUT_OF_RANGE: Final = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """brokers, topic, app: whose events.  embedded: on the embedded broker.  session_timeout_ms: of the group."""

    brokers: str
    topic: str
    app: str
    client_id: str
    embedded: bool
    session_timeout_ms: int


@dataclass(slots=True)
class Fetched:
    """What one `poll` brought: messages by partition in log order, and what is wrong by partition."""

    messages: dict[int, list[Message]] = field(default_factory=dict)
    problems: dict[int, PauseError] = field(default_factory=dict)


class Source:
    """A consumer of the events topic. `poll` and everything that follows a rebalance belong to one thread."""

    def __init__(
        self,
        options: SourceOptions,
        *,
        on_assigned: Callable[[list[int]], None],
        on_revoked: Callable[[list[int]], None],
    ) -> None:
        self._options = options
        self._topic = options.topic
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._closing = False
        self._next: dict[int, int] = {}  # of the partitions that are read, the offset that comes next
        self._paused: set[int] = set()
        self._gap_reads: dict[int, tuple[int, int]] = {}  # where a gap is, and how often it has been read again
        client = client_options(options.brokers, options.client_id)
        self._consumer = Consumer(
            {
                **client,
                "group.id": group_of(options.app),
                # Cooperative: partitions that stay are not interrupted. The embedded broker knows eager ones only.
                "partition.assignment.strategy": "range" if options.embedded else "cooperative-sticky",
                "session.timeout.ms": options.session_timeout_ms,
                "heartbeat.interval.ms": max(options.session_timeout_ms // 5, 200),
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "isolation.level": "read_uncommitted" if options.embedded else "read_committed",
                "fetch.wait.max.ms": _EMBEDDED_FETCH_WAIT_MS if options.embedded else _FETCH_WAIT_MS,
                "fetch.queue.backoff.ms": _FETCH_BACKOFF_MS,
                "queued.max.messages.kbytes": _QUEUE_KIB,
                "topic.metadata.refresh.interval.ms": _METADATA_MS,
                "error_cb": _log_error,
            }
        )

    def subscribe(self) -> None:
        """Join the group. Assignments come with `poll`."""
        self._consumer.subscribe(
            [self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def poll(self, limit: int, timeout_s: float, linger_s: float) -> Fetched:
        """Wait for a first record at most `timeout_s`, then `linger_s` for up to `limit`. Serves rebalances.

        Raises ConfigurationError if Kafka refuses.
        """
        fetched = Fetched()
        try:
            first = self._consumer.poll(timeout_s)
            if first is None:
                return fetched
            rest = self._consumer.consume(limit - 1, linger_s) if limit > 1 else []
        except KafkaException as exception:
            raise kafka_error(error_of(exception), self._options.brokers) from exception
        messages = fetched.messages
        for message in (first, *rest):
            error = message.error()
            if error is not None:
                self._note(error, message, fetched)
                continue
            partition = message.partition() or 0
            if partition in messages:
                messages[partition].append(message)
            else:
                messages[partition] = [message]
        if self._options.embedded:
            self._read_gaps_again(fetched)
        else:
            for partition, group in messages.items():
                self._check_times(partition, group, fetched)
        return fetched

    def _read_gaps_again(self, fetched: Fetched) -> None:
        """Leave out what comes behind a gap, and read on from the gap once more.

        The embedded broker lets a record be read while an earlier one, of another producer, is not in its place yet.
        Its logs have no other gaps; on Apache Kafka, where transactions leave some, that can't happen.
        """
        gaps = []
        for partition, messages in fetched.messages.items():
            expected = self._next.get(partition)
            if expected is None:
                continue
            count, expected = _without_gap(messages, expected)
            self._next[partition] = expected
            if count == len(messages):
                self._gap_reads.pop(partition, None)
            else:
                del messages[count:]
                gaps.append(partition)
        fetched.messages = {partition: messages for partition, messages in fetched.messages.items() if messages}
        for partition in gaps:
            offset = self._next[partition]
            place, tries = self._gap_reads.get(partition, (offset, 0))
            tries = tries + 1 if place == offset else 1
            self._gap_reads[partition] = offset, tries
            if tries <= _GAP_READS:
                self.start(partition, offset)
            else:
                fetched.problems[partition] = PauseError(
                    "records_missing",
                    f"The record at offset {offset} of partition {partition} of {self._topic} does not come, but later "
                    "ones do.",
                    remedy=f"The embedded broker has lost it. {REBUILD}",
                )

    def _note(self, error: KafkaError, message: Message, fetched: Fetched) -> None:
        if error.code() in _OUT_OF_RANGE:
            partition = message.partition() or 0
            fetched.problems[partition] = PauseError(
                "position_out_of_range",
                f"The log of partition {partition} of {self._topic} has no offset {message.offset()} any more.",
                remedy=f"Records were deleted before they were read. {REBUILD}",
            )
        elif not (error.retriable() or error.code() == KafkaError._PARTITION_EOF):  # noqa: SLF001
            _log_error(error)
            if isinstance(kafka_error(error, ""), UnavailableError):
                return
            raise kafka_error(error, self._options.brokers)

    def _check_times(self, partition: int, messages: list[Message], fetched: Fetched) -> None:
        if all(message.timestamp()[0] == TIMESTAMP_LOG_APPEND_TIME for message in messages):
            return
        fetched.problems[partition] = PauseError(
            "timestamp_type",
            f"Records of partition {partition} of {self._topic} carry their producers' times, not the log's.",
            remedy="Set message.timestamp.type=LogAppendTime on the topic; records written before that can't be used.",
        )

    def pause(self, partition: int) -> None:
        """Fetch nothing of the partition until it is resumed or started."""
        if partition in self._next:
            self._paused.add(partition)
            self._consumer.pause([TopicPartition(self._topic, partition)])

    def resume(self, partition: int) -> None:
        """Go on fetching where it was paused."""
        self._paused.discard(partition)
        self._consumer.resume([TopicPartition(self._topic, partition)])

    def start(self, partition: int, offset: int) -> None:
        """Read it from this offset on: what was fetched before never comes out of `poll`. Raises DoubtError."""
        place = TopicPartition(self._topic, partition, offset)
        again = self._next.pop(partition, None) is not None
        self._paused.discard(partition)
        try:
            if self._options.embedded:
                # Its groups are of the eager kind, in which an assignment is replaced as a whole.
                self._consumer.assign([place, *(TopicPartition(self._topic, *each) for each in self._next.items())])
                self._consumer.pause([TopicPartition(self._topic, each) for each in self._paused])
            else:
                if again:
                    self._consumer.incremental_unassign([place])
                self._consumer.incremental_assign([place])
            self._consumer.resume([place])
        except KafkaException as exception:
            raise DoubtError(
                f"Partition {partition} can't be read from offset {offset}: {error_of(exception).str()}.",
                remedy="It is acquired again.",
            ) from exception
        self._next[partition] = offset

    def end(self, partition: int) -> int | None:
        """The offset after the log's end, as of the last fetch. Doesn't block."""
        bounds = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), cached=True)
        return None if bounds is None or bounds[1] < 0 else int(bounds[1])

    def membership(self) -> bytes:
        """The group's metadata, to send with a transaction. Only from the thread that polls. Raises DoubtError."""
        metadata: bytes = self._consumer.consumer_group_metadata()
        # Asked after the metadata was read: an id that is gone now may be missing in there, and without it the
        # coordinator would take the offsets from anybody.
        if not self._consumer.memberid():
            raise DoubtError("This worker has lost its membership in the group.", remedy="It joins again.")
        return metadata

    def commit(self, offsets: Mapping[int, Committed]) -> bool:
        """Commit these offsets as a member; False if the group says no. Raises UnavailableError."""
        places = [TopicPartition(self._topic, p, k.offset, k.metadata()) for p, k in offsets.items()]
        try:
            answers = self._consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as exception:
            error = error_of(exception)
            if error.code() not in GROUP_REFUSES and error.code() not in _NOT_COMMITTED:
                raise kafka_error(error, self._options.brokers) from exception
            log.info("offsets are not committed: %s", error.str())
            return False
        return all(answer.error is None for answer in answers)

    def places(self, offsets: Mapping[int, Committed]) -> list[TopicPartition]:
        """The same as a transaction takes them."""
        return [TopicPartition(self._topic, p, k.offset, k.metadata()) for p, k in offsets.items()]

    def close(self) -> None:
        """Leave the group. Idempotent; serves the last revocation."""
        if not self._closing:
            self._closing = True
            self._consumer.close()

    def _assigned(self, consumer: Any, places: list[TopicPartition]) -> None:
        if not places:
            return
        # Answered with nothing: each is read from where its position says, once that is known.
        (consumer.assign if self._options.embedded else consumer.incremental_assign)([])
        self._on_assigned([place.partition for place in places])

    def _revoked(self, consumer: Any, places: list[TopicPartition]) -> None:
        partitions = [place.partition for place in places]
        read = [place for place in places if place.partition in self._next]
        if self._options.embedded:
            consumer.unassign()
        else:
            consumer.incremental_unassign(read)
        for partition in partitions:
            self._next.pop(partition, None)
            self._paused.discard(partition)
        self._on_revoked(partitions)


def _without_gap(messages: list[Message], expected: int) -> tuple[int, int]:
    """How many of the messages come before the first gap, and the offset that follows them."""
    first, last = messages[0].offset() or 0, messages[-1].offset() or 0
    if first <= expected and last - first == len(messages) - 1:
        return len(messages), max(last + 1, expected)
    for count, message in enumerate(messages):
        offset = message.offset() or 0
        if offset > expected:
            return count, expected
        expected = max(offset + 1, expected)
    return len(messages), expected


def _log_error(error: KafkaError) -> None:
    log.debug("librdkafka: %s", error.str())
