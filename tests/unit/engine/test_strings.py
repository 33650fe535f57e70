from __future__ import annotations

import pytest

from rules.program import Predicate
from rules.tables import Tables
from stream.engine import fields
from stream.engine.strings import DAY, NO_DAY, Strings, day_number

PREDICATES = (
    Predicate("equals", "café", lowered=True),
    Predicate("starts_with", "Ca", lowered=False),
    Predicate("ends_with", "é", lowered=True),
    Predicate("contains", "a", lowered=False),
)


def test_every_string_has_a_verdict_of_each_predicate_however_late_it_comes() -> None:
    strings = Strings({"CAFÉ": 1}, PREDICATES)
    assert strings.known().verdicts[:2].tolist() == [[0, 0, 0, 0], [1, 0, 1, 0]]
    number = strings.number("Café")
    assert strings.known().verdicts[number].tolist() == [1, 1, 1, 1]
    for index in range(5_000):
        strings.number(f"Ca{index}")
    assert strings.known().verdicts[strings.number("Ca4999")].tolist() == [0, 1, 0, 1]
    kept = strings.keep(strings.known().numbers[:0, 0])
    assert kept[1] == 1
    assert strings.known().verdicts[strings.number("Café")].tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1970-01-01", 0),
        ("1969-12-31T23:59:59Z", -1),
        ("2024-02-29 whatever\nfollows", 19_782),
        ("9999-12-31", 2_932_896),
        ("2023-02-29", NO_DAY),
        ("0000-01-01", NO_DAY),
        ("2024-2-29", NO_DAY),
        ("2024-02-29t00", NO_DAY),
        ("２０２４-02-29", NO_DAY),
        ("2024-02-29\n", NO_DAY),
        ("", NO_DAY),
    ],
)
def test_a_date_is_what_a_string_begins_with_before_a_t_or_a_blank(text: str, day: int) -> None:
    assert day_number(text) == day
    strings = Strings({}, dated=True)
    number = strings.number(text)
    assert strings.known().numbers[number, DAY] == day


def test_the_kernel_asks_for_fields_by_the_places_that_they_have() -> None:
    assert [getattr(fields, name.upper()) for name in Tables._fields] == [*range(len(Tables._fields))]
