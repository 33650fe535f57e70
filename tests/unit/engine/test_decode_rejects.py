from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from stream.engine.decode import DecodePlan, Decoder
from stream.engine.result import Records, Reject

PLAN = DecodePlan(
    event_names={"Order Completed": 1, "Product Added": 2},
    properties=("revenue", "category"),
    numeric={0: frozenset({1})},
    literals={"Shoes": 1},
    traits=("gender", "age"),
)
HORIZON_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
SOUND = {"type": "track", "event": "Order Completed", "userId": "u", "timestamp": "2025-12-31T00:00:00Z"}


def event(**fields: Any) -> bytes:
    whole = {**SOUND, **fields}
    return json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()


def with_json(**fields: str) -> bytes:
    """A sound event with members written as given."""
    members = {name: json.dumps(value) for name, value in SOUND.items()} | fields
    return b"{" + ",".join(f'"{name}":{value}' for name, value in members.items()).encode() + b"}"


def holding(number: str, **fields: Any) -> bytes:
    """An event with a number, as it is written, in place of each "?"."""
    return event(**fields).replace(b'"?"', number.encode())


def rejects_of(*values: bytes | None, plan: DecodePlan = PLAN) -> list[Reject]:
    count = len(values)
    records = Records(
        values=list(values),
        offsets=np.arange(count, dtype=np.int64),
        watermark_ms=np.zeros(count, np.int64),
        horizon_ms=np.full(count, HORIZON_MS, np.int64),
        forwarded=np.zeros(count, np.bool_),
    )
    decoded = Decoder(plan).decode(records)
    rejected = {reject.index for reject in decoded.rejects}
    assert decoded.columns.record.tolist() == [index for index in range(count) if index not in rejected]
    return decoded.rejects


def nested(depth: int) -> str:
    """An array `depth` levels deep."""
    return "[" * depth + "]" * depth


