"""Drift: an ADWIN window (Bifet and Gavaldà 2007) over each scaled feature, and one over a model's error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from river.drift import ADWIN

__all__ = ["Drift", "DriftWatch"]

# How sure a change must be: with features by the dozen, and a test every 32 values, false alarms must be rare.
_DELTA = 1e-4


@dataclass(frozen=True, slots=True)
class Drift:
    """A change of level, noticed at `at_ms`. `feature`: its name, or None for the model's error.

    `before` and `after`: the mean of the window before and after what is old was dropped; of features, scaled.
    """

    model: str
    feature: str | None
    at_ms: int
    before: float
    after: float


class DriftWatch:
    """Watches the features of one model, and its error. `taken` hands over what was found since it was last asked."""

    def __init__(self, model: str, features: Sequence[str]) -> None:
        self._model = model
        self._features = tuple(features)
        self._windows = [_window() for _ in features]
        self._error = _window()
        self._found: list[Drift] = []
        self.last_ms: dict[str, int] = {}

    def watch_features(self, rows: npt.NDArray[np.float64], at_ms: Sequence[int]) -> None:
        """Scaled, finite rows (n, d) and the time of each."""
        for name, window, column in zip(self._features, self._windows, rows.T.tolist(), strict=True):
            for value, time_ms in zip(column, at_ms, strict=True):
                self._update(window, name, value, time_ms)

    def watch_error(self, error: float, at_ms: int) -> None:
        """How far the model was from the label."""
        self._update(self._error, None, error, at_ms)

    def taken(self) -> list[Drift]:
        """What was found since this was last called."""
        found, self._found = self._found, []
        return found

    def _update(self, window: Any, feature: str | None, value: float, at_ms: int) -> None:
        before = float(window.estimation)
        window.update(value)
        if window.drift_detected:
            self._found.append(Drift(self._model, feature, at_ms, before, float(window.estimation)))
            self.last_ms["error" if feature is None else feature] = at_ms


def _window() -> Any:
    return ADWIN(delta=_DELTA, clock=32)  # type: ignore[no-untyped-call]  # River's
