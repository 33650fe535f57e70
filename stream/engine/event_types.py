"""The shape in which events are decoded: msgspec types with just those properties and traits that a catalog reads.

Everything else of an event is skipped by msgspec, which still holds it to the grammar of JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec

__all__ = ["EVENT_TYPES", "ReadEvent", "event_type", "fields_of"]

EVENT_TYPES = ("track", "identify", "page", "screen", "alias", "group")
"""The `type`s of the Segment spec."""


class ReadEvent(Protocol):
    """An event as decoded: known fields under their own names, absent ones None.

    `properties` and `traits` have the fields `p0`, `p1`, … in the order of the plan. An absent trait is
    `msgspec.UNSET`, since null removes one; so is an absent property of a plan's `null_columns`, while others are None.
    """

    type: str
    user: str
    timestamp: str
    event: str | None
    message_id: str | None
    name: str | None
    properties: Any
    traits: Any
    context: Any


_EventType = Literal["track", "identify", "page", "screen", "alias", "group"]
_JSON_NAMES = {"user": "userId", "message_id": "messageId"}


def fields_of(what: str, names: Sequence[str], absent: Sequence[object]) -> type[msgspec.Struct]:
    """A struct of any values named `names` in JSON, `p0`, `p1`, … in Python; `absent` of each where there is none.

    Raises ValueError where a name has a character that JSON writes as an escape: msgspec cannot look for it.
    """
    fields = [(f"p{place}", Any, nothing) for place, nothing in zip(range(len(names)), absent, strict=True)]
    renamed = {f"p{place}": name for place, name in enumerate(names)}
    return msgspec.defstruct(what, fields, rename=renamed, gc=False, frozen=True)


def event_type(properties: type[msgspec.Struct], traits: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The struct of one event. `gc=False`: it holds nothing that could refer back to it."""
    nothing = fields_of("Context", (), ())
    return msgspec.defstruct(
        "Event",
        [
            ("type", _EventType),
            ("user", str),
            ("timestamp", str),
            ("event", str | None, None),
            ("message_id", str | None, None),
            ("name", str | None, None),
            ("properties", properties | None, None),
            ("traits", traits | None, None),
            ("context", nothing | None, None),
        ],
        rename=_JSON_NAMES,
        gc=False,
        frozen=True,
    )
