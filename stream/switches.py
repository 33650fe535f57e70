"""Switch records: where in a partition's log a new version of the catalog, or of a model, takes effect.

`apply` and the learner write one into every partition of `events`, without key and value, outside any transaction. A
switch is of one app, as several may read the same events. Which are newer than what runs is for the reader to see: one
that isn't is passed over, so one too many does no harm.

A control record that a worker must understand names its app: this is how one of a newer format is told from a record
that anybody wrote, which stops nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream.clock import Clock
from stream.kafka_clients import client_options, error_of, headers_of, kafka_error

__all__ = [
    "CONTROL_HEADER",
    "SWITCH",
    "MalformedControlError",
    "SwitchRecord",
    "UnknownControlError",
    "read_switch",
    "switch_headers",
    "write_switches",
]

log = logging.getLogger("tagstream.switches")

CONTROL_HEADER: Final = "tagstream"
"""The header of the records in the events log that are ours; its value says what they are."""

SWITCH: Final = b"switch"
_KIND_HEADER: Final = "tagstream-kind"
_MODEL_HEADER: Final = "tagstream-model"
_VERSION_HEADER: Final = "tagstream-version"
_APP_HEADER: Final = "tagstream-app"
_CATALOG: Final = b"catalog"
_MODEL: Final = b"model"
_TIMEOUT_S: Final = 15.0
_VERSION_DIGITS: Final = 18
"""A version fits into 64 bits."""


class UnknownControlError(ValueError):
    """A control record for this app, of a kind that this version doesn't know."""


class MalformedControlError(ValueError):
    """A record that is marked as a control record and can't be read as one of any version."""


@dataclass(frozen=True, slots=True)
class SwitchRecord:
    """A switch record in the events log. time_ms: its log time.  model: the model's name; None: it is the catalog's."""

    version: int
    offset: int
    time_ms: int
    model: str | None = None


def switch_headers(app: str, version: int, model: str | None = None) -> list[tuple[str, bytes]]:
    """The headers of the record that switches an app to a version of its catalog, or of a model."""
    kind = [(_KIND_HEADER, _CATALOG)] if model is None else [(_KIND_HEADER, _MODEL), (_MODEL_HEADER, model.encode())]
    return [
        (CONTROL_HEADER, SWITCH),
        *kind,
        (_VERSION_HEADER, str(version).encode()),
        (_APP_HEADER, app.encode()),
    ]


def read_switch(message: Message, app: str) -> SwitchRecord | None:
    """The switch that a control record stands for; None if it is another app's.

    Raises UnknownControlError, MalformedControlError.
    """
    headers = dict(headers_of(message))
    whose, kind, version = headers.get(_APP_HEADER), headers.get(_KIND_HEADER), headers.get(_VERSION_HEADER) or b""
    if whose is None:
        raise MalformedControlError(f"a control record without {_APP_HEADER}")
    if whose != app.encode():
        return None
    mark = headers.get(CONTROL_HEADER) or b""
    if mark != SWITCH:
        raise UnknownControlError(mark.decode(errors="replace"))
    if not kind:
        raise MalformedControlError(f"a switch without {_KIND_HEADER}")
    if kind not in {_CATALOG, _MODEL}:
        raise UnknownControlError(f"switch of {kind.decode(errors='replace')}")
    if not version.isdigit() or len(version) > _VERSION_DIGITS:
        raise MalformedControlError(f"a switch whose {_VERSION_HEADER} is no version")
    if kind == _CATALOG:
        return SwitchRecord(int(version), message.offset() or 0, message.timestamp()[1])
    model = (headers.get(_MODEL_HEADER) or b"").decode(errors="replace")
    if not model:
        raise MalformedControlError(f"a switch of a model without {_MODEL_HEADER}")
    return SwitchRecord(int(version), message.offset() or 0, message.timestamp()[1], model)


def write_switches(
    brokers: str,
    topic: str,
    *,
    app: str,
    version: int,
    partitions: Iterable[int],
    clock: Clock,
    model: str | None = None,
) -> None:
    """Append a switch record to each of these partitions. Blocks until all are there; may be done again.

    model: the model whose version it is; None: it is the catalog's.
    Raises UnavailableError or ConfigurationError; then some may be there.
    """
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failures.append(error)

    producer: Any = Producer(
        {
            **client_options(brokers, f"tagstream-{app}-switch"),
            "acks": "all",
            "linger.ms": 0,
            "message.timeout.ms": int(_TIMEOUT_S * 1000),
            "error_cb": lambda error: log.debug("librdkafka: %s", error.str()),
        }
    )
    try:
        for partition in partitions:
            producer.produce(
                topic,
                partition=partition,
                headers=switch_headers(app, version, model),
                timestamp=clock.now_ms(),
                on_delivery=delivered,
            )
        left = producer.flush(2 * _TIMEOUT_S)
    except KafkaException as exception:
        raise kafka_error(error_of(exception), brokers) from exception
    if failures or left:
        error = failures[0] if failures else KafkaError(KafkaError._TIMED_OUT)  # noqa: SLF001
        raise kafka_error(error, brokers)
