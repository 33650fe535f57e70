"""The condition as a tree: as written, tags by their names, each leaf with its values, verdict and moment."""

from __future__ import annotations

from datetime import UTC, datetime

from rules.catalog import parse_catalog
from rules.explain import Condition, Explained, Explanation, explain, whole_from_ms
from rules.nodes import Kind
from tests.unit.rules.explain_standings import Life, Reading, Standing, hash_of

HOUR = 3_600_000
NOW = int(datetime(2026, 11, 22, 8, tzinfo=UTC).timestamp() * 1000)
CATALOG = """
catalog: shop
version: 1
timezone: Asia/Shanghai
tags:
  spend: sum("Bought", "price", last="90d")
  orders: count("Bought", last="90d")
  average: spend / orders
  age: trait("age")
  is_loyal: orders >= 3 and since() < "30d"
segments:
  good:
    title: Good ones
    when: average >= 50 and (is_loyal or not age < 30)
    exit: average < 40
  other: {when: in_segment(good)}
"""


def explained(life: Life, name: str = "good") -> Explanation:
    return explain(life.catalog, life.standing(NOW), name, user_hash=hash_of())


def shop() -> Life:
    life = Life(parse_catalog(CATALOG))
    life.track(NOW - 5 * HOUR, "Bought", price=90)
    life.track(NOW - 2 * HOUR, "Bought", price=30)
    return life


def leaves(tree: Explained) -> dict[str, Explained]:
    return (
        {tree.text: tree} if tree.operator == "leaf" else {k: v for part in tree.parts for k, v in leaves(part).items()}
    )


def test_the_tree_is_as_written_with_tags_by_their_names() -> None:
    when, leave = explained(shop()).conditions
    assert (when.label, leave.label) == ("when", "exit")
    assert when.tree.text == "average >= 50 and (is_loyal or not age < 30)"
    average, loyal_or_old = when.tree.parts
    loyal, old = loyal_or_old.parts
    assert (average.operator, average.text) == ("leaf", "average >= 50")
    assert (loyal.operator, loyal.text, loyal.parts[0].operator) == ("tag", "is_loyal", "and")
    assert (old.operator, old.parts[0].text) == ("not", "age < 30")


def test_verdicts_are_true_false_and_unknown() -> None:
    when, leave = explained(shop()).conditions
    assert (when.tree.verdict, leave.tree.verdict) == (None, False)
    assert {text: leaf.verdict for text, leaf in leaves(when.tree).items()} == {
        "average >= 50": True,
        "orders >= 3": False,
        'since() < "30d"': True,
        "age < 30": None,
    }


def test_a_leaf_shows_the_tag_and_what_it_is_computed_from() -> None:
    when, _ = explained(shop()).conditions
    seen = leaves(when.tree)["average >= 50"].seen
    assert [(each.name, each.text, each.value) for each in seen] == [
        ("average", "spend / orders", 60.0),
        ("spend", 'sum("Bought", "price", last="90d")', 120.0),
        ("orders", 'count("Bought", last="90d")', 2.0),
    ]


def test_the_last_event_is_the_moment_of_since() -> None:
    when, _ = explained(shop()).conditions
    (seen,) = leaves(when.tree)['since() < "30d"'].seen
    assert (seen.value, seen.moment_ms, seen.kind) == (2 * HOUR, NOW - 2 * HOUR, Kind.DURATION)


def test_the_moment_of_an_aggregate_is_when_it_passed_a_threshold() -> None:
    life = shop()
    standing = life.standing(NOW)
    values = {node: Reading(reading.value, NOW - HOUR, True, ()) for node, reading in standing.values.items()}
    found = explain(life.catalog, Standing(NOW, values, standing.facts, standing.units), "good", user_hash=hash_of())
    seen = leaves(found.conditions[0].tree)["average >= 50"].seen
    assert [(each.moment_ms, each.by_time) for each in seen] == [(None, False), (NOW - HOUR, True), (NOW - HOUR, True)]


def test_what_is_missing_is_shown_as_missing() -> None:
    when, _ = explained(shop()).conditions
    assert [(each.name, each.value) for each in leaves(when.tree)["age < 30"].seen] == [("age", None)]


def test_another_segment_is_a_leaf_with_its_own_since() -> None:
    life = shop()
    life.identify(NOW - HOUR, age=31)
    (condition,) = explained(life, "other").conditions
    assert condition == Condition("when", Explained("leaf", "in_segment(good)", True, (), condition.tree.seen))
    (seen,) = condition.tree.seen
    assert (seen.value, seen.moment_ms) == (True, NOW - HOUR)


def test_standing_and_titles_are_told() -> None:
    life = shop()
    life.identify(NOW - HOUR, age=31)
    found = explained(life)
    assert (found.inside, found.level, found.since_ms, found.cause) == (True, None, NOW - HOUR, "event")
    assert (found.name, found.title, found.is_tier, found.timezone) == ("good", "Good ones", False, "Asia/Shanghai")


def test_what_is_warming_is_whole_from_a_moment_on() -> None:
    from rules.aggregates import key_text
    from rules.nodes import Aggregate

    life = shop()
    spend = life.catalog.tags["spend"].expression
    assert isinstance(spend, Aggregate)
    warming = {key_text(spend): NOW + HOUR}
    found = explain(life.catalog, life.standing(NOW), "good", user_hash=hash_of(), warming=warming)
    assert found.whole_from_ms == {'sum("Bought", "price", last="90d")': NOW + HOUR}
    assert whole_from_ms(life.catalog.tags["average"].expression, warming) == NOW + HOUR
    assert whole_from_ms(life.catalog.tags["age"].expression, warming) is None
