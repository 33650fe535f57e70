"""The first contact with Kafka: is anybody there, is the topic there, what can the broker do. Asked once, at the start.

kafka-python's own clients answer these questions late, by other means or not at all: a producer asking for a topic that
is missing makes the broker create one, with the wrong settings.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kafka import KafkaAdminClient
from kafka.errors import KafkaConfigurationError, KafkaError, KafkaTimeoutError, for_code
from kafka.net.compat import KafkaNetClient
from kafka.protocol.api_key import ApiKey

from stream.clock import Clock, SystemClock
from tagstream.errors import ClientConfigurationError, KafkaUnavailableError, SubscriptionError, TopicMissingError

__all__ = [
    "EMBEDDED_CLUSTER_PREFIX",
    "RECONNECT_MS",
    "Bootstrap",
    "TopicFacts",
    "ask_about_topic",
    "bootstrap_list",
    "make_client",
    "misconfigured",
]

Bootstrap = str | Sequence[str]
"""`host:port`, several with commas between them, or a sequence of such."""

EMBEDDED_CLUSTER_PREFIX: Final = "tagstream-"
"""How the cluster id of the embedded stack's broker begins. Apache Kafka's ids are 22 characters of base64."""
_CONFIGURATION_ERRORS: Final = (ValueError, TypeError, AssertionError, KafkaConfigurationError, RuntimeError)
"""What kafka-python raises for arguments it doesn't like."""
RECONNECT_MS: Final = 2_000
"""How long at most until a broker that went away is tried again; kafka-python's own 30 s keep everybody waiting."""
_DEFAULT_PORT: Final = "9092"
_TRY_S: Final = 2.0
_PAUSE_S: Final = 0.1
_SHORTEST_S: Final = 0.05
_UNKNOWN_TOPIC: Final = 3
"""Kafka's error code UNKNOWN_TOPIC_OR_PARTITION."""


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What Kafka says of a topic, and of itself.

    idempotence: the broker tells apart a producer's second try and a second message.
    embedded: it is the broker of Tagstream's embedded stack, which answers a waiting fetch late and lets members join a
        group late; clients ask it more often.
    """

    partition_count: int
    idempotence: bool
    embedded: bool


def bootstrap_list(bootstrap: Bootstrap) -> list[str]:
    """The addresses one by one. Raises `ClientConfigurationError` for one that can't be an address."""
    addresses = bootstrap.split(",") if isinstance(bootstrap, str) else list(bootstrap)
    addresses = [address.strip() for address in addresses if address.strip()]
    if not addresses:
        raise ClientConfigurationError("no Kafka address; pass host:port, such as localhost:9092")
    for address in addresses:
        host, separator, port = address.rpartition(":")
        if "://" in address or (separator and not (host and port.isascii() and port.isdigit() and int(port) < 65_536)):
            raise ClientConfigurationError(f"{address!r} is no Kafka address; pass host:port, such as localhost:9092")
    return addresses


def make_client(kind: Callable[..., Any], **configuration: Any) -> tuple[Any, Callable[[], None]]:
    """One of kafka-python's clients, and what ends its connections and thread without a word to the broker.

    A client that fails to start leaves its thread and sockets behind; here it doesn't.
    """
    connections: list[Any] = []
    connect = configuration.pop("kafka_client", KafkaNetClient)

    def connect_and_remember(**settings: Any) -> Any:
        connections.append(connect(**settings))
        return connections[-1]

    def hang_up() -> None:
        for connection in connections:
            connection.close()

    try:
        return kind(**configuration, kafka_client=connect_and_remember), hang_up
    except BaseException:
        hang_up()
        raise


def misconfigured(error: Exception) -> ClientConfigurationError:
    """The error a caller gets for options that kafka-python refuses."""
    return ClientConfigurationError(f"kafka-python does not take these options: {error}")


def _wait_for_anybody(addresses: list[str], clock: Clock, deadline_s: float) -> None:
    """Return once somebody listens at one of the addresses; raises the last `OSError` if nobody does in time.

    kafka-python would find out too, but leaves a socket open at each try, and does not say what went wrong.
    """
    failure = OSError("no address")
    while True:
        for address in addresses:
            host, _, port = address.rpartition(":") if address.rpartition(":")[1] else (address, "", _DEFAULT_PORT)
            try:
                timeout_s = max(min(deadline_s - clock.monotonic_s(), _TRY_S), _SHORTEST_S)
                with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s):
                    return
            except OSError as error:
                failure = error
        if clock.monotonic_s() + _PAUSE_S >= deadline_s:
            raise failure
        clock.sleep_s(_PAUSE_S)


def ask_about_topic(
    addresses: list[str], topic: str, *, timeout_s: float, options: Mapping[str, Any], client_id: str
) -> TopicFacts:
    """Ask Kafka about a topic, without creating it. Blocks for `timeout_s` at most.

    Raises `KafkaUnavailableError`, `TopicMissingError`, `SubscriptionError` (no rights), `ClientConfigurationError`.
    """
    shared = {name: value for name, value in options.items() if name in KafkaAdminClient.DEFAULT_CONFIG}
    shared.setdefault("request_timeout_ms", max(1, round(timeout_s * 1000)))
    where = ", ".join(addresses)
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + timeout_s
    try:
        if shared.get("proxy_url") is None:
            _wait_for_anybody(addresses, clock, deadline_s)
        left_s = max(deadline_s - clock.monotonic_s(), _SHORTEST_S)
        admin, _ = make_client(
            KafkaAdminClient,
            **{**shared, "client_id": client_id, "bootstrap_servers": addresses},
            bootstrap_timeout_ms=round(left_s * 1000),
        )
    except (KafkaTimeoutError, OSError) as error:
        reason = f" ({error.strerror or error})" if isinstance(error, OSError) else ""
        raise KafkaUnavailableError(
            f"no Kafka broker answers at {where} within {timeout_s:g} s{reason}; "
            "check the address and that the broker is running (`tagstream up` starts one on this machine)"
        ) from error
    except _CONFIGURATION_ERRORS as error:
        raise misconfigured(error) from error
    except KafkaError as error:
        raise SubscriptionError(f"Kafka at {where} refuses this client: {error}") from error
    try:
        description = admin.describe_topics([topic])[0]
        versions = admin.api_versions() if options.get("api_version") is None else None
        embedded = _is_embedded(admin)
    except KafkaTimeoutError as error:
        raise KafkaUnavailableError(f"Kafka at {where} stopped answering; try again") from error
    except KafkaError as error:
        raise SubscriptionError(f"Kafka at {where} does not tell about topic {topic!r}: {error}") from error
    finally:
        admin.close()
    if description["error_code"] == _UNKNOWN_TOPIC:
        raise TopicMissingError(
            f"topic {topic!r} does not exist on {where}; create it with `tagstream topics create`, "
            "or name the right app or topic"
        )
    if description["error_code"] != 0:
        raise SubscriptionError(
            f"Kafka at {where} does not tell about topic {topic!r}: {for_code(description['error_code']).__name__}"
        )
    return TopicFacts(
        partition_count=len(description["partitions"]),
        idempotence=versions is None or ApiKey.InitProducerId in versions,
        embedded=embedded,
    )


def _is_embedded(admin: KafkaAdminClient) -> bool:
    try:
        cluster = admin.describe_cluster()["cluster_id"]
    except KafkaError:
        # No right to ask: then it isn't ours, which has no rights to grant.
        return False
    return isinstance(cluster, str) and cluster.startswith(EMBEDDED_CLUSTER_PREFIX)
