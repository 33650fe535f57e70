"""The reference's models: when a user is looked at by them, what they then say, and the samples that they are told.

At one moment labels are settled first, then values computed anew, then samples taken (`rules.reference` has the order).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rules.catalog import Catalog
from rules.history import Event, is_number
from rules.interpret import History, value_of, walk
from rules.models import CLASSIFIER, CLUSTERS, Model, fits, sample_draw
from rules.nodes import Compare, DurationValue, Kind, Node, NumberValue, QuantileOf
from rules.snapshots import apply_snapshot

__all__ = ["ModelsInForce", "OpenSample", "ReferenceSample", "UserModels", "next_model_moment_ms"]

DAY_MS = 86_400_000

Snapshot = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReferenceSample:
    """What would be published of a user to learn from.

    why: `moment`, `event` or `label`.  values: in the order of the model's features, durations in ms; with a label
    those of `opened_ms`, and `at_ms` is the moment at which the label was settled.
    """

    model: str
    user: str
    at_ms: int
    why: str
    values: tuple[float | None, ...]
    label: bool | None = None
    opened_ms: int | None = None


@dataclass(frozen=True, slots=True)
class OpenSample:
    """A sample whose label is to come; it is that of a declaration, not of whatever has the model's name."""

    fingerprint: str
    opened_ms: int
    values: tuple[float | None, ...]


@dataclass(slots=True)
class UserModels:
    """What models say of a user, by model, and what is open. since_ms: when the cluster became what it is."""

    clusters: dict[str, int] = field(default_factory=dict)
    since_ms: dict[str, int] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    open: dict[str, OpenSample] = field(default_factory=dict)

    def copy(self) -> UserModels:
        """The same, to be changed on its own."""
        return UserModels(dict(self.clusters), dict(self.since_ms), dict(self.scores), dict(self.open))


