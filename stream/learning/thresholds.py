"""Thresholds for segments, proposed from samples: the leaves of a shallow decision tree on a goal's label.

Each leaf that is clearly above all users becomes a condition in the catalog's language, its numbers rounded so that
people would write them; what is said of it is counted with the rounded numbers, a missing value meeting no condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stream.learning.errors import LearningError
from stream.learning.trees import legible

__all__ = ["Suggestion", "suggest_thresholds", "suggested_catalog"]

Doubles = npt.NDArray[np.float64]

_LEAST_SAMPLES = 100
_LEAST_SHARE = 0.02
# A leaf is proposed if its members reach the goal so many times as often as all users.
_LIFT = 1.25
_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`condition` in the catalog's language; `share` of users it holds for, `rate` of them with the label, and `lift`.

    `lift` is `rate` over the rate of all users.
    """

    condition: str
    share: float
    rate: float
    lift: float


def suggest_thresholds(
    features: Sequence[str],
    durations: Sequence[bool],
    values: Doubles,
    labels: npt.NDArray[np.bool_],
    *,
    depth: int = 3,
) -> list[Suggestion]:
    """The conditions worth a segment, the highest rate first, from values (n, d), NaN where missing, and labels (n,).

    Raises LearningError if scikit-learn is not installed, or there is nothing to learn from.
    """
    try:
        from sklearn.tree import DecisionTreeClassifier
    except ImportError:
        raise LearningError(
            "Suggestions need scikit-learn, which is not installed.", remedy="pip install 'tagstream[analysis]'"
        ) from None
    if len(labels) < _LEAST_SAMPLES or labels.all() or not labels.any():
        raise LearningError(
            f"{len(labels):,} samples, {int(labels.sum()):,} of them with the label, are too few to suggest anything "
            f"from; {_LEAST_SAMPLES:,} samples of both kinds are wanted."
        )
    present = ~np.isnan(values)
    middle = np.array(
        [np.median(column[here]) if here.any() else 0.0 for column, here in zip(values.T, present.T, strict=True)]
    )
    # scikit-learn computes in 32 bits.
    filled = np.clip(np.where(present, values, middle), -1e30, 1e30)
    tree = DecisionTreeClassifier(
        max_depth=depth, min_samples_leaf=max(20, int(_LEAST_SHARE * len(labels))), random_state=0
    ).fit(filled, labels)
    found: dict[str, Suggestion] = {}
    base = float(labels.mean())
    for path in _paths(tree.tree_):
        terms = _terms(path, durations)
        inside = np.ones(len(labels), dtype=bool)
        for feature, above, _, rounded in terms:
            column = values[:, feature]
            inside &= column > rounded if above else column <= rounded
        share = float(inside.mean())
        if share < _LEAST_SHARE:
            continue
        rate = float(labels[inside].mean())
        if rate >= _LIFT * base:
            condition = " and ".join(
                f"{features[feature]} {'>' if above else '<='} {text}" for feature, above, text, _ in terms
            )
            found[condition] = Suggestion(condition, share, rate, rate / base)
    return sorted(found.values(), key=lambda each: (-each.rate, each.condition))


def suggested_catalog(suggestions: Sequence[Suggestion], goal: str) -> str:
    """The suggestions as `segments:` of a catalog. `goal`: a name to begin theirs with, such as `likely_buyers`."""
    lines = ["segments:"]
    for number, each in enumerate(suggestions, start=1):
        title = (
            f"{each.share:.0%} of users, {each.rate:.0%} of them with the goal, {each.lift:.1f} times as many as of all"
        )
        lines += [
            f"  {goal}_{number}:",
            f"    title: {title}",
            "    kind: predictive",
            f"    when: {_quoted(each.condition)}",
        ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """As YAML writes a text that may hold anything but line ends."""
    return "'" + text.replace("'", "''") + "'"


def _paths(tree: Any) -> list[list[tuple[int, bool, float]]]:
    """From the root to each leaf: feature, whether above, threshold."""
    found: list[list[tuple[int, bool, float]]] = []
    waiting: list[tuple[int, list[tuple[int, bool, float]]]] = [(0, [])]
    while waiting:
        node, path = waiting.pop()
        feature = int(tree.feature[node])
        if feature < 0:
            if path:
                found.append(path)
            continue
        threshold = float(tree.threshold[node])
        waiting.append((int(tree.children_right[node]), [*path, (feature, True, threshold)]))
        waiting.append((int(tree.children_left[node]), [*path, (feature, False, threshold)]))
    return found


def _terms(path: Sequence[tuple[int, bool, float]], durations: Sequence[bool]) -> list[tuple[int, bool, str, float]]:
    """One comparison a feature and side, the strictest, with its number as text and rounded, in the features' order."""
    strictest: dict[tuple[int, bool], float] = {}
    for feature, above, threshold in path:
        before = strictest.get((feature, above))
        if before is None or (threshold > before) == above:
            strictest[feature, above] = threshold
    terms = []
    for (feature, above), threshold in sorted(strictest.items()):
        text = legible(threshold, duration=durations[feature])
        rounded = float(text[:-1]) * _MS[text[-1]] if durations[feature] else float(text)
        terms.append((feature, above, f'"{text}"' if durations[feature] else text, rounded))
    return terms
