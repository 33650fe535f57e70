"""One record's bytes → one event: the reference's own decoder, slow and by the letter of the design.

It shares no code with `stream.engine.decode`, so that the two can be held against each other. A record that is no event
raises `RecordError` with the code of its reason; the checks come in one order, and the first that fails names it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from typing import TypeGuard

__all__ = [
    "COUNTED_NAMES",
    "MAX_MAGNITUDE",
    "Event",
    "Reads",
    "RecordError",
    "cut_text",
    "hash_of_user",
    "is_number",
    "number_as_double",
    "read_event",
    "units_of",
]

MAX_RECORD_BYTES = 262_144
MAX_DEPTH = 64
MAX_USER_BYTES = 512
MAX_TEXT_BYTES = 256
MAX_BYTES_OF_CHARACTER = 4
MAX_MAGNITUDE = 10**12
UNITS_PER_ONE = 10**6

EVENT_TYPES = ("track", "identify", "page", "screen", "alias", "group")
COUNTED_NAMES: dict[str, str] = {"page": "Page Viewed", "screen": "Screen Viewed"}
"""The name under which an event of a type without a name of its own is counted."""

EPOCH_DAY = date(1970, 1, 1).toordinal()
DAY_MS = 86_400_000

TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]"
    r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:([Zz])|([+-])([0-9]{2}):([0-9]{2}))"
)


class RecordError(ValueError):
    """A record that is no event. `reason` is the code that dead letters and metrics carry."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Event:
    """One event as its record says it.

    t_ms: its timestamp, ms since 1970.  name: the name it is counted under, None for types that are not counted.
    message_id: None when it has none.  properties, traits: as decoded from JSON (`traits` only of `identify`), a number
    that no double holds as None.
    """

    user: str
    type: str
    name: str | None
    t_ms: int
    message_id: str | None
    properties: Mapping[str, object]
    traits: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Reads:
    """What a catalog is particular about in events.

    summed: (event name, property) pairs that are aggregated as a number (`sum mean min max`), where something else is
    refused.
    """

    summed: AbstractSet[tuple[str, str]] = frozenset()


def read_event(value: bytes | None, horizon_ms: int, reads: Reads) -> Event:
    """The event of a record. horizon_ms: the newest timestamp that is not too far ahead. Raises RecordError."""
    document = _document(value)
    user = _user(document)
    type_ = document.get("type")
    if type_ is None:
        raise RecordError("no_type", "the event has no type")
    if not isinstance(type_, str) or type_ not in EVENT_TYPES:
        raise RecordError("unknown_type", f"the type is {type_!r}")
    name = _name(document, type_)
    t_ms = _timestamp(document, horizon_ms)
    for field in ("event", "messageId", "name"):
        if not isinstance(document.get(field), str | None):
            raise RecordError("wrong_type", f"{field} is not a string")
    properties, traits, _ = (_object(document, field) for field in ("properties", "traits", "context"))
    if type_ != "identify":
        traits = {}
    if name is not None:
        _check_summed(name, properties, reads.summed)
    message_id = document.get("messageId")
    return Event(
        user=user,
        type=type_,
        name=name,
        t_ms=t_ms,
        message_id=str(message_id) if message_id else None,
        properties=_held_by_doubles(properties),
        traits=_held_by_doubles(traits),
    )


def _document(value: bytes | None) -> dict[str, object]:
    if value is None:
        raise RecordError("not_json", "the record has no value")
    if len(value) > MAX_RECORD_BYTES:
        raise RecordError("too_large", f"{len(value)} bytes, at most {MAX_RECORD_BYTES} are allowed")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError("not_utf8", str(error)) from None
    if max(_depths(text), default=0) > MAX_DEPTH:
        raise RecordError("too_deep", f"nested deeper than {MAX_DEPTH} levels")
    try:
        document = json.loads(text, parse_constant=_refuse_constant, parse_int=_integer, object_pairs_hook=_members)
        _refuse_surrogates(document)
    except ValueError as error:
        raise RecordError("not_json", str(error)) from None
    if not isinstance(document, dict):
        raise RecordError("not_object", f"the record is a JSON {type(document).__name__}")
    return document


