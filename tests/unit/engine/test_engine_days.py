from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from rules.days import date_in_text, day_begins_ms, days_between, local_day
from tests.unit.engine.kept_engine import DAY_MS, KeptEngine, catalog_of

FUNCTIONS = [
    ("days_since", False, 40),
    ("days_since", False, -3),
    ("days_until", False, 12),
    ("days_until", False, -5),
    ("days_since", True, 0),
    ("days_since", True, 364),
    ("days_since", True, 365),
    ("days_until", True, 0),
    ("days_until", True, 7),
    ("days_until", True, 365),
]


def ms_of(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def moments_of_change(function: str, text: str, limit: int, timezone: str, *, yearly: bool, start_ms: int) -> list[int]:
    """When the condition `function >= limit` changes in ten years, day by day."""
    born = date_in_text(text)
    assert born is not None
    today = local_day(start_ms, timezone)
    moments = []
    held = days_between(function, born, today, yearly=yearly) >= limit
    for ahead in range(1, 3_660):
        day = today + timedelta(days=ahead)
        holds = days_between(function, born, day, yearly=yearly) >= limit
        if holds is not held:
            moments.append(day_begins_ms(day, timezone))
            held = holds
    return moments


@pytest.mark.parametrize("timezone", ["UTC", "Asia/Shanghai", "America/New_York"])
@pytest.mark.parametrize(("function", "yearly", "limit"), FUNCTIONS)
@pytest.mark.parametrize("born", ["2025-12-20", "2024-02-29", "2026-01-10T08:00:00Z", "1931-06-30 at noon"])
def test_a_user_is_due_exactly_where_a_number_of_days_is_reached(
    function: str, yearly: bool, limit: int, born: str, timezone: str
) -> None:
    argument = ", yearly=true" if yearly else ""
    condition = f'{function}(trait("born"){argument}) >= {limit}'
    kept = KeptEngine(catalog_of(f"segments:\n  it: {{when: '{condition}'}}\n", timezone=timezone))
    start_ms = ms_of("2026-01-01T17:30:00")
    kept.identify(start_ms, born=born)
    expected = moments_of_change(function, born, limit, timezone, yearly=yearly, start_ms=start_ms)
    found: list[int] = []
    while kept.due_ms and kept.due_ms["ann"] < start_ms + 3_650 * DAY_MS:
        due_ms = kept.due_ms["ann"]
        kept.told()
        kept.look(due_ms)
        assert kept.told(), "a look at which nothing changes"
        found.append(due_ms)
    assert found == [moment for moment in expected if moment < start_ms + 3_650 * DAY_MS]


def test_a_string_without_a_date_is_missing() -> None:
    tags = "tags:\n  age: 'days_since(trait(\"born\"))'\n"
    kept = KeptEngine(catalog_of(tags + "segments:\n  all: {when: count() >= 0}\n"))
    start_ms = ms_of("2026-01-01T00:00:00")
    for born in ("2025-02-29", "20250101", "2025-01-01Z", "x2025-01-01", " 2025-01-01", 20250101, None, "0000-01-01"):
        kept.identify(start_ms, born=born)
        assert kept.engine.profiles(["ann"])[0].tags == {"age": None}
    kept.identify(start_ms, born="0001-01-01T")
    today = datetime(2026, 1, 1, tzinfo=UTC).toordinal()
    assert kept.engine.profiles(["ann"])[0].tags == {"age": today - date(1, 1, 1).toordinal()}
