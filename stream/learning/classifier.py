"""Classifiers with delayed labels: foretell when a sample is opened, judge and learn when its label comes.

1. A sample that is opened (`moment` or `event`, none of that user's being open) is foretold: by the model that learns,
   in the plain form it had at most 256 labels ago, and by the published snapshot.
2. Its label is held until the deadline has passed, so that labels count in the order of their samples (`held`).
3. Then the forecasts are judged, and the model learns from the values of the moment the sample was opened; and once
   more from a few of the labels before, so that the newest do not carry it away.
4. A snapshot is made if the model is sound, has seen enough, and is not worse than the published one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rules.snapshots import classifier_score, scaled_values
from stream.learning.checks import check_snapshot
from stream.learning.declared import DeclaredModel
from stream.learning.drift import Drift, DriftWatch
from stream.learning.errors import LearningError, Refusal
from stream.learning.held import HeldLabel, HeldLabels
from stream.learning.labelled import Labelled
from stream.learning.models import online_classifier
from stream.learning.newest import NewestUsers
from stream.learning.rounding import rounded
from stream.learning.samples import Sample
from stream.learning.scaling import TRAINING_LIMIT, FeatureScale, as_matrix, choose_scales, has_moved, scaled_rows
from stream.learning.verdicts import LEAST_LABELS, Verdicts

__all__ = ["ClassifierLearner"]

WARM_UP = 1_000
# How many users a scaling is chosen from, and looked at again.
_NEWEST = 2_048
_LEAST_USERS = 20
_REFRESH_LABELS = 256


class ClassifierLearner:
    """Learns one model of kind `classifier`."""

    def __init__(self, model: DeclaredModel, previous: Mapping[str, Any] | None = None) -> None:
        self.model = model
        self.samples = 0
        self._width = len(model.features)
        self._within_ms = model.label.within_ms if model.label is not None else 0
        self._newest = NewestUsers(self._width, _NEWEST)
        self._scales: tuple[FeatureScale, ...] = ()
        self._online = online_classifier(model.algorithm, self._width)
        self._verdicts = Verdicts()
        self._drift = DriftWatch(model.name, model.features)
        self._held = HeldLabels()
        self._labelled = Labelled(self._width)
        self._now_ms = 0
        self._plain: dict[str, Any] = {}
        self._since_plain = 0
        self.previous = previous
        if previous is not None and model.can_follow(previous):
            self._scales = tuple(FeatureScale(**each) for each in previous["features"])
            self._online.resume(previous)
            self._refresh()

    def learn(self, samples: Sequence[Sample]) -> None:
        """Learn from samples of this model, in their order."""
        if not samples:
            return
        self.samples += len(samples)
        values = as_matrix([each.values for each in samples], self._width)
        # The start comes at the same sample however the samples are cut into calls; users who come again don't count.
        while not self._scales and samples:
            room = WARM_UP - len(self._newest)
            self._newest.put([each.user for each in samples[:room]], values[:room])
            for sample, row in zip(samples[:room], values[:room].tolist(), strict=True):
                self._take(sample, row, None)
            samples, values = samples[room:], values[room:]
            if len(self._newest) == WARM_UP:
                self._start()
        if not samples:
            return
        self._newest.put([each.user for each in samples], values)
        rows = scaled_rows(self._scales, values)
        for sample, row, scaled in zip(samples, values.tolist(), rows.tolist(), strict=True):
            self._take(sample, row, scaled)
        opened = [number for number, each in enumerate(samples) if each.label is None]
        held = np.clip(rows[opened], -TRAINING_LIMIT, TRAINING_LIMIT)
        self._drift.watch_features(held, [samples[number].at_ms for number in opened])

    def drifts(self) -> list[Drift]:
        """The drifts found since this was last called."""
        return self._drift.taken()

    def snapshot(self, made_at_ms: int) -> dict[str, Any] | Refusal:
        """The classifier as it is now, numbered one on from the published one; if made, it is that from then on."""
        name = self.model.name
        if not self._scales and len(self._labelled) >= LEAST_LABELS and len(self._newest) >= _LEAST_USERS:
            self._start()
        if not self._scales or len(self._labelled) < LEAST_LABELS:
            reason = f"Only {len(self._labelled):,} samples are past their deadline; {LEAST_LABELS:,} are wanted."
            return Refusal(name, "waiting", reason)
        if not self._labelled.differ():
            return Refusal(name, "waiting", "All labels that have come are the same; there is nothing to tell apart.")
        self._rescale()
        self._refresh()
        quality = self._verdicts.quality() | {"drift": dict(self._drift.last_ms)}
        calibration = quality.pop("calibration", [])
        snapshot = self._written(quality, calibration, made_at_ms)
        try:
            check_snapshot(snapshot)
        except LearningError as error:
            self._begin_again()
            return Refusal(name, "unsound", f"The snapshot fails its checks: {error}.", quality)
        worse = None if self.previous is None else self._verdicts.worse()
        if worse is not None:
            reason = f"It is worse than the published one, which stays. {worse}"
            return Refusal(name, "worse", reason, quality, snapshot | {"accepted": False, "reason": reason})
        self.previous = snapshot
        return snapshot

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, as plain data."""
        return {
            "samples": self.samples,
            "scales": [each.as_dict() for each in self._scales],
            "newest": self._newest.state(),
            "held": self._held.state(),
            "labelled": self._labelled.state(),
            "now": self._now_ms,
            "learned": self._online.state() if self._scales else None,
            "plain": self._plain,
            "since_plain": self._since_plain,
            "verdicts": self._verdicts.state(),
            "drift": self._drift.last_ms,
            "previous": self.previous,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken: a logistic model from its weights, trees by learning the newest again."""
        self.samples = int(state["samples"])
        self._newest.restore(state["newest"], "newest")
        self._held.restore(state["held"])
        self._labelled.restore(state["labelled"])
        self._now_ms = int(state["now"])
        self._verdicts.restore(state["verdicts"])
        self._drift.last_ms |= state["drift"]
        self.previous = state["previous"]
        self._scales = tuple(FeatureScale(**each) for each in state["scales"])
        if not self._scales:
            return
        self._online = online_classifier(self.model.algorithm, self._width)
        if state["learned"] is not None and self._online.resume(state["learned"]):
            self._labelled.scale(self._scales)
            self._plain, self._since_plain = dict(state["plain"]), int(state["since_plain"])
        else:
            self._relearn()

    def _take(self, sample: Sample, row: Sequence[float], scaled: Sequence[float] | None) -> None:
        """One sample; `scaled` is None while there is no scaling."""
        verdicts = self._verdicts
        if sample.label is None:
            if scaled is not None and verdicts.opens(sample.user, sample.at_ms, self._within_ms):
                verdicts.opened(sample.user, sample.at_ms, *self._foretell(sample, scaled))
        else:
            opened_ms = sample.at_ms if sample.opened_ms is None else sample.opened_ms
            forecast = verdicts.waiting(sample.user, opened_ms)
            if forecast is None:
                # Its opening was not seen, or there were too many: foretold now, before it is learned.
                forecast = verdicts.forecast(sample.user, opened_ms, *self._foretell(sample, scaled))
            verdicts.came(sample.user, sample.label)
            held = HeldLabel(sample.label, forecast, tuple(row))
            self._held.hold(sample.user, opened_ms + self._within_ms, held)
        self._now_ms = max(self._now_ms, sample.at_ms)
        for held in self._held.due(self._now_ms):
            self._settle(held)

    def _foretell(self, sample: Sample, scaled: Sequence[float] | None) -> tuple[float, float]:
        """What the learning model and the published snapshot say; NaN if none is published for these features."""
        learning = self._verdicts.base_rate() if scaled is None else classifier_score(self._plain, scaled)
        published = self.previous
        if published is None or not self.model.can_follow(published):
            return learning, float("nan")
        return learning, classifier_score(published, scaled_values(published["features"], sample.values))

    def _settle(self, held: HeldLabel) -> None:
        """A label whose deadline has passed: judged, then learned."""
        if self._scales:
            self._verdicts.judge(held.forecast, held.label)
            self._drift.watch_error(abs(float(held.label) - held.forecast.learning), self._now_ms)
        self._labelled.put(held.values, held.label, self._scales)
        if not self._scales:
            return
        self._online.learn(*self._labelled.newest())
        for row, label in self._labelled.others(self._online.replayed):
            self._online.learn(row, label)
        self._since_plain += 1
        if self._since_plain >= _REFRESH_LABELS:
            self._refresh()

    def _refresh(self) -> None:
        self._plain = self._online.plain(self._verdicts.base_rate())
        self._since_plain = 0

    def _start(self) -> None:
        self._scales = self._chosen(self._newest.values())
        self._begin_again()

    def _chosen(self, values: npt.NDArray[np.float64]) -> tuple[FeatureScale, ...]:
        """A time that is missing never began: that is longer ago than all others, not somewhere in the middle."""
        longest = self.model.durations if self._online.missing_is_longest else ()
        return choose_scales(self.model.features, values, longest)

    def _begin_again(self) -> None:
        self._online = online_classifier(self.model.algorithm, self._width)
        self._relearn()

    def _relearn(self) -> None:
        self._labelled.scale(self._scales)
        for row, label in self._labelled.shuffled(1 + self._online.replayed):
            self._online.learn(row, label)
        self._refresh()

    def _rescale(self) -> None:
        """Scale anew what lies elsewhere altogether, and learn the newest labels again under that."""
        values = self._newest.values()
        moved = [has_moved(scale, values[:, number]) for number, scale in enumerate(self._scales)]
        if any(moved):
            fresh = self._chosen(values)
            pairs = zip(self._scales, fresh, moved, strict=True)
            self._scales = tuple(new if gone else scale for scale, new, gone in pairs)
            self._begin_again()

    def _written(self, quality: dict[str, Any], calibration: list[Any], made_at_ms: int) -> dict[str, Any]:
        model = self.model
        return {
            "model": model.name,
            "fingerprint": model.fingerprint,
            "version": 1 if self.previous is None else int(self.previous["version"]) + 1,
            "catalog": model.catalog,
            "catalog_version": model.catalog_version,
            "kind": "classifier",
            "algorithm": model.algorithm,
            "made_at": made_at_ms,
            "samples": self.samples,
            "features": [each.as_dict() for each in self._scales],
            **self._plain,
            "rules": self._online.rules(self._scales, model.durations),
            "calibration": calibration,
            "quality": {key: rounded(value) if isinstance(value, float) else value for key, value in quality.items()},
            "accepted": True,
            "reason": _reason(quality, first=self.previous is None),
        }


def _reason(quality: Mapping[str, Any], *, first: bool) -> str:
    reason = "The first snapshot." if first else "It is not worse than the one before."
    auc = quality.get("auc")
    last = quality.get("last_value", {}).get("auc")
    if auc is not None and last is not None and auc < last:
        reason += f" It is worse than the last-value rule: an AUC of {auc:.3f} against {last:.3f}."
    if quality.get("log_loss", 0.0) > quality.get("base_rate", {}).get("log_loss", float("inf")):
        reason += " It is worse than the base rate."
    return reason
