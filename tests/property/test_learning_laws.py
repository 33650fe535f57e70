from __future__ import annotations

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.learning import DeclaredModel, Sample, apply_snapshot, check_snapshot
from stream.learning.learner import learner_of
from stream.learning.quantiles import weighted_quantiles

VALUES = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, 1.0, 1e12, -1e12]))
ROWS = st.lists(st.tuples(VALUES, VALUES), min_size=60, max_size=90)


@settings(max_examples=40)
@given(ROWS, st.sampled_from(["kmeans", "streamkmeans", "clustream", "denstream", "dbstream"]))
def test_whatever_the_samples_a_snapshot_of_clusters_is_finite_and_applies(
    rows: list[tuple[float | None, ...]], algorithm: str
) -> None:
    learner = learner_of(DeclaredModel("m", "clusters", ("a", "b"), algorithm=algorithm, clusters=3))
    for first in (0, 30):
        learner.learn([Sample("m", str(number), number, "moment", row) for number, row in enumerate(rows)][first:])
        snapshot = learner.snapshot(first)
        assert isinstance(snapshot, dict)
        check_snapshot(snapshot)
        json.dumps(snapshot, allow_nan=False)
        found = {each["id"] for each in snapshot["clusters"]}
        assert {apply_snapshot(snapshot, row) for row in rows} <= found


@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.integers(1, 5)), min_size=1, max_size=60))
def test_weighted_quantiles_are_numpys_of_the_repeated_values(pairs: list[tuple[float, int]]) -> None:
    values, weights = (np.array(each, dtype=np.float64) for each in zip(*pairs, strict=True))
    shares = np.array([0.2, 0.4, 0.5, 0.8])
    expected = np.quantile(np.repeat(values, weights.astype(int)), shares)
    np.testing.assert_allclose(weighted_quantiles(values, weights, shares), expected, rtol=1e-9, atol=1e-5)


@settings(max_examples=25)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=6))
def test_how_samples_are_cut_into_calls_changes_nothing(sizes: list[int]) -> None:
    model = DeclaredModel("m", "clusters", ("a", "b"), clusters=2)
    values = np.random.default_rng(1).normal(0, 1, (1_300, 2)) + np.repeat([[0, 0], [6, 6]], 650, axis=0)
    samples = [
        Sample("m", str(number % 1_200), number, "moment", tuple(row)) for number, row in enumerate(values.tolist())
    ]
    whole, cut = learner_of(model), learner_of(model)
    whole.learn(samples)
    place = 0
    for size in [*sizes, len(samples)]:
        cut.learn(samples[place : place + size])
        place += size
    assert cut.snapshot(1) == whole.snapshot(1)
