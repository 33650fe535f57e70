"""Samples of users, published for whoever learns from them: by a plain producer, after the step, and never in its way.

They may be lost or come twice. What is above the bound, or finds the producer's queue full, is dropped and counted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Final

from confluent_kafka import KafkaError, Message, Producer

from stream.clock import Clock
from stream.kafka_clients import client_options
from stream.learning import Sample, encode_sample
from stream.metrics import Metrics
from stream.worker.steps import Step

__all__ = ["SampleWriter"]

log = logging.getLogger("tagstream.worker")

_QUEUE_MESSAGES: Final = 20_000
_QUEUE_KIB: Final = 16 * 1024
_LINGER_MS: Final = 500  # learning is in no hurry, and brokers like batches
_TIMEOUT_MS: Final = 10_000
_CLOSE_S: Final = 1.0


class SampleWriter:
    """Writes samples to one topic, at most `per_s` a second and so many at once. One thread's.

    Never blocks (but `close`, for a second), never raises for what Kafka does.
    """

    def __init__(self, brokers: str, topic: str, client_id: str, *, per_s: int, clock: Clock, metrics: Metrics) -> None:
        self._topic = topic
        self._per_s = per_s
        self._clock = clock
        self._metrics = metrics
        self._left = float(per_s)
        self._counted_s = clock.monotonic_s()
        self._configuration = {
            **client_options(brokers, client_id),
            "linger.ms": _LINGER_MS,
            "acks": 1,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
            "message.timeout.ms": _TIMEOUT_MS,
            "queue.buffering.max.messages": _QUEUE_MESSAGES,
            "queue.buffering.max.kbytes": _QUEUE_KIB,
            "error_cb": lambda error: log.debug("librdkafka: %s", error.str()),
        }
        self._producer: Any = None

    def write(self, step: Step) -> None:
        """Publish a step's samples."""
        rows = step.result.samples
        if not rows:
            return
        allowed = self._allowed(len(rows))
        position = step.position
        self._send(
            Sample(
                model=row.model,
                user=row.user,
                at_ms=row.at_ms,
                why=row.why,
                values=tuple(row.values),
                label=row.label,
                opened_ms=row.opened_ms,
                catalog=position.catalog,
                catalog_version=position.catalog_version,
            )
            for row in rows[:allowed]
        )
        if allowed < len(rows):
            self._dropped("above_bound", len(rows) - allowed)

    def serve(self) -> None:
        """Take in which samples have been delivered, and which haven't."""
        if self._producer is not None:
            self._producer.poll(0)

    def close(self) -> None:
        """Publish what is on its way, for a second at most. Idempotent."""
        producer, self._producer = self._producer, None
        if producer is not None:
            left = producer.flush(_CLOSE_S)
            if left:
                self._dropped("not_delivered", left)
                producer.purge()

    def _send(self, samples: Iterable[Sample]) -> None:
        if self._producer is None:
            self._producer = Producer(self._configuration)
        producer = self._producer
        producer.poll(0)
        now_ms = self._clock.now_ms()
        for sample in samples:
            key = sample.model.encode()
            try:
                producer.produce(self._topic, encode_sample(sample), key, timestamp=now_ms, on_delivery=self._delivered)
            except BufferError:  # the broker is away, or slower than samples come
                self._dropped("queue_full", 1)

    def _allowed(self, wanted: int) -> int:
        """How many may go now. What wasn't used is kept for a second."""
        now_s = self._clock.monotonic_s()
        self._left = min(self._left + (now_s - self._counted_s) * self._per_s, float(self._per_s))
        self._counted_s = now_s
        allowed = min(wanted, int(self._left))
        self._left -= allowed
        return allowed

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self._metrics.samples.labels((message.key() or b"").decode()).inc()
        else:
            self._dropped("not_delivered", 1)

    def _dropped(self, reason: str, count: int) -> None:
        self._metrics.samples_dropped.labels(reason).inc(count)
