"""Clusters that keep their identity: one of River's models learns the centres, a snapshot judges and matches them.

1. The first 1,000 samples (fewer, if a snapshot is asked for earlier) choose the scaling and start River's model.
2. Each further sample is scaled and learned.
3. A snapshot looks at the newest users. Has a feature come to lie elsewhere altogether, it is scaled anew. Is a fresh
   batch fit clearly better than River's centres, it takes their place: that is how a shift is recovered from.
4. The centres are matched with the clusters of the last snapshot, so a cluster keeps its id while it moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stream.learning.centres import FIXED_COUNT, centre_finder, first_centres
from stream.learning.checks import check_snapshot
from stream.learning.declared import DeclaredModel
from stream.learning.drift import Drift, DriftWatch
from stream.learning.errors import LearningError, Refusal
from stream.learning.hierarchy import ward_hierarchy
from stream.learning.lloyd import distances, fit_centres, inertia, nearest
from stream.learning.matching import Matching, match_centres
from stream.learning.newest import NewestUsers
from stream.learning.packed import pack, unpack
from stream.learning.quality import silhouette
from stream.learning.rounding import rounded, rounded_list
from stream.learning.samples import Sample
from stream.learning.scaling import (
    TRAINING_LIMIT,
    FeatureScale,
    as_matrix,
    choose_scales,
    has_moved,
    raw_rows,
    scaled_rows,
)
from stream.learning.words import describe_cluster, distinctive_features

__all__ = ["ClusterLearner"]

Doubles = npt.NDArray[np.float64]

WARM_UP = 1_000
# Below this there is nothing to find clusters in.
_LEAST = 50
_LEAST_A_CLUSTER = 10
# River's centres stay unless a fresh fit explains the newest users better by this share of their inertia,
_CLEARLY = 0.03
# or at all, where one of River's has lost its members: with fewer than this share of an even one it is an outlier's.
_DESERTED = 0.02
_SILHOUETTE_ROWS = 500
_SEED = 7


class ClusterLearner:
    """Learns one model of kind `clusters`. Pure: its snapshots depend on the samples and their order alone."""

    def __init__(self, model: DeclaredModel, previous: Mapping[str, Any] | None = None) -> None:
        self.model = model
        self.samples = 0
        self._width = len(model.features)
        self._newest = NewestUsers(self._width)
        self._finder = centre_finder(model.algorithm, model.clusters)
        self._scales: tuple[FeatureScale, ...] = ()
        self._drift = DriftWatch(model.name, model.features)
        self.previous = previous
        if previous is not None:
            self._take_up(previous)

    def learn(self, samples: Sequence[Sample]) -> None:
        """Learn from samples of this model, in their order."""
        if not samples:
            return
        values = as_matrix([each.values for each in samples], self._width)
        self.samples += len(samples)
        # The start comes at the same sample however the samples are cut into calls; users who come again don't count.
        while not self._scales and samples:
            room = WARM_UP - len(self._newest)
            self._newest.put([each.user for each in samples[:room]], values[:room])
            samples, values = samples[room:], values[room:]
            if len(self._newest) == WARM_UP:
                self._start()
        if not samples:
            return
        self._newest.put([each.user for each in samples], values)
        rows = scaled_rows(self._scales, values, TRAINING_LIMIT)
        self._finder.learn(rows)
        self._drift.watch_features(rows, [each.at_ms for each in samples])

    def drifts(self) -> list[Drift]:
        """The drifts found since this was last called."""
        return self._drift.taken()

    def snapshot(self, made_at_ms: int) -> dict[str, Any] | Refusal:
        """The clusters as they are now, numbered one on from the last; the new one is the last from then on."""
        least = max(_LEAST, _LEAST_A_CLUSTER * self.model.clusters)
        if len(self._newest) < least:
            return Refusal(
                self.model.name,
                "waiting",
                f"Only {len(self._newest):,} users have been sampled; {self.model.clusters} clusters want {least:,}.",
            )
        if not self._scales:
            self._start()
        values = self._newest.values()
        old = self._rescale(values)
        rows = scaled_rows(self._scales, values, TRAINING_LIMIT)
        centres = self._judged(rows)
        match = self._match(old, centres, rows)
        snapshot = self._written(match, centres, rows, values, made_at_ms)
        try:
            check_snapshot(snapshot)
        except LearningError as error:
            return Refusal(self.model.name, "unsound", f"The snapshot fails its checks: {error}.", snapshot["quality"])
        self.previous = snapshot
        return snapshot

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, as plain data."""
        return {
            "samples": self.samples,
            "scales": [each.as_dict() for each in self._scales],
            "newest": self._newest.state(),
            "centres": pack(self._finder.centres()) if self._scales else None,
            "rate": self._finder.rate() if self._scales else 0.0,
            "drift": self._drift.last_ms,
            "previous": self.previous,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken. With kmeans as if nothing had happened, else relearning from the newest."""
        self.samples = int(state["samples"])
        self._newest.restore(state["newest"], "newest")
        self._drift.last_ms |= state["drift"]
        self.previous = state["previous"]
        self._scales = tuple(FeatureScale(**each) for each in state["scales"])
        if self._scales:
            rows = scaled_rows(self._scales, self._newest.values(), TRAINING_LIMIT)
            self._finder.start(rows, unpack(state["centres"], "centres"))
            self._finder.resume(float(state["rate"]))

    def _start(self) -> None:
        values = self._newest.values()
        self._scales = choose_scales(self.model.features, values)
        rows = scaled_rows(self._scales, values, TRAINING_LIMIT)
        self._finder.start(rows, first_centres(rows, self.model.clusters))

    def _take_up(self, previous: Mapping[str, Any]) -> None:
        """Without a state the last snapshot is what is known: its scaling, and its centres."""
        if self.model.can_follow(previous):
            self._scales = tuple(FeatureScale(**each) for each in previous["features"])
            centres = np.array([each["centre"] for each in previous["clusters"]], dtype=np.float64)
            self._finder.start(centres, centres[: self.model.clusters])

    def _old(self) -> tuple[list[int], Doubles]:
        """The ids and centres of the last snapshot's clusters, scaled as then; none if that was of another model."""
        previous = self.previous
        if previous is None or not self.model.can_follow(previous):
            return [], np.empty((0, self._width))
        centres = np.array([each["centre"] for each in previous["clusters"]], dtype=np.float64)
        return [each["id"] for each in previous["clusters"]], centres

    def _rescale(self, values: Doubles) -> list[Doubles]:
        """Scale anew what lies elsewhere altogether. The last snapshot's centres: as they would be under that scaling.

        If a feature was scaled anew there are two readings. Either users have changed, and the centres are carried
        over; or the feature comes in another unit since last night, and the centres are where they were once scaled.
        """
        _, old = self._old()
        scales_then = self._scales_then()
        moved = [has_moved(scale, values[:, number]) for number, scale in enumerate(self._scales)]
        if any(moved):
            fresh = choose_scales(self.model.features, values)
            before = self._scales
            pairs = zip(before, fresh, moved, strict=True)
            self._scales = tuple(new if gone else scale for scale, new, gone in pairs)
            centres = self._finder.centres()
            carried = scaled_rows(self._scales, raw_rows(before, centres), TRAINING_LIMIT)
            rows = scaled_rows(self._scales, values, TRAINING_LIMIT)
            both = [each for each in (carried, centres) if len(each)]
            self._finder.start(rows, min(both, key=lambda each: inertia(rows, each)))
        if not len(old) or scales_then == self._scales:
            return [old]
        return [scaled_rows(self._scales, raw_rows(scales_then, old), TRAINING_LIMIT), old]

    def _scales_then(self) -> tuple[FeatureScale, ...]:
        previous = self.previous
        features = previous["features"] if previous is not None and self.model.can_follow(previous) else ()
        return tuple(FeatureScale(**each) for each in features)

    def _judged(self, rows: Doubles) -> Doubles:
        """River's centres; or, where it is clearly better, a fresh fit, from which River's model then goes on."""
        centres = self._finder.centres()
        fixed = self.model.algorithm in FIXED_COUNT
        if fixed or not len(centres):
            version = 0 if self.previous is None else int(self.previous["version"])
            fresh = fit_centres(rows, self.model.clusters, np.random.default_rng((_SEED, version)))
            if not len(centres) or inertia(rows, fresh) < (1 - self._demanded(rows, centres)) * inertia(rows, centres):
                self._finder.start(rows, fresh)
                return fresh
        return centres

    def _demanded(self, rows: Doubles, centres: Doubles) -> float:
        """By what share a fresh fit must be better."""
        sizes = np.bincount(nearest(rows, centres), minlength=len(centres))
        return 0.0 if sizes.min() < _DESERTED * len(rows) / len(centres) else _CLEARLY

    def _match(self, old: Sequence[Doubles], centres: Doubles, rows: Doubles) -> Matching:
        ids, _ = self._old()
        if not ids:
            # The very first: the largest is number 1.
            sizes = np.bincount(nearest(rows, centres), minlength=len(centres))
            ranks = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
            first = self._next_id()
            numbers = tuple(first + int(rank) for rank in ranks)
            return Matching(numbers, tuple(sorted(numbers)), (), first + len(numbers), 0.0)
        return min((match_centres(ids, each, centres, self._next_id()) for each in old), key=lambda match: match.cost)

    def _next_id(self) -> int:
        """The first id that no cluster of this name has had, however it was declared then."""
        return 1 if self.previous is None else int(self.previous.get("next_id", 1))

    def _written(
        self, match: Matching, centres: Doubles, rows: Doubles, values: Doubles, made_at_ms: int
    ) -> dict[str, Any]:
        order = np.argsort(match.ids)
        centres = centres[order]
        ids = [match.ids[number] for number in order]
        labels = nearest(rows, centres)
        model = self.model
        quality = {
            "users": len(rows),
            "inertia": rounded(inertia(rows, centres)),
            "silhouette": _rounded_or_none(silhouette(rows[-_SILHOUETTE_ROWS:], labels[-_SILHOUETTE_ROWS:])),
            "missing": rounded_list(np.isnan(values).mean(axis=0)),
            "drift": dict(self._drift.last_ms),
        }
        return {
            "model": model.name,
            "fingerprint": model.fingerprint,
            "version": 1 if self.previous is None else int(self.previous["version"]) + 1,
            "catalog": model.catalog,
            "catalog_version": model.catalog_version,
            "kind": "clusters",
            "algorithm": model.algorithm,
            "made_at": made_at_ms,
            "samples": self.samples,
            "features": [each.as_dict() for each in self._scales],
            "margin": model.margin,
            "clusters": self._described(ids, centres, rows, values, labels),
            "next_id": match.next_id,
            "hierarchy": ward_hierarchy(centres),
            "births": list(match.births),
            "deaths": list(match.deaths),
            "moved": rounded(self._moved(ids, centres, values)),
            "quality": quality,
            "accepted": True,
            "reason": "The first snapshot." if self.previous is None else "It passes its checks.",
        }

    def _described(
        self, ids: Sequence[int], centres: Doubles, rows: Doubles, values: Doubles, labels: npt.NDArray[np.int64]
    ) -> list[dict[str, Any]]:
        mean = rows.mean(axis=0)
        spread = np.maximum(rows.std(axis=0), 1e-9)
        durations = dict(zip(self.model.features, self.model.durations, strict=True))
        described = []
        for number, each in enumerate(ids):
            inside = labels == number
            size = int(inside.sum())
            distinctive = distinctive_features(self.model.features, (centres[number] - mean) / spread)
            means = dict(zip(self.model.features, raw_rows(self._scales, centres[number : number + 1])[0], strict=True))
            described.append(
                {
                    "id": each,
                    "centre": rounded_list(centres[number]),
                    "size": size,
                    "share": rounded(size / len(values)),
                    "description": describe_cluster(distinctive, durations, means),
                    "distinctive": distinctive,
                    "name": self.model.names.get(each),
                }
            )
        return described

    def _moved(self, ids: Sequence[int], centres: Doubles, values: Doubles) -> float:
        """The share of the newest users whom this snapshot moves, if each was where the last one puts them."""
        old_ids, old = self._old()
        if not old_ids:
            return 0.0
        before = np.array(old_ids)[nearest(scaled_rows(self._scales_then(), values), old)]
        apart = distances(scaled_rows(self._scales, values), centres)
        after = np.array(ids)[apart.argmin(axis=1)]
        stays = np.zeros(len(values), dtype=bool)
        for number, each in enumerate(ids):
            here = before == each
            stays[here] = apart[here].min(axis=1) >= (1 - self.model.margin) * apart[here, number]
        return float(((before != after) & ~stays).mean())


def _rounded_or_none(value: float | None) -> float | None:
    return None if value is None else rounded(value)
