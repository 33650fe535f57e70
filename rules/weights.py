"""The weightiest of a user's values: the fold behind `top` and `top_hour`.

Each entry keeps a weight w and its newest time s. An occurrence at t ≥ s makes them w·2^((s−t)/H) + 1 and t, one at
t < s adds 2^((t−s)/H) to w; the score log₂ w + s/H is then the same at whatever moment it is looked at. Without a
half-life w is a plain count, and the score is w. Exponentials and logarithms are those of the platform's C library, so
that the compiled engine comes to the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Category", "Weight", "top_hour", "top_value"]

Category = bool | float | str
"""What can be weighed: a boolean, a finite number or a string."""

_Key = tuple[int, Category]  # the type's rank before the value: booleans, numbers, strings

KEPT_VALUES = 32


@dataclass(frozen=True, slots=True)
class Weight:
    """The weight of one value as of its newest occurrence, at `newest_ms`."""

    weight: float
    newest_ms: int

    def after(self, t_ms: int, half_life_ms: int | None) -> Weight:
        """The weight once the value has occurred at `t_ms` too."""
        if half_life_ms is None:
            return Weight(self.weight + 1.0, max(self.newest_ms, t_ms))
        if t_ms >= self.newest_ms:
            faded = self.weight * math.exp2(float(self.newest_ms - t_ms) / float(half_life_ms))
            return Weight(faded + 1.0, t_ms)
        return Weight(self.weight + math.exp2(float(t_ms - self.newest_ms) / float(half_life_ms)), self.newest_ms)

    def score(self, half_life_ms: int | None) -> float:
        """What values are ordered by, greatest first."""
        if half_life_ms is None:
            return self.weight
        return math.log2(self.weight) + float(self.newest_ms) / float(half_life_ms)


def top_value(occurrences: Iterable[tuple[Category, int]], half_life_ms: int | None) -> Category | None:
    """The weightiest of values that occurred at times (ms), given in log order; None of nothing.

    Of equal scores the newer value wins, then the smaller: booleans before numbers before strings, false before true.
    32 values are kept; a 33rd takes the place of the one that would win last.
    """
    kept: dict[_Key, Weight] = {}
    for value, t_ms in occurrences:
        key = (_rank(value), value)
        if key in kept:
            kept[key] = kept[key].after(t_ms, half_life_ms)
            continue
        if len(kept) == KEPT_VALUES:
            del kept[_from_best_to_worst(kept, half_life_ms)[-1]]
        kept[key] = Weight(1.0, t_ms)
    return _from_best_to_worst(kept, half_life_ms)[0][1] if kept else None


def _from_best_to_worst(kept: dict[_Key, Weight], half_life_ms: int | None) -> list[_Key]:
    def order(key: _Key) -> tuple[float, int, _Key]:
        weight = kept[key]
        return -weight.score(half_life_ms), -weight.newest_ms, key

    return sorted(kept, key=order)


def _rank(value: Category) -> int:
    """The order of the types, which also keeps `true` from being 1."""
    if isinstance(value, bool):
        return 0
    return 1 if isinstance(value, float) else 2


def top_hour(occurrences: Iterable[tuple[int, int]], half_life_ms: int | None) -> int | None:
    """The weightiest hour of (hour, time in ms) in log order, of equal ones the earlier in the day; None of none."""
    hours: dict[int, Weight] = {}
    for hour, t_ms in occurrences:
        hours[hour] = hours[hour].after(t_ms, half_life_ms) if hour in hours else Weight(1.0, t_ms)
    return min(hours, key=lambda hour: (-hours[hour].score(half_life_ms), hour)) if hours else None
