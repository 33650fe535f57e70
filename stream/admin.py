"""The way to Kafka's administration: a kafka-python client that is always closed, and errors that are sentences."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import (
    AuthorizationError,
    BrokerResponseError,
    KafkaError,
    RetriableError,
    SaslAuthenticationFailedError,
    UnsupportedVersionError,
)
from kafka.net.compat import KafkaNetClient

from stream.errors import ConfigurationError, TagstreamError, UnavailableError

__all__ = ["kafka_admin", "kafka_error"]

BOOTSTRAP_MS = 5_000
REQUEST_MS = 15_000


@contextlib.contextmanager
def kafka_admin(brokers: str) -> Iterator[KafkaAdminClient]:
    """An admin client of the brokers `host:port[,host:port…]`, closed at the end.

    Blocks until a broker answers, for 5 s at most; not at all where nothing listens. Raises UnavailableError (no broker
    answers, also midway) or ConfigurationError (Kafka refuses); also for what the caller does with the client.
    """
    made: list[KafkaNetClient] = []

    def client(**options: Any) -> KafkaNetClient:
        made.append(KafkaNetClient(**options))
        return made[-1]

    if not any(_listens(broker) for broker in brokers.split(",")):
        raise _no_answer(brokers)
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=brokers.split(","),
            client_id="tagstream-admin",
            bootstrap_timeout_ms=BOOTSTRAP_MS,
            request_timeout_ms=REQUEST_MS,
            kafka_client=client,
        )
    except KafkaError as error:
        for each in made:  # a client whose first contact failed keeps its thread, and its own `close` does nothing
            each.close()
        raise _no_answer(brokers) from error
    try:
        yield admin
    except KafkaError as error:
        raise kafka_error(error, brokers) from error
    finally:
        admin.close()


def _listens(broker: str) -> bool:
    """Whether anything takes a connection there: kafka-python would try for its whole time, and leave sockets open."""
    host, _, port = broker.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=BOOTSTRAP_MS / 1000).close()
    except OSError:
        return False
    return True


def _no_answer(brokers: str) -> UnavailableError:
    return UnavailableError(
        f"No Kafka broker answers at {brokers}.",
        remedy="Check that Kafka runs and that TAGSTREAM_KAFKA has its address.",
    )


def kafka_error(error: KafkaError, brokers: str) -> TagstreamError:
    """The sentence for an error of kafka-python."""
    what = type(error).__name__.removesuffix("Error")
    if isinstance(error, AuthorizationError | SaslAuthenticationFailedError):
        return ConfigurationError(
            f"Kafka at {brokers} does not allow this: {what}.", remedy="Give the client's user the rights."
        )
    if isinstance(error, UnsupportedVersionError):
        return ConfigurationError(f"Kafka at {brokers} is too old for this: {error}.", remedy="Use Kafka 4.")
    if isinstance(error, RetriableError) or not isinstance(error, BrokerResponseError):
        return UnavailableError(f"Kafka at {brokers} was lost or did not answer in time: {what}.", remedy="Try again.")
    return ConfigurationError(f"Kafka at {brokers} refused: {what}.")
