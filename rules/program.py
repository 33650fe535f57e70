"""From a catalog to a `Program`: the compiled conditions laid out as tables."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rules.aggregates import hop_ms, key_text
from rules.catalog import Catalog
from rules.compile import Comparison, Compiled, Leaf, Linear, compile_conditions
from rules.nodes import Aggregate
from rules.tables import (
    AGGREGATE_KINDS,
    COMPARISON,
    COUNT,
    LINEAR,
    LOAD_AGGREGATE,
    LOAD_TRAIT,
    NOT_YET_MS,
    NUMERIC,
    PLACE,
    PRESENT,
    SUM,
    Int32,
    Tables,
    UInt8,
    UInt64,
)

__all__ = ["Program", "compile_catalog", "key_of"]

OTHER_EVENT = 0
"""The event id of counted events that the catalog does not name."""


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled catalog: the tables, and what the numbers in them stand for.

    event_names: id ≥ 1 of each name the catalog reads.  properties, traits, aggregates: their columns.
    numeric: property column → ids of the events (`OTHER_EVENT` for any) in which it is aggregated as a number.
    texts: id ≥ 1 of each string that something is compared with.
    """

    catalog: Catalog
    tables: Tables
    aggregates: dict[Aggregate, int]
    traits: dict[str, int]
    event_names: dict[str, int]
    properties: dict[str, int]
    numeric: dict[int, frozenset[int]]
    texts: dict[str, int]


def compile_catalog(catalog: Catalog) -> Program:
    """Compile a catalog. Deterministic: the same catalog gives the same tables."""
    compiled = compile_conditions(catalog)
    return Program(
        catalog=catalog,
        tables=_lay_out(catalog, compiled),
        aggregates=compiled.aggregates.numbers,
        traits=compiled.traits.numbers,
        event_names=compiled.event_names.numbers,
        properties=compiled.properties.numbers,
        numeric=_numeric(compiled),
        texts=compiled.texts.numbers,
    )


def _numeric(compiled: Compiled) -> dict[int, frozenset[int]]:
    found: dict[int, set[int]] = {}
    for aggregate in compiled.aggregates.numbers:
        if aggregate.property is not None:
            event = OTHER_EVENT if aggregate.event is None else compiled.event_names.numbers[aggregate.event]
            found.setdefault(compiled.properties.numbers[aggregate.property], set()).add(event)
    return {column: frozenset(events) for column, events in found.items()}


