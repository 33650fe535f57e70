from __future__ import annotations

import itertools
import json
import math
from collections import Counter, defaultdict
from datetime import datetime
from typing import Any

import pytest

from stream.demo import OPENING_MS, Delivery, Shop
from stream.demo.accidents import Accidents
from stream.demo.personas import CATEGORIES, PERSONAS

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
SMALL = Shop(seed=11, customers=400)
PERFECT = Shop(seed=11, customers=400, accidents=Accidents(late=0.0, twice=0.0, broken=0.0))


def until(shop: Shop, days: int) -> list[Delivery]:
    end_ms = shop.opening_ms + days * DAY_MS
    return list(itertools.takewhile(lambda delivery: delivery.at_ms < end_ms, shop.deliveries()))


def events(deliveries: list[Delivery]) -> list[dict[str, Any]]:
    return [json.loads(delivery.value) for delivery in deliveries]


def moment_ms(event: dict[str, Any]) -> int:
    return round(datetime.fromisoformat(event["timestamp"]).timestamp() * 1000)


def is_broken(delivery: Delivery) -> bool:
    try:
        event = json.loads(delivery.value, parse_constant=int)  # NaN is no JSON, and no int
        return (
            event["type"] not in {"track", "page", "identify"}
            or isinstance(event.get("properties", {}).get("revenue"), str)
            or not event["userId"]
            or moment_ms(event) > delivery.at_ms
        )
    except (ValueError, KeyError, TypeError):
        return True


@pytest.fixture(scope="module")
def fortnight() -> list[Delivery]:
    return until(PERFECT, 14)


def test_the_same_seed_gives_the_same_traffic_and_another_seed_does_not() -> None:
    first = list(itertools.islice(SMALL.deliveries(), 5_000))
    assert list(itertools.islice(SMALL.deliveries(), 5_000)) == first
    assert list(itertools.islice(Shop(seed=12, customers=400).deliveries(), 5_000)) != first


def test_the_log_never_goes_back_in_time() -> None:
    times = [delivery.at_ms for delivery in itertools.islice(SMALL.deliveries(), 20_000)]
    assert times == sorted(times)


def test_without_accidents_every_event_arrives_when_it_happens_and_once(fortnight: list[Delivery]) -> None:
    told = events(fortnight)
    assert [max(moment_ms(event), PERFECT.import_ms) for event in told] == [d.at_ms for d in fortnight]
    assert [event["userId"] for event in told] == [delivery.user for delivery in fortnight]
    identities = [event["messageId"] for event in told]
    assert len(set(identities)) == len(identities)


def test_a_few_events_come_late_twice_or_broken() -> None:
    deliveries = until(SMALL, 14)
    good = [(delivery, json.loads(delivery.value)) for delivery in deliveries if not is_broken(delivery)]
    broken = len(deliveries) - len(good)
    late = sum(
        delivery.at_ms - moment_ms(event) > 5 * 60_000 for delivery, event in good if delivery.at_ms > SMALL.import_ms
    )
    copies = Counter(event["messageId"] for _, event in good)
    assert 0.0002 < broken / len(deliveries) < 0.002
    assert 0.001 < late / len(deliveries) < 0.01
    assert 0.001 < sum(count == 2 for count in copies.values()) / len(deliveries) < 0.01
    assert max(copies.values()) == 2


def test_sign_ups_profiles_and_orders_are_imported_and_then_traffic_begins(
    fortnight: list[Delivery],
) -> None:
    told = events(fortnight)
    imported = {e.get("event", e["type"]) for e in told if moment_ms(e) < PERFECT.import_ms}
    traffic = {e.get("event", e["type"]) for e in told if moment_ms(e) >= PERFECT.import_ms}
    assert imported == {"Signed Up", "identify", "Order Completed"}
    assert traffic >= {"page", "Product Viewed", "Product Added", "Checkout Started", "Order Completed"}
    oldest_order = min(moment_ms(event) for event in told if event.get("event") == "Order Completed")
    assert PERFECT.import_ms - oldest_order > 340 * DAY_MS


