"""River's classifiers behind one adapter: scaled rows and labels in, the plain form of what was learned out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from river import forest, linear_model, optim, tree

from stream.learning.rounding import rounded, rounded_list
from stream.learning.scaling import FeatureScale
from stream.learning.trees import plain_tree, tree_rules

__all__ = ["OnlineClassifier", "online_classifier"]

_SEED = 20_240_601
# So that the rules fit a page: at most 64 leaves.
_TREE_DEPTH = 6
_FOREST_DEPTH = 8
_FOREST_TREES = 7  # ten would learn 1,400 samples a second of one core, and seven 2,100
_RATE = 0.01


class OnlineClassifier(Protocol):
    """One of River's models over `width` scaled features.

    `replayed`: how many of the labels before are learned again with each new one. `missing_is_longest`: whether a time
    that is missing is to be scaled as the longest seen, and not as the median.
    """

    replayed: int
    missing_is_longest: bool

    def learn(self, row: Sequence[float], label: bool) -> None:
        """Learn from one sample."""

    def plain(self, base_rate: float) -> dict[str, Any]:
        """What was learned, as the snapshot has it: `logistic` or `trees`."""

    def state(self) -> dict[str, Any] | None:
        """What `resume` goes on from to the last bit; None if only learning again brings it back."""

    def resume(self, state: Mapping[str, Any]) -> bool:
        """Go on from what `state` or `plain` returned; False if that can't be, and samples must be learned again."""

    def rules(self, scales: Sequence[FeatureScale], durations: Sequence[bool]) -> str:
        """What was learned, for people to read."""


def online_classifier(algorithm: str, width: int) -> OnlineClassifier:
    """The adapter for one of `ALGORITHMS["classifier"]`."""
    if algorithm == "logistic":
        return _Logistic(width)
    return _HoeffdingTree() if algorithm == "hoeffding_tree" else _Forest()


class _Logistic:
    # Gradient steps are small: one pass over the few labels of a small shop would not get anywhere.
    replayed = 3
    # A straight line can't tell "never" from the middle; trees can, by a split on either side.
    missing_is_longest = True

    def __init__(self, width: int) -> None:
        self._width = width
        self._model: Any = linear_model.LogisticRegression(
            optimizer=optim.SGD(_RATE), intercept_lr=_RATE, l2=1e-4, clip_gradient=5.0
        )

    def learn(self, row: Sequence[float], label: bool) -> None:
        self._model.learn_one(dict(enumerate(row)), label)

    def plain(self, base_rate: float) -> dict[str, Any]:
        del base_rate  # the intercept holds it
        weights = self._model.weights
        return {
            "logistic": {
                "weights": rounded_list(float(weights.get(number, 0.0)) for number in range(self._width)),
                "intercept": rounded(float(self._model.intercept)),
            }
        }

    def state(self) -> dict[str, Any] | None:
        weights = [float(self._model.weights.get(number, 0.0)) for number in range(self._width)]
        return {"logistic": {"weights": weights, "intercept": float(self._model.intercept)}}

    def resume(self, state: Mapping[str, Any]) -> bool:
        logistic = state["logistic"]
        self._model._weights.update(dict(enumerate(logistic["weights"])))  # noqa: SLF001 - River has no other way
        self._model.intercept = logistic["intercept"]
        return True

    def rules(self, scales: Sequence[FeatureScale], durations: Sequence[bool]) -> str:
        del durations
        weights = self.plain(0.0)["logistic"]["weights"]
        order = sorted(range(len(scales)), key=lambda number: (-abs(weights[number]), number))
        return "\n".join(
            f"{'more' if weights[number] > 0 else 'less'} likely the higher {scales[number].name} "
            f"({weights[number]:+.2f} a spread)"
            for number in order
        )


class _HoeffdingTree:
    replayed = 2
    missing_is_longest = False

    def __init__(self) -> None:
        self._model: Any = tree.HoeffdingTreeClassifier(
            grace_period=100, max_depth=_TREE_DEPTH, delta=1e-4, tau=0.05, leaf_prediction="mc"
        )
        self._base_rate = 0.5

    def learn(self, row: Sequence[float], label: bool) -> None:
        self._model.learn_one(dict(enumerate(row)), label)

    def plain(self, base_rate: float) -> dict[str, Any]:
        self._base_rate = base_rate
        return {"trees": [{"nodes": plain_tree(self._model, base_rate)}]}

    def state(self) -> dict[str, Any] | None:
        return None

    def resume(self, state: Mapping[str, Any]) -> bool:
        del state
        return False

    def rules(self, scales: Sequence[FeatureScale], durations: Sequence[bool]) -> str:
        return tree_rules(plain_tree(self._model, self._base_rate), scales, durations)


class _Forest:
    # Each of its trees learns a label six times over as it is, by Poisson's chance.
    replayed = 0
    missing_is_longest = False

    def __init__(self) -> None:
        self._model: Any = forest.ARFClassifier(
            n_models=_FOREST_TREES,
            max_depth=_FOREST_DEPTH,
            leaf_prediction="mc",
            disable_weighted_vote=True,
            grace_period=100,
            seed=_SEED,
        )
        self._base_rate = 0.5

    def learn(self, row: Sequence[float], label: bool) -> None:
        self._model.learn_one(dict(enumerate(row)), label)

    def plain(self, base_rate: float) -> dict[str, Any]:
        self._base_rate = base_rate
        if not len(self._model):
            return {"trees": [{"nodes": [[-1, rounded(base_rate), 0, 0]]}]}
        return {"trees": [{"nodes": plain_tree(each, base_rate)} for each in self._model]}

    def state(self) -> dict[str, Any] | None:
        return None

    def resume(self, state: Mapping[str, Any]) -> bool:
        del state
        return False

    def rules(self, scales: Sequence[FeatureScale], durations: Sequence[bool]) -> str:
        """The first tree's; a forest as such is not legible."""
        trees = self.plain(self._base_rate)["trees"]
        used: dict[str, int] = {}
        for each in trees:
            for node in each["nodes"]:
                if node[0] >= 0:
                    name = scales[int(node[0])].name
                    used[name] = used.get(name, 0) + 1
        order = sorted(used, key=lambda name: (-used[name], name))
        asked = ", ".join(f"{name} ({used[name]})" for name in order) or "nothing yet"
        first = tree_rules(trees[0]["nodes"], scales, durations)
        return f"The mean of {len(trees)} trees. What they ask for, and how often: {asked}.\nThe first:\n{first}"
