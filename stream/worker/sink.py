"""Publishing: the messages of steps and the offsets that go with them, in one of two modes of delivery.

Both keep to one rule: after any error or doubt the producer is destroyed, and what was published is found out by
acquiring the partitions again. A delayed answer to an old producer then can't end something of the new one.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from stream.clock import Clock
from stream.errors import UnavailableError
from stream.kafka_clients import GROUP_REFUSES, client_options, error_of, kafka_error
from stream.worker.bounded import BoundedCalls, GivenUpError
from stream.worker.errors import DoubtError, FencedError, SharedNameError
from stream.worker.outbox import Outgoing
from stream.worker.position import Committed

__all__ = ["PlainSink", "Publication", "RefusedMessageError", "Sink", "SinkOptions", "TransactionalSink"]

log = logging.getLogger("tagstream.worker")

_ABORT_S: Final = 2.0
_LATER_S: Final = 1.0  # the client's own timeout comes first, where it keeps it
_FENCED_AGAIN_S: Final = 60.0
_FENCED: Final = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    }
)
_ABOUT_THE_MESSAGE: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
    }
)


# A fatal error comes as an exception out of whatever the client is asked next, and if that is in the middle of delivery
# reports, as a SystemError around it.
_CLIENT_ERRORS: Final = (KafkaException, SystemError, GivenUpError)


def _kafka_exception(error: BaseException) -> KafkaException:
    """What the client means by it."""
    if isinstance(error, KafkaException):
        return error
    if isinstance(error.__cause__, KafkaException):
        return error.__cause__
    code = KafkaError._TIMED_OUT if isinstance(error, GivenUpError) else KafkaError._FATAL  # noqa: SLF001
    return KafkaException(KafkaError(code))


class RefusedMessageError(DoubtError):
    """Kafka takes the step's messages only after somebody has changed something."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What a step of one partition publishes, and the K that goes with it. Without messages: K alone."""

    partition: int
    messages: Sequence[Outgoing]
    committed: Committed


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """topics: name by kind.  name: of this worker.  timeout_s: how long a publication may take."""

    brokers: str
    app: str
    name: str
    topics: Mapping[str, str]
    timeout_s: float

    @property
    def transactional_id(self) -> str:
        return f"tagstream-{self.app}-{self.name}"


class Sink(Protocol):
    """Where steps are published. `stand` may be called by any thread, the rest by the one that polls the source."""

    published: dict[str, dict[int, int]]
    """By kind of topic and partition, the offset after the last message that this sink knows to be there."""
    published_steps: dict[int, int]
    """By partition of the events, the newest step whose messages this sink knows to be there."""

    @property
    def standing(self) -> bool:
        """Whether there is a producer to publish with."""
        ...

    def stand(self) -> None:
        """Make a producer if there is none, end what the last of its name left open. Raises UnavailableError."""
        ...

    def publish(self, publications: Sequence[Publication], membership: bytes) -> None:
        """Publish all and commit their offsets; returns when it is certain. Not idempotent.

        membership: of the group, as it was before the steps were computed.
        Raises DoubtError, for whatever reason: acquire these partitions again.
        """
        ...

    def drop(self) -> None:
        """Destroy the producer. Idempotent."""
        ...

    def close(self) -> None:
        """Drop the producer for good. Idempotent."""
        ...


@dataclass(slots=True)
class _Deliveries:
    """Counts delivery reports of one publication: errors come in callbacks only."""

    error: KafkaError | None = None
    count: int = 0
    after: dict[tuple[str, int], int] = field(default_factory=dict)

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.error = self.error or error
            return
        self.count += 1
        # Of one partition the reports come in order; every message that goes there later lies behind this one.
        self.after[message.topic() or "", message.partition() or 0] = (message.offset() or 0) + 1


class _Producing:
    """What both sinks do alike."""

    def __init__(self, options: SinkOptions, clock: Clock, configuration: Mapping[str, Any]) -> None:
        self.published: dict[str, dict[int, int]] = {}
        self.published_steps: dict[int, int] = {}
        self._options = options
        self._clock = clock
        self._kinds = {name: kind for kind, name in options.topics.items()}
        self._configuration = {
            **client_options(options.brokers, f"tagstream-{options.app}-{options.name}"),
            "linger.ms": 0,
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",  # where Java's and kafka-python's producers would put the user
            "error_cb": lambda error: log.debug("librdkafka: %s", error.str()),
            **configuration,
        }
        self._standing = threading.Lock()
        self._producer: Any = None

    @property
    def standing(self) -> bool:
        return self._producer is not None

    def drop(self) -> None:
        with self._standing:
            producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(*_CLIENT_ERRORS):
                producer.purge()

    def close(self) -> None:
        self.drop()

    def _send(self, producer: Any, publications: Sequence[Publication], deliveries: _Deliveries) -> int:
        """Hand all messages to the producer; how many."""
        now_ms = self._clock.now_ms()
        topics = self._options.topics
        count = 0
        for publication in publications:
            for message in publication.messages:
                options = {
                    "key": message.key,
                    "headers": list(message.headers),
                    "on_delivery": deliveries,
                    "timestamp": now_ms,
                }
                while True:
                    try:
                        producer.produce(topics[message.kind], message.value, **options)
                    except BufferError:  # its queue is full: let it send, and take what came back
                        producer.poll(0.01)
                    else:
                        break
                count += 1
        return count

    def _await(self, producer: Any, deliveries: _Deliveries, count: int) -> None:
        """Return when all messages are known to be there."""
        left = producer.flush(self._options.timeout_s)
        if deliveries.error is not None:
            raise KafkaException(deliveries.error)
        if left or deliveries.count != count:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001

    def _learn(self, publications: Sequence[Publication], deliveries: _Deliveries) -> None:
        for publication in publications:
            self.published_steps[publication.partition] = publication.committed.step or 0
        for (topic, partition), offset in deliveries.after.items():
            self.published.setdefault(self._kinds[topic], {})[partition] = offset

    def _doubt(self, exception: KafkaException) -> DoubtError:
        error = error_of(exception)
        if error.code() in _ABOUT_THE_MESSAGE:
            return RefusedMessageError(
                f"Kafka at {self._options.brokers} doesn't take a step's messages: {error.str()}.",
                remedy="`tagstream topics` says what is wrong with the topics.",
            )
        if error.code() in GROUP_REFUSES:
            return FencedError(
                "The workers' group was rearranged while a step was being published.",
                remedy="It is taken back; whoever owns the partitions now acquires them.",
            )
        cause = kafka_error(error, self._options.brokers)
        return DoubtError(cause.message, remedy=cause.remedy)


