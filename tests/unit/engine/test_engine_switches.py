from __future__ import annotations

import numpy as np

from rules.catalog import Catalog
from stream.engine import Engine, StepResult
from tests.unit.engine.kept_engine import DAY_MS, NOON_MS, KeptEngine, catalog_of

BEFORE = """
segments:
  gone: {when: count() >= 1, title: Gone, kind: value, min_stay: 90d, indexed: true}
  kept: {when: count() >= 1, min_stay: 2d}
  newly: {when: count() >= 1}
  formerly: {when: count() >= 1, indexed: true}
tiers:
  stage: {levels: {few: count() < 3, many: always}}
  rank: {title: Rank, levels: {any: always}}
"""
AFTER = """
segments:
  fresh: {when: count() >= 2}
  kept: {when: count() >= 100, min_stay: 2d}
  newly: {when: count() >= 1, indexed: true}
  formerly: {when: count() >= 1}
tiers:
  stage: {levels: {many: count() >= 3, lots: count() >= 2, none: always}}
"""


def started() -> KeptEngine:
    kept = KeptEngine(catalog_of(BEFORE))
    for number in range(2):
        kept.event(NOON_MS + number, "Visit")
    kept.event(NOON_MS, "Visit", "bob")
    kept.told()
    return kept


def after() -> Catalog:
    return catalog_of(AFTER, version=2)


ANN = ["+fresh", "stage:few>lots", "-gone", "rank:any>"]
BOB = ["stage:few>none", "-gone", "rank:any>"]


def test_the_walk_evaluates_everything_at_the_switch_once() -> None:
    kept = started()
    kept.switch(after(), NOON_MS + DAY_MS)
    result = kept.walk()
    assert {data["cause"] for data in kept.changes} == {"catalog"}
    assert {data["record"] for data in kept.changes} == {None}
    assert {data["catalog_version"] for data in kept.changes} == {2}
    assert set(result.change_times_ms) == {NOON_MS + DAY_MS}
    assert [user for user, _ in result.rows] == ["ann", "bob"]
    assert kept.told() == [f"{change}@catalog" for change in [*ANN, *BOB]]
    again = kept.walk()
    assert (again.rows, again.changes, again.due) == ([], [], [])


def test_what_is_gone_is_left_at_once_under_its_old_title_and_without_tags() -> None:
    kept = started()
    kept.switch(after(), NOON_MS + DAY_MS)
    kept.walk()
    gone = next(data for data in kept.changes if data.get("segment") == "gone")
    rank = next(data for data in kept.changes if data.get("tier") == "rank")
    assert (gone["title"], gone["kind"], gone["tags"], gone["stayed_ms"]) == ("Gone", "value", {}, DAY_MS)
    assert (rank["title"], rank["from"], rank["to"]) == ("Rank", "any", None)


def test_an_event_finds_its_user_brought_over_first() -> None:
    kept = started()
    kept.switch(after(), NOON_MS + DAY_MS)
    kept.event(NOON_MS + DAY_MS + 5, "Visit")
    assert kept.told() == [*(f"{change}@catalog" for change in ANN), "stage:lots>many"]
    kept.walk()
    assert kept.told() == [f"{change}@catalog" for change in BOB]


def test_a_row_that_is_newer_than_the_switch_is_brought_over_at_its_own_moment() -> None:
    kept = started()
    result = kept.event(NOON_MS + 9, "Visit")
    kept.told()
    kept.switch(after(), NOON_MS + 3)
    result = kept.walk()
    assert set(result.change_times_ms) == {NOON_MS + 9, NOON_MS + 3}


def test_a_stay_that_began_before_the_switch_goes_on() -> None:
    kept = started()
    kept.switch(after(), NOON_MS + DAY_MS)
    kept.walk()
    kept.told()
    kept.look(NOON_MS + 2 * DAY_MS - 1)
    assert kept.told() == []
    kept.look(NOON_MS + 2 * DAY_MS)
    assert kept.told() == ["-kept@time", "-kept@time"]


def test_sizes_and_sets_are_right_after_the_walk() -> None:
    kept = started()
    assert kept.sets == {"gone": {"ann", "bob"}, "formerly": {"ann", "bob"}}
    kept.switch(after(), NOON_MS + DAY_MS)
    kept.event(NOON_MS + DAY_MS + 5, "Visit")
    kept.walk()
    assert {name: members for name, members in kept.sets.items() if members} == {"newly": {"ann", "bob"}}
    assert +kept.sizes == {
        "fresh": 1,
        "kept": 2,
        "newly": 2,
        "formerly": 2,
        "stage=many": 1,
        "stage=none": 1,
    }


