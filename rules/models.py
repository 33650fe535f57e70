"""Models as a catalog declares them, and which of a model's snapshots a catalog can use.

What is learned (`stream.learning`) and what a snapshot says of a user (`rules.snapshots`) stands elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rules.nodes import Kind, Node
from rules.text import expression_text

if TYPE_CHECKING:
    from rules.catalog import Catalog

__all__ = [
    "ALGORITHMS",
    "CLASSIFIER",
    "CLUSTERS",
    "MODEL_KINDS",
    "QUANTILES",
    "Model",
    "ModelFeature",
    "ModelLabel",
    "Sampling",
    "fits",
    "sample_draw",
]

_WORD = 2**64 - 1

CLUSTERS = "clusters"
QUANTILES = "quantiles"
CLASSIFIER = "classifier"
MODEL_KINDS = (CLUSTERS, QUANTILES, CLASSIFIER)

ALGORITHMS: dict[str, tuple[str, ...]] = {
    CLUSTERS: ("kmeans", "streamkmeans", "clustream", "denstream", "dbstream"),
    QUANTILES: ("kll",),
    CLASSIFIER: ("logistic", "hoeffding_tree", "adaptive_random_forest"),
}
"""By kind, the one that is taken where none is named first."""


@dataclass(frozen=True, slots=True)
class ModelFeature:
    """One number that a model is told of a user. `expression` is resolved, its tags written out.

    kind: NUMBER, or DURATION (which enters in ms).
    """

    name: str
    expression: Node
    kind: Kind


@dataclass(frozen=True, slots=True)
class ModelLabel:
    """What a classifier foretells: that the event comes (`event`) or stays out (`absent`) within a time.

    event: None for any track, page or screen.
    """

    kind: str
    event: str | None
    within_ms: int


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which of their moments users give samples at: model moments (`moments`) or accepted events (`events`).

    share: of those moments, 0 < share <= 1.
    """

    at: str
    share: float


@dataclass(frozen=True, slots=True)
class Model:
    """One model; `features` of quantiles are its fields.

    titles, title: as a segment's.  reads: the tags that the features name, each once, in the order of the text.
    names: those that somebody has given to clusters, by id.  lower_is_better: by field, empty but for quantiles.
    timezone: the catalog's where a feature goes by local days or hours, else empty.
    """

    name: str
    title: str
    titles: dict[str, str]
    kind: str
    algorithm: str
    features: tuple[ModelFeature, ...]
    reads: tuple[str, ...] = ()
    clusters: int = 6
    bins: int = 5
    margin: float = 0.1
    label: ModelLabel | None = None
    names: dict[int, str] = field(default_factory=dict)
    lower_is_better: tuple[bool, ...] = ()
    sampling: Sampling = Sampling("moments", 1.0)
    timezone: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the features, in their order."""
        return tuple(feature.name for feature in self.features)

    @property
    def fingerprint(self) -> str:
        """A short text that is equal exactly for declarations whose snapshots and samples mean the same.

        Titles, names of clusters, margin and sampling do not change what is learned, and so are not in it.
        """
        label = self.label
        parts = [
            self.kind,
            self.algorithm,
            [[each.name, expression_text(each.expression), each.kind.value] for each in self.features],
            self.clusters if self.kind == CLUSTERS else None,
            [self.bins, self.lower_is_better] if self.kind == QUANTILES else None,
            None if label is None else [label.kind, label.event, label.within_ms],
            self.timezone,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def fits(snapshot: Mapping[str, Any], catalog: Catalog) -> bool:
    """Whether the catalog has a model of the snapshot's name that is declared as the one it was learned for."""
    model = catalog.models.get(str(snapshot.get("model")))
    return model is not None and snapshot.get("fingerprint") == model.fingerprint


def sample_draw(user_hash: int, moment_ms: int) -> float:
    """A number from 0 to 1, drawn for a user and a moment: a sample is taken where it is below the model's share.

    splitmix64 (Steele, Lea, Flood 2014) of (hash · 2^42) xor moment, cut to 64 bits, as a part of 2^64.
    """
    state = ((user_hash << 42) ^ moment_ms) + 0x9E3779B97F4A7C15 & _WORD
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & _WORD
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB & _WORD
    return (state ^ (state >> 31)) / 2**64
