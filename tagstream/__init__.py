"""Tagstream for programs around it: send events, read who entered and left which segment.

    with Producer("localhost:9092") as producer:
        producer.track("ada", "Order Completed", {"revenue": 99.5})

    with Subscriber("localhost:9092", group="crm") as changes:
        for change in changes:
            if change.entered: ...

Needs kafka-python, crc32c and pydantic, nothing to compile. Parts are imported when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = [
    "Alias",
    "Change",
    "ClientClosedError",
    "ClientConfigurationError",
    "ClusterChanged",
    "DeadLetter",
    "DeliveryError",
    "Event",
    "Gap",
    "Group",
    "Identify",
    "InvalidEventError",
    "InvalidMessageError",
    "KafkaUnavailableError",
    "LevelChanged",
    "MalformedMessage",
    "OtherChange",
    "Page",
    "Position",
    "Producer",
    "Screen",
    "SeenVersion",
    "SegmentEntered",
    "SegmentExited",
    "Subscriber",
    "SubscriptionError",
    "TagstreamClientError",
    "TopicMissingError",
    "Track",
    "parse_change",
    "parse_dead_letter",
    "parse_event",
    "topic_name",
]

if TYPE_CHECKING:
    from tagstream.contracts import (
        Alias,
        Change,
        ClusterChanged,
        DeadLetter,
        Event,
        Group,
        Identify,
        LevelChanged,
        OtherChange,
        Page,
        Position,
        Screen,
        SegmentEntered,
        SegmentExited,
        Track,
        parse_change,
        parse_dead_letter,
        parse_event,
    )
    from tagstream.errors import (
        ClientClosedError,
        ClientConfigurationError,
        DeliveryError,
        InvalidEventError,
        InvalidMessageError,
        KafkaUnavailableError,
        SubscriptionError,
        TagstreamClientError,
        TopicMissingError,
    )
    from tagstream.producer import Producer
    from tagstream.subscriber import MalformedMessage, Subscriber
    from tagstream.topics import topic_name
    from tagstream.versions import Gap, SeenVersion

_HOMES = {
    "tagstream.producer": ("Producer",),
    "tagstream.subscriber": ("MalformedMessage", "Subscriber"),
    "tagstream.topics": ("topic_name",),
    "tagstream.versions": ("Gap", "SeenVersion"),
    "tagstream.errors": tuple(name for name in __all__ if name.endswith("Error")),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    # kafka-python takes a sixth of a second to import; a program that only parses messages need not wait for it.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF.get(name, "tagstream.contracts")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
