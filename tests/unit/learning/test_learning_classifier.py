from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stream.learning import ALGORITHMS, Refusal, Sample, apply_snapshot, check_snapshot
from stream.learning.learner import Learner, learner_of
from stream.learning.quality import area_under_roc
from tests.unit.learning.learning_data import DAY_MS, WINDOW_MS, churn_model, labelled


def taken(learner: Learner) -> dict[str, Any]:
    snapshot = learner.snapshot(1)
    assert isinstance(snapshot, dict), snapshot
    check_snapshot(snapshot)
    json.dumps(snapshot, allow_nan=False)
    return snapshot


def area(snapshot: dict[str, Any], samples: list[Sample]) -> float:
    judged = [each for each in samples if each.label is not None]
    scores = np.array([apply_snapshot(snapshot, each.values) for each in judged], dtype=np.float64)
    found = area_under_roc(np.array([bool(each.label) for each in judged]), scores)
    assert found is not None
    return found


@pytest.mark.parametrize("algorithm", ALGORITHMS["classifier"])
def test_every_algorithm_learns_who_will_go(algorithm: str) -> None:
    learner = learner_of(churn_model(algorithm=algorithm))
    learner.learn(labelled(1_600 if algorithm == "adaptive_random_forest" else 3_000, 1))
    snapshot = taken(learner)
    # The best that can be known has an AUC of 0.86 or so.
    assert area(snapshot, labelled(1_500, 2)) > 0.82
    quality = snapshot["quality"]
    assert quality["auc"] > 0.78
    assert quality["log_loss"] < quality["base_rate"]["log_loss"]
    assert quality["calibration_error"] < 0.1
    assert "since" in snapshot["rules"]


def test_forecasts_are_judged_as_they_were_made_and_only_past_their_deadline() -> None:
    learner = learner_of(churn_model())
    learner.learn(labelled(2_000, 3))
    before = taken(learner)["quality"]["labels"]
    # An early label waits until its deadline, an hour after the sample was opened.
    opened_ms = 3_000 * 60_000
    values = (float(DAY_MS), 1.0)
    learner.learn([Sample("churn", "new", opened_ms, "moment", values)])
    held_until = taken(learner)["quality"]["labels"]
    learner.learn([Sample("churn", "new", opened_ms + 5, "label", values, label=False, opened_ms=opened_ms)])
    assert taken(learner)["quality"]["labels"] == held_until
    learner.learn([Sample("churn", "other", opened_ms + WINDOW_MS, "moment", values)])
    assert taken(learner)["quality"]["labels"] == held_until + 1
    assert held_until > before


def test_a_worse_one_is_refused_with_words_and_the_published_one_stays() -> None:
    learner = learner_of(churn_model())
    learner.learn(labelled(2_600, 4))
    good = taken(learner)
    # What the learning model says from now on is the reverse; it hardly learns better from a few labels.
    learner._kind._online.resume({"logistic": {"weights": [-9.0, 0.0], "intercept": 0.0}})  # type: ignore[union-attr]
    learner._kind._refresh()  # type: ignore[union-attr]
    learner.learn(labelled(160, 5, start=4_200))
    refusal = learner.snapshot(2)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "worse"
    assert refusal.reason.startswith("It is worse than the published one, which stays. On the newest ")
    assert refusal.snapshot is not None
    assert refusal.snapshot["accepted"] is False
    assert learner.version == good["version"]


def test_without_labels_of_both_kinds_there_is_no_snapshot() -> None:
    learner = learner_of(churn_model())
    learner.learn([each for each in labelled(1_500, 6) if each.label is None])
    refusal = learner.snapshot(1)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "Only 0 samples are past their deadline; 100 are wanted."
    same = learner_of(churn_model())
    same.learn([each for each in labelled(2_500, 7) if each.label is not False])
    refusal = same.snapshot(1)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "All labels that have come are the same; there is nothing to tell apart."


