from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score, silhouette_score

from stream.learning.quality import area_under_roc, classifier_quality, log_loss, silhouette

GENERATOR = np.random.default_rng(3)


def test_the_numbers_are_those_of_scikit_learn() -> None:
    labels = GENERATOR.random(400) < 0.3
    scores = np.round(GENERATOR.random(400), 2)
    assert area_under_roc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))
    assert float(log_loss(labels, scores).mean()) == pytest.approx(
        sklearn_log_loss(labels, np.clip(scores, 1e-6, 1 - 1e-6))
    )
    rows, groups = GENERATOR.normal(size=(200, 3)), GENERATOR.integers(0, 4, 200)
    assert silhouette(rows, groups) == pytest.approx(silhouette_score(rows, groups))


def test_with_one_label_or_one_cluster_there_is_nothing_to_tell_apart() -> None:
    assert area_under_roc(np.array([True, True]), np.array([0.1, 0.2])) is None
    assert silhouette(np.zeros((3, 1)), np.array([1, 1, 1])) is None


def test_scores_that_say_what_comes_are_calibrated() -> None:
    scores = GENERATOR.random(20_000)
    quality = classifier_quality(GENERATOR.random(20_000) < scores, scores)
    assert quality["calibration_error"] < 0.02
    assert sum(each["samples"] for each in quality["calibration"]) == 20_000
