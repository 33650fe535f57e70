"""What would flip a membership: the words, and that each flip comes true when the reference is told what it says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rules.catalog import Catalog, parse_catalog
from rules.explain import Explanation, explain
from rules.packs import pack_text
from tests.unit.rules.explain_standings import Life, comes_true, hash_of

HOUR = 3_600_000
DAY = 24 * HOUR
NOW = int(datetime(2026, 11, 22, 8, tzinfo=UTC).timestamp() * 1000)


def catalog(sections: str, *, timezone: str = "UTC") -> Catalog:
    return parse_catalog(f"catalog: c\nversion: 1\ntimezone: {timezone}\n{sections}", with_lint=False)


def segment(when: str, more: str = "") -> Catalog:
    return catalog(f"segments:\n  s:\n    when: '{when}'\n{more}")


def segments(**conditions: str) -> Catalog:
    return catalog("segments:\n" + "".join(f"  {name}:\n    when: '{when}'\n" for name, when in conditions.items()))


def explained(life: Life, name: str = "s", now: int = NOW) -> Explanation:
    """The explanation as of now, every flip of it tried out."""
    found = explain(life.catalog, life.standing(now), name, user_hash=hash_of())
    for flip in found.flips:
        if not any(happening.hour is not None for happening in flip.happenings) and "usual hour" not in flip.words:
            assert comes_true(life, name, flip, now) is None
    return found


def words(life: Life, name: str = "s") -> list[str]:
    return [flip.words for flip in explained(life, name).flips]


def test_a_count_is_reached_by_so_many_more_events() -> None:
    life = Life(segment('count("Order Completed", last="30d") >= 3'))
    life.track(NOW - DAY, "Order Completed")
    assert words(life) == ['two more "Order Completed", within 29 days 6 hours']


def test_a_sum_is_reached_by_an_amount_within_a_time() -> None:
    life = Life(segment('sum("Order Completed", "revenue", last="90d") >= 3000'))
    life.track(NOW - 76 * DAY, "Order Completed", revenue=687.5)
    life.track(NOW - DAY, "Order Completed", revenue=2000)
    (said,) = words(life)
    assert said.startswith('312.50 more revenue from "Order Completed", within 1')


def test_silence_lasts_until_an_exact_moment_in_both_time_zones() -> None:
    life = Life(catalog('segments:\n  s:\n    when: since() >= "14d"', timezone="Asia/Shanghai"))
    life.page(NOW - 5 * DAY)
    assert words(life) == ["no event until 2026-12-01 16:00 (08:00 UTC)"]


def test_an_age_is_told_as_all_values_that_would_do() -> None:
    life = Life(segment('trait("age") > 30'))
    life.identify(NOW - DAY, age=24)
    assert words(life) == ["age above 30"]


@pytest.mark.parametrize(
    ("when", "age", "said"),
    [
        ("age >= 30", 24, "age of at least 30"),
        ("age < 30", 40, "age below 30"),
        ("age <= 30", 40, "age of at most 30"),
        ("age == 30", 40, "age of 30"),
        ("30 <= age <= 45", 24, "age from 30 to 45"),
        ("30 < age < 45", 24, "age above 30 and below 45"),
        ("30 <= age < 45", 24, "age of at least 30 and below 45"),
        ("30 < age <= 45", 24, "age above 30 and of at most 45"),
    ],
)
def test_a_range_is_told_with_its_bounds(when: str, age: int, said: str) -> None:
    life = Life(segment(when.replace("age", 'trait("age")')))
    life.identify(NOW - DAY, age=age)
    assert words(life) == [said]


def test_a_gap_is_left_to_both_sides() -> None:
    life = Life(segment('trait("age") < 18 or trait("age") > 65'))
    life.identify(NOW - DAY, age=40)
    assert words(life) == ["age above 65", "age below 18"]


def test_strings_are_listed_and_others_are_excluded() -> None:
    life = Life(segment('trait("city") in ["Beijing", "Shanghai"] and trait("level") != "none"'))
    life.identify(NOW - DAY, level="none")
    assert words(life) == ['city "Beijing" or "Shanghai" and level other than "none"']


def test_where_conditions_are_part_of_the_event() -> None:
    life = Life(
        segment('count("Viewed", last="7d", where=property("category") == "beauty" and property("price") > 10) >= 2')
    )
    life.track(NOW - DAY, "Viewed", category="beauty", price=5)
    assert words(life) == ['two more "Viewed" with category == "beauty" and price > 10']


def test_number_and_amount_of_one_event_are_asked_for_together() -> None:
    life = Life(segment('count("Bought") >= 3 and sum("Bought", "price") >= 100'))
    life.track(NOW - DAY, "Bought", price=40)
    assert words(life) == ['two more "Bought" with price of 30 or more each']


def test_the_cheaper_of_two_ways_comes_first() -> None:
    life = Life(segment('count("Bought") >= 5 or trait("member") or count("Shared") >= 1'))
    life.track(NOW - DAY, "Bought")
    assert words(life) == ['one more "Shared"', 'four more "Bought"', "member true"]


def test_what_is_unknown_is_made_known() -> None:
    life = Life(segment('not trait("age") > 30'))
    life.page(NOW - DAY)
    assert words(life) == ["age of at most 30"]


def test_a_mean_is_raised_by_one_event_and_lowered_by_small_ones() -> None:
    life = Life(segments(high='mean("Bought", "price") >= 50', low='mean("Bought", "price") < 20'))
    life.track(NOW - DAY, "Bought", price=30)
    assert words(life, "high") == ['one more "Bought" with price of 70 or more']
    assert words(life, "low") == ['one more "Bought" with price of at most 9.99']


def test_the_smallest_and_greatest_move_one_way_by_events_and_the_other_by_time() -> None:
    life = Life(segments(s='min("Bought", "price", last="30d") < 10', t='min("Bought", "price", last="30d") >= 50'))
    life.track(NOW - 29 * DAY, "Bought", price=30)
    life.track(NOW - DAY, "Bought", price=80)
    assert words(life, "s") == ['one more "Bought" with price of at most 9.99']
    (said,) = words(life, "t")
    assert said.startswith('no "Bought" until 2026-11-23')


def test_different_values_are_asked_for() -> None:
    life = Life(segment('distinct("Viewed", "category", last="30d") >= 3'))
    life.track(NOW - DAY, "Viewed", category="a")
    assert words(life) == ['two more "Viewed" with new, different category each, within 29 days 12 hours'] or words(
        life
    )[0].startswith('two more "Viewed" with new, different category each')


def test_the_latest_and_the_top_value_are_asked_for() -> None:
    life = Life(segments(s='latest("Bought", "currency") == "EUR"', t='top("Viewed", "category") == "books"'))
    life.track(NOW - DAY, "Bought", currency="USD")
    life.track(NOW - DAY, "Viewed", category="toys")
    assert words(life, "s") == ['one more "Bought" with currency "EUR"']
    assert words(life, "t") == ['more "Viewed" with category "books" than with any other category']


def test_the_busiest_hour_is_told_as_an_hour() -> None:
    life = Life(segment("top_hour() >= 22"))
    life.page(NOW)
    assert words(life) == [
        "more events between 22:00 and 23:00 than in any other hour",
    ]


def test_a_birthday_comes_by_itself() -> None:
    life = Life(
        catalog('segments:\n  s:\n    when: days_until(trait("birthday"), yearly=true) <= 7', timezone="Asia/Shanghai")
    )
    life.identify(NOW - DAY, birthday="1990-12-31")
    assert "by itself at 2026-12-24 00:00 (2026-12-23 16:00 UTC)" in words(life)


def test_what_must_pass_after_an_event_is_waited_for() -> None:
    life = Life(
        segment('"2h" <= since("Added") < "2d" and (not has(since("Bought")) or since("Bought") > since("Added"))')
    )
    life.page(NOW - DAY)
    assert words(life) == ['one more "Added", then no "Added" or "Bought" until 2026-11-22 10:00 UTC']


def test_what_time_must_bring_first_is_waited_for() -> None:
    life = Life(segment('since_first() >= "90d" and count("Bought", last="7d") >= 1'))
    life.page(NOW - 80 * DAY)
    assert words(life) == ['from 2026-12-02 08:00 UTC on: one more "Bought"']


def test_a_wait_of_days_and_one_event_is_cheaper_than_many_events() -> None:
    life = Life(segment('since_first() >= "90d" and count("Bought", last="7d") >= 1 or count("Shared") >= 12'))
    life.page(NOW - 80 * DAY)
    assert words(life)[:2] == ['from 2026-12-02 08:00 UTC on: one more "Bought"', '12 more "Shared"']


def test_what_can_be_done_now_is_not_put_off() -> None:
    life = Life(segment('since_first() >= "90d" and count("Bought", last="7d") >= 1 or count("Shared") >= 5'))
    life.page(NOW - 80 * DAY)
    assert words(life) == ['five more "Shared"', 'from 2026-12-02 08:00 UTC on: one more "Bought"']


def test_a_birthday_that_comes_too_early_is_waited_for_a_year_longer() -> None:
    life = Life(segment('since() >= "60d" and days_until(trait("birthday"), yearly=true) <= 7'))
    life.identify(NOW - DAY, birthday="1990-12-31")
    life.page(NOW)
    assert "no event until 2027-12-24 00:00 UTC" in words(life)


def test_true_is_no_one() -> None:
    condition = '(trait("x") and since("A") > "5d") or trait("x") == 1'
    life = Life(segment(condition))
    life.track(NOW - 10_000, "A")
    assert words(life) == ["x of 1", 'x true, then no "A" until 2026-11-27 07:59:50.001 UTC']


@pytest.mark.parametrize(
    ("when", "paid", "said"),
    [
        ('sum("A", "x", where=property("x") < 5000) >= 1000', 200, '800 more x from "A" with x < 5000'),
        ('max("A", "x", where=property("x") < 1000) > 500', 20, 'one more "A" with x < 1000 and x of 500.01 to 999.99'),
        ('mean("A", "x", where=property("x") > 0) >= 100', 200, 'two more "A" with x > 0 and x of 0.01 to 49.99 each'),
        ('min("A", "x", where=property("x") > 0) >= 20', 60, 'one more "A" with x > 0 and x of 0.01 to 19.99'),
    ],
)
def test_an_amount_that_decides_whether_its_event_counts_is_told_from_least_to_most(
    when: str, paid: float, said: str
) -> None:
    life = Life(segment(when))
    life.track(NOW - DAY, "A", x=paid)
    assert words(life) == [said]


def test_an_exit_is_reached_by_an_amount_that_decides_whether_its_event_counts() -> None:
    life = Life(segment('count("A") >= 1', '    exit: \'mean("A", "x", where=property("x") > 0) < 50\''))
    life.track(NOW - DAY, "A", x=60)
    assert words(life) == ['one more "A" with x > 0 and x of 0.01 to 39.99']


def test_nothing_is_proposed_for_what_can_never_be() -> None:
    life = Life(segment('count("Bought") == 1'))
    life.track(NOW - DAY, "Bought")
    life.track(NOW, "Bought")
    assert words(life) == []


def test_a_member_is_told_what_would_end_it_and_what_holds_it() -> None:
    life = Life(
        segment(
            'sum("Bought", "price", last="90d") >= 3000',
            '    exit: sum("Bought", "price", last="90d") < 2500\n    min_stay: 1d',
        )
    )
    life.track(NOW - HOUR, "Bought", price=3000)
    found = explained(life)
    assert found.inside
    assert found.stays_until_ms == NOW - HOUR + DAY
    assert found.holds == (
        "stays until 2026-11-23 07:00 UTC at least (minimum stay)",
        'leaves only when sum("Bought", "price", last="90d") < 2500',
    )
    assert [flip.to for flip in found.flips] == ["out"]
    assert found.flips[0].words.startswith('no "Bought" until 2027-02-')


def test_a_member_that_its_stay_alone_holds_leaves_when_it_ends() -> None:
    life = Life(segment('trait("member")', "    min_stay: 1d"))
    life.identify(NOW - 2 * HOUR, member=True)
    life.identify(NOW - HOUR, member=False)
    found = explained(life)
    assert found.holds == (
        "held by the minimum stay alone: leaves at 2026-11-23 06:00 UTC, unless what takes it out passes",
    )
    assert [flip.words for flip in found.flips] == ["by itself at 2026-11-23 06:00 UTC"]


def test_an_exit_that_holds_keeps_out() -> None:
    life = Life(segment('count("Bought") >= 1', '    exit: trait("banned")'))
    life.identify(NOW - HOUR, banned=True)
    life.track(NOW, "Bought")
    found = explained(life)
    assert found.holds == ('kept out although `when` holds: `exit` holds too (trait("banned"))',)
    assert [flip.words for flip in found.flips] == ["banned false"]


COMPOSED = """
segments:
  spender: {when: 'sum("Bought", "price", last="90d") >= 100'}
  vip: {when: in_segment(spender) and level(life) == "active"}
