from __future__ import annotations

import pytest

from tests.unit.engine.kept_engine import DAY_MS, NOON_MS, KeptEngine, catalog_of

STAGES = """
tags:
  orders: count("Order", last="30d")
segments:
  keen: {when: 'level(stage) == "active" and orders >= 2'}
tiers:
  stage:
    title: Stage
    kind: behaviour
    levels:
      active: since("Order") < "7d" and orders >= 1
      fading: since("Order") < "20d"
      gone: always
"""


def test_a_level_change_says_from_where_to_where_and_why() -> None:
    kept = KeptEngine(catalog_of(STAGES, version=4))
    kept.event(NOON_MS, "Visit")
    kept.event(NOON_MS + 1, "Order")
    kept.look(NOON_MS + 7 * DAY_MS + 1)
    assert kept.changes == [
        {
            "user": "ann",
            "incarnation": 1,
            "version": 1,
            "cause": "event",
            "catalog_version": 4,
            "model_versions": {},
            "tags": {"orders": 0},
            "record": {"partition": 0, "offset": 1},
            "tier": "stage",
            "kind": "behaviour",
            "title": "Stage",
            "from": None,
            "to": "gone",
        },
        {
            "user": "ann",
            "incarnation": 1,
            "version": 2,
            "cause": "event",
            "catalog_version": 4,
            "model_versions": {},
            "tags": {"orders": 1},
            "record": {"partition": 0, "offset": 2},
            "tier": "stage",
            "kind": "behaviour",
            "title": "Stage",
            "from": "gone",
            "to": "active",
        },
        {
            "user": "ann",
            "incarnation": 1,
            "version": 3,
            "cause": "time",
            "catalog_version": 4,
            "model_versions": {},
            "tags": {"orders": 1},
            "record": None,
            "tier": "stage",
            "kind": "behaviour",
            "title": "Stage",
            "from": "active",
            "to": "fading",
        },
    ]
    assert kept.headers[2] == (
        ("content-type", b"application/cloudevents+json"),
        ("segment", b"stage"),
        ("change", b"changed"),
        ("cause", b"time"),
    )


def test_sizes_are_counted_by_level() -> None:
    kept = KeptEngine(catalog_of(STAGES))
    for user in ("ann", "bob"):
        kept.event(NOON_MS, "Order", user)
        kept.event(NOON_MS + 1, "Order", user)
    kept.event(NOON_MS, "Visit", "eve")
    assert kept.sizes == {"stage=active": 2, "stage=gone": 1, "keen": 2}
    kept.look(NOON_MS + 60 * DAY_MS)
    assert +kept.sizes == {"stage=gone": 3}


def test_a_profile_names_the_level_of_each_tier() -> None:
    kept = KeptEngine(catalog_of(STAGES))
    kept.event(NOON_MS, "Order")
    (profile,) = kept.engine.profiles(["ann"])
    assert (profile.levels, profile.segments, profile.tags) == ({"stage": "active"}, [], {"orders": 1})
    kept.engine = KeptEngine(kept.catalog).engine
    kept.load(["ann"])
    assert kept.engine.profiles(["ann"]) == [profile]


def test_what_reads_a_level_or_a_membership_follows_it_at_once() -> None:
    kept = KeptEngine(
        catalog_of("""
segments:
  third: {when: in_segment(second) and not in_segment(first)}
  second: {when: 'level(stage) in ["one", "two"]'}
  first: {when: count() == 1}
tiers:
  stage:
    levels: {one: in_segment(first), two: count() == 2, three: always}
""")
    )
    told = []
    for number in range(3):
        kept.event(NOON_MS + number, "Visit")
        told.append(kept.told())
    assert told == [
        ["+first", "stage:>one", "+second"],
        ["-first", "stage:one>two", "+third"],
        ["stage:two>three", "-second", "-third"],
    ]


def test_tags_in_a_message_are_those_of_its_own_unit_in_the_order_of_the_text() -> None:
    kept = KeptEngine(
        catalog_of("""
tags:
  a: count("A")
  b: latest("A", "x")
  c: in_segment(one)
  d: level(two)
  e: mean("A", "x")
segments:
  one: {when: 'b == 2 and a >= 1'}
  three: {when: 'd == "high" and c and e > 1'}
tiers:
  two: {levels: {high: 'b > 1 and has(c)', low: always}}
""")
    )
    kept.event(NOON_MS, "A", x=2)
    assert {data.get("tier", data.get("segment")): list(data["tags"].items()) for data in kept.changes} == {
        "one": [("b", 2.0), ("a", 1)],
        "two": [("b", 2.0), ("c", True)],
        "three": [("d", "high"), ("c", True), ("e", 2.0)],
    }


@pytest.mark.parametrize("name", ["top", "latest"])
def test_an_open_tag_is_whatever_the_value_is(name: str) -> None:
    kept = KeptEngine(catalog_of(f'tags: {{t: \'{name}("A", "x")\'}}\nsegments:\n  s: {{when: has(t)}}\n'))
    for number, value in enumerate(["Bücher", 3, True]):
        kept.event(NOON_MS + number * 1000, "A", f"u{number}", x=value)
    assert [data["tags"] for data in kept.changes] == [{"t": "Bücher"}, {"t": 3.0}, {"t": True}]
    assert [profile.tags for profile in kept.engine.profiles(["u0", "u1", "u2"])] == [
        {"t": "Bücher"},
        {"t": 3.0},
        {"t": True},
    ]
