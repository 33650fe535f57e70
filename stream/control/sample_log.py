"""The newest samples of a model, read off `profile-samples` for whoever looks at them; nothing is committed."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream.clock import Clock
from stream.embedded import Addresses
from stream.errors import ConfigurationError
from stream.kafka_clients import client_options, error_of, kafka_error
from stream.learning import LearningError, Sample, parse_sample
from stream.settings import Settings

__all__ = ["MOST_SAMPLES", "read_samples"]

MOST_SAMPLES: Final = 200_000
_CALL_S: Final = 10.0
_SILENCE_S: Final = 15.0
_AHEAD_MS: Final = 3_600_000
_POLL_S: Final = 0.05
_BATCH: Final = 1_000


def read_samples(
    settings: Settings, addresses: Addresses, model: str, clock: Clock, *, last_ms: int, labels: bool
) -> list[Sample]:
    """The samples of the last `last_ms` before the newest one, in their order; at most the newest 200,000.

    labels: those with a label only, else those without. What can't be read is left out. Blocks.
    Raises UnavailableError, or ConfigurationError if the topic isn't there.
    """
    found: deque[Sample] = deque(maxlen=MOST_SAMPLES)
    consumer: Any = Consumer(
        {
            **client_options(addresses.kafka, f"tagstream-{settings.app}-samples"),
            "group.id": f"tagstream-{settings.app}-samples",  # never joined, never committed to
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "error_cb": lambda _: None,
        }
    )
    # Of whatever is ahead of this no app's clock can have come to it; the demo's lies in the past.
    latest_ms = clock.now_ms() + _AHEAD_MS
    try:
        unread = _assign(consumer, settings, addresses, clock.now_ms() - last_ms)
        heard_s = clock.monotonic_s()
        while unread:
            for message in consumer.consume(_BATCH, _POLL_S):
                heard_s = clock.monotonic_s()
                error = message.error()
                if error is None:
                    _take(message, model, found, labels=labels, latest_ms=latest_ms)
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                    unread.discard(message.partition())
                elif not error.retriable():
                    raise kafka_error(error, addresses.kafka)
            if clock.monotonic_s() - heard_s > _SILENCE_S:
                raise kafka_error(KafkaError(KafkaError._TIMED_OUT), addresses.kafka)  # noqa: SLF001
    except KafkaException as exception:
        raise kafka_error(error_of(exception), addresses.kafka) from exception
    finally:
        consumer.close()
    newest_ms = max((each.at_ms for each in found), default=0)
    return sorted((each for each in found if each.at_ms > newest_ms - last_ms), key=lambda each: each.at_ms)


def _assign(consumer: Any, settings: Settings, addresses: Addresses, since_ms: int) -> set[int]:
    """Begin where records of that time begin; on the embedded broker, whose times may be made up, at the start."""
    topic = settings.profile_samples_topic
    described = consumer.list_topics(topic, _CALL_S).topics[topic]
    if described.error is not None:
        if described.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise ConfigurationError(f"{topic}: The topic is not there.", remedy="Run `tagstream topics create`.")
        raise KafkaException(described.error)
    places = [TopicPartition(topic, each, OFFSET_BEGINNING) for each in described.partitions]
    if not addresses.embedded:
        asked = [TopicPartition(topic, each, since_ms) for each in described.partitions]
        places = [
            TopicPartition(topic, each.partition, each.offset if each.offset >= 0 else OFFSET_END)
            for each in consumer.offsets_for_times(asked, _CALL_S)
        ]
    consumer.assign(places)
    return set(described.partitions)


def _take(message: Message, model: str, found: deque[Sample], *, labels: bool, latest_ms: int) -> None:
    try:
        sample = parse_sample(message.value() or b"")
    except LearningError:
        return
    if sample.model == model and (sample.label is not None) == labels and sample.at_ms <= latest_ms:
        found.append(sample)
