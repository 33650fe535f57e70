"""The slow decoder: what is wrong with a record that the fast one would not take, checked one field after the other.

Its verdict is the decoder's; the fast path only decides which records need it. The order of the checks is fixed (size,
UTF-8, depth, JSON, object, user, type, name, timestamp, other fields, numbers), so a record has one reason, always.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from stream.engine.event_types import EVENT_TYPES
from stream.engine.joined import bracket_depth
from stream.engine.timestamps import NO_TIME, parse_timestamps
from stream.engine.values import NUMBER_LIMIT

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_USER_BYTES",
    "Fields",
    "RefusedError",
    "check_bytes",
    "check_fields",
    "check_numbers",
    "read_fields",
    "read_members",
]

MAX_BYTES = 262_144
MAX_DEPTH = 64
MAX_USER_BYTES = 512
_SHOWN_CHARACTERS = 40

Fields = dict[str, msgspec.Raw]
"""The members of one object, each as its bytes; of members of one name the last."""


class RefusedError(Exception):
    """A record is no event: `reason` is the code it is counted by, `detail` a sentence for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def check_bytes(value: bytes | None) -> bytes:
    """The bytes of a record that is there, small enough, UTF-8 and not nested too deeply; raises RefusedError."""
    if value is None:
        raise RefusedError("not_json", "the record has no value; expected a JSON object")
    if len(value) > MAX_BYTES:
        raise RefusedError("too_large", f"the record is {len(value):,} bytes long; at most {MAX_BYTES:,} are taken")
    try:
        value.decode()
    except UnicodeDecodeError as error:
        raise RefusedError("not_utf8", f"not UTF-8 at byte {error.start + 1}: {error.reason}") from None
    depth = bracket_depth(np.frombuffer(value, np.uint8))
    if depth > MAX_DEPTH:
        raise RefusedError("too_deep", f"arrays and objects are nested {depth} deep; at most {MAX_DEPTH} are taken")
    return value


def read_fields(value: bytes) -> Fields:
    """The members of the object that the record is; raises RefusedError."""
    try:
        whole = msgspec.json.decode(value, type=msgspec.Raw)
    except msgspec.DecodeError as error:
        if not value.strip():
            raise RefusedError("not_json", "the record is blank; expected a JSON object") from None
        raise RefusedError("not_json", _say_json_error(error)) from None
    if _first_byte(whole) != ord("{"):
        raise RefusedError("not_object", f"the record is {_describe(whole)}; expected an object, one event")
    return msgspec.json.decode(whole, type=Fields)


def check_fields(fields: Fields, horizon_ms: int) -> dict[str, str | None]:
    """The known fields that are strings, by their names in Python; all other known fields are sound too.

    Raises RefusedError.
    """
    user = _check_user(_value(fields, "userId"))
    kind = _check_type(_value(fields, "type"))
    event = _value(fields, "event")
    if kind == "track":
        _check_name(event)
    timestamp = _check_timestamp(_value(fields, "timestamp"), horizon_ms)
    strings = {"event": event, "message_id": _value(fields, "messageId"), "name": _value(fields, "name")}
    for field, found in strings.items():
        if found is not None and not isinstance(found, str):
            name = "messageId" if field == "message_id" else field
            raise RefusedError("wrong_type", f"{name} is {_describe(found)}; expected a string or null")
    for field in ("properties", "traits", "context"):
        raw = fields.get(field)
        if raw is not None and _first_byte(raw) not in b"{n":
            raise RefusedError("wrong_type", f"{field} is {_describe(raw)}; expected an object or null")
    return {"user": user, "type": kind, "timestamp": timestamp, **strings}


def read_members(fields: Fields, field: str, names: Sequence[str]) -> dict[str, Any]:
    """The values of those of the members `names` that the object `field` has.

    An array or object is its bytes, a number that no double can hold an infinity, or an integer of many digits.
    """
    raw = fields.get(field)
    if raw is None or _first_byte(raw) != ord("{"):
        return {}
    members = msgspec.json.decode(raw, type=Fields)
    return {name: _value(members, name) for name in names if name in members}