def _depths(text: str) -> Iterator[int]:
    """The nesting depth after each opening bracket outside strings."""
    depth = 0
    in_string = False
    escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            yield depth
        elif character in "]}":
            depth -= 1


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object; of members of one name the last counts, but each must be sound."""
    _refuse_surrogates(pairs)
    return dict(pairs)


def _refuse_surrogates(value: object) -> None:
    """An escaped half of a surrogate pair is no text (UnicodeEncodeError is a ValueError)."""
    json.dumps(value, ensure_ascii=False).encode("utf-8")


def _refuse_constant(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _integer(digits: str) -> int | float:
    """An integer; one of absurd length is the double nearest to it (Python refuses to read such)."""
    return int(digits) if len(digits) <= 4300 else float(digits)


def _user(document: Mapping[str, object]) -> str:
    user = document.get("userId")
    if user is None or user == "":
        raise RecordError("no_user", "the event has no userId")
    if not isinstance(user, str):
        raise RecordError("bad_user", "userId is not a string")
    if len(user.encode("utf-8")) > MAX_USER_BYTES:
        raise RecordError("user_too_long", f"userId is longer than {MAX_USER_BYTES} bytes")
    return user


def _name(document: Mapping[str, object], type_: str) -> str | None:
    """The name an event is counted under: `event` of a track, a fixed one of page and screen, else None."""
    if type_ != "track":
        return COUNTED_NAMES.get(type_)
    name = document.get("event")
    if name is None or name == "":
        raise RecordError("no_name", "the track event has no name")
    if not isinstance(name, str):
        raise RecordError("wrong_type", "event is not a string")
    return name


def _timestamp(document: Mapping[str, object], horizon_ms: int) -> int:
    text = document.get("timestamp")
    if text is None:
        raise RecordError("no_timestamp", "the event has no timestamp")
    match = TIMESTAMP.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise RecordError("bad_timestamp", f"{text!r} is no RFC 3339 timestamp")
    year, month, day, hour, minute, second = (int(match[group]) for group in range(1, 7))
    fraction_ms = int(((match[7] or "") + "000")[:3])
    if hour > 23 or minute > 59 or second > 60:
        raise RecordError("bad_timestamp", f"{text!r} is no time of day")
    offset_ms = 0
    if match[8] is None:
        if int(match[10]) > 23 or int(match[11]) > 59:
            raise RecordError("bad_timestamp", f"{text!r} has no possible offset")
        offset_ms = (int(match[10]) * 60 + int(match[11])) * 60_000 * (-1 if match[9] == "-" else 1)
    try:
        # Python knows no year 0; 400 years are always 146 097 days.
        days = date(year or 400, month, day).toordinal() - EPOCH_DAY - (0 if year else 146_097)
    except ValueError:
        raise RecordError("bad_timestamp", f"{text!r} is no day") from None
    minute_ms = days * DAY_MS + (hour * 60 + minute) * 60_000 - offset_ms
    if second == 60 and minute_ms % DAY_MS != DAY_MS - 60_000:
        raise RecordError("bad_timestamp", f"{text!r} is no leap second, which ends a day in UTC")
    t_ms = minute_ms + second * 1000 + fraction_ms
    if t_ms < 0:
        raise RecordError("too_early", f"{text!r} is before 1970")
    if t_ms > horizon_ms:
        raise RecordError("too_far_ahead", f"{text!r} is too far ahead")
    return t_ms


def _object(document: Mapping[str, object], field: str) -> Mapping[str, object]:
    value = document.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RecordError("wrong_type", f"{field} is not an object")
    return value


def _held_by_doubles(members: Mapping[str, object]) -> dict[str, object]:
    """The members, a number that no double holds as None; what an object or an array holds is not looked at."""
    return {
        name: None if is_number(value) and number_as_double(value) is None else value for name, value in members.items()
    }


def _check_summed(name: str, properties: Mapping[str, object], summed: AbstractSet[tuple[str, str]]) -> None:
    """What the catalog aggregates as a number is a number small enough, absent or null."""
    for event, key in sorted(summed):
        value = properties.get(key)
        if event != name or value is None:
            continue
        if not is_number(value):
            raise RecordError("not_a_number", f"property {key!r} of {name!r} is aggregated as a number and is none")
        if abs(value) >= MAX_MAGNITUDE:
            raise RecordError("number_too_large", f"property {key!r} of {name!r} is 10^12 or more in magnitude")


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a decoded JSON value is a number (Python's booleans are ints, JSON's are not)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def units_of(number: float) -> int:
    """A summed number in whole millionths: of an integer exactly, else round-half-even of the double 10⁶·x."""
    if isinstance(number, int):
        return number * UNITS_PER_ONE
    return round(1e6 * number)


def cut_text(text: str) -> str:
    """The text kept to 256 bytes of UTF-8, cut at a character boundary."""
    if len(text) * MAX_BYTES_OF_CHARACTER <= MAX_TEXT_BYTES:
        return text
    return text.encode("utf-8")[:MAX_TEXT_BYTES].decode("utf-8", errors="ignore")


def hash_of_user(user: str) -> int:
    """murmur2 of the user's UTF-8 bytes as Kafka's partitioner computes it, made positive (`& 0x7fffffff`)."""
    data = user.encode("utf-8")
    mask = 0xFFFFFFFF
    multiplier = 0x5BD1E995
    value = (0x9747B28C ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * multiplier & mask
        word = (word ^ (word >> 24)) * multiplier & mask
        value = (value * multiplier & mask) ^ word
    if len(data) > whole:
        value = (value ^ int.from_bytes(data[whole:], "little")) * multiplier & mask
    value = (value ^ (value >> 13)) * multiplier & mask
    return (value ^ (value >> 15)) & 0x7FFFFFFF


def number_as_double(value: float) -> float | None:
    """A JSON number as a double; None when it is too large for one."""
    try:
        double = float(value)
    except OverflowError:
        return None
    return double if math.isfinite(double) else None
