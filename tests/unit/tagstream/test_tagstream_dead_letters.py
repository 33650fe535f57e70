from __future__ import annotations

import base64
import json

import pytest

from tagstream.contracts import (
    MAX_ORIGINAL_BYTES,
    DeadLetter,
    Position,
    build_dead_letter,
    dead_letter_headers,
    encode_dead_letter,
    parse_dead_letter,
)
from tagstream.contracts.deadletters import DeadLetterHeader
from tagstream.errors import InvalidMessageError
from tagstream.ids import dead_letter_id

DEFAULT_MESSAGE_LIMIT = 1_000_000
"""librdkafka's `message.max.bytes`; Kafka's own limits are a little above."""


def letter(
    value: bytes | None, *, key: bytes | None = b"ada", headers: tuple[tuple[str, bytes | None], ...] = ()
) -> DeadLetter:
    return build_dead_letter(
        app="shop",
        reason="not_json",
        detail="not JSON: expected a value",
        position=Position("shop.events", 2, 17),
        log_time_ms=1_795_336_200_125,
        value=value,
        key=key,
        headers=headers,
    )


def test_a_dead_letter_on_the_wire() -> None:
    assert json.loads(encode_dead_letter(letter("{雷".encode(), headers=(("trace", b"\x01"), ("empty", None))))) == {
        "id": dead_letter_id("shop", 2, 17),
        "reason": "not_json",
        "detail": "not JSON: expected a value",
        "position": {"topic": "shop.events", "partition": 2, "offset": 17},
        "time": "2026-11-22T08:30:00.125Z",
        "length": 4,
        "preview": "{雷",
        "original": "e+mbtw==",
        "key": "YWRh",
        "headers": [{"name": "trace", "value": "AQ=="}, {"name": "empty", "value": None}],
    }


@pytest.mark.parametrize("value", [None, b"", b"\xff\xfe\x00", b"x" * MAX_ORIGINAL_BYTES])
def test_a_letter_gives_the_original_back(value: bytes | None) -> None:
    read = parse_dead_letter(encode_dead_letter(letter(value, key=None)))
    assert (read.original_bytes, read.key_bytes, read.is_cut) == (value, None, False)
    assert read.length == len(value or b"")


def test_a_huge_original_is_cut_and_its_length_told() -> None:
    value = bytes(range(256)) * 8_192
    read = parse_dead_letter(encode_dead_letter(letter(value)))
    assert read.original_bytes == value[:524_288]
    assert (read.length, read.is_cut) == (2_097_152, True)


def test_the_largest_letter_fits_into_a_message() -> None:
    headers = tuple((f"header-{number}", b"\x00" * 1_000) for number in range(100))
    value = encode_dead_letter(letter(b"\x00" * 5_000_000, key=b"\xff" * 100_000, headers=headers))
    assert len(value) < DEFAULT_MESSAGE_LIMIT - 200_000


def test_headers_that_are_too_many_are_left_out_at_the_end() -> None:
    headers = tuple((f"h{number:02}", b"x" * 997) for number in range(20))
    kept = letter(b"", headers=headers).headers
    assert len(kept) == 16
    assert kept[0] == DeadLetterHeader(name="h00", value=base64.b64encode(b"x" * 997).decode())


def test_the_preview_shows_what_is_readable() -> None:
    assert letter(b"abc\xff\x00").preview == "abc�\x00"
    assert letter("雷".encode() * 1_000).preview == "雷" * 200
    assert letter("👩".encode() * 1_000).preview == "👩" * 200


def test_the_same_record_gives_the_same_letter() -> None:
    assert encode_dead_letter(letter(b"x")) == encode_dead_letter(letter(b"x"))


def test_the_headers_tell_the_reason() -> None:
    assert dict(dead_letter_headers(letter(b"x")))["reason"] == b"not_json"


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b'{"id": "x"}'])
def test_what_is_no_letter_is_refused(value: bytes) -> None:
    with pytest.raises(InvalidMessageError, match="the message is no dead letter"):
        parse_dead_letter(value)
