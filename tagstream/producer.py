"""Sends events: builds them, checks them, and puts each user's into the partition where the engine expects them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Literal, Self
from uuid import uuid4

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.producer.future import RecordMetadata
from pydantic import ValidationError

from stream.clock import Clock, SystemClock
from tagstream.connection import RECONNECT_MS, Bootstrap, ask_about_topic, bootstrap_list, make_client, misconfigured
from tagstream.contracts.events import (
    MAX_AHEAD_MS,
    Alias,
    EventBase,
    Group,
    Identify,
    Page,
    Screen,
    Track,
    encode_event,
    invalid_event,
)
from tagstream.contracts.positions import Position
from tagstream.contracts.timestamps import from_ms, to_ms, to_text
from tagstream.errors import (
    ClientClosedError,
    DeliveryError,
    InvalidEventError,
    KafkaUnavailableError,
    Problem,
    TopicMissingError,
)
from tagstream.partitioning import partition_of
from tagstream.topics import DEFAULT_APP, EVENTS, check_topic, topic_name

__all__ = ["Compression", "Producer"]

Compression = Literal["gzip", "lz4", "snappy", "zstd"]

_MAX_REASONS: Final = 5
"""Different reasons that a `DeliveryError` names; the rest is counted only."""
_REQUEST_TIMEOUT_MS: Final = 30_000

_log = logging.getLogger(__name__)


class Producer:
    """Sends events to the `events` topic of an app. Safe to share between threads; one a process is enough.

    `track`, `identify`, `page`, `screen`, `alias` and `group` build an event, `send` takes one that is built. Each
    checks it, hands it to Kafka in the background and returns a future of its `Position`; an event that the engine
    would reject raises `InvalidEventError` at once and is not sent. Leaving a `with` block, `flush` and `close` wait
    for what is on its way and raise `DeliveryError` if any event failed.

    Events of one user arrive in the order sent, are acknowledged by all replicas, and are written once where the broker
    has idempotent producers.

    bootstrap: `host:port`, several with commas between them, or a sequence.
    app, topic: the app's name; the topic's, where it is not `{app}.events`.
    clock: what time it is. Stamps events without a timestamp, and every record.
    compression: needs its library, but for gzip.
    linger_ms: how long an event may wait for others to travel with.
    max_in_flight: with so many events on their way, sending blocks until some have arrived.
    delivery_timeout_s: an event that has not arrived after so long has failed.
    connect_timeout_s: how long the constructor waits for Kafka.
    options: more for kafka-python's `KafkaProducer`: `security_protocol`, `sasl_mechanism`, `ssl_cafile`, ….

    Raises `KafkaUnavailableError`, `TopicMissingError`, `SubscriptionError` (no rights), `ClientConfigurationError`.
    """

    def __init__(
        self,
        bootstrap: Bootstrap,
        *,
        app: str = DEFAULT_APP,
        topic: str | None = None,
        clock: Clock | None = None,
        compression: Compression | None = None,
        linger_ms: int = 2,
        max_in_flight: int = 20_000,
        delivery_timeout_s: float = 120.0,
        connect_timeout_s: float = 10.0,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.topic = topic_name(app, EVENTS) if topic is None else check_topic(topic)
        self._addresses = bootstrap_list(bootstrap)
        self._clock = clock if clock is not None else SystemClock()
        self._delivery_timeout_s = delivery_timeout_s
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(max_in_flight)
        self._pending = 0
        self._failed = 0
        self._reasons: list[str] = []
        self._closed = False
        client_id = f"tagstream-producer-{app}"
        extra = dict(options or {})
        facts = ask_about_topic(
            self._addresses, self.topic, timeout_s=connect_timeout_s, options=extra, client_id=client_id
        )
        self._partition_count = facts.partition_count
        self.idempotent = facts.idempotence and extra.pop("enable_idempotence", True)
        """Whether the broker drops what a retry would write twice."""
        if not self.idempotent:
            _log.warning(
                "the broker has no idempotent producers: an event may be written twice after a network error "
                "(the engine drops the second by its messageId)"
            )
        delivery_timeout_ms = max(1, round(delivery_timeout_s * 1000))
        try:
            self._kafka, _ = make_client(
                KafkaProducer,
                **{
                    "metrics_enabled": False,
                    "reconnect_backoff_max_ms": RECONNECT_MS,
                    "client_id": client_id,
                    "linger_ms": linger_ms,
                    "delivery_timeout_ms": delivery_timeout_ms,
                    "request_timeout_ms": max(1, min(_REQUEST_TIMEOUT_MS, delivery_timeout_ms - linger_ms)),
                    "max_block_ms": delivery_timeout_ms,
                    "bootstrap_timeout_ms": max(1, round(connect_timeout_s * 1000)),
                    "compression_type": compression,
                    **extra,
                    "bootstrap_servers": self._addresses,
                    "acks": "all",
                    "enable_idempotence": self.idempotent,
                },
            )
        except KafkaTimeoutError as error:
            raise self._unavailable() from error
        except (ValueError, TypeError, AssertionError, RuntimeError, KafkaError) as error:
            raise misconfigured(error) from error

    def track(
        self,
        user: str,
        event: str,
        properties: Mapping[str, Any] | None = None,
        *,
        timestamp: datetime | str | None = None,
        message_id: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Future[Position]:
        """A user did something: `track("ada", "Order Completed", {"revenue": 99.5})`."""
        return self._build(Track, user, timestamp, message_id, context, event=event, properties=properties)

    def identify(
        self,
        user: str,
        traits: Mapping[str, Any] | None = None,
        *,
        timestamp: datetime | str | None = None,
        message_id: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Future[Position]:
        """Who a user is: `identify("ada", {"age": 36})`. A trait that is None is removed."""
        return self._build(Identify, user, timestamp, message_id, context, traits=traits)

    def page(
        self,
        user: str,
        name: str | None = None,
        properties: Mapping[str, Any] | None = None,
        *,
        category: str | None = None,
        timestamp: datetime | str | None = None,
        message_id: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Future[Position]:
        """A user looked at a page of a web site; catalogs count it as `Page Viewed`."""
        fields = {"name": name, "category": category, "properties": properties}
        return self._build(Page, user, timestamp, message_id, context, **fields)

    def screen(
        self,
        user: str,
        name: str | None = None,
        properties: Mapping[str, Any] | None = None,
        *,
        category: str | None = None,
        timestamp: datetime | str | None = None,
        message_id: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Future[Position]:
        """A user looked at a screen of an app; catalogs count it as `Screen Viewed`."""
        fields = {"name": name, "category": category, "properties": properties}
        return self._build(Screen, user, timestamp, message_id, context, **fields)

    def alias(
        self,
        user: str,
        previous: str,
        *,
        timestamp: datetime | str | None = None,
        message_id: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Future[Position]:
        """A user was known under another id before."""
        return self._build(Alias, user, timestamp, message_id, context, previous_id=previous)

    def group(
        self,
        user: str,
        group: str,
        traits: Mapping[str, Any] | None = None,
        *,
        timestamp: datetime | str | None = None,
        message_id: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Future[Position]:
        """A user belongs to a group, such as a company; `traits` are the group's."""
        return self._build(Group, user, timestamp, message_id, context, group_id=group, traits=traits)

    def send(self, event: EventBase) -> Future[Position]:
        """Send an event that is built. Returns at once, unless `max_in_flight` events are on their way.

        Raises `InvalidEventError` (nothing sent), `KafkaUnavailableError` (nothing sent), `ClientClosedError`.
        """
        if self._closed:
            raise ClientClosedError("this producer is closed; make a new one")
        now_ms = self._clock.now_ms()
        ahead_ms = to_ms(event.timestamp) - now_ms
        if ahead_ms > MAX_AHEAD_MS:
            raise InvalidEventError(
                "the event is not valid, nothing was sent",
                (
                    Problem(
                        "timestamp",
                        f"{to_text(event.timestamp)} lies {ahead_ms / 3_600_000:.1f} h ahead of this machine's clock, "
                        "and 1 h is the most; check the clock, and send events when they happened",
                    ),
                ),
            )
        value = encode_event(event)
        if not self._room.acquire(timeout=self._delivery_timeout_s):
            raise self._unavailable()
        try:
            delivery = self._kafka.send(
                self.topic,
                key=event.user_id.encode(),
                value=value,
                partition=partition_of(event.user_id, self._partition_count),
                # Where the topic does not stamp records itself (the embedded stack), this is the log's time.
                timestamp_ms=now_ms,
            )
        except BaseException as error:
            self._room.release()
            if isinstance(error, KafkaTimeoutError):
                raise self._unavailable() from error
            if isinstance(error, ValueError):
                raise TopicMissingError(
                    f"topic {self.topic!r} is no longer as it was when this producer started ({error}); "
                    "look at it with `tagstream topics`, then make a new producer"
                ) from error
            raise
        return self._follow(delivery)

    def flush(self, timeout_s: float | None = None) -> None:
        """Wait until every event sent so far has arrived or failed.

        Raises `DeliveryError` with what failed since the last call, or is still on its way after `timeout_s`.
        """
        if self._closed:
            return
        try:
            self._kafka.flush(timeout_s)
        except KafkaTimeoutError:
            self._raise_failures(pending=True)
            return
        self._raise_failures(pending=False)

    def close(self, timeout_s: float | None = None) -> None:
        """Flush, and let go of Kafka. Idempotent. Raises `DeliveryError`, closed all the same."""
        if self._closed:
            return
        try:
            self.flush(timeout_s)
        finally:
            self._closed = True
            self._kafka.close(timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        try:
            self.close()
        except DeliveryError as failed:
            # The block's own error is the one to raise.
            _log.error("%s", failed)

    def _build(
        self,
        kind: Callable[..., EventBase],
        user: str,
        timestamp: datetime | str | None,
        message_id: str | None,
        context: Mapping[str, Any] | None,
        **fields: Any,
    ) -> Future[Position]:
        present = {name: dict(value) if isinstance(value, Mapping) else value for name, value in fields.items()}
        try:
            event = kind(
                user_id=user,
                timestamp=from_ms(self._clock.now_ms()) if timestamp is None else timestamp,
                message_id=str(uuid4()) if message_id is None else message_id,
                context=None if context is None else dict(context),
                **present,
            )
        except ValidationError as error:
            raise invalid_event(error, "the event is not valid, nothing was sent") from error
        return self.send(event)

    def _follow(self, delivery: Any) -> Future[Position]:
        """A standard future for kafka-python's own, and the counts for `flush`."""
        future: Future[Position] = Future()
        future.set_running_or_notify_cancel()
        with self._lock:
            self._pending += 1

        def arrived(record: RecordMetadata) -> None:
            self._count(None)
            future.set_result(Position(record.topic, record.partition, record.offset))

        def failed(error: BaseException) -> None:
            self._count(error)
            reported = DeliveryError(1, 0, (str(error),))
            reported.__cause__ = error
            future.set_exception(reported)

        delivery.add_callback(arrived)
        delivery.add_errback(failed)
        return future

    def _count(self, error: BaseException | None) -> None:
        self._room.release()
        with self._lock:
            self._pending -= 1
            if error is not None:
                self._failed += 1
                reason = str(error)
                if reason not in self._reasons and len(self._reasons) < _MAX_REASONS:
                    self._reasons.append(reason)

    def _raise_failures(self, *, pending: bool) -> None:
        with self._lock:
            failed, reasons = self._failed, tuple(self._reasons)
            on_their_way = self._pending if pending else 0
            self._failed = 0
            self._reasons.clear()
        if failed or on_their_way:
            raise DeliveryError(failed, on_their_way, reasons)

    def _unavailable(self) -> KafkaUnavailableError:
        return KafkaUnavailableError(
            f"Kafka at {', '.join(self._addresses)} does not take events for topic {self.topic!r}; "
            "nothing of this event was sent. Check that the broker is running, then send it again"
        )
