"""The learner of one model: samples in, snapshots out, and a state that outlives the process. No I/O and no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stream.learning.checks import check_snapshot
from stream.learning.classifier import ClassifierLearner
from stream.learning.clusters import ClusterLearner
from stream.learning.declared import DeclaredModel
from stream.learning.drift import Drift
from stream.learning.errors import LearningError, Refusal
from stream.learning.quantiles import QuantileLearner
from stream.learning.samples import Sample

__all__ = ["STATE_FORMAT", "Learner", "learner_of"]

# Goes up with every change of what a state holds; an older state is not read, and learning starts from the snapshot.
STATE_FORMAT = 2


class Learner:
    """One model that learns. Made by `learner_of`."""

    def __init__(self, model: DeclaredModel, previous: Mapping[str, Any] | None) -> None:
        self.model = model
        self.passed_over = 0
        self._kind: ClusterLearner | QuantileLearner | ClassifierLearner
        if model.kind == "clusters":
            self._kind = ClusterLearner(model, previous)
        elif model.kind == "quantiles":
            self._kind = QuantileLearner(model, previous)
        else:
            self._kind = ClassifierLearner(model, previous)

    @property
    def samples(self) -> int:
        """How many samples it has learned from, ever."""
        return self._kind.samples

    @property
    def version(self) -> int:
        """The version of the last snapshot, 0 before the first."""
        previous = self._kind.previous
        return 0 if previous is None else int(previous["version"])

    @property
    def last(self) -> Mapping[str, Any] | None:
        """The last snapshot, None before the first."""
        return self._kind.previous

    def adopt(self, snapshot: Mapping[str, Any]) -> None:
        """Take a published snapshot for the last one: the next is numbered, matched and judged by it."""
        self._kind.previous = snapshot

    def redeclare(self, model: DeclaredModel) -> None:
        """Go on under a newer catalog that declares the same: other names of clusters, another margin.

        Raises LearningError if it is not the same.
        """
        if (model.name, model.fingerprint) != (self.model.name, self.model.fingerprint):
            raise LearningError(f"The model {model.name} is declared otherwise now.", remedy="Begin another learner.")
        self.model = self._kind.model = model

    def learn(self, samples: Sequence[Sample]) -> None:
        """Learn from samples in order. Those of another model, catalog or width are only counted."""
        model = self.model
        fit = [
            each
            for each in samples
            if each.model == model.name and each.catalog == model.catalog and len(each.values) == len(model.features)
        ]
        self.passed_over += len(samples) - len(fit)
        self._kind.learn(fit)

    def snapshot(self, made_at_ms: int) -> dict[str, Any] | Refusal:
        """The next snapshot, to be published; or why there is none. Taken as published by the next call."""
        return self._kind.snapshot(made_at_ms)

    def drifts(self) -> list[Drift]:
        """The drifts found since this was last called."""
        return self._kind.drifts()

    def state(self) -> dict[str, Any]:
        """What `learner_of` goes on from: plain data, for JSON."""
        model = self.model
        head = {"format": STATE_FORMAT, "model": model.name, "fingerprint": model.fingerprint, "kind": model.kind}
        rest = {"algorithm": model.algorithm, "features": list(model.features), "learned": self._kind.state()}
        return head | rest

    def restore(self, state: Mapping[str, Any]) -> bool:
        """Go on where `state` was taken; False if it is of another format, or of a model declared otherwise."""
        model = self.model
        keys = ("format", "model", "fingerprint", "kind", "algorithm", "features")
        expected = (STATE_FORMAT, model.name, model.fingerprint, model.kind, model.algorithm, list(model.features))
        if tuple(state.get(key) for key in keys) != expected:
            return False
        try:
            self._kind.restore(state["learned"])
        except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise LearningError(f"The state of model {model.name} does not hold together: {error!r}.") from None
        return True


def learner_of(
    model: DeclaredModel, previous: Mapping[str, Any] | None = None, state: Mapping[str, Any] | None = None
) -> Learner:
    """A learner that goes on from `state`, else from the last published snapshot, else from nothing.

    A snapshot that is not older than the one the state was taken after takes that one's place (another process may have
    published another content under its version before). Of a snapshot that was learned for
    another declaration only the numbers go on: the version, and the ids of clusters. Raises LearningError if either is
    not what it should be; a state of another format or of a model declared otherwise is passed over.
    """
    if previous is not None:
        check_snapshot(previous)
        if previous["model"] != model.name:
            raise LearningError(f"The snapshot is of the model {previous['model']}, not of {model.name}.")
    learner = Learner(model, previous)
    if state is None or not learner.restore(state):
        return learner
    if previous is not None and previous["version"] >= learner.version:
        learner.adopt(previous)
    return learner
