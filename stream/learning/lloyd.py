"""k-means over arrays that fit into memory: k-means++ (Arthur and Vassilvitskii 2007) and Lloyd's iterations, weighted.

It starts River's models and judges them. A centre that nobody is nearest to moves to the point farthest from its own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["distances", "fit_centres", "inertia", "nearest", "refine_centres"]

Doubles = npt.NDArray[np.float64]

_ITERATIONS = 60
_SETTLED = 1e-4
_PART = 2_048
_FINALISTS = 3


def distances(rows: Doubles, centres: Doubles) -> Doubles:
    """Euclidean distances (n, k) of rows (n, d) from centres (k, d)."""
    return np.sqrt(_squares(rows, centres))


def nearest(rows: Doubles, centres: Doubles) -> npt.NDArray[np.int64]:
    """The number of the nearest centre of each row (n,); the smaller number at equal distances."""
    return np.asarray(_squares(rows, centres).argmin(axis=1), dtype=np.int64)


def inertia(rows: Doubles, centres: Doubles) -> float:
    """The mean squared distance of rows from their nearest centres."""
    return float(_squares(rows, centres).min(axis=1).mean())


def fit_centres(rows: Doubles, count: int, generator: np.random.Generator, restarts: int = 16) -> Doubles:
    """The best of many fits by inertia: (k, d), where k is at most `count` and the number of different rows.

    Each of `restarts` settles on a part of the rows; those that came out best go on with all of them.
    """
    count = min(count, len(np.unique(rows, axis=0)))
    part = rows if len(rows) <= _PART else rows[generator.choice(len(rows), size=_PART, replace=False)]
    tried = [refine_centres(part, _plus_plus(part, count, generator), iterations=25) for _ in range(restarts)]
    tried.sort(key=lambda centres: inertia(part, centres))
    return min((refine_centres(rows, each) for each in tried[:_FINALISTS]), key=lambda each: inertia(rows, each))


def refine_centres(
    rows: Doubles, centres: Doubles, weights: Doubles | None = None, iterations: int = _ITERATIONS
) -> Doubles:
    """Lloyd's iterations from `centres` (k, d) on, until they have settled or for `iterations`."""
    weights = np.ones(len(rows)) if weights is None else weights
    for _ in range(iterations):
        squares = _squares(rows, centres)
        labels = squares.argmin(axis=1)
        totals = np.bincount(labels, weights, minlength=len(centres))
        sums = np.stack([np.bincount(labels, weights * column, minlength=len(centres)) for column in rows.T], axis=1)
        moved = np.where(totals[:, None] > 0, sums / np.maximum(totals, 1e-300)[:, None], centres)
        empty = np.flatnonzero(totals == 0)
        if empty.size:
            farthest = np.argsort(-squares[np.arange(len(rows)), labels], kind="stable")[: empty.size]
            moved[empty[: farthest.size]] = rows[farthest]
        shift = float(np.abs(moved - centres).max())
        centres = moved
        if shift <= _SETTLED:
            break
    return centres


def _squares(rows: Doubles, centres: Doubles) -> Doubles:
    """Squared distances (n, k), never below 0. By the differences: the shorter formula loses digits far from 0."""
    squares = np.zeros((len(rows), len(centres)))
    for column, parts in zip(rows.T, centres.T, strict=True):
        difference = column[:, None] - parts[None, :]
        squares += difference * difference
    return squares


def _plus_plus(rows: Doubles, count: int, generator: np.random.Generator) -> Doubles:
    """Starting centres; of a few candidates for each, drawn by squared distance, the one that helps most is taken."""
    chosen = [int(generator.integers(len(rows)))]
    squares = _squares(rows, rows[chosen])[:, 0]
    tries = 2 + int(np.log(count))
    while len(chosen) < count:
        total = squares.sum()
        if total <= 0:
            break
        candidates = generator.choice(len(rows), size=tries, p=squares / total)
        reached = np.minimum(squares[:, None], _squares(rows, rows[candidates]))
        best = int(reached.sum(axis=0).argmin())
        chosen.append(int(candidates[best]))
        squares = reached[:, best]
    return rows[chosen].copy()
