from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rules.columns import Features, values_of
from rules.compiled import Fact
from rules.nodes import (
    Aggregate,
    Among,
    Arithmetic,
    Compare,
    Days,
    Has,
    Kind,
    Level,
    Lower,
    Membership,
    Node,
    Not,
    NumberValue,
    TextTest,
    TextValue,
    Trait,
)
from rules.tables import FLAG, MISSING, NO_VALUE, NUMBER, OTHER, TEXT

SUM = Aggregate("sum", "A", "x", 60_000)
VALUES = Aggregate("values", "A", "x", 60_000)
MEAN = Aggregate("mean", "A", "x", 60_000)
LEAST = Aggregate("min", "A", "x")
DISTINCT = Aggregate("distinct", "A", "x")
DAYS = Days("days_until", Trait("birthday", Kind.STRING), True)
TOP = Aggregate("top", "A", "x", half_life_ms=1000)
HOUR = Aggregate("top_hour", None)
TEXTS = ["", "Beijing", "new"]


def features(values: dict[Aggregate | Days, list[int]], facts: dict[Fact, list[tuple[int, float, int]]]) -> Features:
    """Users with these aggregates, and facts as (kind, number, text)."""
    count = max([*map(len, values.values()), *map(len, facts.values())])
    columns = [*facts.values()]
    parts = [[[fact[row][part] for fact in columns] for row in range(count)] for part in range(3)]
    return Features(
        aggregates={node: number for number, node in enumerate(values)},
        facts={fact: number for number, fact in enumerate(facts)},
        moment=np.full(count, 1_000, np.int64),
        value=np.array([*values.values()], np.int64).reshape(len(values), count).T,
        fact_kind=np.array(parts[0], np.uint8),
        fact_number=np.array(parts[1], np.float64),
        fact_text=np.array(parts[2], np.int32),
        text_of=TEXTS.__getitem__,
    )


def test_a_mean_is_the_sum_by_the_number_of_values() -> None:
    of = features({SUM: [7_000_000, 0, -1], VALUES: [2, 0, 3]}, {})
    assert values_of(MEAN, of) == [3.5, None, -1e-6 / 3]
    assert values_of(Has(MEAN), of) == [True, False, True]
    assert values_of(Compare(">", MEAN, NumberValue(1)), of) == [True, None, False]


@pytest.mark.parametrize(("operator", "values"), [("+", [6.0]), ("-", [3.0]), ("*", [6.75]), ("/", [3.0])])
def test_numbers_are_added_subtracted_multiplied_and_divided(operator: str, values: list[float]) -> None:
    of = features({SUM: [4_500_000], LEAST: [1_500_000]}, {})
    assert values_of(Arithmetic(operator, SUM, LEAST), of) == values


def test_the_least_of_nothing_is_missing() -> None:
    of = features({LEAST: [2_500_000, NO_VALUE], DISTINCT: [3, 0]}, {})
    assert values_of(LEAST, of) == [2.5, None]
    assert values_of(Arithmetic("+", LEAST, DISTINCT), of) == [5.5, None]
    assert values_of(DISTINCT, of) == [3, 0]


def test_days_without_a_date_are_missing() -> None:
    of = features({DAYS: [0, -3, NO_VALUE]}, {})
    assert values_of(DAYS, of) == [0, -3, None]
    assert values_of(Compare("<=", DAYS, NumberValue(0)), of) == [True, True, None]


OPEN = [(TEXT, 0.0, 1), (NUMBER, 2.0, 0), (FLAG, 1.0, 0), (OTHER, 0.0, 0), (MISSING, 0.0, 0)]


def asked(node: Callable[[Kind], Node], kind: Kind) -> list[object]:
    return values_of(node(kind), features({}, {TOP: OPEN, Trait("t"): OPEN}))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Kind.ANY, ["Beijing", 2.0, True, None, None]),
        (Kind.STRING, ["Beijing", None, None, None, None]),
        (Kind.NUMBER, [None, 2.0, None, None, None]),
        (Kind.BOOLEAN, [None, None, True, None, None]),
    ],
)
def test_a_fact_of_another_kind_than_its_place_asks_for_is_missing(kind: Kind, values: list[object]) -> None:
    assert asked(lambda kind: Aggregate("top", "A", "x", half_life_ms=1000, kind=kind), kind) == values
    assert asked(lambda kind: Trait("t", kind), kind) == values


def test_has_asks_for_any_kind_unless_its_place_names_one() -> None:
    assert asked(lambda kind: Has(Trait("t", kind)), Kind.ANY) == [True, True, True, True, False]
    assert asked(lambda kind: Has(Trait("t", kind)), Kind.STRING) == [True, False, False, False, False]


def test_strings_are_looked_into_where_they_are_strings() -> None:
    def starts(text: str) -> Callable[[Kind], Node]:
        return lambda kind: TextTest("starts_with", Lower(Trait("t", kind)), TextValue(text))

    assert asked(starts("bei"), Kind.STRING) == [True, None, None, None, None]
    assert asked(starts("Bei"), Kind.STRING) == [False, None, None, None, None]
    assert asked(lambda kind: TextTest("contains", Trait("t", kind), TextValue("jin")), Kind.STRING)[:2] == [True, None]
    assert asked(lambda kind: TextTest("ends_with", Trait("t", kind), TextValue("jin")), Kind.STRING)[0] is False
    assert asked(lambda kind: Lower(Trait("t", kind)), Kind.STRING) == ["beijing", None, None, None, None]
    lowered = Compare("==", Lower(Trait("t", Kind.STRING)), TextValue("beijing"))
    assert asked(lambda _: lowered, Kind.STRING) == [True, None, None, None, None]


def test_memberships_levels_and_hours_are_plain_values() -> None:
    of = features(
        {},
        {
            Membership("vip"): [(FLAG, 1.0, 0), (FLAG, 0.0, 0)],
            Level("life"): [(TEXT, 0.0, 2), (TEXT, 0.0, 1)],
            HOUR: [(NUMBER, 18.0, 0), (MISSING, 0.0, 0)],
        },
    )
    assert values_of(Membership("vip"), of) == [True, False]
    assert values_of(Not(Membership("vip")), of) == [False, True]
    assert values_of(Level("life"), of) == ["new", "Beijing"]
    assert values_of(Among(Level("life"), (TextValue("new"), TextValue("old")), False), of) == [True, False]
    assert values_of(HOUR, of) == [18, None]
    assert [type(value) for value in values_of(HOUR, of)] == [int, type(None)]
