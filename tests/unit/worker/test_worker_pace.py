"""Background work keeps out of the way of live events and hurries when there are none."""

from __future__ import annotations

from stream.worker.pace import Pace


def test_pieces_grow_while_they_are_quick_and_shrink_when_they_take_long() -> None:
    pace = Pace(size=256)
    pace.done(10.0, 10.001, 0.001, busy=True)
    assert pace.size == 512
    pace.done(10.1, 10.101, 0.001, busy=True)
    assert pace.size == 512  # no larger while events come
    pace.done(11.0, 11.1, 0.1, busy=True)
    assert pace.size == 256
    for _ in range(20):
        pace.done(12.0, 12.5, 0.5, busy=True)
    assert pace.size == 128


def test_without_live_events_pieces_may_take_longer_and_shrink_when_events_come() -> None:
    pace = Pace(size=256)
    for _ in range(10):
        pace.done(10.0, 10.02, 0.02, busy=False)
    assert pace.size == 2_048
    pace.done(11.0, 11.015, 0.015, busy=True)
    assert pace.size == 512


def test_a_piece_is_as_large_as_fits_the_time_that_is_wanted() -> None:
    pace = Pace(size=256)
    pace.done(10.0, 10.05, 0.016, busy=True)
    assert pace.size == 320
    pace.done(11.0, 11.05, 0.025, busy=True)
    assert pace.size == 256


def test_a_slow_broker_makes_pieces_no_smaller() -> None:
    pace = Pace(size=256)
    pace.done(10.0, 10.2, 0.008, busy=True)
    assert pace.size == 512
    assert not pace.is_time(10.35)


def test_between_live_events_it_rests_as_long_as_it_worked_and_else_not_at_all() -> None:
    pace = Pace()
    pace.done(10.0, 10.006, 0.006, busy=True)
    assert not pace.is_time(10.0115)
    assert pace.is_time(10.0125)
    pace.done(20.0, 20.006, 0.006, busy=False)
    assert pace.is_time(20.006)


def test_where_there_is_nothing_to_do_yet_it_is_not_asked_again_at_once() -> None:
    pace = Pace()
    pace.nothing(5.0)
    assert not pace.is_time(5.01)
    assert pace.is_time(5.03)
