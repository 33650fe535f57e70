from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from stream.engine import Message, Reject, StepResult
from stream.worker.errors import PauseError
from stream.worker.intake import Intake, take_in
from stream.worker.letters import Letters
from stream.worker.outbox import Outgoing, decode_outbox, outgoing
from stream.worker.partition import Owned
from stream.worker.position import Committed, Position, decode_position
from stream.worker.published import ReplayGuard
from stream.worker.running import Attempt
from stream.worker.steps import Step, build_step, net_members
from tagstream.contracts.deadletters import MAX_ORIGINAL_BYTES, parse_dead_letter
from tagstream.ids import dead_letter_id, forward_id
from tagstream.topics import EVENTS, SEGMENT_CHANGES
from tests.unit.worker.worker_builders import change_value, message, position

LETTERS = Letters("app", "app.events", 3)


def taken(*values: bytes | None, first: int = 10) -> Intake:
    messages = [message(first + place, 5_000 + place, value, key=b"k") for place, value in enumerate(values)]
    return take_in(messages, position(), app="app", grace_ms=0, now_ms=10_000)


def built(
    result: StepResult, intake: Intake | None, before: Position | None = None, guard: ReplayGuard | None = None
) -> Step:
    return build_step(
        before or position(),
        result,
        intake,
        letters=LETTERS,
        guard=guard,
        published={"segment-changes": {0: 7}},
        published_step=11,
    )


def change(user: str, version: int, segment: str = "vip") -> Message:
    return Message(user.encode(), change_value(user, version, segment=segment), (("segment", segment.encode()),))


def test_a_step_writes_the_next_position_and_its_outbox() -> None:
    result = StepResult(end=2, changes=[change("ann", 1)], rows=[("ann", b"row")], due=[("ann", 50)])
    step = built(result, taken(b"{}", b"{}"))
    after = decode_position(step.write.position, 3)
    assert after == step.position
    assert (after.step, after.next_offset, after.log_time_ms) == (2**32 + 1, 12, 5_001)
    assert after.published == {"segment-changes": {0: 7}}
    assert (step.write.expected_step, step.write.published_step) == (2**32, 11)
    outbox = decode_outbox(step.write.outbox, 3)
    assert (outbox.step, outbox.next_offset) == (after.step, after.next_offset)
    assert list(outbox.messages) == list(step.publication.messages)
    assert step.publication.committed == Committed(12, after.step, 1, {})


def test_a_step_with_nothing_to_publish_has_no_outbox() -> None:
    assert built(StepResult(end=1), taken(b"{}")).write.outbox == b""


def test_a_step_of_due_users_leaves_offset_and_time_as_they_are() -> None:
    before = position(next_offset=5, log_time_ms=9, watermark_ms=7)
    after = built(StepResult(due=[("ann", 9)]), None, before).position
    assert (after.next_offset, after.log_time_ms, after.watermark_ms) == (5, 9, 7)


def test_who_is_in_at_the_end_of_a_step_is_told_by_counts() -> None:
    entered = {"vip": ["ann", "bob", "ann", "cid"], "new": ["dan"]}
    left = {"vip": ["ann", "bob", "eve"], "old": ["dan"]}
    assert net_members(entered, left) == {"vip": ["ann", "cid"], "new": ["dan"]}
    assert net_members(left, entered) == {"vip": ["eve"], "old": ["dan"]}


def test_i3_i10_a_reject_makes_one_dead_letter_with_its_reason_original_and_place() -> None:
    huge = b"\xff" * (MAX_ORIGINAL_BYTES + 5)
    result = StepResult(end=2, rejects=[Reject(0, "not_json", "it is no JSON"), Reject(1, "too_large", "too large")])
    first, second = built(result, taken(b"{oops", huge)).publication.messages
    letter = parse_dead_letter(first.value)
    assert (letter.id, letter.reason, letter.detail) == (dead_letter_id("app", 3, 10), "not_json", "it is no JSON")
    assert (letter.original_bytes, letter.key_bytes, letter.position.offset) == (b"{oops", b"k", 10)
    cut = json.loads(second.value)
    assert len(base64.b64decode(cut["original"])) == MAX_ORIGINAL_BYTES
    assert cut["length"] == len(huge)
    assert built(result, taken(b"{oops", huge)).publication.messages == [first, second]


