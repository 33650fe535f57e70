from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from tagstream.contracts import Alias, Group, Identify, Page, Screen, Track, encode_event, parse_event
from tagstream.contracts.events import EventBase, invalid_event
from tagstream.errors import InvalidEventError

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TRACK = {"type": "track", "userId": "ada", "event": "Signed Up", "timestamp": "2026-11-22T12:00:00Z"}

ONE_OF_EACH: list[EventBase] = [
    Track(
        user_id="ada", timestamp=NOON, event="Order Completed", properties={"revenue": 99.5, "items": [{"sku": "a"}]}
    ),
    Identify(user_id="李雷", timestamp=NOON, traits={"age": 36, "gender": None}),
    Page(user_id="ada", timestamp=NOON, name="Home", category="Shop"),
    Screen(user_id="ada", timestamp=NOON, message_id="m-1", context={"app": {"version": "1.2"}}),
    Alias(user_id="ada", timestamp=NOON, previous_id="visitor-7"),
    Group(user_id="ada", timestamp=NOON, group_id="acme", traits={"plan": "gold"}),
]


def problems_with(**changes: Any) -> list[str]:
    """What is wrong with an event that was right before `changes`; a field set to `...` is taken out."""
    fields = {name: value for name, value in {**TRACK, **changes}.items() if value is not ...}
    with pytest.raises(InvalidEventError) as caught:
        parse_event(json.dumps(fields).encode())
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: event.type)
def test_an_event_comes_back_as_it_was_sent(event: EventBase) -> None:
    assert parse_event(encode_event(event)) == event


def test_an_event_on_the_wire_is_compact_utf8_in_the_spelling_of_the_segment_spec() -> None:
    event = Identify(user_id="李雷", timestamp=NOON, message_id="m", traits={"city": "上海", "gender": None})
    assert encode_event(event).decode() == (
        '{"type":"identify","userId":"李雷","timestamp":"2026-11-22T12:00:00.000Z","messageId":"m",'
        '"traits":{"city":"上海","gender":null}}'
    )


def test_fields_of_the_senders_own_are_kept() -> None:
    event = parse_event(json.dumps({**TRACK, "integrations": {"all": True}, "channel": "web"}).encode())
    assert json.loads(encode_event(event))["integrations"] == {"all": True}
    assert json.loads(encode_event(event))["channel"] == "web"


