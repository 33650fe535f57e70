"""What a new version of a catalog reads of the past that the one before did not, and a program that computes just that.

Whether a record is an event was decided when it was read, by the catalog that ran then, and stays so: the program
judges records as the version before does. A property that only the new one aggregates may be no number; it adds
nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from rules.aggregates import hop_ms, key_text, mean_parts, stored_text
from rules.catalog import Catalog, Tag
from rules.nodes import Aggregate, Kind, Node, Trait, children, kind_of
from rules.program import Program, compile_catalog
from stream.engine import NEVER_MS

__all__ = ["FillPlan", "new_nodes", "plan_filling", "stored_in", "stored_nodes", "warming_until"]

_AS_NUMBERS = frozenset({"sum", "mean", "min", "max"})
_BUCKETS = 61


@dataclass(frozen=True, slots=True)
class FillPlan:
    """nodes: the aggregates and facts that are new, by `key_text`.  program: computes them; None if there are none."""

    nodes: dict[str, Aggregate | Trait]
    program: Program | None


def plan_filling(catalog: Catalog, base: Catalog) -> FillPlan:
    """What has to be read again when `catalog` takes over from `base`."""
    new = new_nodes(catalog, base)
    if not new:
        return FillPlan({}, None)
    # The old aggregates of numbers come along: with them the same records are refused as were then.
    kept = [
        node for node in stored_nodes(base).values() if isinstance(node, Aggregate) and node.function in _AS_NUMBERS
    ]
    tags = {
        f"tag_{place}": Tag(f"tag_{place}", node, kind_of(node)) for place, node in enumerate([*new.values(), *kept])
    }
    program = compile_catalog(
        dataclasses.replace(catalog, tags=tags, segments={}, tiers={}, models={}, order=(), examples=(), warnings=())
    )
    return FillPlan(new, dataclasses.replace(program, numeric=_numeric_as(program, kept)))


def new_nodes(catalog: Catalog, base: Catalog) -> dict[str, Aggregate | Trait]:
    """The aggregates and facts of `catalog`, by `key_text`, that rows of `base` do not have."""
    known = {part for node in stored_nodes(base).values() for part in _parts(node, base.timezone)}
    return {
        text: node for text, node in stored_nodes(catalog).items() if not set(_parts(node, catalog.timezone)) <= known
    }


def warming_until(node: Aggregate | Trait, start_ms: int) -> int:
    """From when on (ms of log time) the value of a node is whole, of which nothing before `start_ms` is known."""
    if isinstance(node, Aggregate) and node.last_ms is not None:
        return start_ms + _BUCKETS * hop_ms(node.last_ms)
    return NEVER_MS


def stored_nodes(catalog: Catalog) -> dict[str, Aggregate | Trait]:
    """The aggregates and facts that rows keep for a catalog, by `key_text`."""
    return {text: node for root in _expressions(catalog) for text, node in stored_in(root).items()}


def stored_in(root: Node) -> dict[str, Aggregate | Trait]:
    """The aggregates and facts that one expression reads, by `key_text`."""
    found: dict[str, Aggregate | Trait] = {}
    for node in _walk(root):
        if isinstance(node, Aggregate | Trait):
            plain = dataclasses.replace(node, kind=Kind.ANY)  # kept once, whatever kind its places ask for
            found.setdefault(key_text(plain), plain)
    return found


def _parts(node: Aggregate | Trait, timezone: str) -> list[str]:
    """Texts of what a row keeps of a node: the hours of a `top_hour` are of a zone."""
    if isinstance(node, Trait):
        return [f"trait {node.name}"]
    return [stored_text(part, timezone) for part in (mean_parts(node) if node.function == "mean" else (node,))]


def _expressions(catalog: Catalog) -> Iterator[Node]:
    for tag in catalog.tags.values():
        yield tag.expression
    for model in catalog.models.values():
        for feature in model.features:
            yield feature.expression
    for segment in catalog.segments.values():
        yield segment.when
        if segment.exit is not None:
            yield segment.exit
    for tier in catalog.tiers.values():
        for level in tier.levels.values():
            yield level.when


def _walk(node: Node) -> Iterator[Node]:
    yield node
    if not isinstance(node, Aggregate):  # what is in its `where` is the event's, not the user's
        for child in children(node):
            yield from _walk(child)


def _numeric_as(program: Program, kept: list[Aggregate]) -> dict[int, frozenset[int]]:
    """By property column, the events in which the version before refuses what is no number."""
    numeric: dict[int, set[int]] = {}
    for node in kept:
        if node.property is not None:
            event = 0 if node.event is None else program.event_names[node.event]
            numeric.setdefault(program.properties[node.property], set()).add(event)
    return {column: frozenset(events) for column, events in numeric.items()}
