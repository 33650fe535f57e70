from __future__ import annotations

from typing import Any

import pytest

from stream.learning import DeclaredModel, LearningError, apply_snapshot, check_snapshot
from stream.learning.learner import learner_of

HEAD = {"model": "m", "catalog": "c", "fingerprint": "f", "version": 1, "catalog_version": 1, "made_at": 0}
FEATURE = {"name": "x", "transform": "identity", "unit": 1.0, "centre": 0.0, "scale": 1.0, "missing": 0.0}
CLUSTERS: dict[str, Any] = {
    **HEAD,
    "kind": "clusters",
    "margin": 0.1,
    "features": [FEATURE],
    "clusters": [{"id": 1, "centre": [0.0]}, {"id": 2, "centre": [1.0]}],
}
TREE: dict[str, Any] = {
    **HEAD,
    "kind": "classifier",
    "features": [FEATURE],
    "trees": [{"nodes": [[0, 0.5, 1, 2], [-1, 0.2, 0, 0], [-1, 0.9, 0, 0]]}],
}


def test_sound_snapshots_pass_and_a_tree_is_walked() -> None:
    check_snapshot(CLUSTERS)
    check_snapshot(TREE)
    assert [apply_snapshot(TREE, [value]) for value in (0.5, 0.6, None)] == [0.2, 0.9, 0.2]


@pytest.mark.parametrize(
    ("snapshot", "place"),
    [
        (CLUSTERS | {"margin": float("nan")}, "margin"),
        (CLUSTERS | {"features": [FEATURE | {"scale": 0.0}]}, "features[0].scale"),
        (CLUSTERS | {"features": [FEATURE | {"transform": "cube"}]}, "features[0].transform"),
        (CLUSTERS | {"clusters": []}, "clusters"),
        (CLUSTERS | {"clusters": [{"id": 1, "centre": [float("inf")]}]}, "clusters[0].centre[0]"),
        (CLUSTERS | {"clusters": [{"id": 1, "centre": [0.0, 1.0]}]}, "clusters[0].centre"),
        (CLUSTERS | {"clusters": [{"id": 2, "centre": [0.0]}, {"id": 2, "centre": [1.0]}]}, "clusters[1].id"),
        (CLUSTERS | {"clusters": [{"id": 2**31, "centre": [0.0]}]}, "clusters[0].id"),
        (CLUSTERS | {"clusters": [{"id": True, "centre": [0.0]}]}, "clusters[0].id"),
        (CLUSTERS | {"clusters": [{"id": 1, "centre": ["far"]}]}, "clusters[0].centre"),
        (CLUSTERS | {"kind": "oracle"}, "kind"),
        (CLUSTERS | {"version": 2**70}, "version"),
        (CLUSTERS | {"version": None}, "version"),
        (TREE | {"trees": [{"nodes": [[0, 0.5, 0, 0]]}]}, "trees[0].nodes[0]"),
        (TREE | {"trees": [{"nodes": [[3, 0.5, 1, 1], [-1, 0.5, 0, 0]]}]}, "trees[0].nodes[0]"),
        (TREE | {"trees": [{"nodes": [[-1, 1.5, 0, 0]]}]}, "trees[0].nodes[0]"),
        (TREE | {"logistic": {"weights": [], "intercept": 0.0}}, "logistic.weights"),
        (TREE | {"logistic": {"weights": ["x"], "intercept": 0.0}}, "logistic.weights"),
        (HEAD | {"kind": "quantiles", "fields": [{"name": "x", "boundaries": [2.0, 1.0]}]}, "fields[0].boundaries"),
        (HEAD | {"kind": "quantiles", "fields": [{"name": "x", "boundaries": [1.0, "2"]}]}, "fields[0].boundaries"),
    ],
)
def test_what_can_not_be_applied_is_refused_with_the_place(snapshot: dict[str, Any], place: str) -> None:
    with pytest.raises(LearningError) as caught:
        check_snapshot(snapshot)
    assert caught.value.place == place


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"kind": "oracle"}, "models.m.kind"),
        ({"algorithm": "logistic"}, "models.m.algorithm"),
        ({"features": ()}, "models.m.features"),
        ({"features": ("x", "x")}, "models.m.features"),
        ({"clusters": 0}, "models.m.clusters"),
        ({"bins": 1}, "models.m.bins"),
        ({"margin": 1.0}, "models.m.margin"),
        ({"durations": (True, False)}, "models.m.durations"),
    ],
)
def test_a_model_that_can_not_be_learned_is_refused(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(LearningError) as caught:
        DeclaredModel(**({"name": "m", "kind": "clusters", "features": ("x",)} | changes))
    assert caught.value.place == place


def test_a_learner_does_not_take_another_models_snapshot() -> None:
    with pytest.raises(LearningError):
        learner_of(DeclaredModel("other", "clusters", ("x",)), CLUSTERS)
