"""Compiled conditions laid out as tables: every list becomes an array, every list of lists two.

Each function gives the fields of one kind of thing; `lay_out` puts them together.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np

from rules.aggregates import hop_ms, key_of, stored_text
from rules.catalog import Catalog
from rules.compiled import Comparison, Compiled, Fact, Feature, Leaf, Linear, fact_of
from rules.flat import Fields, grouped, keys_of, put_lists, slots_for, starts_of
from rules.model_layout import lay_out_models
from rules.nodes import Aggregate, ClusterOf, Days, Level, Membership, QuantileOf, ScoreOf, Trait
from rules.tables import (
    AGGREGATE,
    AGGREGATE_KINDS,
    CLUSTER,
    COMPARISON,
    COUNT,
    DISTINCT,
    FACT_CLUSTER,
    FACT_HOUR,
    FACT_LATEST,
    FACT_LEVEL,
    FACT_MEMBERSHIP,
    FACT_QUANTILE,
    FACT_SCORE,
    FACT_TOP,
    FACT_TRAIT,
    LINEAR,
    LOAD_AGGREGATE,
    LOAD_FACT,
    NO_VALUE,
    NUMERIC,
    PLACE,
    PRESENT,
    QUANTILE,
    SEGMENT,
    SUM,
    TIER,
    TIME_SINCE,
    VALUE_FLAG,
    VALUES,
    Tables,
    UInt8,
)
from rules.units import Snapshots, Unit
from rules.zones import FIRST_DAY, day_starts, zone_offsets

__all__ = ["lay_out"]

_RINGED = ("count", "sum", "values", "min", "max")
_FACT_KINDS = {"latest": FACT_LATEST, "top": FACT_TOP, "top_hour": FACT_HOUR}


def lay_out(compiled: Compiled, catalog: Catalog, snapshots: Snapshots, *, sampled: bool) -> Tables:
    """The tables of a compiled catalog with the snapshots in force; `sampled`: users give samples."""
    timezone = catalog.timezone
    leaves = list(compiled.leaves.numbers)
    cuts = _cuts(leaves, len(compiled.aggregates))
    fields = {
        **_aggregates(compiled, leaves, cuts, timezone),
        **_facts(compiled, leaves, timezone),
        **_leaves(compiled, leaves, cuts),
        **_comparisons(compiled, leaves),
        **_programs(compiled),
        **_units(compiled),
        **_messages(compiled),
        **_wheres(compiled),
        **_events(compiled),
        **_zone(compiled, timezone),
        **lay_out_models(compiled, catalog, snapshots, sampled=sampled),
    }
    return Tables(**fields)


def _aggregates(compiled: Compiled, leaves: Sequence[Leaf], cuts: Sequence[list[int]], timezone: str) -> Fields:
    nodes = list(compiled.aggregates.numbers)
    kinds = [AGGREGATE_KINDS[node.function] for node in nodes]
    events = [node if isinstance(node, Aggregate) else None for node in nodes]
    ringed = [node is not None and node.last_ms is not None and node.function in _RINGED for node in events]
    rings, sets = slots_for(ringed), slots_for([kind == DISTINCT for kind in kinds])
    # One that shows in no leaf by itself still has a place, by which it is seen to be missing.
    places = [bisect_right(cuts[number], 0) if _counts(kind) else -1 for number, kind in enumerate(kinds)]
    aggregate_leaf = grouped(
        ((leaf.source, number) for number, leaf in enumerate(leaves) if leaf.kind in (PLACE, PRESENT)), len(nodes)
    )
    steps = [_steps(comparison) for comparison in compiled.comparisons.numbers]
    fields = {
        "aggregate_kind": np.array(kinds, np.int8),
        "aggregate_ring": np.array(rings, np.int32),
        "aggregate_hop_ms": np.array(
            [0 if node is None or node.last_ms is None else hop_ms(node.last_ms) for node in events], np.int64
        ),
        "aggregate_property": np.array(
            [
                -1 if node is None or node.property is None else compiled.properties.numbers[node.property]
                for node in events
            ],
            np.int32,
        ),
        "aggregate_where": np.array(
            [-1 if node is None or node.where is None else compiled.wheres[node.where] for node in events], np.int32
        ),
        "aggregate_key": keys_of(stored_text(node, timezone) for node in nodes),
        "aggregate_empty": np.array([0 if _counts(kind) else NO_VALUE for kind in kinds], np.int64),
        "aggregate_place": np.array(places, np.int32),
        "aggregate_set": np.array(sets, np.int32),
        "aggregate_fact": np.array([_date_fact(node, compiled) for node in nodes], np.int32),
        "aggregate_yearly": np.array([isinstance(node, Days) and node.yearly for node in nodes], np.uint8),
        "ring_count": sum(ringed),
        "set_count": kinds.count(DISTINCT),
        "cut_start": starts_of(map(len, cuts)),
        "cut": np.array([value for part in cuts for value in part], np.int64),
    }
    put_lists(fields, "cut_leaf", _cut_leaves(leaves, cuts))
    put_lists(fields, "aggregate_leaf", aggregate_leaf)
    put_lists(fields, "aggregate_comparison", _loads(steps, LOAD_AGGREGATE, len(nodes)))
    return fields


def _facts(compiled: Compiled, leaves: Sequence[Leaf], timezone: str) -> Fields:
    facts = list(compiled.facts.numbers)
    kinds = [_fact_kind(fact) for fact in facts]
    tops, hours = slots_for([kind == FACT_TOP for kind in kinds]), slots_for([kind == FACT_HOUR for kind in kinds])
    unit_of = {_fact_of_unit(unit): number for number, unit in enumerate(compiled.units)}
    steps = [_steps(comparison) for comparison in compiled.comparisons.numbers]
    days = (
        (compiled.facts.numbers[fact], number)
        for node, number in compiled.aggregates.numbers.items()
        if isinstance(node, Days) and (fact := fact_of(node.operand)) is not None
    )
    fields = {
        "fact_kind": np.array(kinds, np.int8),
        "fact_key": keys_of(_fact_name(fact, timezone) for fact in facts),
        "fact_source": np.array([_fact_source(fact, compiled, unit_of) for fact in facts], np.int32),
        "fact_half_life_ms": np.array(
            [fact.half_life_ms or 0 if isinstance(fact, Aggregate) else 0 for fact in facts], np.int64
        ),
        "fact_slot": np.array([max(pair) for pair in zip(tops, hours, strict=True)], np.int32),
        "top_count": kinds.count(FACT_TOP),
        "hour_count": kinds.count(FACT_HOUR),
        "trait_fact": np.array([number for number, kind in enumerate(kinds) if kind == FACT_TRAIT], np.int32),
    }
    of_leaves = ((leaf.source, number) for number, leaf in enumerate(leaves) if leaf.kind < PLACE)
    put_lists(fields, "fact_leaf", grouped(of_leaves, len(facts)))
    put_lists(fields, "fact_comparison", _loads(steps, LOAD_FACT, len(facts)))
    put_lists(fields, "fact_aggregate", grouped(days, len(facts)))
    return fields


def _leaves(compiled: Compiled, leaves: Sequence[Leaf], cuts: Sequence[list[int]]) -> Fields:
    places = [_place_range(leaf, cuts) for leaf in leaves]
    units = [number for number, unit in enumerate(compiled.units) for _ in unit.conditions]
    readers: list[dict[int, None]] = [{} for _ in leaves]
    for unit, code in zip(units, compiled.programs, strict=True):
        for step in code:
            if step >= 0:
                readers[step][unit] = None
    kinds = [AGGREGATE_KINDS[node.function] for node in compiled.aggregates.numbers]
    memberships = {number for fact, number in compiled.facts.numbers.items() if isinstance(fact, Membership)}
    initial: UInt8 = np.zeros(len(leaves), np.uint8)
    for number, (leaf, (low, high)) in enumerate(zip(leaves, places, strict=True)):
        if leaf.kind in (PLACE, PRESENT):
            # Of the range of places that one of nothing is in. Comparisons are looked at when the row is made.
            zero = bisect_right(cuts[leaf.source], 0)
            outside = leaf.between is not None and leaf.between.outside
            inside = leaf.kind == PRESENT or low <= zero < high
            initial[number] = _counts(kinds[leaf.source]) and inside is not outside
        elif leaf.kind == VALUE_FLAG and leaf.source in memberships:
            initial[number] = leaf.operator == 0
    fields = {
        "leaf_kind": np.array([leaf.kind for leaf in leaves], np.int8),
        "leaf_source": np.array([leaf.source for leaf in leaves], np.int32),
        "leaf_low": np.array([low for low, _ in places], np.int32),
        "leaf_high": np.array([high for _, high in places], np.int32),
        "leaf_operator": np.array(
            [int(leaf.between.outside) if leaf.between else leaf.operator for leaf in leaves], np.int8
        ),
        "leaf_number": np.array([leaf.number for leaf in leaves], np.float64),
        "leaf_text": np.array([leaf.text for leaf in leaves], np.int32),
        "leaf_initial": initial,
    }
    put_lists(fields, "leaf_unit", readers)
    return fields


def _comparisons(compiled: Compiled, leaves: Sequence[Leaf]) -> Fields:
    comparisons, features = list(compiled.comparisons.numbers), list(compiled.features.numbers)
    leaf_of = {leaf.source: number for number, leaf in enumerate(leaves) if leaf.kind == COMPARISON}
    steps = [_steps(comparison) for comparison in comparisons] + [list(feature.steps) for feature in features]
    constants = [c.constant_ms if isinstance(c, Linear) else 0 for c in comparisons]
    flat = [step for part in steps for step in part]
    return {
        "comparison_kind": np.array([LINEAR if isinstance(c, Linear) else NUMERIC for c in comparisons], np.int8),
        "comparison_leaf": np.array([leaf_of[number] for number in range(len(comparisons))], np.int32),
        "comparison_operator": np.array([c.operator for c in comparisons], np.int8),
        "comparison_constant": np.array([*constants, *(feature.constant_ms or 0 for feature in features)], np.int64),
        "comparison_start": starts_of(map(len, steps)),
        "comparison_code": np.array([step[0] for step in flat], np.int8),
        "comparison_argument": np.array([step[1] for step in flat], np.int32),
        "comparison_coefficient": np.array([step[2] for step in flat], np.int64),
        "comparison_number": np.array([step[3] for step in flat], np.float64),
        "feature_kind": np.array([_feature_kind(feature) for feature in features], np.int8),
        "feature_in_force_count": compiled.features_in_force,
    }


def _feature_kind(feature: Feature) -> int:
    is_one = len(feature.steps) == 1 and feature.steps[0][0] == LOAD_AGGREGATE
    if feature.constant_ms is None:
        return AGGREGATE if is_one else NUMERIC
    return TIME_SINCE if is_one and feature.steps[0][2] == 1 and feature.constant_ms == 0 else LINEAR


def _programs(compiled: Compiled) -> Fields:
    levels: list[str | None] = []
    for unit in compiled.units:
        levels += unit.levels if unit.form == TIER else [None for _ in unit.conditions]
    scores = [score for unit in compiled.units for score in unit.scores or [0 for _ in unit.conditions]]
    fields = {
        "level_text": np.array([0 if name is None else compiled.texts.numbers[name] for name in levels], np.int32),
        "level_key": np.array([0 if name is None else key_of(name) for name in levels], np.uint64),
        "level_score": np.array(scores, np.int32),
    }
    put_lists(fields, "program", compiled.programs, flat="program_code")
    return fields


def _units(compiled: Compiled) -> Fields:
    units = compiled.units
    stays = slots_for([unit.min_stay_ms > 0 for unit in units])
    facts = compiled.facts.numbers
    # Of clusters that are no more the fact is where the last one stands.
    read = [-1 if unit.retired and unit.form != CLUSTER else facts.get(_fact_of_unit(unit), -1) for unit in units]
    return {
        "unit_key": keys_of(unit.stored_name for unit in units),
        "unit_form": np.array([unit.form for unit in units], np.uint8),
        "quantile_count": sum(unit.form == QUANTILE for unit in units),
        "unit_first_program": starts_of(len(unit.conditions) for unit in units),
        "unit_has_exit": np.array([unit.has_exit for unit in units], np.uint8),
        "unit_min_stay_ms": np.array([unit.min_stay_ms for unit in units], np.int64),
        "unit_stay": np.array(stays, np.int32),
        "unit_fact": np.array(read, np.int32),
        "unit_retired": np.array([unit.retired for unit in units], np.uint8),
        "stay_unit": np.array([number for number, slot in enumerate(stays) if slot >= 0], np.int32),
        "stay_count": sum(slot >= 0 for slot in stays),
    }


def _messages(compiled: Compiled) -> Fields:
    fields: Fields = {
        "message_aggregate_count": compiled.message_aggregate_count,
        "message_fact_count": compiled.message_fact_count,
    }
    put_lists(fields, "message_aggregate", compiled.message_aggregates)
    put_lists(fields, "message_fact", compiled.message_facts)
    return fields


def _wheres(compiled: Compiled) -> Fields:
    leaves = list(compiled.where_leaves.numbers)
    fields = {
        "where_leaf_kind": np.array([leaf.kind for leaf in leaves], np.int8),
        "where_leaf_source": np.array([leaf.source for leaf in leaves], np.int32),
        "where_leaf_operator": np.array([leaf.operator for leaf in leaves], np.int8),
        "where_leaf_number": np.array([leaf.number for leaf in leaves], np.float64),
        "where_leaf_text": np.array([leaf.text for leaf in leaves], np.int32),
    }
    put_lists(fields, "where", compiled.where_programs, flat="where_code")
    return fields


def _events(compiled: Compiled) -> Fields:
    """By event id: the aggregates and facts that an event of the name touches, those of any event among them."""
    fields: Fields = {}
    names = compiled.event_names.numbers
    for field, numbers in (("event_aggregate", compiled.aggregates.numbers), ("event_fact", compiled.facts.numbers)):
        touched: list[list[int]] = [[] for _ in range(len(names) + 1)]
        for node, number in numbers.items():
            if not isinstance(node, Aggregate):
                continue
            for event in range(len(touched)) if node.event is None else (names[node.event],):
                touched[event].append(number)
        put_lists(fields, field, touched)
    return fields


def _zone(compiled: Compiled, timezone: str) -> Fields:
    reads_hours = any(isinstance(fact, Aggregate) and fact.function == "top_hour" for fact in compiled.facts.numbers)
    reads_days = any(isinstance(node, Days) for node in compiled.aggregates.numbers)
    nothing = np.zeros(0, np.int64)
    starts, offsets = zone_offsets(timezone) if reads_hours else (nothing, nothing)
    return {
        "zone_start": starts,
        "zone_offset_ms": offsets,
        "first_day": FIRST_DAY,
        "day_start": day_starts(timezone) if reads_days else nothing,
    }


def _counts(kind: int) -> bool:
    """Whether an aggregate of nothing is 0, and not missing."""
    return kind in (COUNT, SUM, VALUES, DISTINCT)


def _date_fact(node: Aggregate | Days, compiled: Compiled) -> int:
    fact = fact_of(node.operand) if isinstance(node, Days) else None
    return -1 if fact is None else compiled.facts.numbers[fact]


def _fact_kind(fact: Fact) -> int:
    match fact:
        case Trait():
            return FACT_TRAIT
        case Membership():
            return FACT_MEMBERSHIP
        case Level():
            return FACT_LEVEL
        case ClusterOf():
            return FACT_CLUSTER
        case ScoreOf():
            return FACT_SCORE
        case QuantileOf():
            return FACT_QUANTILE
        case Aggregate(function=function):
            return _FACT_KINDS[function]


def _fact_name(fact: Fact, timezone: str) -> str:
    match fact:
        case Trait() | Aggregate():
            return stored_text(fact, timezone)
        case QuantileOf(model=model, field=name):
            return _apart("quantile", model, name)
        case Membership(segment=name) | Level(tier=name) | ClusterOf(model=name) | ScoreOf(model=name):
            return _apart(type(fact).__name__, name)


def _apart(*parts: str) -> str:
    """A name that is not a trait's or an aggregate's too."""
    return "\x1f" + "\x1f".join(parts)


def _fact_of_unit(unit: Unit) -> Fact:
    """What reads whether a user is in a unit, or where."""
    if unit.form == SEGMENT:
        return Membership(unit.name)
    if unit.form == TIER:
        return Level(unit.name)
    if unit.form == CLUSTER:
        return ClusterOf(unit.name)
    model, _, field = unit.name.partition(".")
    return QuantileOf(model, field)


def _fact_source(fact: Fact, compiled: Compiled, unit_of: dict[Fact, int]) -> int:
    match fact:
        case Membership() | Level() | ClusterOf() | QuantileOf():
            return unit_of.get(fact, -1)
        case Aggregate(property=str(name)):
            return compiled.properties.numbers[name]
        case _:
            return -1


def _steps(comparison: Comparison) -> list[tuple[int, int, int, float]]:
    """(code, argument, coefficient, number) of each step."""
    if isinstance(comparison, Linear):
        return [(LOAD_AGGREGATE, aggregate, times, 0.0) for aggregate, times in comparison.terms]
    return [(code, argument, 0, number) for code, argument, number in comparison.steps]


def _loads(steps: Sequence[list[tuple[int, int, int, float]]], load: int, count: int) -> list[dict[int, None]]:
    """By aggregate or fact: the comparisons that load it, each once."""
    lists: list[dict[int, None]] = [{} for _ in range(count)]
    for number, part in enumerate(steps):
        for code, argument, _, _ in part:
            if code == load:
                lists[argument][number] = None
    return lists


def _cuts(leaves: Sequence[Leaf], count: int) -> list[list[int]]:
    """By aggregate: the ends of all ranges it is tested against, ascending, each once."""
    found: list[set[int]] = [set() for _ in range(count)]
    for leaf in leaves:
        if leaf.between is not None:
            found[leaf.source].update((leaf.between.low, leaf.between.high))
    return [sorted(values) for values in found]


def _cut_leaves(leaves: Sequence[Leaf], cuts: Sequence[list[int]]) -> list[list[int]]:
    """By cut, over all aggregates: the leaves whose range begins or ends there."""
    starts = starts_of(map(len, cuts)).tolist()
    lists: list[list[int]] = [[] for _ in range(starts[-1])]
    for number, leaf in enumerate(leaves):
        if leaf.between is not None:
            for end in {leaf.between.low, leaf.between.high}:
                lists[starts[leaf.source] + bisect_left(cuts[leaf.source], end)].append(number)
    return lists


def _place_range(leaf: Leaf, cuts: Sequence[list[int]]) -> tuple[int, int]:
    """The leaf's range as places: a value's place is the number of cuts not above it."""
    if leaf.between is None:
        return 0, 0
    own = cuts[leaf.source]
    return bisect_left(own, leaf.between.low) + 1, bisect_left(own, leaf.between.high) + 1
