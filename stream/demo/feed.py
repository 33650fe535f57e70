"""Sends the shop's traffic at the pace of the demo's clock, and reads back what comes of it: three threads.

The past goes out as fast as Kafka takes it, each record stamped with its log time in the shop. Once the worker is done
with it the shop opens: its clock starts, and events go out when they happen. What the worker computes follows from the
shop's seed alone, however slow the machine is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from stream.clock import Clock
from stream.demo.learned import Learned
from stream.demo.shop import Delivery
from stream.demo.tally import Tally
from stream.errors import TagstreamError, UnavailableError
from stream.settings import Settings
from tagstream.contracts.deadletters import REASON_HEADER
from tagstream.subscriber import Subscriber

__all__ = ["Feed"]

_PACE_S: Final = 0.04
_BURST: Final = 2_000  # sent between two looks at the clock and at the callbacks
_WAIT_S: Final = 0.25
_JOIN_S: Final = 10.0
_GROUP: Final = "demo"
_PARTITIONER: Final = "murmur2"  # librdkafka's default hashes otherwise and would put users where they don't belong


class Feed:
    """The demo's producer, subscriber and reader of dead letters. A context manager: leaving it ends the threads.

    opening_ms: what of the traffic is before it is the past.  clock: for real seconds; the shop's comes with `open`.
    `check` raises what went wrong in a thread.
    """

    def __init__(
        self,
        settings: Settings,
        kafka: str,
        tally: Tally,
        learned: Learned,
        traffic: Iterator[Delivery],
        *,
        opening_ms: int,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._kafka = kafka
        self._tally = tally
        self._learned = learned
        self._traffic = traffic
        self._opening_ms = opening_ms
        self._clock = clock
        self._shop_clock: Clock | None = None
        self._opened = threading.Event()
        self._no_more = threading.Event()
        self._stop = threading.Event()
        self._failed: list[Exception] = []
        self._lost = 0
        self.past_sent = threading.Event()
        """Set once all of the past is in Kafka."""
        self.past_ends: dict[int, int] = {}
        """By partition, the offset after the past's last event; whole once `past_sent` is set."""
        self.newest_ms = 0
        """The log time of the newest event sent."""
        self._threads = {
            name: threading.Thread(target=self._guarded, args=(work,), name=f"demo {name}", daemon=True)
            for name, work in (("shop", self._sell), ("changes", self._subscribe), ("letters", self._read_letters))
        }

    def __enter__(self) -> Self:
        for thread in self._threads.values():
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._no_more.set()
        self._opened.set()
        self._stop.set()
        for thread in self._threads.values():
            thread.join(_JOIN_S)

    def check(self) -> None:
        """Raise the first error of a thread."""
        if self._failed:
            raise self._failed[0]

    def open(self, shop_clock: Clock) -> None:
        """The shop opens: from now on its events go out when they happen by this clock."""
        self._shop_clock = shop_clock
        self._opened.set()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  # a thread's outer loop: `check` raises it in the main thread
            self._failed.append(error)
            self._stop.set()

    def _sell(self) -> None:
        producer = Producer(
            {
                "bootstrap.servers": self._kafka,
                "acks": "all",
                "linger.ms": 2,
                "partitioner": _PARTITIONER,
                "queue.buffering.max.messages": 200_000,
                "error_cb": _ignore,
            }
        )
        waiting = self._send_past(producer)
        self._opened.wait()
        while self._shop_clock is not None and not self._no_more.is_set():
            now_ms, burst = self._shop_clock.now_ms(), 0
            on_delivery = self._placer(self._clock.monotonic_s())
            while waiting.at_ms <= now_ms and burst < _BURST:
                self._send(producer, waiting, on_delivery)
                self.newest_ms = waiting.at_ms
                waiting, burst = next(self._traffic), burst + 1
            self._tally.add_sent(burst, past=False)
            producer.poll(0)
            if burst < _BURST:
                self._no_more.wait(_PACE_S)
        left = producer.flush(_JOIN_S)
        if left:
            raise UnavailableError(f"{left} events did not reach the embedded broker.", remedy="Try again.")

    def _send_past(self, producer: Producer) -> Delivery:
        """Send what happened before the opening; returns the first event after it, not sent yet."""
        waiting, burst = next(self._traffic), 0
        while waiting.at_ms < self._opening_ms and not self._no_more.is_set():
            self._send(producer, waiting, self._past_placed)
            self.newest_ms = waiting.at_ms
            waiting, burst = next(self._traffic), burst + 1
            if burst == _BURST:
                self._tally.add_sent(burst, past=True)
                producer.poll(0)
                burst = 0
        self._tally.add_sent(burst, past=True)
        while producer.flush(_WAIT_S) and not self._no_more.is_set():
            pass
        if self._lost:
            raise UnavailableError(f"{self._lost} events did not reach the embedded broker.", remedy="Try again.")
        self.past_sent.set()
        return waiting

    def _past_placed(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._lost += 1
            return
        partition, end = message.partition(), message.offset() + 1
        if end > self.past_ends.get(partition, 0):
            self.past_ends[partition] = end

    def _send(self, producer: Producer, delivery: Delivery, on_delivery: Callable[..., None]) -> None:
        while True:
            try:
                producer.produce(
                    self._settings.events_topic,
                    key=delivery.user.encode(),
                    value=delivery.value,
                    timestamp=delivery.at_ms,
                    on_delivery=on_delivery,
                )
            except BufferError:  # the past goes out faster than Kafka takes it
                producer.poll(0.05)
                if self._no_more.is_set():
                    return
            else:
                return

    def _placer(self, sent_s: float) -> Callable[[Any, Any], None]:
        def placed(error: KafkaError | None, message: Any) -> None:
            if error is None:
                self._tally.add_place(message.partition(), message.offset(), sent_s)

        return placed

    def _subscribe(self) -> None:
        topic = self._settings.segment_changes_topic
        with Subscriber(self._kafka, group=_GROUP, topic=topic, session_timeout_s=2.5) as changes:
            while not self._stop.is_set():
                change = changes.next_change(_WAIT_S)
                if change is not None:
                    self._tally.add_change(change, self._clock.monotonic_s())
                    self._learned.add_change(change, live=self._tally.is_live)

    def _read_letters(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self._kafka,
                "group.id": f"{_GROUP}-letters",
                "enable.auto.commit": False,
                "error_cb": _ignore,
            }
        )
        try:
            topic = self._settings.events_dlq_topic
            partitions = consumer.list_topics(topic, timeout=_JOIN_S).topics[topic].partitions
            consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
            while not self._stop.is_set():
                for message in consumer.consume(100, timeout=_WAIT_S):
                    if message.error() is None:
                        self._tally.add_dead_letter(_reason(message.headers()))
        except KafkaException as error:
            raise TagstreamError(f"The dead letters can't be read: {error}.", remedy="Try again.") from error
        finally:
            consumer.close()


def _reason(headers: Any) -> str:
    for name, value in headers or ():
        if name == REASON_HEADER and isinstance(value, bytes):
            return value.decode()
    return "unknown"


def _ignore(_: KafkaError) -> None:
    """Nothing: librdkafka retries by itself, and would write to stderr, in the middle of the view."""
