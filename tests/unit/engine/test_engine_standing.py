from __future__ import annotations

from rules.interpret import PRESENT
from rules.nodes import Aggregate, Days, Kind, Trait
from stream.engine import NEVER_MS, FactReading, UnitReading
from tests.unit.engine.kept_engine import DAY_MS, NOON_MS, KeptEngine, catalog_of

BODY = """
tags:
  last: latest("Order", "x")
  best: top("Order", "x")
  hour: top_hour()
  home: trait("home")
  age: trait("age")
  average: mean("Order", "amount", last="60s")
segments:
  buyer: {when: 'sum("Order", "amount", last="60s") > 2'}
  idle: {when: 'since("Order") > "90s"'}
  due: {when: 'days_until(trait("birthday"), yearly=true) <= 1'}
  never: {when: count() > 100}
tiers:
  stage: {levels: {few: count() < 3, many: always}}
"""
SUM = Aggregate("sum", "Order", "amount", 60_000)
COUNT = Aggregate("count", None)
SINCE = Aggregate("since", "Order")


def standing_engine() -> KeptEngine:
    kept = KeptEngine(catalog_of(BODY))
    kept.identify(NOON_MS, home={"street": 1}, age=30, birthday="1990-01-03")
    kept.event(NOON_MS + 1_000, "Order", x="a", amount=2.5)
    return kept


def test_values_are_as_expressions_see_them() -> None:
    kept = standing_engine()
    standing = kept.engine.standing_of("ann", NOON_MS + 11_000)
    values = {node: reading.value for node, reading in standing.values.items()}
    assert standing.moment_ms == NOON_MS + 11_000
    assert (values[SUM], values[COUNT], values[SINCE]) == (2.5, 1, 10_000)
    assert values[Aggregate("values", "Order", "amount", 60_000)] == 1
    assert values[Days("days_until", Trait("birthday", Kind.STRING), True)] == 2
    assert standing.values[SUM].changed_ms == NOON_MS + 1_000
    assert standing.values[SUM].by_time is False


def test_a_window_tells_what_time_alone_makes_of_it() -> None:
    kept = standing_engine()
    timeline = kept.engine.standing_of("ann", NOON_MS + 1_000).values[SUM].timeline
    assert [value for _, value in timeline] == [0.0]
    (moment_ms,) = (moment_ms for moment_ms, _ in timeline)
    assert NOON_MS + 61_000 <= moment_ms <= NOON_MS + 62_000
    kept.look(moment_ms)
    assert kept.changes[-1]["segment"] == "buyer"
    reading = kept.engine.standing_of("ann", 0).values[SUM]
    assert (reading.value, reading.changed_ms, reading.by_time, list(reading.timeline)) == (0.0, moment_ms, True, [])


def test_facts_come_with_their_time() -> None:
    kept = standing_engine()
    facts = kept.engine.standing_of("ann", NOON_MS).facts
    assert facts[Trait("home")] == FactReading(PRESENT, NOON_MS)
    assert facts[Trait("age")] == FactReading(30.0, NOON_MS)
    assert facts[Aggregate("latest", "Order", "x")] == FactReading("a", NOON_MS + 1_000)
    assert facts[Aggregate("top", "Order", "x")] == FactReading("a", None)
    assert facts[Aggregate("top_hour", None)] == FactReading(12.0, None)


def test_units_say_since_when_and_why() -> None:
    kept = standing_engine()
    assert kept.engine.standing_of("ann", NOON_MS).units == {
        "buyer": UnitReading(True, None, NOON_MS + 1_000, "event"),
        "idle": UnitReading(False, None, None, None),
        "due": UnitReading(False, None, None, None),
        "never": UnitReading(False, None, None, None),
        "stage": UnitReading(False, "few", NOON_MS, "event"),
    }
    kept.look(NOON_MS + DAY_MS)
    units = kept.engine.standing_of("ann", NOON_MS).units
    assert (units["buyer"].inside, units["buyer"].cause) == (False, "time")
    assert units["due"] == UnitReading(True, None, NOON_MS + DAY_MS // 2, "time")
    assert units["idle"] == UnitReading(True, None, NOON_MS + 91_001, "time")


def test_who_is_due_is_told_and_nothing_is_altered() -> None:
    kept = standing_engine()
    first = kept.engine.standing_of("ann", NOON_MS + 3 * DAY_MS)
    assert first.due_ms < NOON_MS + 70_000
    assert kept.engine.standing_of("ann", NOON_MS + 3 * DAY_MS) == first
    kept.event(NOON_MS + DAY_MS, "Other", "bob")
    assert kept.engine.standing_of("bob", 0).due_ms == NEVER_MS
