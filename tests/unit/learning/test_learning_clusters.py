from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from stream.learning import ALGORITHMS, Refusal, apply_snapshot, check_snapshot
from stream.learning.hierarchy import cut_at
from stream.learning.learner import Learner, learner_of
from tests.unit.learning.learning_data import FEATURES, cluster_model, samples_of, three_groups


def taken(learner: Learner, made_at_ms: int = 1) -> dict[str, Any]:
    snapshot = learner.snapshot(made_at_ms)
    assert isinstance(snapshot, dict), snapshot
    check_snapshot(snapshot)
    return snapshot


def ids(snapshot: dict[str, Any]) -> list[int]:
    return [each["id"] for each in snapshot["clusters"]]


@pytest.mark.parametrize("algorithm", ALGORITHMS["clusters"])
def test_every_algorithm_finds_three_groups_that_lie_apart(algorithm: str) -> None:
    model = cluster_model(algorithm=algorithm)
    learner = learner_of(model)
    values = three_groups(2_500, 1)
    learner.learn(samples_of(model, values))
    snapshot = taken(learner)
    assert [round(each["share"], 1) for each in snapshot["clusters"]] == [0.5, 0.3, 0.2]
    assert [apply_snapshot(snapshot, row) for row in ([5, 50, 9], [15, 50, 20], [5, 90, 15])] == ids(snapshot)
    assert snapshot["quality"]["silhouette"] > 0.6


def test_a_cluster_is_described_by_what_sets_it_apart() -> None:
    model = cluster_model(names={2: "Evening shoppers"})
    learner = learner_of(model)
    learner.learn(samples_of(model, three_groups(2_000, 2)))
    snapshot = taken(learner)
    assert [each["description"] for each in snapshot["clusters"]] == [
        "mostly mornings, orders rarely, spends little",
        "orders very often, mostly evenings, spends little",
        "spends very much, orders rarely",
    ]
    assert [each["name"] for each in snapshot["clusters"]] == [None, "Evening shoppers", None]
    assert {each["feature"] for each in snapshot["clusters"][0]["distinctive"]} <= set(FEATURES)


def test_clusters_keep_their_ids_and_hardly_anybody_moves_while_nothing_changes() -> None:
    model = cluster_model()
    learner = learner_of(model)
    learner.learn(samples_of(model, three_groups(1_000, 3)))
    first = snapshot = taken(learner)
    for number in range(1, 6):
        learner.learn(samples_of(model, three_groups(500, 3 + number), start=1_000 * number))
        snapshot = taken(learner)
        assert (ids(snapshot), snapshot["births"], snapshot["deaths"]) == (ids(first), [], [])
        assert snapshot["moved"] < 0.01
    assert snapshot["version"] == 6


def test_groups_elsewhere_are_new_clusters_with_new_ids() -> None:
    model = cluster_model()
    learner = learner_of(model)
    learner.learn(samples_of(model, three_groups(1_000, 4)))
    taken(learner)
    elsewhere = ((5.0, 50.0, 9.0), (15.0, 50.0, 20.0), (30.0, 10.0, 2.0))
    learner.learn(samples_of(model, three_groups(9_000, 5, elsewhere), start=5_000))
    snapshot = taken(learner)
    assert (ids(snapshot), snapshot["births"], snapshot["deaths"]) == ([1, 2, 4], [4], [3])
    assert apply_snapshot(snapshot, (30, 10, 2)) == 4


def test_another_unit_overnight_keeps_the_ids() -> None:
    model = cluster_model()
    learner = learner_of(model)
    values = three_groups(10_000, 6)
    learner.learn(samples_of(model, values))
    taken(learner)
    learner.learn(samples_of(model, values * (1, 100, 1)))
    snapshot = taken(learner)
    assert (ids(snapshot), snapshot["births"]) == ([1, 2, 3], [])
    assert apply_snapshot(snapshot, (5, 9_000, 15)) == 3