def test_null_fields_are_absent_fields() -> None:
    nothing = {"properties": None, "context": None, "messageId": None, "anonymousId": None, "traits": None}
    assert parse_event(json.dumps({**TRACK, **nothing}).encode()).message_id is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T12:00:00Z", NOON),
        ("2026-11-22t12:00:00z", NOON),
        ("2026-11-22 12:00:00Z", NOON),
        ("2026-11-22T20:00:00+08:00", NOON),
        ("2026-11-22T07:30:00.000-04:30", NOON),
        ("2026-11-22T12:00:00.1259999Z", NOON + timedelta(milliseconds=125)),
        ("2026-11-22T12:00:00.1Z", NOON + timedelta(milliseconds=100)),
        ("2016-12-31T23:59:60.5Z", datetime(2017, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("2017-01-01T07:59:60+08:00", datetime(2017, 1, 1, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_timestamps_are_rfc_3339_cut_to_milliseconds(text: str, expected: datetime) -> None:
    assert parse_event(json.dumps({**TRACK, "timestamp": text}).encode()).timestamp == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22", "2026-11-22T12:00:00", "2026-11-22T12:00:00+0800", "2026-11-22T12:00:00.Z",
        "2026-11-22T24:00:00Z", "2026-02-29T12:00:00Z", "2026-13-01T12:00:00Z", "2026-11-22T12:00:60Z",
        "2026-11-22T12:00:00+24:00", "", "now", "２０２６-11-22T12:00:00Z", "1795348800",
    ],
)  # fmt: skip
def test_other_times_are_refused(text: str) -> None:
    (problem,) = problems_with(timestamp=text)
    assert problem.startswith("timestamp: ")


def test_a_time_before_1970_is_refused() -> None:
    assert problems_with(timestamp="1969-12-31T23:59:59.999Z") == [
        "timestamp: lies before 1970; times start at 1970-01-01T00:00:00Z"
    ]


def test_a_datetime_must_say_its_time_zone() -> None:
    with pytest.raises(ValidationError, match="without a time zone could be any moment"):
        Track(user_id="ada", event="x", timestamp=datetime(2026, 11, 22, 12))  # noqa: DTZ001  # that is the point
    shanghai = timezone(timedelta(hours=8))
    event = Track(user_id="ada", event="x", timestamp=datetime(2026, 11, 22, 20, tzinfo=shanghai))
    assert event.timestamp == NOON


@pytest.mark.parametrize(
    ("user", "problem"),
    [
        (..., "userId: is missing; it must be there"),
        ("", "userId: is empty; every event belongs to a user"),
        (17, "userId: must be text, not a number"),
        (None, "userId: must be text, not null"),
        ("x" * 513, "userId: has 513 bytes in UTF-8, and 512 is the most; use a shorter id"),
        ("雷" * 171, "userId: has 513 bytes in UTF-8, and 512 is the most; use a shorter id"),
    ],
)
def test_a_user_is_text_of_1_to_512_bytes(user: object, problem: str) -> None:
    assert problems_with(userId=user) == [problem]


def test_the_longest_user_is_taken() -> None:
    user = "雷" * 170 + "ab"
    assert len(user.encode()) == 512
    assert parse_event(json.dumps({**TRACK, "userId": user}).encode()).user_id == user


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"type": ...}, "type: must be one of track, identify, page, screen, alias, group"),
        ({"type": "click"}, "type: must be one of track, identify, page, screen, alias, group"),
        ({"event": ...}, "event: is missing; it must be there"),
        ({"event": ""}, "event: is empty; name what the user did, such as Order Completed"),
        ({"event": 5}, "event: must be text, not a number"),
        ({"properties": [1]}, "properties: must be an object, not a list"),
        ({"messageId": 5}, "messageId: must be text, not a number"),
        ({"context": "x"}, "context: must be an object, not text"),
        ({"traits": "x"}, "traits: is of type str, and must be an object"),
        ({"name": 5}, "name: is of type int, and must be text"),
        ({"type": "alias"}, "previousId: is missing; it must be there"),
        ({"type": "group"}, "groupId: is missing; it must be there"),
        ({"timestamp": ...}, "timestamp: is missing; it must be there"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(changes: dict[str, Any], problem: str) -> None:
    assert problem in problems_with(**changes)


def test_all_problems_are_told_at_once() -> None:
    assert len(problems_with(userId=5, event="", timestamp="x", properties=[])) == 4


@pytest.mark.parametrize("value", [b"", b"nope", b"{", b"\xff\xfe", b'{"a": 1} x'])
def test_what_is_no_json_is_no_event(value: bytes) -> None:
    with pytest.raises(InvalidEventError, match="it is no JSON"):
        parse_event(value)


@pytest.mark.parametrize("value", [b"[]", b"5", b"null", b'"x"'])
def test_json_that_is_no_object_is_no_event(value: bytes) -> None:
    with pytest.raises(InvalidEventError, match="must be an object"):
        parse_event(value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(number: str) -> None:
    value = json.dumps({**TRACK, "properties": {"revenue": "?"}}).replace('"?"', number)
    with pytest.raises(InvalidEventError, match=r"properties\.revenue: is -?(nan|inf)"):
        parse_event(value.encode())


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (Decimal("9.90"), r"properties\.order\.lines\[1\]: is of type Decimal, which is no JSON; pass float\(…\)"),
        (NOON, r"lines\[1\]: is of type datetime.*isoformat"),
        (date(2026, 1, 1), "is of type date"),
        ({1, 2}, "is of type set.*pass a list"),
        (b"x", "is of type bytes"),
        ({1: 2}, "has a key of type int"),
        ("\ud800", "half a surrogate pair"),
        (10**400, "too large for a double"),
    ],
)
def test_a_value_that_is_no_json_is_named_with_its_path(value: object, problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Track(user_id="ada", timestamp=NOON, event="x", properties={"order": {"lines": [1, value]}})
    with pytest.raises(InvalidEventError, match=problem):
        raise invalid_event(caught.value)


def nested(levels: int) -> dict[str, Any]:
    """An event of so many levels, its own included."""
    value: dict[str, Any] = {}
    for _ in range(levels - 2):
        value = {"a": value}
    return {**TRACK, "properties": value}


def test_64_levels_are_taken_and_65_are_not() -> None:
    parse_event(json.dumps(nested(64)).encode())
    with pytest.raises(InvalidEventError, match="nested deeper than 64 levels"):
        parse_event(json.dumps(nested(65)).encode())


def test_an_event_nested_absurdly_is_refused_like_any_other() -> None:
    with pytest.raises(InvalidEventError):
        parse_event(b'{"a":' * 20_000 + b"1" + b"}" * 20_000)


def test_256_kib_are_taken_and_a_byte_more_is_not() -> None:
    value = json.dumps({**TRACK, "properties": {"note": ""}}, separators=(",", ":")).encode()
    filled = value.replace(b'"note":""', b'"note":"' + b"x" * (262_144 - len(value)) + b'"')
    assert len(filled) == 262_144
    parse_event(filled)
    with pytest.raises(InvalidEventError, match=r"262145 bytes, and 262144 \(256 KiB\) is the most"):
        parse_event(filled + b" ")


def test_an_event_too_large_to_send_is_refused_when_it_is_encoded() -> None:
    with pytest.raises(InvalidEventError, match="256 KiB"):
        encode_event(Track(user_id="ada", timestamp=NOON, event="x", properties={"note": "x" * 262_144}))
