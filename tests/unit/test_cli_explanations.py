"""What `explain` says of the values that a condition reads."""

from __future__ import annotations

import pytest

from rules.explain import Explained, Seen
from rules.nodes import Kind
from stream.commands.explanations import tree_lines

NOON_MS = 1_764_331_200_000
NOON = "2025-11-28 12:00 UTC"


@pytest.mark.parametrize(
    ("seen", "line"),
    [
        # The value is today's, the moment another one: since then it lies between the same two thresholds.
        (Seen("spend", 'sum("Bought", "price")', 8535.35, Kind.NUMBER, NOON_MS), "last passed a threshold at"),
        (Seen(None, 'count("Bought", last="7d")', 3.0, Kind.NUMBER, NOON_MS), "last passed a threshold at"),
        (Seen(None, "since()", 60_000, Kind.DURATION, NOON_MS), "the last at"),
        (Seen(None, "since_first()", 60_000, Kind.DURATION, NOON_MS), "the first at"),
        (Seen(None, 'trait("city")', "Köln", Kind.STRING, NOON_MS), "since"),
        (Seen(None, "in_segment(good)", True, Kind.BOOLEAN, NOON_MS), "since"),
    ],
)
def test_a_moment_beside_a_value_says_of_what_it_is(seen: Seen, line: str) -> None:
    *_, shown = tree_lines(Explained("leaf", "the leaf", True, (), (seen,)), "UTC", 0)
    assert shown.rpartition(": ")[2].partition(", ")[2] == f"{line} {NOON}"


def test_a_threshold_passed_in_silence_is_told_as_such() -> None:
    seen = Seen("spend", 'sum("Bought", "price", last="90d")', 170.0, Kind.NUMBER, NOON_MS, by_time=True)
    *_, shown = tree_lines(Explained("leaf", "spend < 200", True, (), (seen,)), "UTC", 0)
    assert shown.endswith(f": 170, last passed a threshold at {NOON}, by time alone")
