"""Numbers that say how good a model is: exact AUC, log loss, accuracy, calibration, silhouette."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from stream.learning.lloyd import distances

__all__ = ["area_under_roc", "classifier_quality", "log_loss", "silhouette"]

Doubles = npt.NDArray[np.float64]

CALIBRATION_BINS = 10
_CERTAIN = 1e-6


def area_under_roc(labels: npt.NDArray[np.bool_], scores: Doubles) -> float | None:
    """The share of pairs (one positive, one negative) that are in the right order, ties as half; None without pairs."""
    positive = int(labels.sum())
    negative = len(labels) - positive
    if not positive or not negative:
        return None
    ranks = rankdata(scores)
    return float((ranks[labels].sum() - positive * (positive + 1) / 2) / (positive * negative))


def log_loss(labels: npt.NDArray[np.bool_], scores: Doubles) -> Doubles:
    """The loss of each (n,), in nats, with scores held to 10⁻⁶ from certainty."""
    held = np.clip(scores, _CERTAIN, 1 - _CERTAIN)
    return np.asarray(-np.log(np.where(labels, held, 1 - held)))


def classifier_quality(labels: npt.NDArray[np.bool_], scores: Doubles) -> dict[str, Any]:
    """AUC (`auc`, None without both labels), log_loss, accuracy, calibration_error, and bins (`calibration`); n > 0."""
    bins, error = _calibration(labels, scores)
    return {
        "auc": area_under_roc(labels, scores),
        "log_loss": float(log_loss(labels, scores).mean()),
        "accuracy": float(((scores >= 0.5) == labels).mean()),
        "calibration_error": error,
        "calibration": bins,
    }


def _calibration(labels: npt.NDArray[np.bool_], scores: Doubles) -> tuple[list[Mapping[str, float]], float]:
    """Ten bins of equal width: what was foretold and what came; and the expected calibration error over them."""
    places = np.minimum((scores * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    bins: list[Mapping[str, float]] = []
    error = 0.0
    for number in range(CALIBRATION_BINS):
        inside = places == number
        count = int(inside.sum())
        if count:
            foretold, came = float(scores[inside].mean()), float(labels[inside].mean())
            error += count / len(scores) * abs(foretold - came)
            bins.append({"from": number / CALIBRATION_BINS, "samples": count, "foretold": foretold, "came": came})
    return bins, error


def silhouette(rows: Doubles, labels: npt.NDArray[np.int64]) -> float | None:
    """The mean silhouette (Rousseeuw 1987) of rows (n, d), from −1 to 1; None with fewer than two clusters among them.

    Takes n² distances: for a few hundred rows.
    """
    present = np.unique(labels)
    if len(present) < 2:
        return None
    apart = distances(rows, rows)
    members = np.stack([labels == each for each in present], axis=1).astype(np.float64)
    sizes = members.sum(axis=0)
    sums = apart @ members
    own = members.astype(bool)
    own_size = members @ sizes
    inner = sums[own] / np.maximum(own_size - 1, 1)
    outer = np.where(own, np.inf, sums / sizes).min(axis=1)
    widths = np.where(own_size > 1, (outer - inner) / np.maximum(np.maximum(outer, inner), 1e-300), 0.0)
    return float(widths.mean())
