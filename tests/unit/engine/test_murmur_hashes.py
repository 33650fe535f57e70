from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2

from stream.engine.joined import join_text
from stream.engine.murmur import hash_message_ids, hash_users, murmur64_all


@given(st.lists(st.text()))
def test_users_hash_as_kafka_hashes_their_keys(users: list[str]) -> None:
    assert hash_users(users).tolist() == [murmur2(user.encode()) & 0x7FFFFFFF for user in users]


# Made with Austin Appleby's MurmurHash64A in C, seed 0.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", 0x071717D2D36B6B11),
        ("message", 0x9C50EB75BFACB239),
        ("messages", 0x04F2141C88A0BB13),
        ("message-1", 0xA98175056B9F8ACF),
        ("550e8400-e29b-41d4-a716-446655440000", 0x4E78A93080F257F2),
        ("消息", 0x2840A7B9E6471E36),
    ],
)
def test_message_ids_hash_as_murmurhash64a(text: str, expected: int) -> None:
    assert int(hash_message_ids([text])[0]) == expected


def test_only_the_empty_id_is_zero_and_an_id_that_hashes_to_zero_is_one() -> None:
    # The hash can be inverted block by block, which gave a text whose MurmurHash64A is 0.
    text = "RCEy4NZW`b&TWCWb"
    joined = join_text([text])
    assert murmur64_all(joined.data, joined.bounds).tolist() == [0]
    assert hash_message_ids(["", text, ""]).tolist() == [0, 1, 0]


def test_no_strings_give_no_hashes() -> None:
    assert hash_users([]).tolist() == []
    assert hash_message_ids([]).tolist() == []
