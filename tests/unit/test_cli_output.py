from __future__ import annotations

import pytest

from stream.commands.output import moment, print_json, print_json_line, print_table, span


def test_a_moment_is_rfc_3339_in_utc_to_the_millisecond() -> None:
    assert moment(0) == "1970-01-01T00:00:00.000Z"
    assert moment(1_774_915_200_007) == "2026-03-31T00:00:00.007Z"


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (0, "0ms"),
        (999, "999ms"),
        (1_000, "1s"),
        (65_000, "1m 5s"),
        (3_600_000, "1h"),
        (86_400_000 + 5 * 60_000, "1d"),
        (3 * 86_400_000 + 4 * 3_600_000 + 59_000, "3d 4h"),
        (-90_000, "-1m 30s"),
    ],
)
def test_a_span_is_told_in_its_two_largest_units(milliseconds: int, expected: str) -> None:
    assert span(milliseconds) == expected


def test_a_table_aligns_wide_characters_by_the_columns_they_take(capsys: pytest.CaptureFixture[str]) -> None:
    print_table({"title": "<", "members": ">"}, [("忠诚", 12), ("Loyal", 3)])
    assert capsys.readouterr().out.splitlines() == [
        "title  members",
        "忠诚        12",
        "Loyal        3",
    ]


def test_json_keeps_characters_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"title": "忠诚"})
    print_json_line({"title": "忠诚"})
    assert capsys.readouterr().out == '{\n  "title": "忠诚"\n}\n{"title":"忠诚"}\n'