def test_a_model_worse_than_the_last_value_rule_says_so() -> None:
    # A user's churn never changes, and the features know nothing of it.
    generator = np.random.default_rng(8)
    samples = []
    for number in range(5_000):
        opened_ms, user = number * 600_000, number % 1_010
        values = (float(generator.normal()), float(generator.normal()))
        at_ms = opened_ms + WINDOW_MS if user % 2 else opened_ms + 1
        samples.append(Sample("churn", f"u{user}", opened_ms, "moment", values))
        samples.append(Sample("churn", f"u{user}", at_ms, "label", values, bool(user % 2), opened_ms))
    learner = learner_of(churn_model(durations=(False, False)))
    learner.learn(sorted(samples, key=lambda each: (each.at_ms, each.why)))
    snapshot = taken(learner)
    assert snapshot["quality"]["last_value"]["auc"] > 0.95
    assert "It is worse than the last-value rule: an AUC of" in snapshot["reason"]


def test_a_restart_of_a_logistic_model_goes_on_as_if_nothing_had_happened() -> None:
    learner = learner_of(churn_model())
    stream = labelled(2_400, 9)
    learner.learn(stream[:3_700])
    taken(learner)
    restored = learner_of(churn_model(), None, json.loads(json.dumps(learner.state(), allow_nan=False)))
    for each in (learner, restored):
        each.learn(stream[3_700:])
    apart = {"drift"}
    ours, theirs = taken(restored), taken(learner)
    assert {**ours, "quality": {k: v for k, v in ours["quality"].items() if k not in apart}} == {
        **theirs,
        "quality": {k: v for k, v in theirs["quality"].items() if k not in apart},
    }


@pytest.mark.parametrize("algorithm", ["hoeffding_tree", "adaptive_random_forest"])
def test_a_restart_of_trees_learns_the_newest_labels_again_each_time_alike(algorithm: str) -> None:
    model = churn_model(algorithm=algorithm)
    learner = learner_of(model)
    learner.learn(labelled(1_200, 10))
    state = json.loads(json.dumps(learner.state(), allow_nan=False))
    first, second = (taken(learner_of(model, None, state)) for _ in range(2))
    assert first == second
    assert area(first, labelled(1_000, 11)) > 0.78


def test_features_that_are_missing_or_beyond_all_bounds_do_no_harm() -> None:
    generator = np.random.default_rng(12)
    wild = [None, float("inf"), float("nan"), 1e308, -1e308, 0.0]
    samples = [replace(each, values=(wild[int(generator.integers(6))], each.values[1])) for each in labelled(2_000, 12)]
    learner = learner_of(churn_model())
    learner.learn(samples)
    snapshot = taken(learner)
    assert 0 <= float(apply_snapshot(snapshot, (1e300, -1e300))) <= 1  # type: ignore[arg-type]


def test_to_a_logistic_model_a_time_that_never_began_is_long_ago() -> None:
    # Whoever was seen more than six days ago is taken for somebody who was never seen.
    samples = [
        replace(each, values=(since_ms if since_ms is not None and since_ms <= 6 * DAY_MS else None, visits))
        for each in labelled(1_600, 15)
        for since_ms, visits in [each.values]
    ]
    learner = learner_of(churn_model())
    learner.learn(samples)
    snapshot = taken(learner)
    never, today, middle = (
        float(apply_snapshot(snapshot, (value, 3.0)))  # type: ignore[arg-type]  # a classifier says a number
        for value in (None, 0.0, 4.6 * DAY_MS)
    )
    assert today < middle < never
    assert never > 0.75


def test_a_change_of_the_world_is_noticed() -> None:
    learner = learner_of(churn_model())
    learner.learn(labelled(1_500, 13))
    shifted = [
        Sample("churn", each.user, each.at_ms, each.why, (9e9, 40.0), each.label, each.opened_ms)
        for each in labelled(1_500, 14, start=5_000)
    ]
    assert learner.drifts() == []
    learner.learn(shifted)
    assert {"since", "orders"} <= {each.feature for each in learner.drifts()}
    assert learner.drifts() == []
