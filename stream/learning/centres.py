"""River's clustering models behind one adapter: rows in, centres out. All randomness has a fixed seed.

- `kmeans`: its rate starts as that of a running mean and falls to a small floor, so centres settle but never stop.
- `streamkmeans`: River's chunks, with centres to start from.
- `clustream`: River keeps the micro-clusters; the offline phase is a weighted k-means over them (Aggarwal et al. 2003),
  in place of River's own, which is one pass from random centres.
- `denstream`, `dbstream`: they find how many clusters there are; past the declared number the nearest are joined.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from river import cluster as river
from scipy.cluster.hierarchy import fcluster, linkage

from stream.learning.lloyd import distances, fit_centres, inertia, refine_centres

__all__ = ["FIXED_COUNT", "CentreFinder", "centre_finder", "first_centres"]

Doubles = npt.NDArray[np.float64]

# Those that hold the declared number, and whose centres may be set; the others find their own.
FIXED_COUNT = frozenset({"kmeans", "streamkmeans", "clustream"})
_SEED = 20_240_601
# A centre then has a memory of some 500 members, and wanders by 3 % of their spread.
_RATE_FLOOR = 0.002


class CentreFinder(Protocol):
    """One of River's models. Rows are (n, d) float64, scaled and finite."""

    def start(self, rows: Doubles, centres: Doubles) -> None:
        """Begin anew, from centres (k, d) that fit `rows`."""

    def learn(self, rows: Doubles) -> None:
        """Learn from rows, in their order."""

    def centres(self) -> Doubles:
        """The centres now (k, d); none, (0, d), if there are none yet."""

    def rate(self) -> float:
        """What `start` needs besides the centres to go on as if nothing had happened; 0 if that can't be."""

    def resume(self, rate: float) -> None:
        """Set what `rate` returned."""


def centre_finder(algorithm: str, count: int) -> CentreFinder:
    """The adapter for one of `ALGORITHMS["clusters"]`; at most `count` centres."""
    finders: dict[str, type[CentreFinder]] = {
        "kmeans": _KMeans,
        "streamkmeans": _StreamKMeans,
        "clustream": _CluStream,
        "denstream": _DenStream,
        "dbstream": _DBStream,
    }
    finder: CentreFinder = finders[algorithm](count)  # type: ignore[call-arg]  # a protocol says nothing of it
    return finder


def _points(rows: Doubles) -> list[dict[int, float]]:
    return [dict(enumerate(row)) for row in rows.tolist()]


def _as_rows(centres: dict[int, dict[int, float]], width: int) -> Doubles:
    return np.array([[centre[number] for number in range(width)] for centre in centres.values()]).reshape(-1, width)