BAD = [
    (None, "not_json", "no value"),
    (b"", "not_json", "blank"),
    (b" \n", "not_json", "blank"),
    (b"{", "not_json", "ends in the middle"),
    (b'{"type"', "not_json", "ends in the middle"),
    (b"{'type': 1}", "not_json", "byte 1"),
    (b"\xef\xbb\xbf" + event(), "not_json", "byte 0"),
    (event() + event(), "not_json", "not one JSON value"),
    (event() + b"\n" + event(), "not_json", "not one JSON value"),
    (event() + b"x", "not_json", "not one JSON value"),
    (with_json(userId='"\\ud800"'), "not_json", ""),
    (with_json(unread='"\\udc00"'), "not_json", "surrogate"),
    (with_json(unread='"\\x"'), "not_json", "escape"),
    (with_json(unread='"\t"'), "not_json", ""),
    (with_json(unread="NaN"), "not_json", ""),
    (with_json(unread="Infinity"), "not_json", ""),
    (with_json(properties='{"revenue": NaN}'), "not_json", ""),
    (with_json(properties='{"revenue": -Infinity}'), "not_json", ""),
    (with_json(unread="01"), "not_json", ""),
    (with_json(unread="[1,]"), "not_json", ""),
    (b"\xff", "not_utf8", "byte 1"),
    (with_json(unread='"?"').replace(b"?", b"\xc3"), "not_utf8", ""),
    (with_json(unread='"?"').replace(b"?", b"\xed\xa0\x80"), "not_utf8", ""),
    (event().decode().encode("utf-16"), "not_utf8", ""),
    (event(padding="x" * 262_144), "too_large", "262,144"),
    (b"\xff" * 262_145, "too_large", "262,145"),
    (with_json(unread=nested(64)), "too_deep", "65 deep"),
    (nested(100_000).encode(), "too_deep", "100000 deep"),
    (b"[" * 100_000, "too_deep", ""),
    (b'{"a":' * 65, "too_deep", ""),
    (b"[]", "not_object", "an array"),
    (b" [{}]", "not_object", "an array"),
    (b"null", "not_object", "null"),
    (b"17", "not_object", "the number 17"),
    (b"1e999", "not_object", "too large"),
    (b'"text"', "not_object", 'the string "text"'),
    (b"{}", "no_user", "userId"),
    (event(userId=...), "no_user", "userId"),
    (event(userId=None), "no_user", "userId"),
    (event(userId=""), "no_user", "userId"),
    (event(userId=17), "bad_user", "the number 17"),
    (event(userId=True), "bad_user", "true"),
    (event(userId=["u"]), "bad_user", "an array"),
    (with_json(userId="1e999"), "bad_user", "too large"),
    (event(userId="u" * 513), "user_too_long", "513 bytes"),
    (event(userId="用" * 171), "user_too_long", "513 bytes"),
    (event(type=...), "no_type", "type"),
    (event(type=None), "no_type", "type"),
    (event(type="Track"), "unknown_type", '"Track"'),
    (event(type=""), "unknown_type", "track, identify, page"),
    (event(type=7), "unknown_type", "the number 7"),
    (event(event=...), "no_name", "event"),
    (event(event=None), "no_name", "event"),
    (event(event=""), "no_name", "event"),
    (event(event=7), "wrong_type", "event is the number 7"),
    (event(timestamp=...), "no_timestamp", "RFC 3339"),
    (event(timestamp=None), "no_timestamp", "RFC 3339"),
    (event(timestamp=""), "bad_timestamp", "RFC 3339"),
    (event(timestamp=1_767_225_600), "bad_timestamp", "the number 1767225600"),
    (event(timestamp="2025-12-31"), "bad_timestamp", '"2025-12-31"'),
    (event(timestamp="２025-12-31T00:00:00Z"), "bad_timestamp", "RFC 3339"),
    (event(timestamp="1969-12-31T23:59:59.9999Z"), "too_early", "1970"),
    (event(timestamp="2026-01-01T00:00:00.001Z"), "too_far_ahead", "0.001 s"),
    (event(timestamp="9999-12-31T23:59:59Z"), "too_far_ahead", ""),
    (event(type="page", event=7), "wrong_type", "event is the number 7"),
    (event(messageId=7), "wrong_type", "messageId is the number 7"),
    (event(messageId={}), "wrong_type", "messageId is an object"),
    (event(name=[]), "wrong_type", "name is an array"),
    (event(properties=[]), "wrong_type", "properties is an array"),
    (event(properties="{}"), "wrong_type", "properties is the string"),
    (event(traits=False), "wrong_type", "traits is false"),
    (event(type="identify", traits=[]), "wrong_type", "traits is an array"),
    (event(context=0), "wrong_type", "context is the number 0"),
    (event(properties={"revenue": "12"}), "not_a_number", 'the string "12"'),
    (event(properties={"revenue": True}), "not_a_number", "true"),
    (event(properties={"revenue": []}), "not_a_number", "an array"),
    (event(properties={"revenue": {"amount": 1}}), "not_a_number", "an object"),
    (event(properties={"revenue": 1e12}), "number_too_large", "10¹²"),
    (event(properties={"revenue": -(10**12)}), "number_too_large", "10¹²"),
    (event(properties={"revenue": 10**40}), "number_too_large", "10¹²"),
    (with_json(properties='{"revenue": 1e999}'), "number_too_large", "properties.revenue is a number too large for a"),
    (with_json(properties='{"revenue": -1e400}'), "number_too_large", "10¹²"),
    (event(properties={"revenue": -(10**400)}), "number_too_large", "too large for a double"),
    (holding("9" * 5000, properties={"revenue": "?"}), "number_too_large", "too large for a double"),
]


@pytest.mark.parametrize(("value", "reason", "words"), BAD)
def test_a_bad_record_is_rejected_with_its_reason_in_words(value: bytes | None, reason: str, words: str) -> None:
    (reject,) = rejects_of(value)
    assert (reject.index, reject.reason) == (0, reason)
    assert words in reject.detail
    assert len(reject.detail) < 250


NO_DOUBLES = ["1e400", "-1e400", "9" * 309, "-" + "9" * 400, "1" + "0" * 5000, "-" + "9" * 5000, "9" * 400 + ".5"]

