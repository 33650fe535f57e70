"""Quantiles over users, learned online: one KLL sketch a field and hour of log time, and the last 24 hours of them.

Every user has one model moment a day, so 24 whole hours hold each user once. The sketches of the hours are read side by
side, each value with the weight its sketch gives it; nothing is merged, so hours with at most K values are exact, and
beyond that the error of a rank (0.35 % an hour at K = 1,024) averages out over the hours: under 0.1 % of users.

A KLL sketch (Karnin, Lang and Liberty 2016; Apache DataSketches) flips coins of its own past K values an hour; what was
published is plain data, so nothing that is applied depends on them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from datasketches import kll_doubles_sketch

from stream.learning.checks import check_snapshot
from stream.learning.declared import DeclaredModel
from stream.learning.drift import Drift
from stream.learning.errors import LearningError, Refusal
from stream.learning.rounding import rounded_list
from stream.learning.samples import Sample
from stream.learning.scaling import as_matrix

__all__ = ["QuantileLearner", "weighted_quantiles"]

Doubles = npt.NDArray[np.float64]

K = 1_024
HOURS = 24
_MS_AN_HOUR = 3_600_000
_LEAST_A_BIN = 10


def weighted_quantiles(values: Doubles, weights: Doubles, shares: Doubles) -> Doubles:
    """Linear quantiles as numpy's of values (n,), each of which stands for `weights` of them; n > 0."""
    order = np.argsort(values, kind="stable")
    values = values[order]
    ends = np.cumsum(weights[order])
    places = shares * (ends[-1] - 1)
    below = np.floor(places)
    last = len(values) - 1
    low = values[np.minimum(np.searchsorted(ends, below, side="right"), last)]
    high = values[np.minimum(np.searchsorted(ends, below + 1, side="right"), last)]
    # Written so that between equal values nothing is lost to rounding.
    return np.asarray(np.where(low == high, low, low + (high - low) * (places - below)))


class QuantileLearner:
    """Learns one model of kind `quantiles`."""

    def __init__(self, model: DeclaredModel, previous: Mapping[str, Any] | None = None) -> None:
        self.model = model
        self.samples = 0
        self._width = len(model.features)
        self._hours: dict[int, list[Any]] = {}
        self.previous = previous

    def learn(self, samples: Sequence[Sample]) -> None:
        """Learn from samples of this model, in any order within the last 24 hours of log time."""
        if not samples:
            return
        self.samples += len(samples)
        values = as_matrix([each.values for each in samples], self._width)
        hours = np.array([each.at_ms for each in samples]) // _MS_AN_HOUR
        for hour in np.unique(hours).tolist():
            sketches = self._hours.setdefault(hour, [kll_doubles_sketch(K) for _ in range(self._width)])
            for sketch, column in zip(sketches, values[hours == hour].T, strict=True):
                present = column[~np.isnan(column)]
                if present.size:
                    # 0 and −0 are one value.
                    sketch.update(np.ascontiguousarray(present + 0.0))
        newest = max(self._hours)
        self._hours = {hour: each for hour, each in self._hours.items() if hour >= newest - HOURS}

    def drifts(self) -> list[Drift]:
        """None: the window turns, and boundaries with it."""
        return []

    def snapshot(self, made_at_ms: int) -> dict[str, Any] | Refusal:
        """The boundaries of the last 24 hours; the new snapshot is the last from then on."""
        model = self.model
        fields, counts = [], []
        shares = np.arange(1, model.bins) / model.bins
        for number, name in enumerate(model.features):
            values, weights = self._window(number)
            count = int(weights.sum())
            if count < _LEAST_A_BIN * model.bins:
                return Refusal(
                    model.name,
                    "waiting",
                    f"Only {count:,} samples of the last {HOURS} hours have a value of {name}; {model.bins} bins want "
                    f"{_LEAST_A_BIN * model.bins:,}.",
                )
            counts.append(count)
            boundaries = rounded_list(np.maximum.accumulate(weighted_quantiles(values, weights, shares)))
            fields.append({"name": name, "boundaries": boundaries, "lower_is_better": model.lower_is_better[number]})
        snapshot = {
            "model": model.name,
            "fingerprint": model.fingerprint,
            "version": 1 if self.previous is None else int(self.previous["version"]) + 1,
            "catalog": model.catalog,
            "catalog_version": model.catalog_version,
            "kind": "quantiles",
            "algorithm": model.algorithm,
            "made_at": made_at_ms,
            "samples": self.samples,
            "fields": fields,
            # A value is a user's only where each user gives one a day.
            "quality": {"values": counts} if model.samples_events else {"users": max(counts), "values": counts},
            "accepted": True,
            "reason": "The first snapshot." if self.previous is None else "It passes its checks.",
        }
        try:
            check_snapshot(snapshot)
        except LearningError as error:
            return Refusal(model.name, "unsound", f"The snapshot fails its checks: {error}.")
        self.previous = snapshot
        return snapshot

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, as plain data: at most 25 hours of sketches, 24 kB each and field at the most."""
        hours = {
            str(hour): [base64.b64encode(sketch.serialize()).decode() for sketch in sketches]
            for hour, sketches in sorted(self._hours.items())
        }
        return {"samples": self.samples, "hours": hours, "previous": self.previous}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken. Raises LearningError."""
        self.samples = int(state["samples"])
        self.previous = state["previous"]
        for hour, sketches in state["hours"].items():
            if len(sketches) != self._width:
                raise LearningError("there is not one sketch a field", place=f"hours.{hour}")
            try:
                restored = [kll_doubles_sketch.deserialize(base64.b64decode(each, validate=True)) for each in sketches]
            except (binascii.Error, ValueError, RuntimeError, IndexError) as error:
                raise LearningError(f"is no sketch ({error})", place=f"hours.{hour}") from None
            self._hours[int(hour)] = restored

    def _window(self, number: int) -> tuple[Doubles, Doubles]:
        """Values and weights of 24 whole hours if there are that many, else of all."""
        if not self._hours:
            return np.empty(0), np.empty(0)
        newest = max(self._hours)
        whole = newest - HOURS in self._hours
        items = [
            item
            for hour, sketches in sorted(self._hours.items())
            if not (whole and hour == newest)
            for item in sketches[number]
        ]
        table = np.array(items, dtype=np.float64).reshape(-1, 2)
        return table[:, 0], table[:, 1]
