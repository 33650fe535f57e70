from __future__ import annotations

import pytest

from stream.metrics import DURATION_BUCKETS_S, Metrics, quantile_s


def test_a_snapshot_has_every_sample_by_name_and_labels() -> None:
    metrics = Metrics()
    metrics.events.inc(3)
    metrics.rejects.labels(reason="not_json").inc()
    snapshot = metrics.snapshot()
    assert snapshot["tagstream_events_total"] == 3
    assert snapshot["tagstream_rejects_total{reason=not_json}"] == 1
    assert not any("_created" in name for name in snapshot)


def test_two_instances_share_nothing() -> None:
    first, second = Metrics(), Metrics()
    first.events.inc()
    assert second.snapshot()["tagstream_events_total"] == 0


def test_the_text_format_names_each_metric_with_its_help() -> None:
    text = Metrics().exposition().decode()
    assert "# HELP tagstream_events_total Events accepted and evaluated." in text


def test_a_quantile_of_nothing_is_none() -> None:
    assert quantile_s(Metrics().step_duration, 0.5) is None


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
def test_a_quantile_is_right_to_within_a_bucket(fraction: float) -> None:
    metrics = Metrics()
    values = [0.001 * (step + 1) for step in range(1_000)]
    for value in values:
        metrics.step_duration.observe(value)
    assert quantile_s(metrics.step_duration, fraction) == pytest.approx(values[int(fraction * 1_000) - 1], rel=0.2)


def test_a_quantile_past_the_last_bound_is_that_bound() -> None:
    metrics = Metrics()
    metrics.step_duration.observe(10_000)
    assert quantile_s(metrics.step_duration, 0.5) == pytest.approx(DURATION_BUCKETS_S[-1])


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_a_fraction_outside_of_0_to_1_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        quantile_s(Metrics().step_duration, fraction)
