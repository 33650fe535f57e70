"""Moments as people write them."""

from __future__ import annotations

import pytest

from rules.moments import MomentError, format_moment, parse_moment


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("1970-01-01T00:00:00Z", "Asia/Shanghai", "1970-01-01T00:00:00.000Z"),
        ("2026-11-01T09:00:00.1239z", "UTC", "2026-11-01T09:00:00.123Z"),
        ("2026-11-01 09:00 Z", "Asia/Shanghai", "2026-11-01T09:00:00.000Z"),
        ("2026-11-01T09:00:00-02:30", "Asia/Shanghai", "2026-11-01T11:30:00.000Z"),
        ("2026-11-01 09:00", "Asia/Shanghai", "2026-11-01T01:00:00.000Z"),
        ("2026-11-01", "Asia/Shanghai", "2026-10-31T16:00:00.000Z"),
        ("2026-11-01 09:00:07.5", "UTC", "2026-11-01T09:00:07.500Z"),
        # The hour that comes twice, and the one that never does
        ("2026-10-25 02:30", "Europe/Berlin", "2026-10-25T00:30:00.000Z"),
        ("2026-03-29 02:30", "Europe/Berlin", "2026-03-29T01:30:00.000Z"),
    ],
)
def test_a_moment_without_an_offset_is_local(text: str, zone: str, moment: str) -> None:
    assert format_moment(parse_moment(text, zone)) == moment


@pytest.mark.parametrize(
    "text",
    [
        *("", "noon", "2026-11", "2026-11-01T", "2026-11-01T9:00", "2026-11-01T09", "2026-02-30", "2026-11-01T24:00"),
        *("2026-11-01T23:59:60Z", "1969-12-31T23:59:59Z", "0000-01-01", "2026-11-01T09:00+24:00", "2026-11-01Z"),
        "٢٠٢٦-11-01",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(MomentError):
        parse_moment(text, "UTC")


def test_the_last_day_of_the_calendar_does_not_overflow() -> None:
    assert parse_moment("9999-12-31 23:59", "UTC") > 0
    with pytest.raises(MomentError):
        parse_moment("0001-01-01 00:00", "Asia/Shanghai")