class ModelsInForce:
    """A catalog's models with their snapshots, those that fit; `sampled`: whether users give samples."""

    def __init__(self, catalog: Catalog, snapshots: Mapping[str, Snapshot], *, sampled: bool) -> None:
        self.models = catalog.models
        self.snapshots = {name: snapshot for name, snapshot in snapshots.items() if fits(snapshot, catalog)}
        self._sampled = sampled
        in_force = [self.models[name].kind for name in self.snapshots]
        self._has_moments = CLUSTERS in in_force or CLASSIFIER in in_force or (sampled and bool(self.models))

    @property
    def versions(self) -> dict[str, int]:
        """The versions of the snapshots in force, by model, in the catalog's order."""
        return {name: self.snapshots[name]["version"] for name in self.models if name in self.snapshots}

    def field_nodes(self, nodes: Sequence[Node]) -> Iterator[Node]:
        """What decides the quantiles among some nodes: the fields, and how they compare with the boundaries."""
        for node in nodes:
            if isinstance(node, QuantileOf) and node.model in self.snapshots:
                number = self.models[node.model].fields.index(node.field)
                feature = self.models[node.model].features[number]
                yield from walk(feature.expression)
                for boundary in self.snapshots[node.model]["fields"][number]["boundaries"]:
                    yield Compare(">", feature.expression, _constant(boundary, feature.kind))

    # When

    def next_look_ms(self, of_user: UserModels, user_hash: int, after_ms: int, until_ms: int) -> int | None:
        """The first model moment or deadline of a label after `after_ms`, None if there is none up to `until_ms`."""
        moments = [open_sample.opened_ms + self._within_ms(name) for name, open_sample in of_user.open.items()]
        if self._has_moments:
            moments.append(next_model_moment_ms(user_hash, after_ms))
        return min((moment_ms for moment_ms in moments if after_ms < moment_ms <= until_ms), default=None)

    def _within_ms(self, name: str) -> int:
        label = self.models[name].label
        if label is None:
            raise ValueError(f"the model {name} has an open sample and no label")
        return label.within_ms

    # Labels

    def settle(self, user: str, of_user: UserModels, now_ms: int, event: Event | None) -> list[ReferenceSample]:
        """The labels that an event or a deadline brings, in the order of the catalog; their samples are closed."""
        settled: list[ReferenceSample] = []
        for name, model in self.models.items():
            opened, label = of_user.open.get(name), model.label
            if opened is None or label is None:
                continue
            deadline_ms = opened.opened_ms + label.within_ms
            counts = event is not None and event.name is not None and label.event in (None, event.name)
            if event is not None and counts and opened.opened_ms < event.t_ms <= deadline_ms:
                is_positive = label.kind == "event"
            elif now_ms >= deadline_ms:
                is_positive = label.kind == "absent"
            else:
                continue
            del of_user.open[name]
            settled.append(ReferenceSample(name, user, now_ms, "label", opened.values, is_positive, opened.opened_ms))
        return settled

    def drop_strangers(self, of_user: UserModels) -> None:
        """Close, without a word, open samples of declarations that are no more."""
        for name, opened in [*of_user.open.items()]:
            if name not in self.models or self.models[name].fingerprint != opened.fingerprint:
                del of_user.open[name]

    # Values

    def clusters(self, of_user: UserModels, history: History, now_ms: int) -> Iterator[tuple[Model, int | None]]:
        """The cluster models of which the user's cluster is another now, with the new one, in catalog order."""
        for name, model in self.models.items():
            if model.kind != CLUSTERS:
                continue
            before = of_user.clusters.get(name)
            cluster = self._value(model, history, now_ms, before)
            if cluster != before:
                yield model, None if cluster is None else int(cluster)

    def scores(self, history: History, now_ms: int) -> dict[str, float]:
        """The scores of all classifiers that have a snapshot."""
        found: dict[str, float] = {}
        for name, model in self.models.items():
            score = self._value(model, history, now_ms) if model.kind == CLASSIFIER else None
            if score is not None:
                found[name] = score
        return found

    def _value(self, model: Model, history: History, now_ms: int, cluster: int | None = None) -> float | None:
        snapshot = self.snapshots.get(model.name)
        if snapshot is None:
            return None
        value = apply_snapshot(snapshot, feature_values(model, history, now_ms), cluster)
        if isinstance(value, dict):
            raise TypeError(f"{model.name} has quantiles, which are not kept")
        return value

    # Samples

    def take(
        self, user: str, of_user: UserModels, history: History, now_ms: int, occasion: str
    ) -> list[ReferenceSample]:
        """The samples of a moment, in the order of the catalog. occasion: `moment` or `event`.

        Those of a classifier are opened rather, where none is open yet.
        """
        taken: list[ReferenceSample] = []
        for name, model in self.models.items():
            if not self._sampled or model.sampling.at != f"{occasion}s" or name in of_user.open:
                continue
            if sample_draw(history.user_hash, now_ms) >= model.sampling.share:
                continue
            values = feature_values(model, history, now_ms)
            if model.label is not None:
                of_user.open[name] = OpenSample(model.fingerprint, now_ms, values)
            taken.append(ReferenceSample(name, user, now_ms, occasion, values))
        return taken


def feature_values(model: Model, history: History, now_ms: int) -> tuple[float | None, ...]:
    """What a model is told of a user: doubles, durations in ms, None where a value is missing."""
    values = [value_of(feature.expression, history, now_ms) for feature in model.features]
    return tuple(float(value) if is_number(value) else None for value in values)


def next_model_moment_ms(user_hash: int, after_ms: int) -> int:
    """The user's first model moment after a moment: (t + hash) mod 1 d = 0."""
    return after_ms + DAY_MS - (after_ms + user_hash) % DAY_MS


def _constant(boundary: float, kind: Kind) -> Node:
    """A boundary as expressions have it; whole ms are above it exactly where they are above the whole one below."""
    return DurationValue(int(boundary // 1)) if kind is Kind.DURATION else NumberValue(boundary)
