"""Labels as they come, each with what was foretold for it when its sample was opened: progressive validation.

Four forecasts are kept of each: the learning model's, the published snapshot's (the learning one shadows it), the base
rate's (the share of positives so far), and the last-value rule's (this user's last label; without one, the base rate).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stream.learning.packed import pack, unpack
from stream.learning.quality import area_under_roc, classifier_quality, log_loss

__all__ = ["Forecast", "Verdicts"]

NEWEST_LABELS = 5_000
_MAX_OPEN = 20_000
_MAX_USERS = 20_000
# Fewer labels than this prove nothing.
LEAST_LABELS = 100
# The published one is shadowed over so many labels: enough to tell, few enough that the past does not weigh for long.
_SHADOW_LABELS = 1_000
_WORSE_AUC = 0.02
_STANDARD_ERRORS = 2.0


@dataclass(frozen=True, slots=True, order=True)
class Forecast:
    """What was foretold at `opened_ms`. `published` is NaN where nothing was published then."""

    opened_ms: int
    learning: float
    published: float
    base_rate: float
    last_value: float


class Verdicts:
    """Open forecasts by user (bounded: past that, new ones are not judged), and the newest labels with theirs."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Forecast] = OrderedDict()
        self._last: OrderedDict[str, bool] = OrderedDict()
        self._judged: deque[tuple[float, ...]] = deque(maxlen=NEWEST_LABELS)
        self.labels = 0
        self.positives = 0

    def __len__(self) -> int:
        return len(self._judged)

    def base_rate(self) -> float:
        """The share of positives of all labels, a half before the first."""
        return (self.positives + 1) / (self.labels + 2)

    def opens(self, user: str, at_ms: int, within_ms: int) -> bool:
        """Whether a sample of this moment is the one that will be labelled: none of the user's is open."""
        before = self._open.get(user)
        if before is not None and before.opened_ms + within_ms < at_ms:
            # Its label never came: it was lost, or the model was another.
            del self._open[user]
            before = None
        return before is None and len(self._open) < _MAX_OPEN

    def opened(self, user: str, at_ms: int, learning: float, published: float) -> None:
        """Keep what is foretold for the user's sample of this moment."""
        self._open[user] = self.forecast(user, at_ms, learning, published)

    def forecast(self, user: str, at_ms: int, learning: float, published: float) -> Forecast:
        """The four forecasts, as of now."""
        base = self.base_rate()
        last = self._last.get(user)
        return Forecast(at_ms, learning, published, base, base if last is None else float(last))

    def waiting(self, user: str, opened_ms: int) -> Forecast | None:
        """The user's forecast for the sample of this moment, taken out; None if there is none."""
        found = self._open.pop(user, None)
        return found if found is not None and found.opened_ms == opened_ms else None

    def came(self, user: str, label: bool) -> None:
        """Remember a user's last label."""
        self._last.pop(user, None)
        self._last[user] = label
        if len(self._last) > _MAX_USERS:
            self._last.popitem(last=False)

    def judge(self, forecast: Forecast, label: bool) -> None:
        """Hold a forecast against what came."""
        self._judged.append((float(label), *astuple(forecast)[1:]))
        self.labels += 1
        self.positives += label

    def quality(self) -> dict[str, Any]:
        """Of the newest labels: how good the learning model is, and the rules it must beat. Empty without any."""
        if not self._judged:
            return {}
        labels, table = self._table()
        quality = classifier_quality(labels, table[:, 0])
        last_auc = area_under_roc(labels, table[:, 3])
        quality |= {
            "labels": len(labels),
            "positives": float(labels.mean()),
            "base_rate": {"log_loss": float(log_loss(labels, table[:, 2]).mean()), "auc": 0.5},
            "last_value": {"auc": last_auc, "accuracy": float(((table[:, 3] >= 0.5) == labels).mean())},
        }
        quality["base_rate"]["accuracy"] = float(((table[:, 2] >= 0.5) == labels).mean())
        both = ~np.isnan(table[:, 1])
        if both.any():
            quality["published"] = {
                "labels": int(both.sum()),
                "auc": area_under_roc(labels[both], table[both, 1]),
                "log_loss": float(log_loss(labels[both], table[both, 1]).mean()),
                "learning_log_loss": float(log_loss(labels[both], table[both, 0]).mean()),
            }
        return quality

    def worse(self) -> str | None:
        """Why the learning model is worse than the published one on labels that both foretold; None if it is not."""
        if not self._judged:
            return None
        labels, table = self._table()
        both = ~np.isnan(table[:, 1])
        if int(both.sum()) < LEAST_LABELS:
            return None
        newest = np.flatnonzero(both)[-_SHADOW_LABELS:]
        labels, learning, published = labels[newest], table[newest, 0], table[newest, 1]
        return _worse(labels, learning, published)

    def state(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "labels": self.labels,
            "positives": self.positives,
            "open_users": list(self._open),
            "open": pack(np.array([astuple(each) for each in self._open.values()], dtype=np.float64).reshape(-1, 5)),
            "last_users": list(self._last),
            "last": [int(each) for each in self._last.values()],
            "judged": pack(np.array(self._judged, dtype=np.float64).reshape(-1, 5)),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` returned. Raises LearningError."""
        self.labels, self.positives = int(state["labels"]), int(state["positives"])
        forecasts = unpack(state["open"], "verdicts.open").tolist()
        for user, (opened_ms, *numbers) in zip(state["open_users"], forecasts, strict=True):
            self._open[user] = Forecast(int(opened_ms), *numbers)
        for user, last in zip(state["last_users"], state["last"], strict=True):
            self._last[user] = bool(last)
        self._judged.extend(tuple(row) for row in unpack(state["judged"], "verdicts.judged").tolist())

    def _table(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
        """Labels (n,), and (n, 4): learning, published, base rate, last value."""
        table = np.array(self._judged, dtype=np.float64).reshape(-1, 5)
        return table[:, 0] > 0.5, table[:, 1:]


def _worse(
    labels: npt.NDArray[np.bool_], learning: npt.NDArray[np.float64], published: npt.NDArray[np.float64]
) -> str | None:
    """A sentence if `learning` is worse: its loss is greater beyond doubt, or its AUC is less by 0.02 or more."""
    more = log_loss(labels, learning) - log_loss(labels, published)
    doubt = float(more.std()) / len(more) ** 0.5
    if more.mean() > max(_STANDARD_ERRORS * doubt, 1e-3):
        return (
            f"On the newest {len(labels):,} labels its log loss is {log_loss(labels, learning).mean():.4f}, that of "
            f"the published one {log_loss(labels, published).mean():.4f}."
        )
    ours, theirs = area_under_roc(labels, learning), area_under_roc(labels, published)
    if ours is not None and theirs is not None and ours < theirs - _WORSE_AUC:
        return f"On the newest {len(labels):,} labels its AUC is {ours:.3f}, that of the published one {theirs:.3f}."
    return None
