"""Messages of `events`: behaviour in the Segment spec, JSON, keyed by the user's UTF-8 bytes.

What these models take, the engine takes (but for what a catalog asks of a property, and a timestamp too far ahead,
which only the worker can tell). The engine is more patient in two things: `alias` and `group` without the id of the
other side pass there, and so does a number that no double holds, as a null.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from tagstream.contracts.json_values import AnyJson, JsonObject
from tagstream.contracts.problems import problems_of
from tagstream.contracts.timestamps import Timestamp
from tagstream.errors import InvalidEventError, Problem

__all__ = [
    "EVENT_TYPES",
    "MAX_AHEAD_MS",
    "MAX_EVENT_BYTES",
    "MAX_USER_BYTES",
    "PAGE_VIEWED",
    "SCREEN_VIEWED",
    "Alias",
    "Event",
    "EventBase",
    "Group",
    "Identify",
    "Page",
    "Screen",
    "Track",
    "encode_event",
    "event_json_schema",
    "parse_event",
]

MAX_USER_BYTES: Final = 512
MAX_EVENT_BYTES: Final = 262_144
"""256 KiB: a record's value, as it lies in Kafka."""
MAX_AHEAD_MS: Final = 3_600_000
"""An event may be this much newer than its record's log time; beyond, its sender's clock is wrong."""
PAGE_VIEWED: Final = "Page Viewed"
"""The name under which a catalog counts `page` events."""
SCREEN_VIEWED: Final = "Screen Viewed"
"""The name under which a catalog counts `screen` events."""


def _check_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError("text", "holds half a surrogate pair, which UTF-8 cannot write") from None
    return text


def _check_user(user: str) -> str:
    size = len(_check_text(user).encode())
    if size == 0:
        raise PydanticCustomError("user", "is empty; every event belongs to a user")
    if size > MAX_USER_BYTES:
        raise PydanticCustomError(
            "user",
            "has {size} bytes in UTF-8, and {limit} is the most; use a shorter id",
            {"size": size, "limit": MAX_USER_BYTES},
        )
    return user


def _check_name(name: str) -> str:
    if not name:
        raise PydanticCustomError("event_name", "is empty; name what the user did, such as Order Completed")
    return _check_text(name)


Text = Annotated[str, AfterValidator(_check_text)]
User = Annotated[
    str,
    AfterValidator(_check_user),
    WithJsonSchema(
        {"type": "string", "minLength": 1, "maxLength": MAX_USER_BYTES, "description": "1 to 512 bytes of UTF-8."}
    ),
]
EventName = Annotated[str, AfterValidator(_check_name), WithJsonSchema({"type": "string", "minLength": 1})]


_KNOWN_FIELDS: Final = {"event": str, "name": str, "properties": dict, "traits": dict}
"""Fields that the engine checks in events of every type."""


class EventBase(BaseModel):
    """What all events have. Fields are camelCase on the wire (`userId`), snake_case here; others stay as they are."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="allow",
        frozen=True,
        serialize_by_alias=True,
        strict=True,
        validate_by_alias=True,
        validate_by_name=True,
    )
    __pydantic_extra__: dict[str, AnyJson]

    type: str
    user_id: User
    timestamp: Timestamp = Field(description="When it happened, not when it was sent.")
    message_id: Text | None = Field(
        default=None,
        description="Of two events of a user with the same id within 24 h, the second is dropped. Empty means none.",
    )
    anonymous_id: Text | None = None
    context: JsonObject | None = None

    @model_validator(mode="after")
    def _check_fields_of_other_types(self) -> Self:
        """A `track` has no use for `traits`; but where it has them, they are an object like everywhere."""
        for name, found in (self.model_extra or {}).items():
            expected = _KNOWN_FIELDS.get(name)
            if expected is not None and found is not None and not isinstance(found, expected):
                raise PydanticCustomError(
                    "known_field",
                    "is of type {kind}, and must be {expected}",
                    {
                        "path": name,
                        "kind": type(found).__name__,
                        "expected": "text" if expected is str else "an object",
                    },
                )
        return self


class Track(EventBase):
    """A user did something."""

    type: Literal["track"] = "track"
    event: EventName = Field(description="What the user did; compared exactly, with case.")
    properties: JsonObject | None = None


class Identify(EventBase):
    """Who a user is: traits, each replacing an older value of its name. `null` removes one."""

    type: Literal["identify"] = "identify"
    traits: JsonObject | None = None


class Page(EventBase):
    """A user looked at a page of a web site. Catalogs know it as `Page Viewed`, whatever its name."""

    type: Literal["page"] = "page"
    name: Text | None = None
    category: Text | None = None
    properties: JsonObject | None = None


class Screen(EventBase):
    """A user looked at a screen of an app. Catalogs know it as `Screen Viewed`, whatever its name."""

    type: Literal["screen"] = "screen"
    name: Text | None = None
    category: Text | None = None
    properties: JsonObject | None = None


class Alias(EventBase):
    """A user was known under another id before. Accepted, not counted."""

    type: Literal["alias"] = "alias"
    previous_id: User


class Group(EventBase):
    """A user belongs to a company, a family, a team. Accepted, not counted."""

    type: Literal["group"] = "group"
    group_id: Text
    traits: JsonObject | None = None


Event = Annotated[Track | Identify | Page | Screen | Alias | Group, Field(discriminator="type")]
"""Any event; `type` tells which."""

EVENT_TYPES: Final = ("track", "identify", "page", "screen", "alias", "group")


@cache
def _adapter() -> TypeAdapter[Track | Identify | Page | Screen | Alias | Group]:
    return TypeAdapter(Event)


def _too_large(size: int) -> InvalidEventError:
    return InvalidEventError(
        "the event is not valid",
        (Problem("", f"it has {size} bytes, and {MAX_EVENT_BYTES} (256 KiB) is the most; send less with it"),),
    )


def invalid_event(error: ValidationError, subject: str = "the event is not valid") -> InvalidEventError:
    """The error a caller gets for what pydantic found."""
    problems = []
    for problem, detail in zip(problems_of(error, tags=EVENT_TYPES), error.errors(include_url=False), strict=True):
        if detail["type"] in {"union_tag_invalid", "union_tag_not_found"}:
            problems.append(Problem("type", f"must be one of {', '.join(EVENT_TYPES)}"))
        elif detail["type"] == "json_invalid":
            problems.append(Problem("", f"it is no JSON: {detail['ctx']['error']}"))
        else:
            problems.append(problem)
    return InvalidEventError(subject, tuple(problems))


def parse_event(value: bytes) -> Track | Identify | Page | Screen | Alias | Group:
    """A record's value as an event. Raises `InvalidEventError` with everything that is wrong."""
    if len(value) > MAX_EVENT_BYTES:
        raise _too_large(len(value))
    try:
        return _adapter().validate_json(value)
    except ValidationError as error:
        raise invalid_event(error) from error


def encode_event(event: EventBase) -> bytes:
    """The bytes of an event: compact UTF-8 JSON, fields that are None left out. `InvalidEventError` over 256 KiB."""
    # `exclude_none` would also take nulls out of traits, where they remove a trait: only the model's own fields matter.
    absent = {name for name in type(event).model_fields if getattr(event, name) is None}
    value = event.model_dump_json(exclude=absent).encode()
    if len(value) > MAX_EVENT_BYTES:
        raise _too_large(len(value))
    return value


def event_json_schema() -> dict[str, Any]:
    """JSON Schema of any event, as it is on the wire."""
    return _adapter().json_schema(by_alias=True)
