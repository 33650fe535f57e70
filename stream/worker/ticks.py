"""Ticks: records without content that let time pass on a quiet partition.

A tick goes by a producer of its own, outside any transaction: it moves the watermark and nothing else, so one too many,
or one of a worker that doesn't own the partition any more, does no harm, and one that is lost is written again.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from confluent_kafka import Producer

from stream.clock import Clock
from stream.kafka_clients import client_options
from stream.switches import CONTROL_HEADER

__all__ = ["TICK", "TickWriter"]

log = logging.getLogger("tagstream.worker")

TICK: Final = b"tick"

_TIMEOUT_MS: Final = 10_000


class TickWriter:
    """Appends ticks to the events topic. Never blocks, never raises for what Kafka does."""

    def __init__(self, brokers: str, topic: str, client_id: str, clock: Clock) -> None:
        self._topic = topic
        self._clock = clock
        self._configuration = {
            **client_options(brokers, client_id),
            "linger.ms": 0,
            "acks": "all",
            "message.timeout.ms": _TIMEOUT_MS,
            "error_cb": lambda error: log.debug("librdkafka: %s", error.str()),
        }
        self._producer: Any = None

    def write(self, partition: int) -> None:
        """Append a tick. Its log time is the broker's; on the embedded broker the clock's."""
        if self._producer is None:
            self._producer = Producer(self._configuration)
        self._producer.poll(0)
        try:
            self._producer.produce(
                self._topic,
                partition=partition,
                headers=[(CONTROL_HEADER, TICK)],
                timestamp=self._clock.now_ms(),
            )
        except BufferError:  # the broker has been away for long: there are ticks enough on their way
            log.debug("no tick is written: too many wait for the broker")

    def close(self) -> None:
        """Forget the ticks on their way. Idempotent."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
