from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stream.learning import DeclaredModel, LearningError, Refusal, apply_snapshot
from stream.learning.learner import Learner, learner_of
from stream.learning.quantiles import weighted_quantiles
from tests.unit.learning.learning_data import samples_of

HOUR_MS = 3_600_000
MODEL = DeclaredModel("rfm", "quantiles", ("recency", "frequency"), (True, False))


def taken(learner: Learner) -> dict[str, Any]:
    snapshot = learner.snapshot(1)
    assert isinstance(snapshot, dict), snapshot
    return snapshot


def test_with_few_users_the_boundaries_are_numpys() -> None:
    generator = np.random.default_rng(1)
    values = np.stack([generator.exponential(1e9, 2_000), generator.poisson(2, 2_000)], axis=1)
    learner = learner_of(MODEL)
    learner.learn(samples_of(MODEL, values, step_ms=43_000))
    for number, field in enumerate(taken(learner)["fields"]):
        expected = np.quantile(values[:, number], [0.2, 0.4, 0.6, 0.8])
        np.testing.assert_allclose(field["boundaries"], expected, rtol=1e-11)


def test_scores_are_those_of_pandas() -> None:
    generator = np.random.default_rng(2)
    values = np.stack([generator.exponential(1e9, 1_500), generator.normal(50, 9, 1_500)], axis=1)
    learner = learner_of(MODEL)
    learner.learn(samples_of(MODEL, values, step_ms=50_000))
    snapshot = taken(learner)
    scores = [apply_snapshot(snapshot, row) for row in values.tolist()]
    expected = pd.DataFrame(
        {
            "recency": pd.qcut(values[:, 0], 5, labels=[5, 4, 3, 2, 1]).astype(int),
            "frequency": pd.qcut(values[:, 1], 5, labels=[1, 2, 3, 4, 5]).astype(int),
        }
    )
    pd.testing.assert_frame_equal(pd.DataFrame(scores), expected)


def test_with_many_users_a_boundary_is_off_by_less_than_half_a_percent_of_them() -> None:
    generator = np.random.default_rng(3)
    values = np.stack([generator.exponential(1e9, 60_000), generator.lognormal(2, 2, 60_000)], axis=1)
    learner = learner_of(MODEL)
    learner.learn(samples_of(MODEL, values, step_ms=1_440))
    for number, field in enumerate(taken(learner)["fields"]):
        shares = (values[:, number][:, None] <= np.array(field["boundaries"])).mean(axis=0)
        np.testing.assert_allclose(shares, [0.2, 0.4, 0.6, 0.8], atol=0.005)


def test_the_last_24_hours_hold_each_user_once() -> None:
    learner = learner_of(MODEL)
    day = np.stack([np.arange(240.0), np.arange(240.0)], axis=1)
    for number in range(3):
        learner.learn(samples_of(MODEL, day + 1_000 * number, start=240 * number, step_ms=HOUR_MS // 10))
    # An hour has begun: the 24 whole ones before it count, which are the last day.
    learner.learn(samples_of(MODEL, np.array([[9e9, 9e9]]), start=720, step_ms=HOUR_MS // 10))
    snapshot = taken(learner)
    assert snapshot["quality"]["values"] == [240, 240]
    assert snapshot["fields"][0]["boundaries"] == pytest.approx(np.quantile(day[:, 0] + 2_000, [0.2, 0.4, 0.6, 0.8]))


def test_a_score_is_1_and_the_number_of_boundaries_below() -> None:
    fields = [
        {"name": "up", "boundaries": [1.0, 1.0, 2.0], "lower_is_better": False},
        {"name": "down", "boundaries": [1.0, 1.0, 2.0], "lower_is_better": True},
    ]
    snapshot = {"kind": "quantiles", "fields": fields}
    assert apply_snapshot(snapshot, (1.0, 1.0)) == {"up": 1, "down": 4}
    assert apply_snapshot(snapshot, (1.5, 1.5)) == {"up": 3, "down": 2}
    assert apply_snapshot(snapshot, (9.0, 9.0)) == {"up": 4, "down": 1}
    assert apply_snapshot(snapshot, (None, float("nan"))) == {"up": None, "down": None}


def test_missing_values_are_left_out_and_too_few_are_refused() -> None:
    values = np.stack([np.arange(200.0), np.full(200, np.nan)], axis=1)
    learner = learner_of(MODEL)
    learner.learn(samples_of(MODEL, values))
    refusal = learner.snapshot(1)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "Only 0 samples of the last 24 hours have a value of frequency; 5 bins want 50."


def test_a_constant_field_has_one_boundary_many_times() -> None:
    learner = learner_of(MODEL)
    learner.learn(samples_of(MODEL, np.full((100, 2), 3.0)))
    snapshot = taken(learner)
    assert snapshot["fields"][1]["boundaries"] == [3.0] * 4
    assert apply_snapshot(snapshot, (3.0, 3.0)) == {"recency": 5, "frequency": 1}


def test_a_restart_goes_on_where_it_was() -> None:
    generator = np.random.default_rng(4)
    values = generator.exponential(1e9, (900, 2))
    learner = learner_of(MODEL)
    learner.learn(samples_of(MODEL, values[:500]))
    state = json.loads(json.dumps(learner.state()))
    restored = learner_of(MODEL, None, state)
    for each in (learner, restored):
        each.learn(samples_of(MODEL, values[500:], start=500))
    assert taken(restored) == taken(learner)
    state["learned"]["hours"]["0"][0] = "nonsense"
    with pytest.raises(LearningError):
        learner_of(MODEL, None, state)


def test_a_weight_stands_for_as_many_values() -> None:
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([1.0, 4.0, 2.0])
    shares = np.linspace(0, 1, 21)
    expected = np.quantile(np.repeat(values, weights.astype(int)), shares)
    np.testing.assert_allclose(weighted_quantiles(values, weights, shares), expected)
