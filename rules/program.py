"""From a catalog to a `Program`: the compiled conditions laid out as tables, and what their numbers stand for.

A program is of a catalog *and* of the snapshots in force: a model's new snapshot makes another program.
"""

from __future__ import annotations

from dataclasses import dataclass

from rules.aggregates import key_of
from rules.catalog import Catalog
from rules.compile import compile_conditions
from rules.compiled import Compiled, Fact, Predicate
from rules.layout import lay_out
from rules.models import fits
from rules.nodes import Aggregate, Days, Trait
from rules.tables import Tables
from rules.units import Snapshots, Unit

__all__ = ["Predicate", "Program", "Snapshots", "Unit", "compile_catalog", "key_of"]

OTHER_EVENT = 0
"""The event id of counted events that the catalog does not name."""

_AS_NUMBERS = ("sum", "values", "min", "max")


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled catalog: the tables, and what the numbers in them stand for.

    previous: the catalog that this one takes over from, where rows of it may still be met.
    snapshots: those in force, by model, in the catalog's order.  model_versions: theirs.  models_stamp: their sum, it
    grows with every snapshot that comes under the same catalog.  sampled: users give samples to learn from.
    units: fields of quantiles, clusters, segments and tiers in the order of evaluation, then those of `previous` alone.
    aggregates, facts: their columns; facts as `rules.compiled.fact_of` gives them.  traits: by name, the place in which
    events bring them.  properties: their columns.  event_names: id ≥ 1 of each name the catalog reads.
    numeric: property column → ids of the events (`OTHER_EVENT` for any) in which it is aggregated as a number.
    text_columns: property columns whose strings are kept or looked into.  null_columns: those in which a null that is
    there differs from nothing.
    texts: id ≥ 1 of each string that something is compared with, and of the levels' names.
    predicates: questions about strings, by their number in leaves.
    """

    catalog: Catalog
    previous: Catalog | None
    snapshots: Snapshots
    model_versions: dict[str, int]
    models_stamp: int
    sampled: bool
    tables: Tables
    units: tuple[Unit, ...]
    aggregates: dict[Aggregate | Days, int]
    facts: dict[Fact, int]
    traits: dict[str, int]
    event_names: dict[str, int]
    properties: dict[str, int]
    numeric: dict[int, frozenset[int]]
    text_columns: frozenset[int]
    null_columns: frozenset[int]
    texts: dict[str, int]
    predicates: tuple[Predicate, ...]


def compile_catalog(
    catalog: Catalog, previous: Catalog | None = None, snapshots: Snapshots | None = None, *, sampled: bool = False
) -> Program:
    """Compile a catalog with the snapshots in force. Deterministic: the same ones give the same tables.

    `previous` is the catalog whose rows are to be brought over: what only it has is left at once by whoever is in it.
    ValueError: a snapshot is not of a model as the catalog declares it.
    """
    given = snapshots or {}
    foreign = [name for name, snapshot in given.items() if snapshot["model"] != name or not fits(snapshot, catalog)]
    if foreign:
        raise ValueError(f"catalog {catalog.name} version {catalog.version} has no such models: {', '.join(foreign)}")
    in_force = {name: given[name] for name in catalog.models if name in given}
    versions = {name: int(snapshot["version"]) for name, snapshot in in_force.items()}
    compiled = compile_conditions(catalog, previous, in_force)
    traits = [fact.name for fact in compiled.facts.numbers if isinstance(fact, Trait)]
    return Program(
        catalog=catalog,
        previous=previous,
        snapshots=in_force,
        model_versions=versions,
        models_stamp=sum(versions.values()),
        sampled=sampled,
        tables=lay_out(compiled, catalog, in_force, sampled=sampled),
        units=tuple(compiled.units),
        aggregates=compiled.aggregates.numbers,
        facts=compiled.facts.numbers,
        traits={name: place for place, name in enumerate(traits)},
        event_names=compiled.event_names.numbers,
        properties=compiled.properties.numbers,
        numeric=_numeric(compiled),
        text_columns=frozenset(compiled.text_columns),
        null_columns=frozenset(compiled.null_columns),
        texts=compiled.texts.numbers,
        predicates=tuple(compiled.predicates.numbers),
    )


def _numeric(compiled: Compiled) -> dict[int, frozenset[int]]:
    found: dict[int, set[int]] = {}
    for aggregate in compiled.aggregates.numbers:
        if isinstance(aggregate, Aggregate) and aggregate.function in _AS_NUMBERS and aggregate.property is not None:
            event = OTHER_EVENT if aggregate.event is None else compiled.event_names.numbers[aggregate.event]
            found.setdefault(compiled.properties.numbers[aggregate.property], set()).add(event)
    return {column: frozenset(events) for column, events in found.items()}
