from __future__ import annotations

import math

import pytest

from bench.apply import Run, with_more_segments
from rules.catalog import load_catalog, parse_catalog

SENT = {(0, 1): 10.0, (0, 2): 11.0, (1, 1): 12.0}


def test_the_new_version_has_the_segments_that_the_walk_is_to_fill() -> None:
    first = load_catalog("retail")
    second = with_more_segments(first)
    assert sorted({*second.segments} - {*first.segments}) == ["bench_buyers", "bench_dear"]
    assert second.version == first.version + 1


def test_a_catalog_into_which_no_segments_can_be_put_is_no_benchmark() -> None:
    flow = parse_catalog("{catalog: shop, version: 1, segments: {a: {when: count() > 1}}}")
    with pytest.raises(ValueError, match="segments:"):
        with_more_segments(flow)


def test_changes_that_come_late_are_counted_and_stay_in_the_percentiles() -> None:
    seen = [((0, 1), 10.5), ((0, 2), 31.0), ((7, 7), 31.0)]
    run = Run.of(SENT, seen, began_s=10.0, time_up_s=15.0, applied=None)

    assert (run.events, run.seconds, run.late) == (3, 2.0, 1)
    assert run.between(0.0, 5.0)[2] == pytest.approx(20_000 - 0.01 * 19_500)
    assert all(math.isnan(each) for each in run.between(5.0, 9.0))
