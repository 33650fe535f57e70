"""What a user can be in, in the order of evaluation: fields of quantiles, clusters, the catalog's segments and tiers.

What is gone with the last catalog comes at the end. While rows are brought over from it, its segments, levels and
clusters that are no more still have members: they stay as units without conditions, which nobody enters and every
member leaves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rules.catalog import Catalog, Segment, Tier
from rules.models import CLUSTERS, QUANTILES, Model, ModelFeature
from rules.nodes import Compare, DurationValue, Has, Kind, Node, NumberValue, QuantileOf, children
from rules.tables import CLUSTER, QUANTILE, SEGMENT, TIER

__all__ = ["Snapshots", "Unit", "conditions_of", "units_of"]

Snapshots = Mapping[str, Mapping[str, Any]]
"""The snapshots in force, by the names of their models."""

_FAR_MS = 2**60
"""Beyond every duration, and far from what 64 bits hold."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A segment, a tier, a model that makes clusters, or a field of quantiles, which is called `model.field`.

    form: SEGMENT, TIER, CLUSTER or QUANTILE of `rules.tables`.
    conditions: of a segment `when` and `exit`, of a tier or quantile one a level; None never holds (of `exit`: there is
    none); clusters have none.  levels: a tier's, in order, those of the previous catalog alone at the end.  scores: a
    quantile's, by level.  reads: tags that its messages carry.
    was_indexed: under the previous catalog, where it was there already; else as now.
    """

    name: str
    form: int
    retired: bool
    title: str
    kind: str
    conditions: tuple[Node | None, ...]
    reads: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    scores: tuple[int, ...] = ()
    min_stay_ms: int = 0
    indexed: bool = False
    was_indexed: bool = False

    @property
    def has_exit(self) -> bool:
        """Whether it is a segment with a condition of its own for leaving."""
        return self.form == SEGMENT and self.conditions[1] is not None

    @property
    def stored_name(self) -> str:
        """What its key in stored rows is made of."""
        return f"{_STORED[self.form]}{self.name}"


_STORED = {SEGMENT: "", TIER: "tier:", CLUSTER: "cluster:", QUANTILE: "quantile:"}


def units_of(catalog: Catalog, previous: Catalog | None = None, snapshots: Snapshots | None = None) -> list[Unit]:
    """The units of a catalog, numbered by their place; `previous` is the catalog that it takes over from.

    Of the fields of quantiles there are only those that something reads and that have boundaries.
    """
    units = _quantiles(catalog, snapshots or {})
    units += [_clusters(model) for model in catalog.models.values() if model.kind == CLUSTERS]
    for name in catalog.order:
        if name in catalog.segments:
            units.append(_segment(catalog.segments[name], None if previous is None else previous.segments.get(name)))
        else:
            units.append(_tier(catalog.tiers[name], None if previous is None else previous.tiers.get(name)))
    if previous is not None:
        for model in previous.models.values():
            now = catalog.models.get(model.name)
            if model.kind == CLUSTERS and (now is None or now.kind != CLUSTERS):
                units.append(_clusters(model, retired=True))
        for name in previous.order:
            if name in previous.segments and name not in catalog.segments:
                units.append(_retired_segment(previous.segments[name]))
            elif name in previous.tiers and name not in catalog.tiers:
                units.append(_retired_tier(previous.tiers[name]))
    return units


def conditions_of(catalog: Catalog) -> list[Node]:
    """All conditions of a catalog's segments and tiers."""
    found = [level.when for tier in catalog.tiers.values() for level in tier.levels.values()]
    for segment in catalog.segments.values():
        found += [segment.when] if segment.exit is None else [segment.when, segment.exit]
    return found


def _quantiles(catalog: Catalog, snapshots: Snapshots) -> list[Unit]:
    models = [model for model in catalog.models.values() if model.kind == QUANTILES and model.name in snapshots]
    if not models:
        return []
    read = _fields_read([*(tag.expression for tag in catalog.tags.values()), *conditions_of(catalog)])
    return [
        _quantile(model, field, learned)
        for model in models
        for field, learned in zip(model.features, snapshots[model.name]["fields"], strict=True)
        if (model.name, field.name) in read
    ]


def _fields_read(roots: Iterable[Node]) -> set[tuple[str, str]]:
    """Model and field of each quantile in some trees; a tag is part of many conditions as the very same tree."""
    found: set[tuple[str, str]] = set()
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, QuantileOf):
            found.add((node.model, node.field))
        waiting += children(node)
    return found


def _quantile(model: Model, field: ModelFeature, learned: Mapping[str, Any]) -> Unit:
    """The levels go from above all boundaries down to above none."""
    boundaries = [float(boundary) for boundary in reversed(learned["boundaries"])]
    above = [Compare(">", field.expression, _boundary(boundary, field.kind)) for boundary in boundaries]
    scores = range(1, len(above) + 2)
    return Unit(
        name=f"{model.name}.{field.name}",
        form=QUANTILE,
        retired=False,
        title="",
        kind="",
        conditions=(*above, Has(field.expression)),
        scores=tuple(scores if learned["lower_is_better"] else reversed(scores)),
    )


def _boundary(boundary: float, kind: Kind) -> NumberValue | DurationValue:
    """What a value is above exactly where it is above the boundary; durations are whole."""
    if kind is Kind.DURATION:
        return DurationValue(math.floor(max(-_FAR_MS, min(boundary, _FAR_MS))))
    return NumberValue(boundary)


def _clusters(model: Model, *, retired: bool = False) -> Unit:
    return Unit(
        name=model.name,
        form=CLUSTER,
        retired=retired,
        title=model.title,
        kind="",
        conditions=(),
        reads=() if retired else model.reads,
    )


def _segment(segment: Segment, before: Segment | None) -> Unit:
    return Unit(
        name=segment.name,
        form=SEGMENT,
        retired=False,
        title=segment.title,
        kind=segment.kind,
        conditions=(segment.when, segment.exit),
        reads=segment.reads,
        min_stay_ms=segment.min_stay_ms,
        indexed=segment.indexed,
        was_indexed=segment.indexed if before is None else before.indexed,
    )


def _tier(tier: Tier, before: Tier | None) -> Unit:
    gone = [] if before is None else [name for name in before.levels if name not in tier.levels]
    return Unit(
        name=tier.name,
        form=TIER,
        retired=False,
        title=tier.title,
        kind=tier.kind,
        conditions=(*(level.when for level in tier.levels.values()), *(None for _ in gone)),
        reads=tier.reads,
        levels=(*tier.levels, *gone),
    )


def _retired_segment(segment: Segment) -> Unit:
    return Unit(
        name=segment.name,
        form=SEGMENT,
        retired=True,
        title=segment.title,
        kind=segment.kind,
        conditions=(None, None),
        indexed=segment.indexed,
        was_indexed=segment.indexed,
    )


def _retired_tier(tier: Tier) -> Unit:
    return Unit(
        name=tier.name,
        form=TIER,
        retired=True,
        title=tier.title,
        kind=tier.kind,
        conditions=tuple(None for _ in tier.levels),
        levels=tuple(tier.levels),
    )
