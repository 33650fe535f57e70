"""A model as a catalog declares it, reduced to what learning needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rules.catalog import Catalog
from rules.models import ALGORITHMS, Model
from rules.nodes import Kind
from stream.learning.errors import LearningError

__all__ = ["ALGORITHMS", "DeclaredLabel", "DeclaredModel", "declared_of"]

_MAX_FEATURES = 100
_MAX_CLUSTERS = 100
_MAX_BINS = 100
_MS_A_DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class DeclaredLabel:
    """What a classifier foretells. `kind`: absent | event. `event`: None for any. Within `within_ms` of the sample."""

    kind: str = "absent"
    event: str | None = None
    within_ms: int = 14 * _MS_A_DAY


@dataclass(frozen=True, slots=True)
class DeclaredModel:
    """One entry of `models:`. Raises LearningError if it can't be learned.

    `features` are the names of the features or fields in the order of a sample's values; `durations` says of each
    whether it is a time in ms; `names` are those that somebody gave to clusters, by id; `lower_is_better` is by field,
    and empty where durations decide. `clusters` is how many, for denstream and dbstream how many at the most.
    `samples_events`: a user gives any number of samples a day; else one.
    `fingerprint` is that of `rules.models.Model`: snapshots and states of another one are of another model.
    """

    name: str
    kind: str
    features: tuple[str, ...]
    durations: tuple[bool, ...] = ()
    algorithm: str = ""
    catalog: str = "catalog"
    catalog_version: int = 1
    clusters: int = 6
    bins: int = 5
    margin: float = 0.1
    label: DeclaredLabel | None = None
    names: dict[int, str] = field(default_factory=dict)
    lower_is_better: tuple[bool, ...] = ()
    fingerprint: str = ""
    samples_events: bool = False

    def __post_init__(self) -> None:
        known = ALGORITHMS.get(self.kind)
        if known is None:
            raise self._wrong("kind", f"there is no kind {self.kind!r}; expected one of {', '.join(ALGORITHMS)}")
        if not self.algorithm:
            object.__setattr__(self, "algorithm", known[0])
        if self.algorithm not in known:
            raise self._wrong(
                "algorithm", f"{self.kind} know no {self.algorithm!r}; expected one of {', '.join(known)}"
            )
        if not 1 <= len(self.features) <= _MAX_FEATURES or len(set(self.features)) != len(self.features):
            raise self._wrong("features", f"expected 1 to {_MAX_FEATURES} different names")
        if not self.durations:
            object.__setattr__(self, "durations", (False,) * len(self.features))
        if not self.lower_is_better:
            object.__setattr__(self, "lower_is_better", self.durations)
        if len(self.durations) != len(self.features) or len(self.lower_is_better) != len(self.features):
            raise self._wrong("durations", "expected as many as features")
        if not 1 <= self.clusters <= _MAX_CLUSTERS:
            raise self._wrong("clusters", f"expected 1 to {_MAX_CLUSTERS}, found {self.clusters}")
        if not 2 <= self.bins <= _MAX_BINS:
            raise self._wrong("bins", f"expected 2 to {_MAX_BINS}, found {self.bins}")
        if not 0 <= self.margin < 1:
            raise self._wrong("margin", f"expected 0 or more and less than 1, found {self.margin}")
        if self.kind == "classifier" and self.label is None:
            object.__setattr__(self, "label", DeclaredLabel())

    def can_follow(self, snapshot: Mapping[str, Any] | None) -> bool:
        """Whether a snapshot was learned for this declaration, so that what it says can be gone on from."""
        if snapshot is None or snapshot.get("fingerprint") != self.fingerprint:
            return False
        named = snapshot["fields" if self.kind == "quantiles" else "features"] if snapshot["kind"] == self.kind else ()
        return tuple(each["name"] for each in named) == self.features and snapshot["algorithm"] == self.algorithm

    def _wrong(self, part: str, sentence: str) -> LearningError:
        return LearningError(sentence, place=f"models.{self.name}.{part}", remedy="Correct the catalog.")


def declared_of(catalog: Catalog, model: Model) -> DeclaredModel:
    """What is to be learned of a catalog's model. Raises LearningError if it can't be."""
    label = model.label
    return DeclaredModel(
        name=model.name,
        kind=model.kind,
        features=model.fields,
        durations=tuple(each.kind is Kind.DURATION for each in model.features),
        algorithm=model.algorithm,
        catalog=catalog.name,
        catalog_version=catalog.version,
        clusters=model.clusters,
        bins=model.bins,
        margin=model.margin,
        label=None if label is None else DeclaredLabel(label.kind, label.event, label.within_ms),
        names=dict(model.names),
        lower_is_better=model.lower_is_better,
        fingerprint=model.fingerprint,
        samples_events=model.sampling.at == "events",
    )
