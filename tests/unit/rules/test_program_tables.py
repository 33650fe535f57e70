from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from rules.aggregates import key_of
from rules.catalog import Catalog, parse_catalog
from rules.nodes import Aggregate, Level, Membership, Trait
from rules.program import Predicate, Program, compile_catalog
from rules.tables import (
    COMPARISON,
    DAYS_UNTIL,
    DISTINCT,
    FACT_HOUR,
    FACT_LATEST,
    FACT_LEVEL,
    FACT_MEMBERSHIP,
    FACT_TOP,
    FACT_TRAIT,
    FALSE,
    GREATEST,
    LEAST,
    NO_VALUE,
    PLACE,
    SEGMENT,
    SUM,
    TIER,
    TRUE,
    VALUE_FLAG,
    VALUE_MATCH,
    VALUE_TEXT,
    VALUES,
)

BEFORE = """
catalog: shop
version: 1
segments:
  gone: {when: count() > 1, title: Gone, min_stay: 1d, indexed: true}
  kept: {when: count() > 2}
  shown: {when: count() > 3}
  lifecycle: {when: count() > 4}
tiers:
  stage: {levels: {new: since_first() < "7d", dormant: since() > "60d", active: always}}
  rank: {title: Rank, levels: {low: count() < 5, high: always}}
"""
AFTER = """
catalog: shop
version: 2
segments:
  shown: {when: level(stage) == "active", indexed: true}
  kept: {when: count() > 2 and in_segment(shown), exit: count() > 9}
tiers:
  stage: {levels: {active: since() < "7d", new: since_first() < "9d", lost: always}}
  lifecycle: {levels: {any: always}}
"""


def catalog(body: str) -> Catalog:
    return parse_catalog(body if body.startswith("\ncatalog") else f"catalog: t\nversion: 1\n{body}", with_lint=False)


def program(*lines: str) -> Program:
    return compile_catalog(
        catalog("segments:\n" + "".join(f"  s{n}: {{when: '{text}'}}\n" for n, text in enumerate(lines)))
    )


def parts(flat: npt.NDArray[np.int32], start: npt.NDArray[np.int32]) -> list[list[int]]:
    return [flat[first:end].tolist() for first, end in pairwise(start.tolist())]


def test_units_come_after_what_they_read_and_else_in_the_order_of_the_file() -> None:
    units = compile_catalog(catalog(AFTER)).units
    assert [(unit.name, unit.form) for unit in units] == [
        ("stage", TIER),
        ("shown", SEGMENT),
        ("kept", SEGMENT),
        ("lifecycle", TIER),
    ]


def test_what_only_the_previous_catalog_has_comes_last_and_holds_never() -> None:
    compiled = compile_catalog(catalog(AFTER), catalog(BEFORE))
    tables, units = compiled.tables, compiled.units
    retired = [number for number, unit in enumerate(units) if unit.retired]
    assert [(units[number].name, units[number].form) for number in retired] == [
        ("gone", SEGMENT),
        ("lifecycle", SEGMENT),
        ("rank", TIER),
    ]
    assert retired == np.flatnonzero(tables.unit_retired).tolist() == [4, 5, 6]
    codes = parts(tables.program_code, tables.program_start)
    assert codes[tables.unit_first_program[4] :] == [[FALSE]] * 6
    assert tables.unit_min_stay_ms[4:].tolist() == [0, 0, 0]
    assert tables.unit_has_exit.tolist() == [0, 0, 1, 0, 0, 0, 0]
    assert (units[4].title, units[6].title, units[4].reads) == ("Gone", "Rank", ())
    assert len({*tables.unit_key.tolist()}) == len(units)


def test_levels_that_are_gone_are_kept_behind_the_last() -> None:
    compiled = compile_catalog(catalog(AFTER), catalog(BEFORE))
    stage, tables = compiled.units[0], compiled.tables
    assert stage.levels == ("active", "new", "lost", "dormant")
    first, end = tables.unit_first_program[:2].tolist()
    codes = parts(tables.program_code, tables.program_start)[first:end]
    assert codes[2:] == [[TRUE], [FALSE]]
    assert tables.level_key[first:end].tolist() == [key_of(name) for name in stage.levels]
    assert tables.level_text[first:end].tolist() == [compiled.texts[name] for name in stage.levels]


def test_a_catalog_alone_has_nothing_of_an_earlier_one() -> None:
    alone = compile_catalog(catalog(AFTER))
    assert not alone.tables.unit_retired.any()
    assert alone.units[0].levels == ("active", "new", "lost")
    assert [unit.was_indexed for unit in alone.units] == [unit.indexed for unit in alone.units]


