"""The reference's own decoder."""

from __future__ import annotations

import json

import pytest

from rules.history import Event, Reads, RecordError, cut_text, hash_of_user, read_event, units_of

HORIZON_MS = 2_000_000_000_000
READS = Reads(summed=frozenset({("Pay", "amount")}))
NO_DOUBLES = ["1e400", "-1e400", "9" * 309, "-" + "9" * 400, "1" + "0" * 5000, "-" + "9" * 5000, "9" * 400 + ".5"]


def _read(value: bytes | None) -> Event:
    return read_event(value, HORIZON_MS, READS)


def _track(**fields: object) -> bytes:
    good = {"userId": "abc", "type": "track", "event": "A", "timestamp": "2026-01-01T00:00:00Z"}
    return json.dumps({**good, **fields}, ensure_ascii=False).encode()


def _holding(number: str, **fields: object) -> bytes:
    """An event with a number, as it is written, among its properties and traits."""
    return _track(properties={"amount": "?"}, traits={"n": "?"}, **fields).replace(b'"?"', number.encode())


def test_a_track_is_read() -> None:
    actual = _read(_track(messageId="m", properties={"x": 1}, traits={"n": 1}))
    assert actual == Event("abc", "track", "A", 1_767_225_600_000, "m", {"x": 1}, {})


@pytest.mark.parametrize(
    ("type_", "name"),
    [("page", "Page Viewed"), ("screen", "Screen Viewed"), ("identify", None), ("alias", None), ("group", None)],
)
def test_other_types_are_counted_under_a_fixed_name_or_not_at_all(type_: str, name: str | None) -> None:
    assert _read(_track(type=type_, event=None)).name == name


@pytest.mark.parametrize(
    ("text", "t_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00.001z", 1),
        ("1970-01-01 01:00:00.0019999+01:00", 1),
        ("1969-12-31T23:00:00.5-01:00", 500),
        ("2000-02-29T00:00:00Z", 951_782_400_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2017-01-01T08:59:60.25+09:00", 1_483_228_800_250),
    ],
)
def test_timestamps_are_cut_to_milliseconds(text: str, t_ms: int) -> None:
    assert _read(_track(timestamp=text)).t_ms == t_ms


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "not_json"),
        (b"", "not_json"),
        (b'{"a":1}{', "not_json"),
        (b'{"a": Infinity}', "not_json"),
        (b'"\\ud800"', "not_json"),
        (b"\xef\xbb\xbf{}", "not_json"),
        (b'"\xff"', "not_utf8"),
        (b"[" * 65, "too_deep"),
        (b"[" * 64, "not_json"),
        (b'"' + b"[" * 65 + b'"', "not_object"),
        (b" " * 262_145, "too_large"),
        (_track(userId=None), "no_user"),
        (_track(userId=""), "no_user"),
        (_track(userId=False), "bad_user"),
        (_track(userId="é" * 257), "user_too_long"),
        (_track(type=None), "no_type"),
        (_track(type=[]), "unknown_type"),
        (_track(event=None), "no_name"),
        (_track(event=""), "no_name"),
        (_track(event=1), "wrong_type"),
        (_track(timestamp=None), "no_timestamp"),
        (_track(timestamp=1), "bad_timestamp"),
        (_track(timestamp="2026-01-01"), "bad_timestamp"),
        (_track(timestamp="2026-01-01T00:00:00"), "bad_timestamp"),
        (_track(timestamp="2026-01-01T00:00:00+0800"), "bad_timestamp"),
        (_track(timestamp="2026-01-01T24:00:00Z"), "bad_timestamp"),
        (_track(timestamp="2026-01-01T00:00:60Z"), "bad_timestamp"),
        (_track(timestamp="2025-02-29T00:00:00Z"), "bad_timestamp"),
        (_track(timestamp="２026-01-01T00:00:00Z"), "bad_timestamp"),  # a digit, but not one of ASCII
        (_track(timestamp="2026-01-01T00:00:00.Z"), "bad_timestamp"),
        (_track(timestamp="0000-01-01T00:00:00Z"), "too_early"),
        (_track(timestamp="1970-01-01T00:00:00+00:01"), "too_early"),
        (_track(timestamp="2033-05-18T03:33:20.001Z"), "too_far_ahead"),
        (_track(messageId=1), "wrong_type"),
        (_track(type="page", event=1), "wrong_type"),
        (_track(type="page", name=1), "wrong_type"),
        (_track(properties=[]), "wrong_type"),
        (_track(traits=1), "wrong_type"),
        (_track(context="x"), "wrong_type"),
        (_track(event="Pay", properties={"amount": "1"}), "not_a_number"),
        (_track(event="Pay", properties={"amount": True}), "not_a_number"),
        (_track(event="Pay", properties={"amount": 10**12}), "number_too_large"),
        (_track(event="Pay", properties={"amount": -1e12}), "number_too_large"),
        *[(_holding(number, event="Pay"), "number_too_large") for number in NO_DOUBLES],
    ],
)
def test_what_is_no_event_has_one_reason(value: bytes | None, reason: str) -> None:
    with pytest.raises(RecordError) as caught:
        _read(value)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "value",
    [
        _track(timestamp="2033-05-18T03:33:20Z"),
        _track(properties={"amount": "1"}),
        _track(event="Pay", properties={"amount": None}),
        _track(event="Pay", properties={"amount": 999_999_999_999}),
        _track(properties="HUGE").replace(b'"HUGE"', b'{"x": [1e999]}'),
        _track(properties={"x": {"deep": 10**400}}),
        _track(userId="é" * 256),
        _track(unknown=[{}], properties=None, traits=None, context=None, messageId=None),
        b" \n" + _track() + b"\t",
    ],
)
def test_what_nobody_reads_is_not_judged(value: bytes) -> None:
    assert _read(value).type == "track"


