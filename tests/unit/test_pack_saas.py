from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rules.catalog import Catalog, load_catalog
from tests.unit.pack_lives import DAY, HOUR, MINUTE, Step, every, levels_of, lived, page, track


@pytest.fixture(scope="module")
def saas() -> Catalog:
    return load_catalog("saas")


def use(feature: str) -> dict[str, Any]:
    return track("Feature Used", feature=feature)


def uses(count: int, features: int, start: timedelta = timedelta()) -> list[Step]:
    return [(start + number * MINUTE, use(f"feature {number % features}")) for number in range(count)]


def subscribed(**properties: object) -> dict[str, Any]:
    return track("Subscription Updated", **properties)


def test_a_power_user_uses_six_features_a_hundred_times(saas: Catalog) -> None:
    entered, left = lived(saas, "power_users", uses(100, 6), 60 * DAY)
    assert entered == "+1:39:00"
    assert 30 <= int(left.removeprefix("-").split(" days")[0]) <= 31
    assert lived(saas, "power_users", uses(99, 6), 1 * DAY) == []
    assert lived(saas, "power_users", uses(100, 5), 1 * DAY) == []


def test_a_power_user_stays_for_a_week_at_least(saas: Catalog) -> None:
    # 70 uses leave the window of 30 days five days after the entry; 35 remain.
    steps = [*uses(70, 6), *uses(35, 6, start=27 * DAY)]
    assert lived(saas, "power_users", steps, 60 * DAY) == ["+27 days, 0:29:00", "-34 days, 0:29:00"]


def test_who_adopted_three_features_stays_with_two(saas: Catalog) -> None:
    steps = [*uses(20, 3), *uses(12, 2, start=20 * DAY)]
    entered, left = lived(saas, "adopted", steps, 90 * DAY)
    assert entered == "+0:19:00"
    assert 50 <= int(left.removeprefix("-").split(" days")[0]) <= 51


def test_slowing_down_is_seen_against_the_users_own_month(saas: Catalog) -> None:
    # Twice a day for 40 days, then nothing: 56 uses in 30 days, of which a quarter of the average week is 3.
    busy = list(every(12 * HOUR, 80, use("report")))
    assert len(lived(saas, "slowing_down", busy, 40 * DAY)) == 0
    entered, left = lived(saas, "slowing_down", busy, 90 * DAY)
    assert 44 <= int(entered.removeprefix("+").split(" days")[0]) <= 47
    assert 60 <= int(left.removeprefix("-").split(" days")[0]) <= 70


def test_a_new_user_is_not_slowing_down(saas: Catalog) -> None:
    assert lived(saas, "slowing_down", uses(40, 2), 36 * DAY) == []


def test_a_trial_runs_out_by_the_calendar(saas: Catalog) -> None:
    steps = [(0 * DAY, track("Trial Started", trial_end_date="2025-03-15"))]
    # The start is at 9:00 on the 1st of March.
    assert lived(saas, "trial_ending", steps, 90 * DAY) == ["+10 days, 15:00:00", "-14 days, 15:00:00"]
    assert lived(saas, "trial_not_converted", steps, 90 * DAY) == ["+14 days, 15:00:00", "-44 days, 15:00:00"]
    assert levels_of(saas, "lifecycle", steps, 90 * DAY) == ["trial 0:00:00", "registered 14 days, 15:00:00"]


def test_from_trial_to_customer_to_lost(saas: Catalog) -> None:
    steps = [
        (0 * DAY, track("Trial Started", trial_end_date="2025-03-15")),
        (10 * DAY, subscribed(plan="team", mrr=400)),
        (35 * DAY, track("Signed In")),
        (100 * DAY, subscribed(plan="team", mrr=0)),
    ]
    assert levels_of(saas, "lifecycle", steps, 200 * DAY) == [
        "trial 0:00:00",
        "onboarding 10 days, 0:00:00",
        "customer 40 days, 0:00:00",
        "quiet_customer 65 days, 0:00:00",
        "lost 100 days, 0:00:00",
    ]


def test_a_key_customer_has_to_use_it(saas: Catalog) -> None:
    steps = [(0 * DAY, subscribed(plan="business", mrr=1000)), *uses(20, 3, start=1 * DAY)]
    assert levels_of(saas, "value", steps, 30 * DAY) == [
        "key_unused 0:00:00",
        "key 1 day, 0:19:00",
        "key_unused 15 days, 0:19:00",
    ]


def test_developers_use_the_api_most(saas: Catalog) -> None:
    steps = [*every(MINUTE, 5, use("report")), *every(MINUTE, 10, use("api"), start=1 * DAY)]
    assert lived(saas, "developers", steps, 2 * DAY) == ["+1 day, 0:04:00"]


def test_an_upgrade_to_the_largest_plan_ends_the_considering(saas: Catalog) -> None:
    steps = [
        (0 * DAY, subscribed(plan="team", mrr=200)),
        *every(HOUR, 2, page("/pricing"), start=1 * DAY),
        (2 * DAY, subscribed(plan="enterprise", mrr=5000)),
    ]
    assert lived(saas, "considering_upgrade", steps, 30 * DAY) == ["+1 day, 1:00:00", "-2 days, 0:00:00"]


def test_readers_of_the_documentation(saas: Catalog) -> None:
    steps = [*every(MINUTE, 5, page("/docs/start")), *every(MINUTE, 9, page("/blog"), start=1 * HOUR)]
    entered, left = lived(saas, "learners", steps, 60 * DAY)
    assert entered == "+0:04:00"
    assert left.startswith("-14 days")


def test_three_tickets_are_a_call_for_help_until_none_is_left(saas: Catalog) -> None:
    steps = list(every(HOUR, 3, track("Support Ticket Opened")))
    entered, left = lived(saas, "needs_help", steps, 60 * DAY)
    assert entered == "+2:00:00"
    assert left.startswith("-14 days")
