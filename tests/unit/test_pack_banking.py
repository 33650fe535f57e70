from __future__ import annotations

from typing import Any

import pytest

from rules.catalog import Catalog, load_catalog
from tests.unit.pack_lives import DAY, HOUR, MINUTE, every, levels_of, lived, track


@pytest.fixture(scope="module")
def banking() -> Catalog:
    return load_catalog("banking")


def balance(amount: float) -> dict[str, Any]:
    return track("Balance Updated", balance=amount)


SALARY = track("Salary Received", amount=9_000)


def test_three_salaries_make_a_salary_customer_and_less_than_two_end_it(banking: Catalog) -> None:
    entered, left = lived(banking, "salary_customers", list(every(30 * DAY, 3, SALARY)), 300 * DAY)
    assert entered == "+60 days, 0:00:00"
    # The second of the three leaves the window of 100 days at 130 to 131.7 days.
    assert 130 <= int(left.removeprefix("-").split(" days")[0]) <= 131


def test_a_salary_that_stops_is_noticed_after_45_days(banking: Catalog) -> None:
    steps = list(every(30 * DAY, 3, SALARY))
    assert lived(banking, "salary_stopped", steps, 400 * DAY) == ["+105 days, 0:00:00", "-240 days, 0:00:00"]


def test_wealth_is_an_average_and_stays_for_a_month(banking: Catalog) -> None:
    steps = [(0 * DAY, balance(500_000)), *every(DAY, 100, balance(100_000), start=1 * DAY)]
    assert lived(banking, "wealth_clients", steps, 100 * DAY) == ["+0:00:00", "-30 days, 0:00:00"]


def test_a_wealth_client_becomes_a_private_one(banking: Catalog) -> None:
    steps = [(0 * DAY, balance(600_000)), *every(DAY, 60, balance(9_000_000), start=40 * DAY)]
    (entered,) = lived(banking, "private_clients", steps, 100 * DAY)
    # 600,000 once and 9,000,000 twice come to 6,200,000 on average.
    assert entered == "+41 days, 0:00:00"
    assert lived(banking, "wealth_clients", steps, 100 * DAY) == ["+0:00:00", "-41 days, 0:00:00"]
    levels = levels_of(banking, "value", steps, 100 * DAY)
    assert levels == ["wealth 0:00:00", "private 41 days, 0:00:00"]


def test_nobody_stays_a_private_client_without_any_balance(banking: Catalog) -> None:
    entered, left = lived(banking, "private_clients", [(0 * DAY, balance(7_000_000))], 200 * DAY)
    assert entered == "+0:00:00"
    assert 90 <= int(left.removeprefix("-").split(" days")[0]) <= 91


def test_a_balance_that_falls_by_half_and_comes_back(banking: Catalog) -> None:
    steps = [
        *every(DAY, 10, balance(100_000)),
        (10 * DAY, balance(40_000)),
        (11 * DAY, balance(85_000)),
    ]
    assert lived(banking, "balance_falling", steps, 30 * DAY) == ["+10 days, 0:00:00", "-11 days, 0:00:00"]


def test_idle_cash_was_never_needed_for_a_month_and_is_not_invested(banking: Catalog) -> None:
    steps = [*every(DAY, 40, balance(60_000)), (39 * DAY + HOUR, track("Fund Purchased"))]
    assert lived(banking, "idle_cash", steps, 60 * DAY) == ["+30 days, 0:00:00", "-39 days, 1:00:00"]


def test_an_account_is_dormant_though_its_balance_is_told(banking: Catalog) -> None:
    steps = [
        (0 * DAY, track("Signed In")),
        *every(10 * DAY, 25, balance(10), start=HOUR),
        (250 * DAY, track("Signed In")),
    ]
    entered, left = lived(banking, "dormant_accounts", steps, 260 * DAY)
    assert 180 <= int(entered.removeprefix("+").split(" days")[0]) <= 183
    assert left == "-250 days, 0:00:00"


def test_money_goes_out_twice_as_fast_as_it_comes_in(banking: Catalog) -> None:
    steps = [
        (0 * DAY, track("Salary Received", amount=25_000)),
        (1 * DAY, track("Transfer Sent", amount=50_000)),
        (2 * DAY, track("Transfer Sent", amount=0.01)),
        (3 * DAY, track("Transfer Received", amount=25_001)),
    ]
    assert lived(banking, "money_leaving", steps, 20 * DAY) == ["+2 days, 0:00:00", "-3 days, 0:00:00"]


def test_a_large_transfer_is_one_transfer_not_several(banking: Catalog) -> None:
    several = list(every(MINUTE, 3, track("Transfer Sent", amount=20_000)))
    assert lived(banking, "large_transfer", several, 5 * DAY) == []
    entered, left = lived(banking, "large_transfer", [(0 * DAY, track("Transfer Sent", amount=50_000))], 5 * DAY)
    assert entered == "+0:00:00"
    assert left.startswith("-1 day, 0:")


def test_eight_sign_ins_make_an_active_user(banking: Catalog) -> None:
    assert lived(banking, "active_in_app", list(every(DAY, 8, track("Signed In"))), 20 * DAY) == ["+7 days, 0:00:00"]


def test_diners_spend_mostly_on_restaurants(banking: Catalog) -> None:
    steps = [
        *every(DAY, 3, track("Card Used", amount=30, category="groceries", country="CN")),
        *every(DAY, 5, track("Card Used", amount=30, category="dining", country="CN"), start=3 * DAY),
    ]
    assert lived(banking, "diners", steps, 10 * DAY) == ["+7 days, 0:00:00"]


def test_funds_have_a_goal_of_their_own(banking: Catalog) -> None:
    goals = {name: segment.goal and segment.goal.event for name, segment in banking.segments.items()}
    assert goals["mortgage_interest"] == goals["loan_interest"] == "Loan Applied"
    assert (goals["card_interest"], goals["fund_interest"]) == ("Card Issued", "Fund Purchased")


def test_life_from_new_to_dormant(banking: Catalog) -> None:
    steps = list(every(12 * DAY, 5, track("Signed In")))
    levels = levels_of(banking, "lifecycle", steps, 300 * DAY)
    assert [level.split()[0] for level in levels] == ["new", "quiet", "at_risk", "dormant"]