def test_a_misplaced_event_is_forwarded_by_its_user_with_its_origin() -> None:
    value = '{"userId": "伯", "type": "track"}'.encode()
    (forward,) = built(StepResult(end=1, misplaced=[0]), taken(value)).publication.messages
    assert (forward.kind, forward.key, forward.value) == (EVENTS, "伯".encode(), value)
    assert dict(forward.headers) == {
        "tagstream": b"forward",
        "tagstream-origin": b"3:10",
        "tagstream-id": forward_id("app", 3, 10).encode(),
    }


def guard_of(*versions: int, until: int = 100) -> ReplayGuard:
    guard = ReplayGuard(3, Committed(until, 7, 1, {}))
    for version in versions:
        guard.learn(b"ann", change_value("ann", version))
    return guard


def test_changes_published_before_are_left_out_while_records_are_processed_again() -> None:
    guard = guard_of(1, 2)
    result = StepResult(end=1, changes=[change("ann", 1), change("ann", 2), change("ann", 3), change("bob", 1)])
    step = built(result, taken(b"{}"), position(replay_to=guard.until), guard)
    assert [(m.key, json.loads(m.value)["data"]["version"]) for m in step.publication.messages] == [
        (b"ann", 3),
        (b"bob", 1),
    ]


def test_a_change_that_comes_out_differently_stops_the_partition_and_names_the_rebuild() -> None:
    result = StepResult(end=1, changes=[change("ann", 1, segment="other")])
    with pytest.raises(PauseError, match=r"Change 1 of user 'ann'.*differs.*rebuild") as caught:
        built(result, taken(b"{}"), position(), guard_of(1))
    assert caught.value.reason == "differs_from_published"


def test_dead_letters_and_forwards_from_below_k_are_left_out() -> None:
    result = StepResult(
        end=4, rejects=[Reject(0, "no_user", ""), Reject(2, "no_user", "")], misplaced=[1, 3], accepted=0
    )
    value = b'{"userId": "ann"}'
    intake = taken(b"{}", value, b"{}", value)
    step = built(result, intake, position(replay_to=Committed(12, 7, 1, {})), guard_of(until=12))
    offsets = [json.loads(m.value)["position"]["offset"] for m in step.publication.messages if m.kind != EVENTS]
    origins = [dict(m.headers)["tagstream-origin"] for m in step.publication.messages if m.kind == EVENTS]
    assert (offsets, origins) == ([12], [b"3:13"])


def test_the_mark_goes_when_k_and_all_versions_have_been_passed() -> None:
    guard = guard_of(1, 2, until=11)
    before = position(replay_to=guard.until, published={"segment-changes": {0: 2}})
    first = built(StepResult(end=1, changes=[change("ann", 1)]), taken(b"{}"), before, guard)
    assert first.position.replay_to == guard.until  # offset 11 is reached, version 2 is not
    assert first.position.published == {"segment-changes": {0: 2}}
    second = built(StepResult(changes=[change("ann", 2)]), None, first.position, guard)
    assert (second.position.replay_to, second.position.published) == (None, {"segment-changes": {0: 7}})


def test_a_step_that_fails_twice_is_halved_down_to_one_record_which_is_named() -> None:
    owned = Owned(3)
    error = ValueError("poison")
    sizes = []
    size = 9
    while (pause := owned.note_failure(Attempt("batch", 40, size), error)) is None:
        sizes.append(owned.limits.get("batch"))
        size = owned.limits.get("batch", size)
    assert sizes == [None, 4, 2, 1]
    assert "record at offset 40 of partition 3 can't be processed: ValueError: poison" in str(pause)
    owned.note_success("batch")
    assert owned.limits == {"batch": 2}


def test_a_step_too_large_is_halved_at_once_and_steps_grow_again_after_success() -> None:
    owned = Owned(3)
    assert owned.note_failure(Attempt("due", "ann", 500), ValueError(), halve_at_once=True) is None
    assert owned.limits == {"due": 250}
    for _ in range(7):
        owned.note_success("due")
    assert owned.limits == {}
    pause = owned.note_failure(Attempt("due", "ann", 1), ValueError("x"), halve_at_once=True)
    assert pause is not None
    assert "The user 'ann' of partition 3" in str(pause)


def test_messages_keep_their_order_changes_first() -> None:
    result = StepResult(end=2, changes=[change("ann", 1)], rejects=[Reject(0, "no_user", "")], misplaced=[1])
    kinds = [m.kind for m in built(result, taken(b"{}", b'{"userId": "u"}')).publication.messages]
    assert kinds == [SEGMENT_CHANGES, "events.dlq", EVENTS]
    assert isinstance(outgoing(EVENTS, None, b"", ()), Outgoing)
    assert np.array_equal(taken(b"{}").greatest_ms, [5_000])
