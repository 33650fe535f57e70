"""Calendar days in a time zone: when they begin, what a date in a string is, days from and to it."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from rules.days import date_in_text, day_begins_ms, days_between, local_day, local_hour


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    ("timezone", "day", "begins"),
    [
        ("UTC", "2026-03-29", "2026-03-29T00:00:00"),
        ("Asia/Shanghai", "2026-01-01", "2025-12-31T16:00:00"),
        ("America/New_York", "2026-01-01", "2026-01-01T05:00:00"),
        ("America/New_York", "2026-07-01", "2026-07-01T04:00:00"),
        # Havana's clock goes from 00:00 to 01:00: the day begins at 01:00.
        ("America/Havana", "2026-03-08", "2026-03-08T05:00:00"),
        # Saint John's clock was put back from 00:01 to 23:01, when the new day had already begun.
        ("America/St_Johns", "2006-10-29", "2006-10-29T02:30:00"),
        ("America/St_Johns", "2006-10-30", "2006-10-30T03:30:00"),
        # In São Paulo 00:00 became 23:00, so the new day began an hour later.
        ("America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00:00"),
        # Samoa skipped 30 December 2011: it begins together with the 31st.
        ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00:00"),
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00"),
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00"),
        ("Pacific/Apia", "2012-01-01", "2011-12-31T10:00:00"),
        ("Pacific/Kiritimati", "2026-01-02", "2026-01-01T10:00:00"),
        ("Asia/Kathmandu", "2026-01-02", "2026-01-01T18:15:00"),
    ],
)
def test_a_day_begins_at_the_first_instant_with_its_date_or_a_later_one(timezone: str, day: str, begins: str) -> None:
    assert day_begins_ms(date.fromisoformat(day), timezone) == _ms(begins)


def test_a_day_lasts_from_its_beginning_to_the_next() -> None:
    begins_ms = day_begins_ms(date(2026, 3, 29), "Europe/Berlin")
    ends_ms = day_begins_ms(date(2026, 3, 30), "Europe/Berlin")
    assert ends_ms - begins_ms == 23 * 3_600_000
    assert local_day(begins_ms - 1, "Europe/Berlin") == date(2026, 3, 28)
    assert local_day(begins_ms, "Europe/Berlin") == date(2026, 3, 29)
    assert local_day(ends_ms - 1, "Europe/Berlin") == date(2026, 3, 29)


def test_days_never_go_back() -> None:
    # At 02:31 UTC it is 23:01 of the 28th again in Saint John's.
    assert local_day(_ms("2006-10-29T02:29:59"), "America/St_Johns") == date(2006, 10, 28)
    assert local_day(_ms("2006-10-29T02:31:00"), "America/St_Johns") == date(2006, 10, 29)
    assert local_day(_ms("2011-12-30T10:00:00"), "Pacific/Apia") == date(2011, 12, 31)


def test_the_hour_is_the_one_that_the_clock_shows() -> None:
    assert local_hour(_ms("2026-03-29T00:59:59"), "Europe/Berlin") == 1
    assert local_hour(_ms("2026-03-29T01:00:00"), "Europe/Berlin") == 3
    assert local_hour(_ms("2026-01-01T00:00:00"), "Asia/Kathmandu") == 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2000-02-29", date(2000, 2, 29)),
        ("1990-01-31T10:00:00Z", date(1990, 1, 31)),
        ("1990-01-31 ", date(1990, 1, 31)),
        ("1990-01-31T\n", date(1990, 1, 31)),
        ("0001-01-01", date(1, 1, 1)),
        ("9999-12-31", date(9999, 12, 31)),
        ("0000-01-01", None),
        ("1900-02-29", None),
        ("1990-13-01", None),
        ("1990-00-10", None),
        ("1990-01-32", None),
        ("1990-1-1", None),
        ("1990-01-31x", None),
        ("1990-01-31\n", None),
        ("1990-01-31t10", None),
        (" 1990-01-31", None),
        ("19900131", None),
        ("\uff11990-01-31", None),  # a digit, but not one of ASCII
        ("-990-01-31", None),
        ("", None),
    ],
)
def test_a_date_is_at_the_start_of_a_string_alone_or_before_a_time(text: str, expected: date | None) -> None:
    assert date_in_text(text) == expected


@pytest.mark.parametrize(
    ("day", "today", "since", "until"),
    [
        ("1990-06-15", "2026-06-15", 0, 0),
        ("1990-06-15", "2026-06-16", 1, 364),
        ("1990-06-15", "2026-06-14", 364, 1),
        ("2030-06-15", "2026-06-14", 364, 1),
        ("2000-02-29", "2024-02-28", 365, 1),
        ("2000-02-29", "2024-02-29", 0, 0),
        ("2000-02-29", "2024-03-01", 1, 364),
        ("2000-02-29", "2023-02-28", 0, 0),
        ("2000-02-29", "2023-03-01", 1, 365),
        ("1990-12-31", "2026-01-01", 1, 364),
        ("1990-01-01", "2025-12-31", 364, 1),
    ],
)
def test_yearly_days_are_counted_from_the_last_and_to_the_next(day: str, today: str, since: int, until: int) -> None:
    dates = date.fromisoformat(day), date.fromisoformat(today)
    assert days_between("days_since", *dates, yearly=True) == since
    assert days_between("days_until", *dates, yearly=True) == until


def test_days_may_be_negative() -> None:
    dates = date(2026, 1, 10), date(2026, 1, 1)
    assert days_between("days_since", *dates, yearly=False) == -9
    assert days_between("days_until", *dates, yearly=False) == 9
    assert days_between("days_since", date(1, 1, 1), date(2026, 1, 1), yearly=False) == 739_616
