from __future__ import annotations

from typing import Any

import pytest

from rules.catalog import Catalog, load_catalog
from tests.unit.pack_lives import DAY, HOUR, MINUTE, every, identify, levels_of, lived, track


@pytest.fixture(scope="module")
def retail() -> Catalog:
    return load_catalog("retail")


def order(revenue: float, **properties: object) -> dict[str, Any]:
    return track("Order Completed", revenue=revenue, **properties)


def test_a_cart_counts_as_abandoned_after_two_hours_for_two_days(retail: Catalog) -> None:
    steps = [(0 * DAY, track("Product Added"))]
    assert lived(retail, "cart_abandoners", steps, 10 * DAY) == ["+2:00:00", "-2 days, 0:00:00"]


def test_an_order_ends_the_abandoned_cart_and_a_quick_one_prevents_it(retail: Catalog) -> None:
    late = [(0 * DAY, track("Product Added")), (5 * HOUR, order(80.0))]
    assert lived(retail, "cart_abandoners", late, 10 * DAY) == ["+2:00:00", "-5:00:00"]
    quick = [(0 * DAY, track("Product Added")), (1 * HOUR, order(80.0))]
    assert lived(retail, "cart_abandoners", quick, 10 * DAY) == []


def test_an_older_order_does_not_excuse_a_new_cart(retail: Catalog) -> None:
    steps = [(0 * DAY, order(80.0)), (1 * DAY, track("Product Added"))]
    assert lived(retail, "cart_abandoners", steps, 10 * DAY) == ["+1 day, 2:00:00", "-3 days, 0:00:00"]


def test_checkout_counts_as_stuck_after_half_an_hour(retail: Catalog) -> None:
    steps = [(0 * DAY, track("Checkout Started"))]
    assert lived(retail, "stuck_in_checkout", steps, 10 * DAY) == ["+0:30:00", "-1 day, 0:00:00"]


def test_a_high_value_woman_spends_three_thousand_and_stays_until_less_than_2500_remain(retail: Catalog) -> None:
    steps = [(0 * DAY, identify(gender="F", age=33)), (1 * DAY, order(2_000.0)), (200 * DAY, order(1_000.0))]
    entered, left = lived(retail, "high_value_women", steps, 500 * DAY)
    assert entered == "+200 days, 0:00:00"
    # The first order leaves the window of 365 days, which moves in hops of a sixtieth of it.
    assert 366 <= int(left.removeprefix("-").split(" days")[0]) <= 373
    man = [(0 * DAY, identify(gender="M", age=33)), (1 * DAY, order(9_000.0))]
    assert lived(retail, "high_value_women", man, 30 * DAY) == []


def test_bargain_hunters_use_coupons_in_most_orders(retail: Catalog) -> None:
    with_coupons = [(n * DAY, order(50.0, coupon="SAVE15")) for n in range(3)]
    assert lived(retail, "bargain_hunters", with_coupons, 10 * DAY) == ["+2 days, 0:00:00"]
    full_price = [(n * DAY, order(50.0)) for n in range(10, 14)]
    changes = lived(retail, "bargain_hunters", with_coupons + full_price, 20 * DAY)
    assert changes == ["+2 days, 0:00:00", "-13 days, 0:00:00"]  # 3 of 7 are less than 45 %


def test_life_from_newcomer_to_churned_goes_by_time(retail: Catalog) -> None:
    steps = [(0 * DAY, order(50.0)), (1 * DAY, order(60.0)), (2 * DAY, order(70.0))]
    assert lived(retail, "newcomers", steps, 400 * DAY) == ["+0:00:00", "-7 days, 0:00:00"]
    assert lived(retail, "active", steps, 400 * DAY) == ["+0:00:00", "-9 days, 0:00:00"]
    assert lived(retail, "silent", steps, 400 * DAY) == ["+16 days, 0:00:00", "-92 days, 0:00:00"]
    assert lived(retail, "lapsing", steps, 400 * DAY) == ["+62 days, 0:00:00", "-182 days, 0:00:00"]
    assert lived(retail, "churned", steps, 400 * DAY) == ["+92 days, 0:00:00"]


def test_many_looks_and_no_order_is_high_interest_until_an_order(retail: Catalog) -> None:
    looks = every(MINUTE, 25, track("Product Viewed", category="books"))
    steps = [*looks, (2 * DAY, order(40.0))]
    assert lived(retail, "high_interest_low_conversion", steps, 10 * DAY) == ["+0:24:00", "-2 days, 0:00:00"]


