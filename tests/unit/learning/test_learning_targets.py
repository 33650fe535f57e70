"""What `python -m bench.models` measures in full, smaller."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from bench.model_samples import Groups, groups
from bench.models import rfm_figures
from stream.learning import DeclaredModel
from stream.learning.learner import Learner, learner_of
from stream.learning.lloyd import nearest
from stream.learning.scaling import FeatureScale, scaled_rows
from tests.unit.learning.learning_data import samples_of

MODEL = DeclaredModel("behaviour", "clusters", ("a", "b", "c", "d", "e", "f"), clusters=8)


def learned(learner: Learner, stream: Groups, step: int, first: int) -> list[dict[str, Any]]:
    snapshots = []
    for start in range(0, len(stream.values), step):
        learner.learn(samples_of(MODEL, stream.values[start : start + step], start=first + start))
        snapshot = learner.snapshot(start)
        assert isinstance(snapshot, dict)
        snapshots.append(snapshot)
    return snapshots


def agreement(snapshot: dict[str, Any], stream: Groups) -> float:
    rows = scaled_rows([FeatureScale(**each) for each in snapshot["features"]], stream.values)
    ours = nearest(rows, np.array([each["centre"] for each in snapshot["clusters"]]))
    # With fewer starts it is the judge that ends where it should not.
    batch = KMeans(8, n_init=20, random_state=1).fit(rows)
    return float(adjusted_rand_score(batch.labels_, ours))


def test_clusters_agree_with_batch_k_means_stay_and_recover() -> None:
    learner = learner_of(MODEL)
    stream, shifted = groups(19_200, 1), groups(10_000, 1, shifted=True)
    snapshots = learned(learner, stream, 1_600, 0)
    assert agreement(snapshots[-1], stream) >= 0.95
    assert max(each["moved"] for each in snapshots[10:]) < 0.01
    assert agreement(learned(learner, shifted, 5_000, 50_000)[-1], shifted) >= 0.95


def test_rfm_scores_after_cdnow_are_those_of_pandas() -> None:
    assert [each for each in rfm_figures() if not each.good] == []
