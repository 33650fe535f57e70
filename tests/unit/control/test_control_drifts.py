"""Drifts: each goes to `ops-metrics`, people get one line a model and snapshot."""

from __future__ import annotations

import pytest

from stream.clock import ManualClock
from stream.control.learners import Learners
from stream.control.pace import Pace
from stream.control.publications import FoundDrifts, NewSnapshot
from stream.control.reports import DriftReport, drifts_text
from tests.unit.control.control_shop import PlainMemory, catalog, moments


def drift(feature: str | None, before: float, after: float) -> DriftReport:
    return DriftReport(1_000, "rfm", feature, before, after)


@pytest.mark.parametrize(
    ("reports", "text"),
    [
        ([drift("spend", 0.1, 1.25)], "the feature spend has drifted, from 0.1 to 1.25 in scaled units"),
        (
            [drift("idle", 8.56, 8.52), drift("spend", 0.1, -1.25), drift("idle", 8.52, 8.5)],
            "2 features have drifted, the most spend, from 0.1 to -1.25 in scaled units",
        ),
        # What went away and came back has moved as far as it is away now.
        (
            [drift("spend", 0.0, 3.0), drift("spend", 3.0, 0.2), drift("idle", 1.0, 2.0)],
            "2 features have drifted, the most idle, from 1 to 2 in scaled units",
        ),
        ([drift(None, 0.2, 0.4)], "its error has drifted, from 0.2 to 0.4"),
        (
            [drift(None, 0.2, 0.4), drift("spend", 0.1, 1.25)],
            "the feature spend has drifted, from 0.1 to 1.25 in scaled units; its error has drifted, from 0.2 to 0.4",
        ),
    ],
)
def test_one_line_says_how_many_have_drifted_and_which_the_most(reports: list[DriftReport], text: str) -> None:
    assert drifts_text(reports) == text


def test_all_that_has_drifted_before_a_snapshot_is_published_together() -> None:
    clock = ManualClock(1_000_000_000_000)
    at_work = Learners(PlainMemory(catalog()), clock, Pace(snapshot_samples=2_000))
    at_work.learn(moments("behaviour", 3_000))
    found = at_work.learn([each for turn in range(2) for each in moved(3_000 * (1 + turn))])

    together = [each for each in found if isinstance(each, FoundDrifts)]
    assert 1 <= len(together) <= sum(isinstance(each, NewSnapshot) for each in found)
    assert {each.feature for each in together[0].reports} == {"orders", "spend"}
    assert {type(each) for each in found if isinstance(each, DriftReport)} == set()


def moved(start: int) -> list[bytes]:
    """Samples of users who all do much more than those of `moments`."""
    return moments("behaviour", 3_000, start=start, add=60.0)
