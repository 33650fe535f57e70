from __future__ import annotations

import pytest

from stream.commands.output import counted, moment, print_json, print_json_line, print_table, span, value_text


def test_a_moment_is_rfc_3339_in_utc_to_the_millisecond() -> None:
    assert moment(0) == "1970-01-01T00:00:00.000Z"
    assert moment(1_774_915_200_007) == "2026-03-31T00:00:00.007Z"


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (0, "0s"),
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


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "–"), (True, "true"), (3.0, "3"), (2.5, "2.5"), (1e300, "1e+300"), (7, "7"), ("F", "F")],
)
def test_a_value_is_told_as_people_write_it(value: object, expected: str) -> None:
    assert value_text(value) == expected


def test_counts_take_a_plural() -> None:
    assert [counted(count, "change") for count in (0, 1, 1_234)] == ["0 changes", "1 change", "1,234 changes"]
