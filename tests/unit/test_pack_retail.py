from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rules.catalog import Catalog, load_catalog
from rules.packs import pack_file, pack_names, pack_text
from rules.reference import Reference

START = datetime(2025, 3, 1, 9, 0, tzinfo=UTC)
FAR_MS = 10**15
Step = tuple[timedelta, str, dict[str, Any]]


@pytest.fixture(scope="module")
def retail() -> Catalog:
    return load_catalog("retail")


def test_the_pack_is_found_by_its_name() -> None:
    assert "retail" in pack_names()
    assert pack_file("retail").name == "retail.yaml"
    assert pack_text("retail").startswith("# Retail")
    with pytest.raises(KeyError):
        pack_text("no_such_pack")


def test_the_pack_has_no_problems_and_no_warnings(retail: Catalog) -> None:
    assert retail.warnings == ()
    assert (retail.name, retail.timezone) == ("retail", "Asia/Shanghai")


def test_every_segment_has_a_chinese_and_an_english_title(retail: Catalog) -> None:
    assert len(retail.segments) >= 15
    for segment in retail.segments.values():
        assert sorted(segment.titles) == ["en", "zh"]
        assert any("\u4e00" <= character <= "\u9fff" for character in segment.titles["zh"])
    assert len({segment.title for segment in retail.segments.values()}) == len(retail.segments)


def test_all_kinds_but_predictive_are_there(retail: Catalog) -> None:
    kinds = {segment.kind for segment in retail.segments.values()}
    assert kinds == {"demographic", "behaviour", "value", "interest"}


def test_every_tag_is_used(retail: Catalog) -> None:
    text = retail.text
    for name in retail.tags:
        assert text.count(name) > 1, name


def track(event: str, **properties: object) -> dict[str, Any]:
    return {"type": "track", "event": event, "properties": properties}


def order(revenue: float, **properties: object) -> dict[str, Any]:
    return track("Order Completed", revenue=revenue, **properties)


def identify(**traits: object) -> dict[str, Any]:
    return {"type": "identify", "traits": traits}


def lived(catalog: Catalog, segment: str, steps: list[tuple[timedelta, dict[str, Any]]], until: timedelta) -> list[str]:
    """When one customer entered (+) and left (-) a segment, as spans since the start."""
    reference = Reference(catalog)
    changes: list[dict[str, Any]] = []
    for offset, (after, event) in enumerate(steps):
        told = {"userId": "li.na", "timestamp": (START + after).isoformat(), **event}
        outcome = reference.feed(json.dumps(told).encode(), offset, -FAR_MS, FAR_MS)
        assert outcome.reason is None
        changes += outcome.changes
    changes += reference.advance(round((START + until).timestamp() * 1000))
    signs = {"tagstream.segment.entered": "+", "tagstream.segment.exited": "-"}
    return [
        f"{signs[change['type']]}{datetime.fromisoformat(change['time']) - START}"
        for change in changes
        if change["data"]["segment"] == segment
    ]


DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


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
    looks = [(n * MINUTE, track("Product Viewed", category="books")) for n in range(25)]
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