class PlainSink(_Producing):
    """At least once: idempotent produce, flush, then commit the offsets.

    After a crash the outbox is sent again; subscribers drop a change that isn't above the user's last version.
    """

    def __init__(self, options: SinkOptions, clock: Clock, commit: Callable[[Mapping[int, Committed]], bool]) -> None:
        super().__init__(options, clock, {"message.timeout.ms": int(options.timeout_s * 1000)})
        self._commit = commit

    def stand(self) -> None:
        with self._standing:
            if self._producer is None:
                self._producer = Producer(self._configuration)

    def publish(self, publications: Sequence[Publication], membership: bytes) -> None:  # noqa: ARG002  # Sink's
        producer, deliveries = self._producer, _Deliveries()
        try:
            self._await(producer, deliveries, self._send(producer, publications, deliveries))
        except _CLIENT_ERRORS as error:
            exception = _kafka_exception(error)
            if error_of(exception).code() == KafkaError._UNSUPPORTED_FEATURE:  # noqa: SLF001
                self._configuration["enable.idempotence"] = False  # an old broker
            self.drop()
            raise self._doubt(exception) from error
        self._learn(publications, deliveries)
        # A commit that the group refuses takes nothing back: what is sent is sent, and K says less than is true.
        try:
            self._commit({publication.partition: publication.committed for publication in publications})
        except UnavailableError as error:
            raise DoubtError(error.message, remedy=error.remedy) from error


class TransactionalSink(_Producing):
    """Exactly once: the messages and the offsets of all publications in one Kafka transaction (KIP-447)."""

    def __init__(
        self,
        options: SinkOptions,
        clock: Clock,
        places: Callable[[Mapping[int, Committed]], list[TopicPartition]],
        *,
        transaction_timeout_ms: int,
    ) -> None:
        super().__init__(
            options,
            clock,
            {
                "transactional.id": options.transactional_id,
                "transaction.timeout.ms": transaction_timeout_ms,
                "message.timeout.ms": transaction_timeout_ms,
            },
        )
        self._places = places
        self._fenced_s: float | None = None
        self._bounded = BoundedCalls("tagstream-offsets")

    def stand(self) -> None:
        with self._standing:
            if self._producer is not None:
                return
            producer = Producer(self._configuration)
            try:
                producer.init_transactions(self._options.timeout_s)
            except KafkaException as exception:
                raise kafka_error(error_of(exception), self._options.brokers) from exception
            self._producer = producer

    def publish(self, publications: Sequence[Publication], membership: bytes) -> None:
        producer, deliveries = self._producer, _Deliveries()
        offsets = {publication.partition: publication.committed for publication in publications}
        with self._ended_on_error(producer, deliveries):
            producer.begin_transaction()
            count = self._send(producer, publications, deliveries)
            # While the messages are on their way, the offsets go too; nothing is visible before the commit.
            places, timeout_s = self._places(offsets), self._options.timeout_s
            self._bounded.call(
                lambda: producer.send_offsets_to_transaction(places, membership, timeout_s), timeout_s + _LATER_S
            )
            self._await(producer, deliveries, count)
            producer.commit_transaction(self._options.timeout_s)
        self._learn(publications, deliveries)

    @contextlib.contextmanager
    def _ended_on_error(self, producer: Any, deliveries: _Deliveries) -> Iterator[None]:
        try:
            yield
        except _CLIENT_ERRORS as error:
            exception = _kafka_exception(error)
            with contextlib.suppress(*_CLIENT_ERRORS):  # the client may say once more what is the matter
                producer.poll(0)
            # A message that was refused fails the transaction, and whatever is asked of it afterwards.
            cause = exception if deliveries.error is None else KafkaException(deliveries.error)
            # Ending it at once frees readers; if that fails too, the next producer of the name does it.
            with contextlib.suppress(*_CLIENT_ERRORS):
                producer.abort_transaction(_ABORT_S)
            self.drop()
            if error_of(exception).code() in _FENCED:
                self._fenced()
            raise self._doubt(cause) from error

    def close(self) -> None:
        super().close()
        self._bounded.close()

    def _fenced(self) -> None:
        """Once may be a transaction that took too long; twice within a minute is somebody of the same name."""
        now_s = self._clock.monotonic_s()
        if self._fenced_s is not None and now_s - self._fenced_s < _FENCED_AGAIN_S:
            raise SharedNameError(
                f"Another worker of the same name, {self._options.name}, runs at the same time.",
                remedy="Give each worker a TAGSTREAM_WORKER of its own, or unset it.",
            )
        self._fenced_s = now_s
