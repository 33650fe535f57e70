from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.engine.timestamps import NO_TIME, parse_timestamps


def parse(text: str) -> int:
    return int(parse_timestamps([text])[0])


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01 00:00:00Z", 0),
        ("1970-01-01T08:00:00+08:00", 0),
        ("1969-12-31T19:00:00-05:00", 0),
        ("1970-01-01T00:00:00-00:00", 0),
        ("1970-01-01T23:59:00+23:59", 0),
        ("2000-02-29T12:00:00Z", 951_825_600_000),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ],
)
def test_a_timestamp_with_an_offset_is_milliseconds_of_utc(text: str, time_ms: int) -> None:
    assert parse(text) == time_ms


@pytest.mark.parametrize(
    ("fraction", "time_ms"),
    [(".1", 100), (".12", 120), (".123", 123), (".1239", 123), (".999999999999999999999", 999), (".0009", 0)],
)
def test_a_fraction_of_any_length_is_cut_to_milliseconds_not_rounded(fraction: str, time_ms: int) -> None:
    assert parse(f"1970-01-01T00:00:00{fraction}Z") == time_ms


@pytest.mark.parametrize(
    ("text", "next_second"),
    [
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.5Z"),
        ("2017-01-01T07:59:60+08:00", "2017-01-01T00:00:00Z"),
        ("2016-12-31T16:29:60-07:30", "2017-01-01T00:00:00Z"),
    ],
)
def test_a_leap_second_counts_as_the_second_that_follows(text: str, next_second: str) -> None:
    assert parse(text) == parse(next_second)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00,5Z",
        "2026-01-01T00:00:00.5",
        "2026-01-01T00:00:00+0800",
        "2026-01-01T00:00:00+08",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+08:60",
        "2026-01-01T00:00:00~08:00",
        "2026-01-01T00:00:00 Z",
        " 2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z ",
        "2026-01-01T00:00:00ZZ",
        "2026-01-01_00:00:00Z",
        "2026/01/01T00:00:00Z",
        "2026-1-01T00:00:00.0Z",
        "20260101T000000.0000Z",
        "2026-00-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T23:59:60+08:00",
        "+026-01-01T00:00:00Z",
        "-026-01-01T00:00:00Z",
        "12026-01-01T00:00:00Z",
        "2026-01-01T00:00:0\u0660Z",
        "２026-01-01T00:00:00Z",
        "1767225600000",
        "now",
        "NaN",
        "Thu, 01 Jan 2026 00:00:00 GMT",
    ],
)
def test_anything_else_is_no_timestamp(text: str) -> None:
    assert parse(text) == NO_TIME


def test_a_time_before_1970_is_negative_and_still_a_time() -> None:
    assert parse("1969-12-31T23:59:59.9999Z") == -1
    assert NO_TIME < parse("0000-01-01T00:00:00+23:59") < 0


def test_neighbours_in_a_batch_do_not_touch_each_other() -> None:
    texts = ["1970-01-01T00:00:01Z", "", "用户", "1970-01-01T00:00:02.5+00:00", "1970-01-01T00:00:0"]
    assert parse_timestamps(texts).tolist() == [1000, NO_TIME, NO_TIME, 2500, NO_TIME]


def test_no_texts_give_no_times() -> None:
    assert parse_timestamps([]).tolist() == []


@given(
    st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)),  # noqa: DTZ001 - naive on purpose
    st.integers(-1439, 1439),
    st.integers(0, 9),
)
def test_every_moment_agrees_with_the_standard_library(moment: datetime, offset: int, digits: int) -> None:
    zone = timezone(timedelta(minutes=offset))
    sign = "-" if offset < 0 else "+"
    fraction = f".{moment.microsecond:06d}000"[: digits + 1] if digits else ""
    text = f"{moment:%H:%M:%S}{fraction}{sign}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
    text = f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}T{text}"
    kept = moment.microsecond // 10 ** max(0, 6 - digits) * 10 ** max(0, 6 - digits) if digits else 0
    elapsed = moment.replace(microsecond=kept, tzinfo=zone) - datetime(1970, 1, 1, tzinfo=UTC)
    assert parse(text) == elapsed // timedelta(milliseconds=1)
