"""States of learners: published when much was learned, on every way down, and never with half a batch in them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stream.clock import ManualClock
from stream.control.learners import Learners
from stream.control.pace import Pace
from stream.control.publications import Publication, SavedState
from stream.learning import Sample
from stream.learning.quantiles import QuantileLearner
from tests.unit.control.control_shop import PlainMemory, catalog, moments

NOW_MS = 1_000_000_000_000
PACE = Pace(snapshot_samples=100_000, snapshot_every_s=1e9, state_samples=1_000)


def saved(publications: list[Publication]) -> dict[str, int]:
    """The models whose states are among them, each with how many samples it had learned."""
    return {each.model: each.state["learned"]["samples"] for each in publications if isinstance(each, SavedState)}


def test_after_many_samples_a_state_comes_sooner_but_not_with_every_batch() -> None:
    clock = ManualClock(NOW_MS)
    at_work = Learners(PlainMemory(catalog()), clock, PACE)
    at_work.learn(moments("rfm", 999))
    clock.advance_ms(30_000)
    assert saved(at_work.tick()) == {}
    at_work.learn(moments("rfm", 1, start=999))
    assert saved(at_work.tick()) == {"rfm": 1_000}
    at_work.learn(moments("rfm", 5_000, start=1_000))
    clock.advance_ms(29_000)
    assert saved(at_work.tick()) == {}
    clock.advance_ms(1_000)
    assert saved(at_work.tick()) == {"rfm": 6_000}


def test_where_states_are_not_to_come_sooner_they_come_by_time() -> None:
    clock = ManualClock(NOW_MS)
    at_work = Learners(PlainMemory(catalog()), clock, Pace(100_000, 1e9, state_samples=None))
    at_work.learn(moments("rfm", 5_000))
    clock.advance_ms(299_000)
    assert saved(at_work.tick()) == {}
    clock.advance_ms(1_000)
    assert saved(at_work.tick()) == {"rfm": 5_000}


def test_after_an_error_in_a_batch_all_states_are_given_but_the_one_with_half_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_work = Learners(PlainMemory(catalog()), ManualClock(NOW_MS), PACE)
    at_work.learn([*moments("rfm", 100), *moments("behaviour", 50)])
    learn = QuantileLearner.learn

    def fail(learner: QuantileLearner, samples: Sequence[Sample]) -> None:
        learn(learner, samples[:3])
        raise RuntimeError("the sketch is upside down")

    monkeypatch.setattr(QuantileLearner, "learn", fail)
    with pytest.raises(RuntimeError, match="upside down"):
        at_work.learn([*moments("behaviour", 7, start=50), *moments("rfm", 10, start=100)])
    assert saved(at_work.release()) == {"behaviour": 57}
    assert at_work.models == {}


def test_a_batch_that_was_learned_to_its_end_is_in_the_state_whatever_failed_later() -> None:
    at_work = Learners(PlainMemory(catalog()), ManualClock(NOW_MS), PACE)
    at_work.learn(moments("rfm", 1_500))
    at_work.tick()
    at_work.learn(moments("rfm", 5, start=1_500))
    assert saved(at_work.release()) == {"rfm": 1_505}