def test_everybody_signs_up_before_anything_else_and_new_customers_keep_coming(fortnight: list[Delivery]) -> None:
    first: dict[str, tuple[int, dict[str, Any]]] = {}
    for delivery, event in zip(fortnight, events(fortnight), strict=True):
        first.setdefault(delivery.user, (delivery.at_ms, event))
    assert {event.get("event") for _, event in first.values()} == {"Signed Up"}
    assert sum(at_ms >= OPENING_MS for at_ms, _ in first.values()) > 14


def test_an_order_follows_its_checkout_its_cart_and_a_view(fortnight: list[Delivery]) -> None:
    steps = ["Product Viewed", "Product Added", "Cart Viewed", "Checkout Started", "Order Completed"]
    live = [event for event in events(fortnight) if moment_ms(event) >= OPENING_MS]
    newest: dict[str, dict[str, int]] = defaultdict(dict)
    orders = 0
    for event in live:
        name, user = event.get("event", event["type"]), event["userId"]
        newest[user][name] = moment_ms(event)
        if name == "Order Completed" and all(step in newest[user] for step in steps):
            orders += 1
            assert newest[user]["Checkout Started"] - newest[user]["Cart Viewed"] > 0
            assert newest[user]["Order Completed"] - newest[user]["Checkout Started"] < HOUR_MS
    assert orders > 100


def test_amounts_are_skewed_a_few_customers_bring_much_of_the_revenue(fortnight: list[Delivery]) -> None:
    spent: Counter[str] = Counter()
    amounts = []
    for event in events(fortnight):
        if event.get("event") == "Order Completed":
            spent[event["userId"]] += event["properties"]["revenue"]
            amounts.append(event["properties"]["revenue"])
    best = sorted(spent.values(), reverse=True)
    assert sum(best[: len(best) // 5]) > 0.5 * sum(best)
    amounts.sort()
    assert sum(amounts) / len(amounts) > 1.3 * amounts[len(amounts) // 2]


def test_evenings_are_busier_than_nights_and_the_sale_than_the_week_before(fortnight: list[Delivery]) -> None:
    live = [delivery for delivery in fortnight if delivery.at_ms >= OPENING_MS]
    hours = Counter((delivery.at_ms // HOUR_MS + 8) % 24 for delivery in live)
    assert hours[20] > 3 * hours[4]
    days = Counter((delivery.at_ms - OPENING_MS) // DAY_MS for delivery in live)
    assert days[11] > 1.7 * days[4]  # 11 November and Tuesday the week before


def test_traits_are_those_that_the_pack_reads_and_the_birthday_fits_the_age(fortnight: list[Delivery]) -> None:
    profiles = [event["traits"] for event in events(fortnight) if event["type"] == "identify"]
    assert len(profiles) >= 400
    for traits in profiles:
        assert traits.keys() >= {"first_name", "city", "member_level", "email_opt_in", "birthday", "createdAt"}
        if "age" in traits:
            days = datetime.fromisoformat(traits["createdAt"]) - datetime.fromisoformat(traits["birthday"])
            assert traits["age"] == int(days.days / 365.25) or abs(days.days / 365.25 - traits["age"]) < 1.01
    assert 0.8 < sum("age" in traits for traits in profiles) / len(profiles) < 1.0


def test_personas_are_a_whole_and_their_weights_have_mean_one() -> None:
    assert math.isclose(sum(persona.share for persona in PERSONAS), 1.0)
    for persona in PERSONAS:
        assert math.isclose(sum(persona.rhythm.hours), 24.0)
        assert abs(sum(persona.rhythm.weekdays) - 7.0) < 0.25
        assert len(persona.taste.favourites) == len(CATEGORIES)
        assert 0 < persona.funnel.orders_per_session() < 0.5


def test_a_visit_s_expected_orders_are_those_that_happen(fortnight: list[Delivery]) -> None:
    live = [event for event in events(fortnight) if moment_ms(event) >= OPENING_MS]
    visits = sum(event["type"] == "page" for event in live)
    orders = sum(event.get("event") == "Order Completed" for event in live)
    paces = [(p.share * p.rhythm.sessions_per_day, p.funnel.orders_per_session()) for p in PERSONAS]
    expected = sum(pace * rate for pace, rate in paces) / sum(pace for pace, _ in paces)
    assert 0.7 < (orders / visits) / expected < 1.6
