from __future__ import annotations

import numpy as np
import pytest

from rules.snapshots import scaled_values
from stream.learning.scaling import as_matrix, choose_scales, has_moved, raw_rows, scaled_rows

GENERATOR = np.random.default_rng(5)


def test_a_normal_feature_is_scaled_to_mean_0_and_deviation_1() -> None:
    values = GENERATOR.normal(40, 7, (4_000, 1))
    (scale,) = choose_scales(["age"], values)
    rows = scaled_rows([scale], values)
    assert scale.transform == "identity"
    assert float(rows.mean()) == pytest.approx(0, abs=0.05)
    assert float(rows.std()) == pytest.approx(1, abs=0.05)


def test_a_heavy_tailed_feature_is_scaled_on_a_logarithm() -> None:
    values = np.exp(GENERATOR.normal(3, 2, (4_000, 1)))
    (scale,) = choose_scales(["spend"], values)
    assert scale.transform == "log"
    assert float(np.abs(scaled_rows([scale], values)).max()) < 10


def test_what_is_missing_is_the_median_or_of_times_the_longest_seen() -> None:
    values = np.array([[1.0, 1.0, np.nan], [2.0, 2.0, np.nan], [9.0, 9.0, np.nan], [np.nan, np.nan, np.nan]])
    scales = choose_scales(["orders", "since_order", "since_return"], values, (False, True, True))
    filled = [raw_rows([scale], np.array([[scale.missing]]))[0, 0] for scale in scales]
    assert filled == pytest.approx([2.0, 9.0, 0.0])


@pytest.mark.parametrize(
    "column",
    [
        [0.0] * 20,
        [None] * 20,
        [0.0] * 19 + [1e12],
        [1e300, -1e300] * 10,
        [float("inf"), float("nan"), 3.0] * 7,
        [5e-324, 0.0] * 10,
        [1e308, -1e308, 1e308],
    ],
)
def test_any_feature_is_scaled_to_finite_numbers(column: list[float | None]) -> None:
    values = as_matrix([[value] for value in column], 1)
    scales = choose_scales(["x"], values)
    assert scales[0].scale > 0
    assert scales[0].unit > 0
    assert np.isfinite([scales[0].scale, scales[0].unit, scales[0].centre]).all()
    assert np.isfinite(scaled_rows(scales, values)).all()
    assert np.isfinite(scaled_rows(scales, raw_rows(scales, scaled_rows(scales, values, 10)))).all()


def test_the_columns_and_the_reference_scale_alike() -> None:
    values = np.exp(GENERATOR.normal(0, 2, (500, 2))) * GENERATOR.choice([-1, 1], (500, 2))
    values[::7, 1] = np.nan
    scales = choose_scales(["a", "b"], values)
    features = [each.as_dict() for each in scales]
    one_by_one = [scaled_values(features, row) for row in values.tolist()]
    np.testing.assert_allclose(scaled_rows(scales, values), one_by_one, rtol=1e-12, atol=1e-14)


def test_what_is_scaled_can_be_scaled_back() -> None:
    values = np.exp(GENERATOR.normal(2, 2, (200, 1)))
    scales = choose_scales(["a"], values)
    np.testing.assert_allclose(raw_rows(scales, scaled_rows(scales, values)), values, rtol=1e-9)


def test_a_missing_value_is_the_median() -> None:
    values = np.array([[1.0], [2.0], [3.0], [np.nan]])
    scales = choose_scales(["a"], values)
    assert scaled_rows(scales, values)[3, 0] == scaled_rows(scales, values)[1, 0]


def test_another_scale_overnight_is_noticed_and_noise_is_not() -> None:
    values = np.exp(GENERATOR.normal(3, 1, (3_000, 1)))
    (scale,) = choose_scales(["spend"], values)
    assert not has_moved(scale, np.exp(GENERATOR.normal(3, 1, 500)))
    assert has_moved(scale, 100 * values[:, 0])
    assert has_moved(scale, values[:, 0] / 100)
    assert not has_moved(scale, np.full(10, np.nan))
