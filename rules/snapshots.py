"""What a model's snapshot says of one user: the reference, in plain Python, that the kernel agrees with bit for bit.

All sums go in the order of the features, in doubles; the square root, `log1p` and `exp` are those of the C library.
1. A missing value, or one whose scaled value is not finite, takes the feature's `missing`.
2. Clusters: d = sqrt of the sum of (scaled − centre)². The nearest wins, ties go to the smaller id (clusters are in the
   order of their ids). A user whose old cluster is still there stays unless d_new < (1 − margin) · d_old.
3. Quantiles: 1 + the number of boundaries below the value; of bins + 1 that is taken away where lower is better.
4. Classifiers: 1 / (1 + exp(−z)), written with exp(z) where z < 0; or the mean of what the trees say: their sum in
   order, divided by their number. At a branch, a scaled value at most the threshold goes left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["apply_snapshot", "assign_cluster", "classifier_score", "quantile_scores", "scaled_values"]


def apply_snapshot(
    snapshot: Mapping[str, Any], values: Sequence[float | None], cluster: int | None = None
) -> int | float | dict[str, int | None]:
    """A cluster's id, a score from 0 to 1, or by field a score from 1 to bins (None of a missing value).

    `values` are in the order of the model's features; `cluster` is the user's old cluster, None if there is none.
    """
    if snapshot["kind"] == "clusters":
        return assign_cluster(snapshot, scaled_values(snapshot["features"], values), cluster)
    if snapshot["kind"] == "quantiles":
        return quantile_scores(snapshot["fields"], values)
    return classifier_score(snapshot, scaled_values(snapshot["features"], values))


def scaled_values(features: Sequence[Mapping[str, Any]], values: Sequence[float | None]) -> list[float]:
    """The values, scaled as the snapshot says. All are finite."""
    return [_scaled(feature, value) for feature, value in zip(features, values, strict=True)]


def _scaled(feature: Mapping[str, Any], value: float | None) -> float:
    if value is None or not math.isfinite(value):
        return float(feature["missing"])
    if feature["transform"] == "log":
        value = math.copysign(math.log1p(abs(value) / feature["unit"]), value)
    scaled = (value - feature["centre"]) / feature["scale"]
    return scaled if math.isfinite(scaled) else float(feature["missing"])


def assign_cluster(snapshot: Mapping[str, Any], scaled: Sequence[float], cluster: int | None = None) -> int:
    """The id of the cluster that a user with these scaled values belongs to, coming from `cluster`."""
    best, best_distance, old_distance = -1, math.inf, math.inf
    for each in snapshot["clusters"]:
        total = 0.0
        for value, centre in zip(scaled, each["centre"], strict=True):
            total += (value - centre) * (value - centre)
        distance = math.sqrt(total)
        if distance < best_distance or best < 0:
            best, best_distance = each["id"], distance
        if each["id"] == cluster:
            old_distance = distance
    if cluster is None or old_distance == math.inf or best_distance < (1 - snapshot["margin"]) * old_distance:
        return best
    return cluster


def quantile_scores(fields: Sequence[Mapping[str, Any]], values: Sequence[float | None]) -> dict[str, int | None]:
    """By field, its score from 1 to bins; None where the value is missing."""
    scores: dict[str, int | None] = {}
    for field, value in zip(fields, values, strict=True):
        if value is None or not math.isfinite(value):
            scores[field["name"]] = None
            continue
        below = sum(1 for boundary in field["boundaries"] if boundary < value)
        # bins + 1 − (1 + below), and there is one boundary less than bins.
        scores[field["name"]] = len(field["boundaries"]) + 1 - below if field["lower_is_better"] else 1 + below
    return scores


def classifier_score(snapshot: Mapping[str, Any], scaled: Sequence[float]) -> float:
    """How likely the label is, from 0 to 1, for these scaled values."""
    if "logistic" in snapshot:
        exponent = float(snapshot["logistic"]["intercept"])
        for weight, value in zip(snapshot["logistic"]["weights"], scaled, strict=True):
            exponent += weight * value
        return _logistic(exponent)
    total = 0.0
    for tree in snapshot["trees"]:
        total += _tree(tree["nodes"], scaled)
    return total / len(snapshot["trees"])


def _logistic(exponent: float) -> float:
    if exponent >= 0:
        return 1 / (1 + math.exp(-exponent))
    power = math.exp(exponent)
    return power / (1 + power)


def _tree(nodes: Sequence[Sequence[float]], scaled: Sequence[float]) -> float:
    feature, threshold, left, right = nodes[0]
    while feature >= 0:
        feature, threshold, left, right = nodes[int(left if scaled[int(feature)] <= threshold else right)]
    return threshold
