from __future__ import annotations

import pytest

from stream.worker.errors import PauseError
from stream.worker.intake import AHEAD_MS, BATCH_BYTES, cut_batch, take_in
from tests.unit.worker.worker_builders import forwarded, message, position, tick

NOW_MS = 10_000_000


def test_the_watermark_is_the_greatest_log_time_so_far_less_the_grace() -> None:
    times = [5_000, 9_000, 7_000, 12_000]
    intake = take_in([message(o, t) for o, t in enumerate(times)], position(), app="app", grace_ms=2_000, now_ms=NOW_MS)
    assert intake.records.watermark_ms.tolist() == [3_000, 7_000, 7_000, 10_000]
    assert intake.records.horizon_ms.tolist() == [time_ms + AHEAD_MS for time_ms in times]


def test_the_watermark_goes_on_from_the_position_and_never_back() -> None:
    before = position(log_time_ms=8_000, watermark_ms=7_500)
    intake = take_in([message(0, 5_000), message(1, 9_900)], before, app="app", grace_ms=2_000, now_ms=NOW_MS)
    assert intake.records.watermark_ms.tolist() == [7_500, 7_900]
    assert intake.progress(before, 1).watermark_ms == 7_500
    assert intake.progress(before, 2).watermark_ms == 7_900


def test_a_tick_moves_the_watermark_and_is_no_event() -> None:
    intake = take_in([message(4), tick(5, 50_000), message(6)], position(), app="app", grace_ms=2_000, now_ms=NOW_MS)
    assert intake.records.offsets.tolist() == [4, 6]
    assert intake.records.watermark_ms.tolist() == [0, 48_000]
    after_first, after_all = intake.progress(position(), 1), intake.progress(position(), 2)
    assert (after_first.next_offset, after_first.watermark_ms) == (6, 48_000)  # the tick behind it is done too
    assert (after_all.next_offset, after_all.watermark_ms) == (7, 48_000)


def test_ticks_alone_take_the_position_forward() -> None:
    intake = take_in([tick(5, 50_000), tick(9, 60_000)], position(), app="app", grace_ms=2_000, now_ms=NOW_MS)
    assert len(intake.records) == 0
    progress = intake.progress(position(), 0)
    assert (progress.next_offset, progress.log_time_ms, progress.watermark_ms) == (10, 60_000, 58_000)


def test_an_event_may_carry_headers_of_its_own_and_a_value_makes_no_tick() -> None:
    messages = [message(0, headers=[("trace", b"x")]), message(1, headers=[("tagstream", b"tick")])]
    intake = take_in(messages, position(), app="app", grace_ms=0, now_ms=NOW_MS)
    assert intake.records.offsets.tolist() == [0, 1]


def test_a_control_record_of_a_newer_version_stops_the_partition() -> None:
    newer = message(7, value=None, headers=[("tagstream", b"merge"), ("tagstream-app", b"app")])
    with pytest.raises(PauseError, match=r"offset 7 of partition 3, 'merge'.*upgrade this worker") as caught:
        take_in([newer], position(), app="app", grace_ms=0, now_ms=NOW_MS)
    assert caught.value.reason == "unknown_control"


def test_i6_a_record_below_the_position_is_skipped() -> None:
    intake = take_in(
        [message(8), message(9), message(10)], position(next_offset=10), app="app", grace_ms=0, now_ms=NOW_MS
    )
    assert intake.records.offsets.tolist() == [10]


def test_a_log_time_far_ahead_of_the_clock_ends_the_batch_then_stops_the_partition() -> None:
    ahead = message(1, NOW_MS + AHEAD_MS + 1)
    intake = take_in([message(0), ahead, message(2)], position(), app="app", grace_ms=0, now_ms=NOW_MS)
    assert (len(intake.messages), intake.progress(position(), 1).next_offset) == (1, 1)
    with pytest.raises(PauseError, match="ahead of this machine's clock") as caught:
        take_in([ahead, message(2)], position(), app="app", grace_ms=0, now_ms=NOW_MS)
    assert caught.value.reason == "log_time_ahead"


def test_forwarded_events_are_known_and_their_repeats_ignored() -> None:
    before = position(origins={1: 40})
    messages = [forwarded(0, "1:40"), forwarded(1, "1:41"), forwarded(2, "2:5"), forwarded(3, "1:41"), message(4)]
    intake = take_in(messages, before, app="app", grace_ms=0, now_ms=NOW_MS)
    assert intake.records.offsets.tolist() == [1, 2, 4]
    assert intake.records.forwarded.tolist() == [True, True, False]
    assert intake.progress(before, 1).origins == {1: 41}
    assert intake.progress(before, 3).origins == {1: 41, 2: 5}


@pytest.mark.parametrize("origin", ["", "x:y", "1", "1:-2", "²:3"])
def test_a_forward_without_a_proper_origin_is_a_plain_event(origin: str) -> None:
    intake = take_in([forwarded(0, origin)], position(), app="app", grace_ms=0, now_ms=NOW_MS)
    assert (intake.records.offsets.tolist(), intake.records.forwarded.tolist()) == ([0], [False])


def test_a_batch_ends_before_its_values_take_too_much() -> None:
    third = b"x" * (BATCH_BYTES // 3)
    messages = [message(offset, value=third) for offset in range(7)]
    assert cut_batch(messages, None) == 3
    assert cut_batch(messages, 2) == 2
    assert cut_batch(messages[:1], None) == 1
    assert cut_batch([message(0, value=b"x" * (BATCH_BYTES + 1)), message(1)], None) == 1
    assert cut_batch([message(0, value=None)], 10) == 1
