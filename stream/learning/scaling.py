"""Scaling that survives heavy tails: each feature by its median and interquartile range, on a logarithm where skewed.

A scaled value is (t − centre) / scale, where t is the value itself (`identity`) or sign(x)·ln(1 + |x| / unit) (`log`).
A missing value becomes `missing`: 0, the median; or, if asked, the greatest seen. A scaling is stated in the
snapshot, so all who read it scale alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["TRAINING_LIMIT", "FeatureScale", "as_matrix", "choose_scales", "has_moved", "raw_rows", "scaled_rows"]

Doubles = npt.NDArray[np.float64]

# Scaled values are held to this while learning (and only then), so that one value of 10^12 can't carry a centre away.
TRAINING_LIMIT = 10.0
# Of a normal distribution the middle 99 % are 3.8 times as wide as the middle half; past this, tails are heavy.
_HEAVY_TAIL = 6.0
_IQR_OF_NORMAL = 1.349
_P5_P95_OF_NORMAL = 3.29
# A feature is scaled anew when its median has moved by more than half of its interquartile range, or the range by more
# than half of itself (either way).
_MOVED = 0.5
_TINY = 1e-9
_GREATEST = 1e100


@dataclass(frozen=True, slots=True)
class FeatureScale:
    """How one feature is scaled. `scale` and `unit` are greater than 0; all numbers are finite."""

    name: str
    transform: str = "identity"
    unit: float = 1.0
    centre: float = 0.0
    scale: float = 1.0
    missing: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The feature's entry in a snapshot."""
        return asdict(self)


def as_matrix(rows: Sequence[Sequence[float | None]], width: int) -> Doubles:
    """Values as (n, width) float64, NaN where missing or not finite; held to ±10¹⁰⁰, so that differences are finite."""
    matrix = np.array(rows, dtype=np.float64).reshape(len(rows), width)
    matrix[~np.isfinite(matrix)] = np.nan
    return np.asarray(np.clip(matrix, -_GREATEST, _GREATEST))


def choose_scales(names: Sequence[str], values: Doubles, longest: Sequence[bool] = ()) -> tuple[FeatureScale, ...]:
    """The scaling for values (n, d), NaN where missing. What is missing of those in `longest` (d): the greatest."""
    scales = [_choose(name, values[:, number]) for number, name in enumerate(names)]
    for number, is_longest in enumerate(longest):
        present = values[np.isfinite(values[:, number]), number : number + 1]
        if is_longest and len(present):
            rows = scaled_rows(scales[number : number + 1], present, TRAINING_LIMIT)
            scales[number] = replace(scales[number], missing=float(rows.max()))
    return tuple(scales)


def scaled_rows(scales: Sequence[FeatureScale], values: Doubles, limit: float | None = None) -> Doubles:
    """Values (n, d), scaled: all finite. Held to ±`limit` if one is given."""
    rows = np.empty_like(values)
    for number, scale in enumerate(scales):
        column = (_transformed(scale, values[:, number]) - scale.centre) / scale.scale
        rows[:, number] = np.where(np.isfinite(column), column, scale.missing)
    return rows if limit is None else np.clip(rows, -limit, limit)


def raw_rows(scales: Sequence[FeatureScale], rows: Doubles) -> Doubles:
    """What `scaled_rows` was given, from what it returned (n, d)."""
    values = np.empty_like(rows)
    for number, scale in enumerate(scales):
        column = rows[:, number] * scale.scale + scale.centre
        if scale.transform == "log":
            # Beyond 700 a double ends.
            column = np.sign(column) * np.expm1(np.minimum(np.abs(column), 700.0)) * scale.unit
        values[:, number] = column
    return values


def has_moved(scale: FeatureScale, values: Doubles) -> bool:
    """Whether a feature's newest values (n,) lie so far from its scaling that another is called for."""
    column = _transformed(scale, values)
    column = column[np.isfinite(column)]
    if column.size == 0:
        return False
    centre, spread = _centre_and_spread(column)
    if spread <= _TINY * max(1.0, abs(scale.centre)):  # constant now: what was chosen serves as well, unless far away
        return bool(abs(centre - scale.centre) > 10 * scale.scale)
    if abs(centre - scale.centre) > _MOVED * _IQR_OF_NORMAL * max(scale.scale, spread):
        return True
    return not 1 - _MOVED <= spread / scale.scale <= 1 + _MOVED


def _transformed(scale: FeatureScale, values: Doubles) -> Doubles:
    if scale.transform == "identity":
        return values
    with np.errstate(over="ignore"):
        logarithm: Doubles = np.sign(values) * np.log1p(np.abs(values) / scale.unit)
    return logarithm


def _choose(name: str, values: Doubles) -> FeatureScale:
    finite = values[np.isfinite(values)]
    if finite.size == 0 or finite.min() == finite.max():
        return FeatureScale(name, centre=float(finite[0]) if finite.size else 0.0)
    plain = _measured(FeatureScale(name), finite)
    sizes = np.abs(finite[finite != 0])
    unit = float(np.median(sizes))
    if _tail(finite) <= _HEAVY_TAIL or not math.isfinite(unit):
        return plain
    return _measured(FeatureScale(name, "log", unit), finite)


def _measured(scale: FeatureScale, finite: Doubles) -> FeatureScale:
    column = _transformed(scale, finite)
    centre, spread = _centre_and_spread(column)
    if not math.isfinite(spread) or spread <= _TINY * max(1.0, abs(centre)):
        # Nearly all values are alike: what the others add is measured in units of the values themselves.
        spread = float(np.median(np.abs(column[column != centre] - centre))) if (column != centre).any() else 1.0
    if not math.isfinite(spread) or spread <= 0:
        spread = 1.0
    return FeatureScale(scale.name, scale.transform, scale.unit, centre, spread)


def _centre_and_spread(column: Doubles) -> tuple[float, float]:
    low, first, centre, third, high = (float(each) for each in np.quantile(column, (0.05, 0.25, 0.5, 0.75, 0.95)))
    spread = (third - first) / _IQR_OF_NORMAL
    return centre, spread if spread > _TINY * max(1.0, abs(centre)) else (high - low) / _P5_P95_OF_NORMAL


def _tail(finite: Doubles) -> float:
    low, first, third, high = np.quantile(finite, (0.005, 0.25, 0.75, 0.995))
    return float((high - low) / (third - first)) if third > first else math.inf