def _lay_out(catalog: Catalog, compiled: Compiled) -> Tables:
    segments = list(catalog.segments.values())
    aggregates = list(compiled.aggregates.numbers)
    leaves = list(compiled.leaves.numbers)
    where_leaves = list(compiled.where_leaves.numbers)
    comparisons = list(compiled.comparisons.numbers)
    steps = [_steps(comparison) for comparison in comparisons]
    flat_steps = [step for part in steps for step in part]

    cuts = _cuts(leaves, len(aggregates))
    places = [_place_range(leaf, cuts) for leaf in leaves]
    initial = [_initial_place(aggregate, cuts[number]) for number, aggregate in enumerate(aggregates)]
    readers = _readers(compiled.programs, len(leaves))
    ringed = [number for number, aggregate in enumerate(aggregates) if aggregate.last_ms is not None]
    ring_of = {number: ring for ring, number in enumerate(ringed)}
    stays = [number for number, segment in enumerate(segments) if segment.min_stay_ms > 0]
    stay_of = {number: slot for slot, number in enumerate(stays)}

    aggregate_leaves = _by_source(leaves, lambda kind: kind in (PLACE, PRESENT), len(aggregates))
    trait_leaves = _by_source(leaves, lambda kind: kind < PLACE, len(compiled.traits))
    aggregate_reads = _loads(steps, LOAD_AGGREGATE, len(aggregates))
    trait_reads = _loads(steps, LOAD_TRAIT, len(compiled.traits))
    leaf_of = {leaf.source: number for number, leaf in enumerate(leaves) if leaf.kind == COMPARISON}
    aggregate_leaf_start, aggregate_leaf = _flat(aggregate_leaves)
    aggregate_comparison_start, aggregate_comparison = _flat(aggregate_reads)
    trait_leaf_start, trait_leaf = _flat(trait_leaves)
    trait_comparison_start, trait_comparison = _flat(trait_reads)
    leaf_segment_start, leaf_segment = _flat(readers)
    program_start, program_code = _flat(compiled.programs)
    where_start, where_code = _flat(compiled.where_programs)
    event_aggregate_start, event_aggregate = _flat(
        [number for number, aggregate in enumerate(aggregates) if aggregate.event in (None, name)]
        for name in (None, *compiled.event_names.numbers)
    )
    return Tables(
        aggregate_kind=np.array([AGGREGATE_KINDS[a.function] for a in aggregates], np.int8),
        aggregate_ring=np.array([ring_of.get(number, -1) for number in range(len(aggregates))], np.int32),
        aggregate_hop_ms=np.array([0 if a.last_ms is None else hop_ms(a.last_ms) for a in aggregates], np.int64),
        aggregate_property=np.array(
            [-1 if a.property is None else compiled.properties.numbers[a.property] for a in aggregates], np.int32
        ),
        aggregate_where=np.array([-1 if a.where is None else compiled.wheres[a.where] for a in aggregates], np.int32),
        aggregate_key=_keys(key_text(aggregate) for aggregate in aggregates),
        aggregate_empty=np.array([0 if _counts(a) else NOT_YET_MS for a in aggregates], np.int64),
        aggregate_place=np.array(initial, np.int32),
        ring_count=len(ringed),
        cut_start=_flat([range(len(part)) for part in cuts])[0],
        cut=np.array([value for part in cuts for value in part], np.int64),
        aggregate_leaf_start=aggregate_leaf_start,
        aggregate_leaf=aggregate_leaf,
        aggregate_comparison_start=aggregate_comparison_start,
        aggregate_comparison=aggregate_comparison,
        trait_key=_keys(compiled.traits.numbers),
        trait_leaf_start=trait_leaf_start,
        trait_leaf=trait_leaf,
        trait_comparison_start=trait_comparison_start,
        trait_comparison=trait_comparison,
        leaf_kind=np.array([leaf.kind for leaf in leaves], np.int8),
        leaf_source=np.array([leaf.source for leaf in leaves], np.int32),
        leaf_low=np.array([low for low, _ in places], np.int32),
        leaf_high=np.array([high for _, high in places], np.int32),
        leaf_operator=np.array(
            [int(leaf.between.outside) if leaf.between else leaf.operator for leaf in leaves], np.int8
        ),
        leaf_number=np.array([leaf.number for leaf in leaves], np.float64),
        leaf_text=np.array([leaf.text for leaf in leaves], np.int32),
        leaf_segment_start=leaf_segment_start,
        leaf_segment=leaf_segment,
        leaf_initial=_initial_bits(leaves, places, initial),
        comparison_kind=np.array([LINEAR if isinstance(c, Linear) else NUMERIC for c in comparisons], np.int8),
        comparison_leaf=np.array([leaf_of[number] for number in range(len(comparisons))], np.int32),
        comparison_operator=np.array([c.operator for c in comparisons], np.int8),
        comparison_constant=np.array([c.constant_ms if isinstance(c, Linear) else 0 for c in comparisons], np.int64),
        comparison_start=_flat([range(len(part)) for part in steps])[0],
        comparison_code=np.array([step[0] for step in flat_steps], np.int8),
        comparison_argument=np.array([step[1] for step in flat_steps], np.int32),
        comparison_coefficient=np.array([step[2] for step in flat_steps], np.int64),
        comparison_number=np.array([step[3] for step in flat_steps], np.float64),
        program_start=program_start,
        program_code=program_code,
        segment_key=_keys(segment.name for segment in segments),
        segment_has_exit=np.array([segment.exit is not None for segment in segments], np.uint8),
        segment_min_stay_ms=np.array([segment.min_stay_ms for segment in segments], np.int64),
        segment_stay=np.array([stay_of.get(number, -1) for number in range(len(segments))], np.int32),
        stay_count=len(stays),
        where_start=where_start,
        where_code=where_code,
        where_leaf_kind=np.array([leaf.kind for leaf in where_leaves], np.int8),
        where_leaf_source=np.array([leaf.source for leaf in where_leaves], np.int32),
        where_leaf_operator=np.array([leaf.operator for leaf in where_leaves], np.int8),
        where_leaf_number=np.array([leaf.number for leaf in where_leaves], np.float64),
        where_leaf_text=np.array([leaf.text for leaf in where_leaves], np.int32),
        event_aggregate_start=event_aggregate_start,
        event_aggregate=event_aggregate,
    )