def test_segments_say_whether_their_set_of_members_is_new() -> None:
    units = compile_catalog(catalog(AFTER), catalog(BEFORE)).units
    assert {unit.name: (unit.was_indexed, unit.indexed) for unit in units if unit.indexed} == {
        "shown": (False, True),
        "gone": (True, True),
    }


def test_memberships_and_levels_are_facts_that_their_unit_sets() -> None:
    compiled = compile_catalog(catalog(AFTER))
    tables, facts = compiled.tables, compiled.facts
    assert tables.unit_fact.tolist() == [facts[Level("stage")], facts[Membership("shown")], -1, -1]
    assert tables.fact_kind[facts[Level("stage")]] == FACT_LEVEL
    assert tables.fact_kind[facts[Membership("shown")]] == FACT_MEMBERSHIP
    assert tables.fact_source.tolist() == [0, 1]
    level = parts(tables.fact_leaf, tables.fact_leaf_start)[facts[Level("stage")]]
    assert tables.leaf_kind[level].tolist() == [VALUE_TEXT]
    assert tables.leaf_text[level].tolist() == [compiled.texts["active"]]


def test_nobody_is_in_a_segment_before_the_first_evaluation() -> None:
    tables = program("count() > 1", "not in_segment(s0)", "in_segment(s0)").tables
    flags = np.flatnonzero(tables.leaf_kind == VALUE_FLAG)
    assert tables.leaf_operator[flags].tolist() == [0, 1]
    assert tables.leaf_initial[flags].tolist() == [1, 0]


def test_each_fact_has_its_kind_its_source_and_its_place() -> None:
    compiled = program(
        'latest("A", "x") == "a" and top("A", "y", half_life="1d") == 3',
        'top("A", "x") == "b" and top_hour("B", half_life="2d") > 3 and trait("t")',
        "top_hour() < 9",
    )
    tables = compiled.tables
    assert tables.fact_kind.tolist() == [FACT_LATEST, FACT_TOP, FACT_TOP, FACT_HOUR, FACT_TRAIT, FACT_HOUR]
    x, y = compiled.properties["x"], compiled.properties["y"]
    assert tables.fact_source.tolist() == [x, y, x, -1, -1, -1]
    assert tables.fact_half_life_ms.tolist() == [0, 86_400_000, 0, 172_800_000, 0, 0]
    assert tables.fact_slot.tolist() == [-1, 0, 1, 0, -1, 1]
    assert (tables.top_count, tables.hour_count, tables.trait_fact.tolist()) == (2, 2, [4])
    touched = parts(tables.event_fact, tables.event_fact_start)
    assert {name: touched[event] for name, event in compiled.event_names.items()} == {"A": [0, 1, 2, 5], "B": [3, 5]}
    assert touched[0] == [5]
    assert len(tables.zone_start) == len(tables.zone_offset_ms) == 1
    assert len(tables.day_start) == 0


def test_hours_of_another_zone_are_kept_apart() -> None:
    body = 'segments: {{s: {{when: \'top_hour() > 3 and top("A", "x") == 1\'}}}}'
    berlin, tokyo = (
        compile_catalog(catalog(f"timezone: {zone}\n{body.format()}")).tables.fact_key
        for zone in ("Europe/Berlin", "Asia/Tokyo")
    )
    assert (berlin == tokyo).tolist() == [False, True]


def test_a_fact_is_one_whatever_kinds_its_places_ask_for() -> None:
    compiled = program('latest("A", "x") == "a"', 'latest("A", "x") > 3', 'latest("A", "x")', 'has(latest("A", "x"))')
    assert compiled.facts == {Aggregate("latest", "A", "x"): 0}
    assert compiled.text_columns == compiled.null_columns == {0}
    assert compiled.numeric == {}


def test_strings_are_asked_for_only_where_they_are_kept_or_looked_into() -> None:
    compiled = program(
        'count("A", where=property("a") == "x" and contains(property("b"), "y")) > 1',
        'distinct("A", "c") > 3 and top("A", "d") == 1 and sum("A", "e") > 1',
    )
    assert {name for name, column in compiled.properties.items() if column in compiled.text_columns} == {"b", "c", "d"}
    assert compiled.null_columns == frozenset()
    assert {name for name, column in compiled.properties.items() if column in compiled.numeric} == {"e"}


