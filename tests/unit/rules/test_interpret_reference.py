"""The reference fold: identity of changes, duplicates, refusals that need a history, order of flips."""

from __future__ import annotations

import hashlib
import json

from rules.catalog import parse_catalog
from rules.history import hash_of_user
from rules.reference import Outcome, Reference

NO_WATERMARK_MS = -1
HORIZON_MS = 2**42

COUNTS = """
catalog: counts
version: 3
tags:
  a: count("A")
  total: sum("A", "x", last="1m")
segments:
  some: {when: a >= 1}
  many: {when: a >= 3}
"""
BY_TIME = """
catalog: by_time
version: 1
segments:
  silent: {when: since() >= "10s"}
  never: {when: since() >= "10s" and count() > 1000}
"""


def _reference(text: str) -> Reference:
    return Reference(parse_catalog(text))


def _feed(
    reference: Reference,
    offset: int,
    t_ms: int,
    user: str = "abc",
    watermark_ms: int = NO_WATERMARK_MS,
    **fields: object,
) -> Outcome:
    clock = f"{t_ms // 3_600_000:02}:{t_ms // 60_000 % 60:02}:{t_ms // 1000 % 60:02}.{t_ms % 1000:03}"
    document = {"userId": user, "type": "track", "event": "A", "timestamp": f"1970-01-01T{clock}Z", **fields}
    return reference.feed(json.dumps(document).encode(), offset, watermark_ms, HORIZON_MS)


def _times(changes: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(change["time"], change["subject"]) for change in changes]


def test_a_change_is_identified_by_app_user_incarnation_and_version() -> None:
    reference = Reference(parse_catalog(COUNTS), app="shop")

    (change,) = _feed(reference, 17, 0).changes

    assert change["id"] == hashlib.sha256(b"shop\x1fabc\x1f17\x1f1").hexdigest()[:32]
    assert change["source"] == "/tagstream/shop/0"


def test_a_users_incarnation_is_the_offset_of_the_record_that_created_it() -> None:
    reference = _reference(COUNTS)
    _feed(reference, 4, 0, type="click")
    _feed(reference, 5, 0, type="alias")
    _feed(reference, 6, 0)

    assert (reference.profile("abc").incarnation, reference.profile("abc").version) == (5, 1)


def test_the_64_message_ids_of_the_newest_accepted_events_are_known() -> None:
    reference = _reference(COUNTS)
    for number in range(64):
        _feed(reference, number, 0, messageId=f"m{number}")
    _feed(reference, 64, 0)

    assert _feed(reference, 65, 0, messageId="m0").duplicate
    _feed(reference, 66, 0, messageId="m64")
    assert not _feed(reference, 67, 0, messageId="m0").duplicate
    assert _feed(reference, 68, 0, messageId="m2").duplicate
    assert not _feed(reference, 69, 0, messageId="m1").duplicate


def test_a_duplicate_is_judged_by_moments_not_by_timestamps() -> None:
    reference = _reference(COUNTS)
    day_ms = 86_400_000
    _feed(reference, 0, 0, watermark_ms=5_000, messageId="m")

    assert _feed(reference, 1, 1, watermark_ms=day_ms + 5_000, messageId="m").duplicate
    assert not _feed(reference, 2, 2, watermark_ms=day_ms + 5_001, messageId="m").duplicate


def test_a_refused_sum_leaves_no_trace() -> None:
    reference = _reference(COUNTS)
    for offset in range(9):
        _feed(reference, offset, 0, properties={"x": 999_999_999_999})
    before = reference.profile("abc")

    assert _feed(reference, 9, 5_000, properties={"x": 10}).reason == "sum_too_large"

    assert reference.profile("abc") == before
    assert _feed(reference, 10, 0, properties={"x": 9}).reason is None


def test_a_sum_that_time_alone_would_carry_too_far_is_refused() -> None:
    reference = _reference(COUNTS)
    _feed(reference, 0, 0, properties={"x": -900_000_000_000})
    for offset in range(1, 10):
        assert _feed(reference, offset, 30_000, properties={"x": 999_999_999_999}).reason is None

    # Now the window holds 8 099 999 999 991; once −900 000 000 000 has left it would hold 8 999 999 999 991 + 10.
    assert _feed(reference, 10, 30_000, properties={"x": 10}).reason == "sum_too_large"
    # In its own bucket that leaves together with the negative amount, 10 more does no harm.
    assert _feed(reference, 11, 0, properties={"x": 10}).reason is None


def test_a_users_partition_is_the_one_it_hashes_to() -> None:
    partition = hash_of_user("abc") % 3
    right = Reference(parse_catalog(COUNTS), partition=partition, partition_count=3)
    wrong = Reference(parse_catalog(COUNTS), partition=(partition + 1) % 3, partition_count=3)
    value = b'{"userId": "abc", "type": "alias", "timestamp": "1970-01-01T00:00:00Z"}'

    assert not right.feed(value, 0, NO_WATERMARK_MS, HORIZON_MS).misplaced
    assert wrong.feed(value, 0, NO_WATERMARK_MS, HORIZON_MS).misplaced
    assert wrong.feed(value, 0, NO_WATERMARK_MS, HORIZON_MS, forwarded=True).reason == "misplaced_again"
    assert wrong.feed(b"{}", 0, NO_WATERMARK_MS, HORIZON_MS, forwarded=True).reason == "no_user"
    assert wrong.users == []


def test_flips_of_all_users_come_by_time_then_user() -> None:
    reference = _reference(BY_TIME)
    _feed(reference, 0, 2_000, "ana")
    _feed(reference, 1, 1_000, "zoe")
    _feed(reference, 2, 2_000, "Ben")

    assert reference.advance(10_999) == []
    assert _times(reference.advance(60_000)) == [
        ("1970-01-01T00:00:11.000Z", "zoe"),
        ("1970-01-01T00:00:12.000Z", "Ben"),
        ("1970-01-01T00:00:12.000Z", "ana"),
    ]
    assert reference.advance(60_000) == []


def test_the_next_flip_is_known_without_applying_it() -> None:
    reference = _reference(BY_TIME)
    _feed(reference, 0, 2_000)

    assert reference.next_flip_ms("abc") == 12_000
    assert reference.profile("abc", 50_000).segments == []
    reference.advance(50_000)
    assert reference.next_flip_ms("abc") is None
    assert reference.profile("abc").since_ms == {"silent": 12_000}


def test_an_event_behind_the_watermark_is_evaluated_at_the_watermark() -> None:
    reference = _reference(BY_TIME)

    (change,) = _feed(reference, 0, 2_000, watermark_ms=12_345).changes

    assert change["time"] == "1970-01-01T00:00:12.345Z"
    assert _times(_feed(reference, 1, 12_400, watermark_ms=12_345).changes) == [("1970-01-01T00:00:12.400Z", "abc")]


def test_a_profile_is_not_older_than_its_user() -> None:
    reference = _reference(COUNTS)
    _feed(reference, 0, 90_000, properties={"x": 2})

    assert reference.profile("abc", 0).tags == {"a": 1, "total": 2}
    assert reference.profile("abc", 1_000_000).tags == {"a": 1, "total": 0}
