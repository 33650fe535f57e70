"""What a user can be in, in the order of evaluation: the catalog's segments and tiers, then what is gone with the last.

While rows are brought over from the previous catalog, its segments and levels that are no more still have members: they
stay as units without conditions, which nobody enters and every member leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

from rules.catalog import Catalog, Segment, Tier
from rules.nodes import Node

__all__ = ["Unit", "units_of"]


@dataclass(frozen=True, slots=True)
class Unit:
    """A segment or a tier.

    conditions: of a segment `when` and `exit`, of a tier one a level; None never holds (of `exit`: there is none).
    levels: a tier's, in order, those of the previous catalog alone at the end.  reads: tags that its messages carry.
    was_indexed: under the previous catalog, where it was there already; else as now.
    """

    name: str
    tier: bool
    retired: bool
    title: str
    kind: str
    conditions: tuple[Node | None, ...]
    reads: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    min_stay_ms: int = 0
    indexed: bool = False
    was_indexed: bool = False

    @property
    def has_exit(self) -> bool:
        """Whether it is a segment with a condition of its own for leaving."""
        return not self.tier and self.conditions[1] is not None

    @property
    def stored_name(self) -> str:
        """What its key in stored rows is made of."""
        return f"tier:{self.name}" if self.tier else self.name


def units_of(catalog: Catalog, previous: Catalog | None = None) -> list[Unit]:
    """The units of a catalog, numbered by their place; `previous` is the catalog that it takes over from."""
    units = []
    for name in catalog.order:
        if name in catalog.segments:
            units.append(_segment(catalog.segments[name], None if previous is None else previous.segments.get(name)))
        else:
            units.append(_tier(catalog.tiers[name], None if previous is None else previous.tiers.get(name)))
    if previous is not None:
        for name in previous.order:
            if name in previous.segments and name not in catalog.segments:
                units.append(_retired_segment(previous.segments[name]))
            elif name in previous.tiers and name not in catalog.tiers:
                units.append(_retired_tier(previous.tiers[name]))
    return units


def _segment(segment: Segment, before: Segment | None) -> Unit:
    return Unit(
        name=segment.name,
        tier=False,
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
        tier=True,
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
        tier=False,
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
        tier=True,
        retired=True,
        title=tier.title,
        kind=tier.kind,
        conditions=tuple(None for _ in tier.levels),
        levels=tuple(tier.levels),
    )
