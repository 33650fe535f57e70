"""Which new centre is which old cluster: the assignment problem over distances, with a bound on how far one moves.

A match farther than its bound is none: the old cluster has died and the new one is born. Ids are never used again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from stream.learning.lloyd import distances

__all__ = ["Matching", "match_centres"]

Doubles = npt.NDArray[np.float64]

# A cluster that has come as far as three quarters of the way to its nearest neighbour may as well be another one.
_BOUND_SHARE = 0.75
# With no neighbour to measure by: three standard deviations of a scaled feature.
_LONELY_BOUND = 3.0


@dataclass(frozen=True, slots=True)
class Matching:
    """`ids` of the new centres, in their order. `cost`: the sum of the distances, each up to its bound."""

    ids: tuple[int, ...]
    births: tuple[int, ...]
    deaths: tuple[int, ...]
    next_id: int
    cost: float


def match_centres(old_ids: Sequence[int], old: Doubles, new: Doubles, next_id: int) -> Matching:
    """Ids for `new` (k, d) from those of `old` (j, d), both scaled alike. New ids count up from `next_id`."""
    ids: list[int | None] = [None] * len(new)
    cost = 0.0
    if len(old) and len(new):
        apart = distances(old, new)
        bounds = _bounds(old)
        capped = np.minimum(apart, bounds[:, None])
        for before, after in zip(*linear_sum_assignment(capped), strict=True):
            cost += float(capped[before, after])
            if apart[before, after] <= bounds[before]:
                ids[after] = old_ids[before]
    births = []
    for number, each in enumerate(ids):
        if each is None:
            ids[number] = next_id
            births.append(next_id)
            next_id += 1
    taken = tuple(each for each in ids if each is not None)
    return Matching(taken, tuple(births), tuple(sorted(set(old_ids) - set(taken))), next_id, cost)


def _bounds(old: Doubles) -> Doubles:
    if len(old) == 1:
        return np.array([_LONELY_BOUND])
    apart = distances(old, old)
    np.fill_diagonal(apart, np.inf)
    # Centres that lie on one another still may move a little.
    return np.asarray(np.maximum(_BOUND_SHARE * apart.min(axis=1), 0.1))