def test_a_beauty_fan_looks_at_little_else(retail: Catalog) -> None:
    fan = [(n * MINUTE, track("Product Viewed", category="beauty")) for n in range(8)]
    assert lived(retail, "beauty_fans", fan, 1 * DAY) == ["+0:07:00"]
    mixed = [(n * MINUTE, track("Product Viewed", category="books")) for n in range(9)]
    mixed += [(n * MINUTE, track("Product Viewed", category="beauty")) for n in range(9, 17)]
    assert lived(retail, "beauty_fans", mixed, 1 * DAY) == []


def test_parents_count_without_an_age_but_not_past_fifty(retail: Catalog) -> None:
    looks = [(n * MINUTE, track("Product Viewed", category="baby")) for n in range(6)]
    assert lived(retail, "young_parents", looks, 1 * DAY) == ["+0:05:00"]
    elder = [(0 * DAY, identify(age=61)), *[(after + MINUTE, event) for after, event in looks]]
    assert lived(retail, "young_parents", elder, 1 * DAY) == []


def test_a_bargain_hunter_without_orders_is_none_any_more(retail: Catalog) -> None:
    steps = list(every(DAY, 3, order(50.0, coupon="SAVE15")))
    entered, left = lived(retail, "bargain_hunters", steps, 500 * DAY)
    assert entered == "+2 days, 0:00:00"
    assert 367 <= int(left.removeprefix("-").split(" days")[0]) <= 374


def test_big_baskets_end_with_the_last_order_in_the_window(retail: Catalog) -> None:
    steps = list(every(DAY, 2, order(900.0)))
    assert len(lived(retail, "big_baskets", steps, 500 * DAY)) == 2


def test_the_life_cycle_runs_through_all_its_levels(retail: Catalog) -> None:
    steps = [(0 * DAY, track("Product Viewed", category="home")), (20 * DAY, order(60.0))]
    assert levels_of(retail, "lifecycle", steps, 500 * DAY) == [
        "newcomer 0:00:00",
        "prospect 7 days, 0:00:00",
        "active 20 days, 0:00:00",
        "at_risk 80 days, 0:00:00",
        "asleep 140 days, 0:00:00",
        "lost 385 days, 0:00:00",
    ]


def test_the_eight_groups_of_value(retail: Catalog) -> None:
    def group(count: int, revenue: float, idle_days: int) -> str:
        steps = list(every(DAY, count, order(revenue)))
        return levels_of(retail, "value", steps, (count + idle_days) * DAY)[-1].split()[0]

    assert [group(4, 750.0, 50), group(3, 1_000.0, 50), group(4, 750.0, 70), group(3, 1_000.0, 70)] == [
        "best",
        "to_develop",
        "to_keep",
        "to_win_back",
    ]
    assert [group(4, 100.0, 50), group(3, 999.0, 50), group(4, 100.0, 70), group(3, 999.0, 70)] == [
        "regular",
        "fresh",
        "habitual",
        "small",
    ]


def test_a_valued_customer_fades_at_sixty_days_and_is_back_with_an_order(retail: Catalog) -> None:
    steps = [(0 * DAY, order(3_000.0)), (90 * DAY, order(10.0))]
    assert lived(retail, "valued_but_fading", steps, 100 * DAY) == ["+60 days, 0:00:00", "-90 days, 0:00:00"]


def test_a_vip_with_an_abandoned_cart_is_told_of_both(retail: Catalog) -> None:
    orders = list(every(DAY, 5, order(3_000.0)))
    steps = [*orders, (10 * DAY, track("Product Added"))]
    assert lived(retail, "vip_carts", steps, 20 * DAY) == ["+10 days, 2:00:00", "-12 days, 0:00:00"]


def test_a_birthday_comes_every_year_in_silence(retail: Catalog) -> None:
    # The start is 17:00 in Shanghai on the 1st of March; days of the calendar there begin at 16:00 UTC.
    steps = [(0 * DAY, identify(birthday="1990-04-01"))]
    assert lived(retail, "birthday_week", steps, 400 * DAY) == [
        "+23 days, 7:00:00",
        "-31 days, 7:00:00",
        "+388 days, 7:00:00",
        "-396 days, 7:00:00",
    ]


def test_the_favourite_goes_with_the_time(retail: Catalog) -> None:
    then = list(every(MINUTE, 6, track("Product Viewed", category="home")))
    now = list(every(MINUTE, 6, track("Product Viewed", category="sports"), start=10 * DAY))
    assert lived(retail, "home_lovers", then + now, 11 * DAY) == ["+0:04:00", "-10 days, 0:03:00"]
    assert lived(retail, "sports_lovers", then + now, 11 * DAY) == ["+10 days, 0:03:00"]