@pytest.mark.parametrize("number", NO_DOUBLES)
def test_a_number_that_no_double_holds_is_a_null_where_nothing_is_summed(number: str) -> None:
    assert _read(_holding(number)).properties == {"amount": None}
    told = _read(_holding(number, type="identify"))
    assert (told.properties, told.traits) == ({"amount": None}, {"n": None})


@pytest.mark.parametrize(("number", "double"), [("1e-400", 0.0), ("9" * 308, 1e308), ("1" + "0" * 400 + "e-399", 10.0)])
def test_a_number_that_a_double_holds_is_that_double(number: str, double: float) -> None:
    assert float(str(_read(_holding(number)).properties["amount"])) == double


@pytest.mark.parametrize("message_id", [None, ""])
def test_an_empty_message_id_is_none(message_id: str | None) -> None:
    assert _read(_track(messageId=message_id)).message_id is None


@pytest.mark.parametrize(
    ("number", "units"),
    [
        (1, 1_000_000),
        (0.1, 100_000),
        (5e-7, 0),
        (1.5e-6, 2),
        (2.5e-6, 2),
        (-1.5e-6, -2),
        (999_999_999_999, 999_999_999_999 * 10**6),
    ],
)
def test_numbers_are_summed_in_millionths_rounded_half_to_even(number: float, units: int) -> None:
    assert units_of(number) == units


@pytest.mark.parametrize(
    ("text", "kept"),
    [("a" * 257, "a" * 256), ("a" * 255 + "é", "a" * 255), ("é" * 129, "é" * 128), ("😀" * 65, "😀" * 64)],
)
def test_texts_are_cut_at_a_character_boundary(text: str, kept: str) -> None:
    assert cut_text(text) == kept


@pytest.mark.parametrize(
    ("user", "kafka"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_users_are_hashed_as_kafkas_own_tests_say(user: str, kafka: int) -> None:
    assert hash_of_user(user) == kafka & 0x7FFFFFFF