def test_a_user_near_a_border_stays_until_the_new_cluster_is_clearly_nearer() -> None:
    snapshot = {
        "kind": "clusters",
        "margin": 0.1,
        "features": [{"name": "x", "transform": "identity", "unit": 1, "centre": 0, "scale": 1, "missing": 0}],
        "clusters": [{"id": 1, "centre": [0.0]}, {"id": 2, "centre": [2.0]}, {"id": 3, "centre": [2.0]}],
    }
    assert apply_snapshot(snapshot, [1.0]) == 1
    assert apply_snapshot(snapshot, [1.04], 1) == 1
    assert apply_snapshot(snapshot, [1.04], None) == 2
    assert apply_snapshot(snapshot, [1.04], 9) == 2
    assert apply_snapshot(snapshot, [1.06], 1) == 2
    assert apply_snapshot(snapshot, [2.0], 3) == 3


def test_the_hierarchy_can_be_cut_at_any_number() -> None:
    model = cluster_model(clusters=3)
    learner = learner_of(model)
    learner.learn(samples_of(model, three_groups(1_500, 7, ((5, 50, 9), (5, 50, 11), (50, 500, 3)))))
    snapshot = taken(learner)
    far = apply_snapshot(snapshot, (50, 500, 3))
    assert cut_at(snapshot, 1) == [[1, 2, 3]]
    assert [far] in cut_at(snapshot, 2)
    assert cut_at(snapshot, 9) == [[1], [2], [3]]


def test_too_few_users_are_said_to_be_too_few() -> None:
    model = cluster_model()
    learner = learner_of(model)
    learner.learn(samples_of(model, three_groups(20, 8)))
    refusal = learner.snapshot(1)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.reason) == ("waiting", "Only 20 users have been sampled; 3 clusters want 50.")


def test_features_that_are_missing_constant_or_infinite_do_no_harm() -> None:
    model = cluster_model()
    values = three_groups(1_200, 9)
    values[:, 1] = np.nan
    values[:, 0] = 7.0
    values[::50, 2] = np.inf
    values[1::50, 2] = 1e300
    learner = learner_of(model)
    learner.learn(samples_of(model, values))
    snapshot = taken(learner)
    json.dumps(snapshot, allow_nan=False)
    assert snapshot["quality"]["missing"][1] == 1.0


def test_users_all_alike_are_one_cluster() -> None:
    model = cluster_model()
    learner = learner_of(model)
    learner.learn(samples_of(model, np.ones((300, 3))))
    assert ids(taken(learner)) == [1]


def test_a_restart_goes_on_as_if_nothing_had_happened() -> None:
    model = cluster_model()
    learner = learner_of(model)
    learner.learn(samples_of(model, three_groups(1_500, 10)))
    taken(learner)
    state = json.loads(json.dumps(learner.state(), allow_nan=False))
    restored = learner_of(model, None, state)
    more = samples_of(model, three_groups(700, 11), start=2_000)
    for each in (learner, restored):
        each.learn(more)
    assert taken(restored) == taken(learner)


def test_without_a_state_learning_goes_on_from_the_last_snapshot() -> None:
    model = cluster_model()
    learner = learner_of(model)
    learner.learn(samples_of(model, three_groups(1_500, 12)))
    snapshot = taken(learner)
    again = learner_of(model, json.loads(json.dumps(snapshot)))
    again.learn(samples_of(model, three_groups(600, 13), start=9_000))
    next_one = taken(again)
    assert (next_one["version"], ids(next_one), next_one["births"]) == (2, ids(snapshot), [])


def test_samples_of_other_models_catalogs_and_widths_are_passed_over() -> None:
    model = cluster_model(catalog="another")
    learner = learner_of(model)
    learner.learn(samples_of(model, three_groups(10, 14)))
    assert (learner.samples, learner.passed_over) == (0, 10)
