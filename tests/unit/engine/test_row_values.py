from __future__ import annotations

from typing import Any

from stream.engine import row_levels, row_members
from tests.unit.engine.kept_engine import DAY_MS, NOON_MS, KeptEngine, catalog_of

TAGS = {
    "seen": 'latest("View", "item")',
    "gone": 'latest("View", "nothing")',
    "shape": 'latest("View", "shape")',
    "liked": 'top("View", "item", half_life="3d")',
    "often": 'top("View", "item")',
    "hour": 'top_hour("View", half_life="10d")',
    "plain_hour": "top_hour()",
    "kinds": 'distinct("View", "item")',
    "lately": 'distinct("View", "item", last="2d")',
    "least": 'min("View", "price", last="3d")',
    "greatest": 'max("View", "price")',
    "average": 'mean("View", "price", last="3d")',
    "born": 'days_since(trait("born"))',
    "birthday": 'days_until(trait("born"), yearly=true)',
}
UNITS = """
segments:
  shopper: {when: count() >= 1 and not in_segment(fan), min_stay: 1d}
  fan: {when: 'contains(lower(latest("View", "item")), "shoe")'}
tiers:
  stage: {levels: {new: count() < 3, old: always}}
"""


def body(names: list[str]) -> str:
    return "tags:\n" + "".join(f"  {name}: '{TAGS[name]}'\n" for name in names) + UNITS


def lived(names: list[str]) -> KeptEngine:
    kept = KeptEngine(catalog_of(body(names)))
    kept.identify(NOON_MS, born="1990-02-28")
    items: list[Any] = ["Red Shoes", 7, True, "Ünïcode", None, 7.0, "hat", False, "hat", {"a": 1}, "x" * 300]
    for number, item in enumerate(items):
        properties = {"item": item, "price": 10.5 - number, "nothing": None, "shape": [number]}
        kept.event(NOON_MS + number * DAY_MS // 4, "View", **properties)
    return kept


def profile(kept: KeptEngine, at_ms: int) -> Any:
    kept.load(["ann"])
    return kept.engine.profiles(["ann"], at_ms)[0]


def test_every_kind_of_value_is_the_same_after_it_was_stored_and_read_back() -> None:
    kept = lived([*TAGS])
    before = [profile(kept, NOON_MS + days * DAY_MS) for days in (0, 3, 4, 30)]
    kept.restart()
    assert [profile(kept, NOON_MS + days * DAY_MS) for days in (0, 3, 4, 30)] == before
    assert before[0].tags == {
        "seen": "x" * 256,
        "gone": None,
        "shape": None,
        "liked": "hat",
        "often": "hat",
        "hour": 0.0,
        "plain_hour": 0.0,
        "kinds": 7,
        "lately": 6,
        "least": 0.5,
        "greatest": 10.5,
        "average": 5.5,
        "born": 13_094,
        "birthday": 55,
    }


def test_what_happens_next_does_not_depend_on_a_restart_in_between() -> None:
    one, other = lived([*TAGS]), lived([*TAGS])
    one.told()
    other.told()
    for number in range(40):
        other.restart()
        for kept in (one, other):
            at_ms = NOON_MS + 3 * DAY_MS + number * DAY_MS // 8
            kept.event(at_ms, "View", item=f"shoe {number % 35}" if number % 3 else number, price=number % 7 - 3)
    later_ms = NOON_MS + 40 * DAY_MS
    for kept in (one, other):
        kept.look(later_ms)
    assert other.told() == one.told()
    assert other.due_ms == one.due_ms
    assert profile(other, later_ms) == profile(one, later_ms)


def test_a_catalog_in_another_order_finds_every_value_by_its_key() -> None:
    kept = lived([*TAGS])
    before = profile(kept, NOON_MS + 3 * DAY_MS)
    kept.switch(catalog_of(body([*reversed(TAGS)]), version=2), NOON_MS + 3 * DAY_MS)
    kept.walk()
    assert profile(kept, NOON_MS + 3 * DAY_MS).tags == before.tags


def test_values_that_a_catalog_does_not_have_are_passed_over() -> None:
    kept = lived([*TAGS])
    before = profile(kept, NOON_MS + 3 * DAY_MS)
    few = [name for number, name in enumerate(TAGS) if number % 2]
    kept.switch(catalog_of(body(few), version=2), NOON_MS + 3 * DAY_MS)
    kept.walk()
    assert profile(kept, NOON_MS + 3 * DAY_MS).tags == {name: before.tags[name] for name in few}


def test_a_row_tells_segments_and_levels_without_an_engine() -> None:
    row = lived([*TAGS]).rows["ann"]
    assert row_members(row, ["shopper", "fan"]) == {"shopper": NOON_MS + DAY_MS // 4}
    assert row_levels(row, {"stage": ["old", "new"], "other": ["old"]}) == {"stage": ("old", NOON_MS + DAY_MS // 2)}
    assert row_levels(row, {"stage": ["new"]}) == {}


def test_a_stored_level_is_known_by_its_name_whatever_its_number() -> None:
    kept = lived([])
    turned = UNITS.replace("{new: count() < 3, old: always}", "{oldest: count() > 99, new: count() < 3, old: always}")
    kept.switch(catalog_of(turned, version=2), NOON_MS + 3 * DAY_MS)
    kept.told()
    kept.walk()
    assert kept.told() == []
    assert profile(kept, NOON_MS + 3 * DAY_MS).levels == {"stage": "old"}