GOOD = [
    event(),
    event(properties=None, traits=None, context=None, messageId=None, name=None),
    event(properties={}, traits={}, context={}),
    event(properties={"revenue": None}),
    event(properties={"revenue": 999_999_999_999.99}),
    event(properties={"revenue": -0.0}),
    event(event="Product Added", properties={"revenue": "12"}),
    event(event="Something Else", properties={"revenue": [1]}),
    event(type="identify", event=..., properties={"revenue": "12"}),
    event(type="alias", event=""),
    event(timestamp="2026-01-01T00:00:00.0009Z"),
    event(timestamp="1970-01-01T00:00:00Z"),
    event(userId="u" * 512),
    event(userId=" "),
    event(userId="😀" * 128),
    event(userId="用" * 170),
    event(anonymousId=7, sentAt=[], receivedAt={}, integrations=1),
    with_json(unread=nested(63)),
    with_json(unread=json.dumps("[{" * 1000)),
    with_json(unread=json.dumps('"' + "[{" * 1000 + "\\")),
    with_json(unread="[" + ",".join(["[]"] * 1000) + "]"),
    with_json(unread="1e999"),
    with_json(unread="9" * 5000),
    *[holding(number, traits={"age": "?"}) for number in NO_DOUBLES],
    *[holding(number, properties={"category": "?"}) for number in NO_DOUBLES],
    *[holding(number, event="Product Added", properties={"revenue": "?"}) for number in NO_DOUBLES],
    *[holding(number, type="identify", properties={"revenue": "?"}, traits={"age": "?"}) for number in NO_DOUBLES],
    with_json(properties='{"revenue": 1e-400}'),
    holding("9" * 310 + "e-300", properties={"revenue": "?"}),
    with_json(properties='{"category": [1e999, {"a": %s}]}' % ("9" * 5000)),
    b" \r\n\t" + event() + b" \r\n\t",
    event(padding="x" * (262_144 - len(event(padding="")))),
]


def test_a_sound_record_is_not_rejected() -> None:
    assert rejects_of(*GOOD) == []


def test_the_first_rule_that_is_broken_gives_the_reason() -> None:
    worst = {"type": 1, "event": 1, "userId": 1, "timestamp": 1, "messageId": 1, "properties": {"revenue": "x"}}
    mended = {
        "bad_user": {"userId": "u"},
        "unknown_type": {"type": "track"},
        "wrong_type": {"event": "Order Completed"},
        "bad_timestamp": {"timestamp": "2025-12-31T00:00:00Z"},
    }
    reasons = []
    for mend in (*mended.values(), {"messageId": "m"}, {}):
        reasons.append(rejects_of(json.dumps(worst).encode())[0].reason)
        worst.update(mend)
    assert reasons == [*mended, "wrong_type", "not_a_number"]


def test_bad_records_leave_the_good_ones_between_them_alone() -> None:
    values = [value for bad, good in zip(BAD, GOOD * 4, strict=False) for value in (bad[0], good)]
    rejects = rejects_of(*values)
    assert [reject.index for reject in rejects] == list(range(0, len(values), 2))
    assert [reject.reason for reject in rejects] == [reason for _, reason, _ in BAD]


def test_halves_of_a_character_in_two_records_do_not_make_one() -> None:
    halves = [b'{"a":"\xe7\x94', b'\xa8"}']
    assert [reject.reason for reject in rejects_of(*halves)] == ["not_utf8", "not_utf8"]


def test_a_property_aggregated_over_any_event_must_be_a_number_in_all_that_count() -> None:
    plan = DecodePlan({"Order Completed": 1}, ("revenue",), {0: frozenset({0})}, {}, ())
    values = [event(event=name, properties={"revenue": "x"}) for name in ("Order Completed", "Unlisted")]
    values.append(event(type="identify", properties={"revenue": "x"}))
    assert [reject.index for reject in rejects_of(*values, plan=plan)] == [0, 1]


def test_of_two_properties_that_are_no_numbers_to_sum_the_first_by_name_gives_the_reason() -> None:
    values = [event(properties={"z": "x", "a": 1e12}), event(properties={"z": 1e12, "a": "x"})]
    for properties in (("a", "z"), ("z", "a")):
        plan = DecodePlan({"Order Completed": 1}, properties, {0: frozenset({1}), 1: frozenset({1})}, {}, ())
        assert [reject.reason for reject in rejects_of(*values, plan=plan)] == ["number_too_large", "not_a_number"]


def test_the_horizon_is_each_records_own() -> None:
    values = [event(timestamp="2026-01-01T00:00:00Z")] * 3
    horizon_ms = np.array([HORIZON_MS - 1, HORIZON_MS, HORIZON_MS + 1], np.int64)
    zeros = np.zeros(3, np.int64)
    decoded = Decoder(PLAN).decode(Records(list(values), zeros, zeros, horizon_ms, np.zeros(3, np.bool_)))
    assert [(reject.index, reject.reason) for reject in decoded.rejects] == [(0, "too_far_ahead")]
    assert decoded.columns.record.tolist() == [1, 2]
