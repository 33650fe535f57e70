from __future__ import annotations

import pytest

from rules.catalog import Catalog, load_catalog
from tests.unit.pack_lives import DAY, HOUR, MINUTE, every, identify, levels_of, lived, track


@pytest.fixture(scope="module")
def insurance() -> Catalog:
    return load_catalog("insurance")


def test_a_renewal_is_due_for_a_month_and_lapses_by_the_calendar(insurance: Catalog) -> None:
    # The start is 17:00 in Shanghai on the 1st of March; days of the calendar there begin at 16:00 UTC.
    steps = [(0 * DAY, identify(car_policy_end_date="2025-04-30"))]
    assert lived(insurance, "car_renewal_due", steps, 300 * DAY) == ["+29 days, 7:00:00", "-60 days, 7:00:00"]
    assert lived(insurance, "car_policy_lapsed", steps, 300 * DAY) == ["+60 days, 7:00:00", "-120 days, 7:00:00"]


def test_a_renewed_policy_is_due_again_in_a_year(insurance: Catalog) -> None:
    steps = [
        (0 * DAY, identify(health_policy_end_date="2025-04-30")),
        (40 * DAY, identify(health_policy_end_date="2026-04-30")),
    ]
    changes = lived(insurance, "health_renewal_due", steps, 410 * DAY)
    assert changes == ["+29 days, 7:00:00", "-40 days, 0:00:00", "+394 days, 7:00:00"]


def test_a_policy_that_is_gone_is_neither_due_nor_lapsed(insurance: Catalog) -> None:
    steps = [
        (0 * DAY, identify(car_owner=True, car_policy_end_date="2025-04-30")),
        (35 * DAY, identify(car_policy_end_date=None)),
    ]
    assert lived(insurance, "car_renewal_due", steps, 200 * DAY) == ["+29 days, 7:00:00", "-35 days, 0:00:00"]
    assert lived(insurance, "car_policy_lapsed", steps, 200 * DAY) == []
    assert lived(insurance, "car_without_policy", steps, 200 * DAY) == ["+35 days, 0:00:00"]


def test_high_premiums_fall_away_with_the_year_but_not_within_a_month(insurance: Catalog) -> None:
    steps = [(0 * DAY, track("Premium Paid", amount=12_000)), (350 * DAY, track("Premium Paid", amount=8_000))]
    assert lived(insurance, "high_premium", steps, 500 * DAY) == ["+350 days, 0:00:00", "-380 days, 0:00:00"]


def test_two_years_without_a_claim_begin_anew_with_each(insurance: Catalog) -> None:
    steps = [
        (0 * DAY, track("Policy Issued", product="car")),
        (800 * DAY, track("Claim Filed")),
    ]
    changes = lived(insurance, "claim_free", steps, 1_600 * DAY)
    assert changes == ["+730 days, 0:00:00", "-800 days, 0:00:00", "+1530 days, 0:00:00"]


def test_a_claim_is_open_until_it_is_closed(insurance: Catalog) -> None:
    steps = [(0 * DAY, track("Claim Filed")), (9 * DAY, track("Claim Closed", paid=300))]
    assert lived(insurance, "claim_open", steps, 100 * DAY) == ["+0:00:00", "-9 days, 0:00:00"]
    assert lived(insurance, "claim_recently", steps, 100 * DAY) == ["+9 days, 0:00:00", "-23 days, 0:00:00"]


def test_heavy_claims_end_when_they_have_left_the_year(insurance: Catalog) -> None:
    steps = [
        (0 * DAY, track("Premium Paid", amount=1_000)),
        *every(DAY, 2, track("Claim Filed"), start=1 * DAY),
        (9 * DAY, track("Claim Closed", paid=1_000)),
    ]
    entered, left = lived(insurance, "heavy_claims", steps, 500 * DAY)
    assert entered == "+9 days, 0:00:00"
    assert 366 <= int(left.removeprefix("-").split(" days")[0]) <= 380


def test_quotes_are_compared_until_one_is_signed(insurance: Catalog) -> None:
    steps = [
        *every(HOUR, 3, track("Quote Requested", premium=3_000)),
        (2 * DAY, track("Policy Issued", product="life")),
    ]
    assert lived(insurance, "comparing", steps, 30 * DAY) == ["+2:00:00", "-2 days, 0:00:00"]
    assert lived(insurance, "quote_left", steps, 30 * DAY) == ["+1 day, 2:00:00", "-2 days, 0:00:00"]


def test_interest_follows_the_newest_looks(insurance: Catalog) -> None:
    steps = [
        *every(MINUTE, 5, track("Product Viewed", category="health")),
        *every(MINUTE, 5, track("Product Viewed", category="travel"), start=29 * DAY),
    ]
    # Five looks of 29 days ago weigh half as much as five of today: the third new one tips the scales.
    assert lived(insurance, "health_interest", steps, 30 * DAY) == ["+0:03:00", "-29 days, 0:02:00"]
    assert lived(insurance, "travel_interest", steps, 30 * DAY) == ["+29 days, 0:02:00"]


def test_from_prospect_to_lost(insurance: Catalog) -> None:
    steps = [
        (0 * DAY, track("Product Viewed", category="car")),
        (1 * DAY, track("Quote Requested", premium=3_000)),
        (2 * DAY, track("Policy Issued", product="car")),
        (2 * DAY, track("Premium Paid", amount=3_000)),
    ]
    assert levels_of(insurance, "lifecycle", steps, 500 * DAY) == [
        "prospect 0:00:00",
        "quoted 1 day, 0:00:00",
        "new 2 days, 0:00:00",
        "insured 92 days, 0:00:00",
        "lost 402 days, 0:00:00",
    ]