def test_profiles_show_what_the_new_catalog_has() -> None:
    kept = started()
    kept.switch(after(), NOON_MS + DAY_MS)
    kept.walk()
    (profile,) = kept.engine.profiles(["ann"])
    assert (profile.segments, profile.levels) == (["fresh", "kept", "newly", "formerly"], {"stage": "lots"})
    assert profile.since_ms == {"fresh": NOON_MS + DAY_MS, "kept": NOON_MS, "newly": NOON_MS, "formerly": NOON_MS}


def test_rows_brought_over_are_fresh_for_an_engine_without_the_previous_catalog() -> None:
    kept = started()
    kept.switch(after(), NOON_MS + DAY_MS)
    kept.walk()
    profiles = kept.engine.profiles(["ann", "bob"])
    kept.told()
    kept.restart()
    kept.walk()
    assert kept.told() == []
    assert kept.engine.profiles(["ann", "bob"]) == profiles


def test_a_look_at_who_is_due_brings_rows_over_too() -> None:
    kept = started()
    kept.switch(after(), NOON_MS + DAY_MS)
    kept.load(["ann", "bob"])
    result = kept.engine.process_due(["ann", "bob"], NOON_MS + 3 * DAY_MS, 99)
    kept._keep(result)
    assert kept.told() == [
        *(f"{change}@catalog" for change in ANN),
        "-kept@time",
        *(f"{change}@catalog" for change in BOB),
        "-kept@time",
    ]


def test_new_aggregates_and_facts_are_filled_from_rows_made_anew() -> None:
    def log(kept: KeptEngine) -> StepResult:
        kept.identify(NOON_MS, city="Bern")
        kept.event(NOON_MS, "Order", x="a", amount=3)
        return kept.event(NOON_MS + 1, "Order", x="b", amount=4)

    before = catalog_of("segments: {one: {when: count() >= 1}}")
    now = catalog_of(
        """
tags:
  spent: sum("Order", "amount", last="30d")
  least: min("Order", "amount")
  most: mean("Order", "amount", last="30d")
  kinds: distinct("Order", "x")
  last: latest("Order", "x")
  best: top("Order", "x")
  hour: top_hour()
  home: trait("city")
  all: count()
segments: {one: {when: count() >= 1}}
""",
        version=2,
    )
    filler = KeptEngine(now)
    log(filler)
    kept = KeptEngine(before)
    log(kept)
    kept.switch(now, NOON_MS + DAY_MS)
    kept.load(["ann"], filler.rows)
    kept.step += 1
    kept._keep(kept.engine.bring_over(["ann"], kept.step))
    (profile,) = kept.engine.profiles(["ann"])
    assert profile.tags == {
        "spent": 7.0,
        "least": 3.0,
        "most": 3.5,
        "kinds": 2,
        "last": "b",
        "best": "b",
        "hour": 12,
        "home": "Bern",
        "all": 2,
    }
    assert kept.engine.profiles(["ann"]) == [profile]


def test_an_archive_brings_rows_over_as_well() -> None:
    kept = started()
    engine = Engine(
        after(), app="test", partition=0, partition_count=1, archive=dict(kept.rows), switched_ms=NOON_MS + DAY_MS
    )
    engine.bring(["ann", "bob"])
    result = engine.bring_over(["ann", "bob"], 1)
    assert len(result.changes) == 3  # without the previous catalog nobody knows what is gone
    assert (result.rows, result.due) == ([], [])


def test_a_row_that_an_archive_takes_back_untouched_is_still_to_be_brought_over() -> None:
    kept = started()
    engine = Engine(
        after(), app="test", partition=0, partition_count=1, archive=dict(kept.rows), switched_ms=NOON_MS + DAY_MS
    )
    engine.bring(["ann"])
    table = engine._table
    table.drop(np.array([table.row_of["ann"]], np.int32))
    engine.bring(["ann"])
    assert len(engine.bring_over(["ann"], 1).changes) == 2
    table.drop(np.array([table.row_of["ann"]], np.int32))
    engine.bring(["ann"])
    assert engine.bring_over(["ann"], 2).changes == []
