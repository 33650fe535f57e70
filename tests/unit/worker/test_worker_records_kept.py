"""What is kept in Redis and beside offsets: positions, K, outboxes, names."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.worker.errors import PauseError, SharedNameError, StepTooLargeError
from stream.worker.outbox import OUTBOX_LIMIT, Outbox, decode_outbox, encode_outbox, outgoing
from stream.worker.position import OFFSET_METADATA_LIMIT, Committed, Position, Walk, decode_position
from stream.worker.slots import claim_name
from tagstream.topics import EVENTS, EVENTS_DLQ, SEGMENT_CHANGES
from tests.unit.worker.worker_builders import position


def test_a_position_survives_its_encoding() -> None:
    kept = position(
        step=2**63 + 5,
        next_offset=2**53 + 1,
        model_versions={"churn": 4},
        walk=Walk(17),
        origins={2: 9},
        published={"segment-changes": {0: 3, 1: 5}},
        replay_to=Committed(12, 2**60 + 1, 1, {"churn": 3}),
    )
    assert decode_position(kept.encode(), 0) == kept
    assert kept.encode().startswith(b"8000000000000005\n")


@pytest.mark.parametrize("stored", [b"", b"hello", b"0\n\n{}", b"zz\n\n{}", b"0000000000000001\nx\n{}"])
def test_what_is_no_position_is_refused(stored: bytes) -> None:
    with pytest.raises(PauseError, match="position of partition 7 in Redis can't be read"):
        decode_position(stored, 7)


def test_k_keeps_step_and_versions_in_the_offsets_metadata() -> None:
    committed = Committed(99, 2**40 + 1, 3, {"churn": 2})
    assert Committed.parse(99, committed.metadata()) == committed
    assert len(committed.metadata()) < OFFSET_METADATA_LIMIT


@pytest.mark.parametrize("metadata", [None, "", "by hand", "{}", '{"step": "x", "catalog": 1, "models": {}}'])
def test_metadata_that_is_not_ours_is_a_k_without_a_step(metadata: str | None) -> None:
    assert Committed.parse(5, metadata) == Committed(5, None)


def test_i8_a_resend_is_byte_identical() -> None:
    messages = [
        outgoing(SEGMENT_CHANGES, "伯".encode(), b'{"a":1}', (("segment", b"vip"), ("x", b"\xff"))),
        outgoing(EVENTS_DLQ, None, b"\x00\xff", ()),
        outgoing(EVENTS, b"u", b"{}", (("tagstream", b"forward"),)),
    ]
    stored = encode_outbox(Outbox(2**62, 17, messages))
    outbox = decode_outbox(stored, 0)
    assert outbox == Outbox(2**62, 17, messages)
    assert [message.kind for message in outbox.messages] == [SEGMENT_CHANGES, EVENTS_DLQ, EVENTS]
    assert encode_outbox(outbox) == stored


def test_an_outbox_has_a_limit() -> None:
    half = outgoing(EVENTS, None, b"x" * (OUTBOX_LIMIT // 2), ())
    encode_outbox(Outbox(1, 1, [half]))
    with pytest.raises(StepTooLargeError, match="8,388,608"):
        encode_outbox(Outbox(1, 1, [half, half]))


def test_what_is_no_outbox_is_refused() -> None:
    with pytest.raises(PauseError, match="outbox of partition 7 in Redis can't be read"):
        decode_outbox(b"0000000000000001garbage", 7)


def test_names_take_the_lowest_free_slot_and_come_back(tmp_path: Path) -> None:
    first = claim_name("app", tmp_path, host="here")
    second = claim_name("app", tmp_path, host="here")
    other = claim_name("other", tmp_path, host="here")
    assert [first.name, second.name, other.name] == ["here-0", "here-1", "here-0"]
    first.close()
    with claim_name("app", tmp_path, host="here") as again:
        assert again.name == "here-0"
    second.close()
    other.close()
    other.close()


def test_a_given_name_is_one_workers_only(tmp_path: Path) -> None:
    with claim_name("app", tmp_path, "blue") as name:
        assert name.name == "blue"
        with pytest.raises(SharedNameError, match="worker named blue is running on this machine already"):
            claim_name("app", tmp_path, "blue")
    claim_name("app", tmp_path, "blue").close()


def test_k_does_not_go_back_while_records_are_processed_again() -> None:
    from stream.worker.steps import committed_of

    behind = position(next_offset=10, replay_to=Committed(50, 7, 1, {}))
    assert committed_of(behind) == Committed(50, behind.step, 1, {})
    assert committed_of(position(next_offset=60)).offset == 60
    assert isinstance(behind, Position)