def key_of(text: str) -> int:
    """A 64-bit name that is the same in every catalog: the first 8 bytes of the text's SHA-256."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def _keys(texts: Iterable[str]) -> UInt64:
    return np.array([key_of(text) for text in texts], np.uint64)


def _flat(lists: Iterable[Iterable[int]]) -> tuple[Int32, Int32]:
    starts, flat = [0], list[int]()
    for entries in lists:
        flat.extend(entries)
        starts.append(len(flat))
    return np.array(starts, np.int32), np.array(flat, np.int32)


def _steps(comparison: Comparison) -> list[tuple[int, int, int, float]]:
    """(code, argument, coefficient, number) of each step."""
    if isinstance(comparison, Linear):
        return [(LOAD_AGGREGATE, aggregate, times, 0.0) for aggregate, times in comparison.terms]
    return [(code, argument, 0, number) for code, argument, number in comparison.steps]


def _loads(steps: Sequence[list[tuple[int, int, int, float]]], load: int, count: int) -> list[list[int]]:
    """By aggregate or trait: the comparisons that load it, each once."""
    lists: list[dict[int, None]] = [{} for _ in range(count)]
    for number, part in enumerate(steps):
        for code, argument, _, _ in part:
            if code == load:
                lists[argument][number] = None
    return [list(entries) for entries in lists]


def _by_source(leaves: Sequence[Leaf], wanted: Callable[[int], bool], count: int) -> list[list[int]]:
    lists: list[list[int]] = [[] for _ in range(count)]
    for number, leaf in enumerate(leaves):
        if wanted(leaf.kind):
            lists[leaf.source].append(number)
    return lists


def _readers(programs: Sequence[list[int]], count: int) -> list[list[int]]:
    """By leaf: the segments whose `when` or `exit` reads it, ascending."""
    lists: list[dict[int, None]] = [{} for _ in range(count)]
    for number, code in enumerate(programs):
        for leaf in code:
            if leaf >= 0:
                lists[leaf][number // 2] = None
    return [list(entries) for entries in lists]


def _cuts(leaves: Sequence[Leaf], count: int) -> list[list[int]]:
    """By aggregate: the ends of all ranges it is tested against, ascending, each once."""
    found: list[set[int]] = [set() for _ in range(count)]
    for leaf in leaves:
        if leaf.between is not None:
            found[leaf.source].update((leaf.between.low, leaf.between.high))
    return [sorted(values) for values in found]


def _place_range(leaf: Leaf, cuts: Sequence[list[int]]) -> tuple[int, int]:
    """The leaf's range as places: a value's place is the number of cuts not above it."""
    if leaf.between is None:
        return 0, 0
    own = cuts[leaf.source]
    return bisect_left(own, leaf.between.low) + 1, bisect_left(own, leaf.between.high) + 1


def _initial_place(aggregate: Aggregate, cuts: Sequence[int]) -> int:
    """The place of a user without events: of 0, or -1 where the aggregate is then missing."""
    return bisect_right(cuts, 0) if _counts(aggregate) else -1


def _counts(aggregate: Aggregate) -> bool:
    """Whether the aggregate of nothing is 0, and not missing."""
    return AGGREGATE_KINDS[aggregate.function] in (COUNT, SUM)


def _initial_bits(leaves: Sequence[Leaf], places: Sequence[tuple[int, int]], initial: Sequence[int]) -> UInt8:
    """The leaves of a user without events. Comparisons are looked at when the row is made, so theirs start at 0."""
    bits = np.zeros(len(leaves), np.uint8)
    for number, (leaf, (low, high)) in enumerate(zip(leaves, places, strict=True)):
        if leaf.kind not in (PLACE, PRESENT) or initial[leaf.source] < 0:
            continue
        inside = leaf.kind == PRESENT or (low <= initial[leaf.source] < high)
        if inside is not (leaf.between is not None and leaf.between.outside):
            bits[number] = 1
    return bits