class _Finder:
    """What the adapters share."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.width = 0
        self.model: Any = None

    def rate(self) -> float:
        return 0.0

    def resume(self, rate: float) -> None:
        pass


class _KMeans(_Finder):
    _seen = 0.0

    def start(self, rows: Doubles, centres: Doubles) -> None:
        self.width = rows.shape[1]
        self.model = river.KMeans(n_clusters=len(centres), halflife=1.0, seed=_SEED)
        self.model.centers = dict(enumerate(_points(centres)))
        # The rows are in the centres: the rate goes on from there.
        self._seen = len(rows) / len(centres)

    def learn(self, rows: Doubles) -> None:
        model, step = self.model, 1 / len(self.model.centers)
        for point in _points(rows):
            self._seen += step
            model.halflife = max(1 / (1 + self._seen), _RATE_FLOOR)
            model.learn_one(point)

    def centres(self) -> Doubles:
        return _as_rows(self.model.centers, self.width)

    def rate(self) -> float:
        return self._seen

    def resume(self, rate: float) -> None:
        self._seen = rate


class _StreamKMeans(_Finder):
    def start(self, rows: Doubles, centres: Doubles) -> None:
        self.width = rows.shape[1]
        self.model = river.STREAMKMeans(  # type: ignore[no-untyped-call]  # River's
            chunk_size=50 * len(centres), n_clusters=len(centres), halflife=0.02, sigma=1.5, seed=_SEED
        )
        self.model._kmeans.centers = dict(enumerate(_points(centres)))  # noqa: SLF001 - no other way to start it well
        self.model.centers = self.model._kmeans.centers  # noqa: SLF001

    def learn(self, rows: Doubles) -> None:
        for point in _points(rows):
            self.model.learn_one(point)

    def centres(self) -> Doubles:
        return _as_rows(self.model.centers, self.width)


class _CluStream(_Finder):
    _from: Doubles = np.empty((0, 0))
    _turn = 0
    # Its cost is that of finding the two nearest of all micro-clusters, over and over: it learns from every third row.
    _stride = 3

    def start(self, rows: Doubles, centres: Doubles) -> None:
        self.width = rows.shape[1]
        self._from = centres
        # Its own offline phase never comes: see the module.
        self.model = river.CluStream(
            n_macro_clusters=len(centres),
            max_micro_clusters=max(50, 6 * self.count),
            time_window=2_000,
            time_gap=1 << 60,
            seed=_SEED,
        )
        for point in _points(rows[-1_000:]):
            self.model.learn_one(point)

    def learn(self, rows: Doubles) -> None:
        for point in _points(rows):
            self._turn += 1
            if self._turn % self._stride == 0:
                self.model.learn_one(point)

    def centres(self) -> Doubles:
        clusters = list(self.model.micro_clusters.values())
        points = np.array([[each.center[number] for number in range(self.width)] for each in clusters])
        weights = np.array([max(float(each.weight), 1e-9) for each in clusters])
        self._from = refine_centres(points.reshape(-1, self.width), self._from, weights)
        return self._from


class _DenStream(_Finder):
    _epsilon = 1.0

    def start(self, rows: Doubles, centres: Doubles) -> None:
        self.width = rows.shape[1]
        # Half the distance from a centre at which members usually are.
        self._epsilon = max(0.5 * inertia(rows, centres) ** 0.5, 1e-6)
        self.model = river.DenStream(
            decaying_factor=0.01,
            beta=0.5,
            mu=6,
            epsilon=self._epsilon,
            n_samples_init=min(max(len(rows), 1), 500),
            stream_speed=100,
        )
        self.learn(rows[-2_000:])

    def learn(self, rows: Doubles) -> None:
        for point in _points(rows):
            self.model.learn_one(point)

    def centres(self) -> Doubles:
        # River's `predict_one` adds clusters together in place; this reads them only.
        clusters = list(self.model.p_micro_clusters.values())
        points = np.array([[each.center[number] for number in range(self.width)] for each in clusters])
        points = points.reshape(-1, self.width)
        weights = np.array([each.calc_weight(self.model.timestamp) for each in clusters])
        if len(points) > 1:
            labels = fcluster(linkage(points, "single"), 2 * self._epsilon, "distance")
            points, weights = _joined(points, weights, labels)
        return _at_most(points, weights, self.count)


class _DBStream(_Finder):
    def start(self, rows: Doubles, centres: Doubles) -> None:
        self.width = rows.shape[1]
        self.model = river.DBSTREAM(
            clustering_threshold=max(inertia(rows, centres) ** 0.5, 1e-6),
            fading_factor=0.0005,
            cleanup_interval=500,
            intersection_factor=0.3,
            minimum_weight=3.0,
        )
        self.learn(rows[-2_000:])

    def learn(self, rows: Doubles) -> None:
        for point in _points(rows):
            self.model.learn_one(point)

    def centres(self) -> Doubles:
        clusters = list(self.model.clusters.values())
        points = np.array([[each.center[number] for number in range(self.width)] for each in clusters])
        weights = np.array([each.weight for each in clusters])
        return _at_most(points.reshape(-1, self.width), weights, self.count)


def _joined(points: Doubles, weights: Doubles, labels: npt.NDArray[np.int_]) -> tuple[Doubles, Doubles]:
    """Points with the same label as one, at their weighted mean."""
    groups = [labels == label for label in np.unique(labels)]
    means = np.array([np.average(points[group], axis=0, weights=weights[group]) for group in groups])
    return means, np.array([weights[group].sum() for group in groups])


def _at_most(points: Doubles, weights: Doubles, count: int) -> Doubles:
    """At most `count` centres: those that weigh less than a hundredth of all go, then two are joined as Ward would.

    That is those whose joining adds least to the squared distances of all they stand for; each stands for its weight.
    """
    if not len(points):
        return points
    heavy = weights >= 0.01 * weights.sum()
    points, weights = (points[heavy], weights[heavy]) if heavy.any() else (points, weights)
    while len(points) > count:
        costs = distances(points, points) ** 2 * np.multiply.outer(weights, weights)
        costs /= np.add.outer(weights, weights)
        np.fill_diagonal(costs, np.inf)
        labels = np.arange(len(points))
        first, second = divmod(int(costs.argmin()), len(points))
        labels[second] = first
        points, weights = _joined(points, weights, labels)
    return points


def first_centres(rows: Doubles, count: int) -> Doubles:
    """Centres (k, d) to start a model from, by batch k-means with a fixed seed."""
    return fit_centres(rows, count, np.random.default_rng(_SEED))
