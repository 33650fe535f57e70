"""What all our librdkafka clients share: configuration, and errors that are sentences."""

from __future__ import annotations

import logging
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message

from stream.errors import ConfigurationError, TagstreamError, unavailable

__all__ = ["GROUP_REFUSES", "client_options", "error_of", "headers_of", "kafka_error"]

log = logging.getLogger("tagstream.kafka")

RETRY_BACKOFF_MS: Final = 20
"""librdkafka's default of 100 makes every transaction 114 ms long: the coordinator answers CONCURRENT_TRANSACTIONS
while the last one closes, and the client waits so long before it asks again (measured on Apache Kafka 4.1)."""

GROUP_REFUSES: Final = frozenset(
    {
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.UNKNOWN_MEMBER_ID,
    }
)
"""What the coordinator says to offsets of a member that isn't one any more, or not of this generation."""

_RECONNECT_MS: Final = 250
_RECONNECT_MAX_MS: Final = 1_000
_REFUSED: Final = frozenset(
    {
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError._AUTHENTICATION,  # noqa: SLF001  # librdkafka's own codes are spelt so
    }
)


class _Quiet:
    """Takes librdkafka's log lines: several a second while a broker is away, and the worker says once what matters."""

    def log(self, level: int, text: str, *values: object) -> None:  # noqa: ARG002  # as a logger has it
        """At debug level, whatever librdkafka thinks of it."""
        log.debug(text, *values)


def client_options(brokers: str, client_id: str) -> dict[str, Any]:
    """Options that every client gets."""
    return {
        "bootstrap.servers": brokers,
        "client.id": client_id,
        "retry.backoff.ms": RETRY_BACKOFF_MS,
        "reconnect.backoff.ms": _RECONNECT_MS,
        "reconnect.backoff.max.ms": _RECONNECT_MAX_MS,
        "socket.nagle.disable": True,
        "log.connection.close": False,
        "logger": _Quiet(),
    }


def error_of(exception: KafkaException) -> KafkaError:
    """The error inside the exception."""
    error: KafkaError = exception.args[0]
    return error


def headers_of(message: Message) -> list[tuple[str, bytes | None]]:
    """A message's headers in order."""
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    return [(name, value.encode() if isinstance(value, str) else value) for name, value in pairs]


def kafka_error(error: KafkaError, brokers: str) -> TagstreamError:
    """The sentence for an error of librdkafka that is no answer to one message: refused, or not there."""
    if error.code() in _REFUSED:
        return ConfigurationError(
            f"Kafka at {brokers} does not allow this: {error.str()}.", remedy="Give the client's user the rights."
        )
    return unavailable("Kafka", brokers, error.str())
