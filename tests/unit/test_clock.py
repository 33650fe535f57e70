from __future__ import annotations

import time

import pytest

from stream.clock import Clock, HeldClock, ManualClock, ScaledClock, SystemClock, clock_from_text


@pytest.mark.parametrize("clock", [SystemClock(), ScaledClock(0, 1000.0), ManualClock(5)])
def test_no_clock_goes_back_by_itself(clock: Clock) -> None:
    first_ms, first_s = clock.now_ms(), clock.monotonic_s()
    clock.sleep_s(0.001)
    assert clock.now_ms() >= first_ms
    assert clock.monotonic_s() > first_s


def test_the_system_clock_tells_the_time_in_milliseconds() -> None:
    assert SystemClock().now_ms() == pytest.approx(time.time() * 1000, abs=5_000)  # noqa: TID251  # what it is held to


def test_a_scaled_clock_starts_where_it_is_told_and_runs_so_many_times_as_fast() -> None:
    origin_s = time.monotonic() - 2.0
    clock = ScaledClock(1_000_000, 3_600.0, origin_s=origin_s)
    assert clock.now_ms() == pytest.approx(1_000_000 + 2 * 3_600_000, rel=0.2)


def test_two_scaled_clocks_of_one_origin_tell_the_same_time() -> None:
    first = ScaledClock(7, 10.0)
    second = ScaledClock(first.start_ms, first.speed, origin_s=first.origin_s)
    before_ms, between_ms, after_ms = first.now_ms(), second.now_ms(), first.now_ms()
    assert before_ms <= between_ms <= after_ms


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_a_scaled_clock_must_move_forward(speed: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        ScaledClock(0, speed)


def test_a_manual_clock_moves_when_moved_and_when_slept_on() -> None:
    clock = ManualClock(100)
    clock.advance_ms(50)
    clock.sleep_s(0.25)
    assert (clock.now_ms(), clock.monotonic_s()) == (400, 0.3)


def test_a_manual_clock_may_jump_back_but_its_monotonic_reading_does_not() -> None:
    clock = ManualClock(100)
    clock.advance_ms(1_000)
    clock.set_ms(3)
    assert (clock.now_ms(), clock.monotonic_s()) == (3, 1.0)
    with pytest.raises(ValueError, match="doesn't go back"):
        clock.advance_ms(-1)


def test_a_held_clock_stands_still_until_it_is_released_and_is_then_the_other() -> None:
    clock, other = HeldClock(1_000), ManualClock(5_000)
    held_ms = [clock.now_ms(), clock.now_ms()]
    clock.release(other)
    other.advance_ms(7)
    assert held_ms == [1_000, 1_000]
    assert clock.now_ms() == 5_007


def test_a_held_clock_s_text_gives_a_held_clock_and_a_scaled_one_s_a_scaled_one() -> None:
    held, scaled = clock_from_text(HeldClock(12).text), clock_from_text(ScaledClock(3, 2.0, origin_s=1.5).text)
    assert isinstance(held, HeldClock)
    assert held.at_ms == 12
    assert isinstance(scaled, ScaledClock)
    assert (scaled.start_ms, scaled.speed, scaled.origin_s) == (3, 2.0, 1.5)