tiers:
  life:
    levels:
      active: since() < "14d"
      lost: always
"""


def test_other_segments_and_tiers_are_gone_through() -> None:
    life = Life(catalog(COMPOSED))
    life.track(NOW - 20 * DAY, "Bought", price=60)
    assert words(life, "vip")[0].startswith('40 more price from "Bought"')
    assert words(life, "life") == ["one more event"]


@pytest.mark.parametrize(
    "when",
    [
        'level(life) == "active"',
        '"active" == level(life)',
        'level(life) != "lost"',
        'not level(life) == "lost"',
        'level(life) in ["active"]',
        'level(life) not in ["lost"]',
        'not level(life) in ["lost"]',
    ],
)
def test_a_level_to_be_on_or_off_is_gone_through(when: str) -> None:
    life = Life(catalog(COMPOSED.replace("tiers:", f"  s: {{when: '{when}'}}\ntiers:")))
    life.page(NOW - 20 * DAY)
    assert words(life) == ["one more event"]


def test_a_tier_changes_level_in_time() -> None:
    life = Life(catalog(COMPOSED))
    life.page(NOW)
    (flip,) = explained(life, "life").flips
    assert (flip.to, flip.words) == ("lost", "no event until 2026-12-06 08:00 UTC")


def test_a_segment_leaves_when_the_one_it_reads_is_left() -> None:
    life = Life(catalog(COMPOSED))
    life.track(NOW, "Bought", price=100)
    assert words(life, "vip")[0] == "no event until 2026-12-06 08:00 UTC"


@pytest.mark.parametrize("seed", range(3))
def test_every_flip_of_the_retail_pack_comes_true(seed: int) -> None:
    from random import Random

    random = Random(seed)
    pack = parse_catalog(pack_text("retail"), with_lint=False)
    life = Life(pack)
    names = ["Product Viewed", "Product Added", "Order Completed", "Checkout Started"]
    moments = sorted(NOW - random.randrange(random.choice([3, 60, 300]) * DAY) for _ in range(random.choice([2, 12])))
    for moment_ms in moments:
        name = random.choice(names)
        properties: dict[str, object] = {"category": random.choice(["beauty", "baby"]), "coupon": "x"}
        if name == "Order Completed":
            properties["revenue"] = round(random.random() * 2000, 2)
        life.track(moment_ms, name, **properties)
    life.identify(moments[-1], age=random.randrange(16, 60), gender="F")
    for name in pack.order[seed::3]:  # all of them, once
        explained(life, name)