def check_numbers(properties: dict[str, Any], summed: set[str]) -> None:
    """Of the properties that the catalog sums in this event, each must be a number below `NUMBER_LIMIT` in magnitude.

    Null and absent are no numbers, but nothing to sum either. Of several that are none, the first by name gives the
    reason. Raises RefusedError.
    """
    for name in sorted(summed & properties.keys()):
        value = properties[name]
        if value is None:
            continue
        found = f"properties.{name} is {_describe(value)}; the catalog sums it, so expected a number"
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise RefusedError("not_a_number", found)
        if abs(value) >= NUMBER_LIMIT:
            raise RefusedError("number_too_large", f"{found} below 10¹² in magnitude")


def _value(fields: Fields, name: str) -> Any:
    """The decoded member: None where it is absent, an infinity for a number of a magnitude that msgspec refuses.

    An array or object stays as its bytes: nothing looks into it, so nothing in it can be wrong.
    """
    raw = fields.get(name)
    if raw is None:
        return None
    if _first_byte(raw) in b"[{":
        return raw
    try:
        return msgspec.json.decode(raw)
    except msgspec.ValidationError:  # the grammar has been checked; what can still be wrong is the range of a number
        return math.inf


def _is_infinite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isinf(float(value))
    except OverflowError:
        return True


def _check_user(user: object) -> str:
    if user is None or user == "":
        raise RefusedError("no_user", "userId is missing; expected a string, not empty")
    if not isinstance(user, str):
        raise RefusedError("bad_user", f"userId is {_describe(user)}; expected a string")
    length = len(user.encode())
    if length > MAX_USER_BYTES:
        raise RefusedError("user_too_long", f"userId is {length:,} bytes long; at most {MAX_USER_BYTES} are taken")
    return user


def _check_type(kind: object) -> str:
    if kind is None:
        raise RefusedError("no_type", f"type is missing; expected one of {', '.join(EVENT_TYPES)}")
    if not isinstance(kind, str) or kind not in EVENT_TYPES:
        raise RefusedError("unknown_type", f"type is {_describe(kind)}; expected one of {', '.join(EVENT_TYPES)}")
    return kind


def _check_name(name: object) -> None:
    if name is None or name == "":
        raise RefusedError("no_name", "event is missing; a track event has its name there, a string, not empty")
    if not isinstance(name, str):
        raise RefusedError("wrong_type", f"event is {_describe(name)}; expected the event's name, a string")


def _check_timestamp(text: object, horizon_ms: int) -> str:
    example = "RFC 3339 with an offset or Z, such as 2026-01-31T09:30:00.000Z"
    if text is None:
        raise RefusedError("no_timestamp", f"timestamp is missing; expected {example}")
    if not isinstance(text, str):
        raise RefusedError("bad_timestamp", f"timestamp is {_describe(text)}; expected a string, {example}")
    time_ms = int(parse_timestamps([text])[0])
    if time_ms == NO_TIME:
        raise RefusedError("bad_timestamp", f"timestamp is {_describe(text)}; expected {example}")
    if time_ms < 0:
        raise RefusedError("too_early", f"timestamp is {_describe(text)}; expected a time from 1970 on")
    if time_ms > horizon_ms:
        ahead_s = (time_ms - horizon_ms) / 1000
        raise RefusedError(
            "too_far_ahead",
            f"timestamp is {_describe(text)}, {ahead_s:,.3f} s past the latest taken, an hour after it was logged",
        )
    return text


def _first_byte(raw: msgspec.Raw) -> int:
    return memoryview(raw)[0]


def _describe(value: object) -> str:
    """A JSON value in words, cut short: `the number 17`, `the string "F…"`, `an array`."""
    if isinstance(value, msgspec.Raw):
        first = _first_byte(value)
        if first in b"[{":
            return "an array" if first == ord("[") else "an object"
        try:
            value = msgspec.json.decode(value)
        except msgspec.ValidationError:
            value = math.inf
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'the string "{_shorten(value)}"'
    if _is_infinite(value):
        return "a number too large for a double"
    if isinstance(value, (int, float)):
        return f"the number {_shorten(str(value))}"
    raise TypeError(f"no value of JSON: {value!r}")


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def _say_json_error(error: msgspec.DecodeError) -> str:
    text = str(error)
    if "truncated" in text:
        return "not JSON: the record ends in the middle of a value"
    if "trailing characters" in text:
        place = text[text.rfind("(") :]
        return f"not one JSON value: something follows its end {place}; a record holds one event"
    return f"not JSON: {text.removeprefix('JSON is malformed: ')}"