def test_each_question_about_a_string_is_one_predicate() -> None:
    compiled = program(
        'lower(trait("c")) == "x"', 'not starts_with(trait("c"), "a")', 'lower(trait("c")) in ["x", "y"]'
    )
    assert compiled.predicates == (
        Predicate("equals", "x", True),
        Predicate("starts_with", "a", False),
        Predicate("equals", "y", True),
    )
    tables = compiled.tables
    assert tables.leaf_kind.tolist() == [VALUE_MATCH] * 3
    assert tables.leaf_text.tolist() == [0, 1, 2]
    assert tables.leaf_operator.tolist() == [1, 0, 1]


def test_a_mean_is_a_sum_and_a_number_of_values() -> None:
    compiled = program('mean("A", "x", last="1d") > 3', 'has(mean("A", "x", last="1d"))')
    tables = compiled.tables
    assert tables.aggregate_kind.tolist() == [SUM, VALUES]
    assert tables.aggregate_ring.tolist() == [0, 1]
    assert sorted(tables.leaf_kind.tolist()) == [PLACE, COMPARISON]
    assert parts(tables.aggregate_comparison, tables.aggregate_comparison_start) == [[0], [0]]
    assert compiled.numeric == {0: frozenset({1})}


def test_extremes_are_compared_in_units_and_missing_at_first() -> None:
    tables = program('min("A", "x", last="1d") >= 2.5', 'max("A", "x") < 7').tables
    assert tables.aggregate_kind.tolist() == [LEAST, GREATEST]
    assert tables.aggregate_ring.tolist() == [0, -1]
    assert tables.aggregate_empty.tolist() == [NO_VALUE, NO_VALUE]
    assert tables.aggregate_place.tolist() == [-1, -1]
    assert 2_500_000 in tables.cut.tolist()
    assert 7_000_000 in tables.cut.tolist()
    assert not tables.leaf_initial.any()


def test_distinct_values_have_no_ring_but_a_window() -> None:
    tables = program('distinct("A", "x", last="1h") > 3', 'distinct("A", "x") > 3').tables
    assert tables.aggregate_kind.tolist() == [DISTINCT, DISTINCT]
    assert tables.aggregate_ring.tolist() == [-1, -1]
    assert tables.aggregate_hop_ms.tolist() == [60_000, 0]
    assert (tables.aggregate_set.tolist(), tables.set_count, tables.ring_count) == ([0, 1], 2, 0)


def test_days_follow_the_fact_that_holds_their_date() -> None:
    compiled = program('days_until(trait("birthday"), yearly=true) <= 7')
    tables = compiled.tables
    assert tables.aggregate_kind.tolist() == [DAYS_UNTIL]
    assert tables.aggregate_fact.tolist() == [compiled.facts[Trait("birthday")]]
    assert tables.aggregate_yearly.tolist() == [1]
    assert parts(tables.fact_aggregate, tables.fact_aggregate_start) == [[0]]
    assert len(tables.day_start) > 47_000
    assert len(tables.zone_start) == 0
    assert tables.event_aggregate.tolist() == []


def test_only_the_leaves_at_a_cut_differ_on_its_two_sides() -> None:
    tables = program("count() > 3", "count() < 9", "3 < count() <= 8").tables
    for leaf in range(len(tables.leaf_kind)):
        for cut, leaves in enumerate(parts(tables.cut_leaf, tables.cut_leaf_start)):
            ends = (int(tables.leaf_low[leaf]), int(tables.leaf_high[leaf]))
            assert (leaf in leaves) is (cut + 1 in ends)


def test_what_messages_carry_is_numbered_first() -> None:
    compiled = compile_catalog(
        catalog(
            """
tags:
  unread: sum("A", "x")
  spent: sum("A", "y")
  home: trait("city")
segments:
  rest: {when: 'count("B") > 1 and trait("age") > 3'}
  read: {when: spent > 1 and home == "x"}
"""
        )
    )
    tables = compiled.tables
    assert (tables.message_aggregate_count, tables.message_fact_count) == (1, 1)
    assert (compiled.aggregates[Aggregate("sum", "A", "y")], compiled.facts[Trait("city")]) == (0, 0)
    assert parts(tables.message_aggregate, tables.message_aggregate_start) == [[], [0]]
    assert parts(tables.message_fact, tables.message_fact_start) == [[], [0]]


def test_compiling_twice_gives_the_same_tables() -> None:
    first, second = (compile_catalog(catalog(AFTER), catalog(BEFORE)).tables._asdict() for _ in range(2))
    assert {name: np.asarray(field).tolist() for name, field in first.items()} == {
        name: np.asarray(field).tolist() for name, field in second.items()
    }
