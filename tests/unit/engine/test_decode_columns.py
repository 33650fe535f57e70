from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from stream.engine.decode import (
    ABSENT,
    BOOLEAN,
    MISSING,
    NOT_COUNTED,
    NUMBER,
    OTHER,
    STRING,
    Columns,
    Decoded,
    DecodePlan,
    Decoder,
    cut_text,
)
from stream.engine.murmur import hash_message_ids
from stream.engine.result import Records

PLAN = DecodePlan(
    event_names={"Order Completed": 1, "Product Added": 2, "Page Viewed": 3},
    properties=("revenue", "category", "gift"),
    numeric={0: frozenset({1})},
    literals={"Shoes": 1, "鞋": 2},
    traits=("gender", "age"),
)
TIME_MS = 1_767_225_600_000
NO_DOUBLES = ["1e400", "-1e400", "9" * 309, "-" + "9" * 400, "1" + "0" * 5000, "-" + "9" * 5000, "9" * 400 + ".5"]


def records_of(*values: bytes | None) -> Records:
    count = len(values)
    return Records(
        values=list(values),
        offsets=np.arange(100, 100 + count, dtype=np.int64),
        watermark_ms=np.arange(count, dtype=np.int64),
        horizon_ms=np.full(count, TIME_MS + 3_600_000, np.int64),
        forwarded=np.zeros(count, np.bool_),
    )


def event(**fields: Any) -> bytes:
    whole = {"type": "track", "event": "Order Completed", "userId": "u", "timestamp": "2026-01-01T00:00:00Z", **fields}
    return json.dumps(whole, ensure_ascii=False).encode()


def decode(*values: bytes | None, plan: DecodePlan = PLAN) -> Decoded:
    decoded = Decoder(plan).decode(records_of(*values))
    assert_well_formed(decoded.columns, plan)
    assert len(decoded.users) == len(decoded.columns.record)
    return decoded


def assert_well_formed(columns: Columns, plan: DecodePlan) -> None:
    rows, values = len(columns.record), len(columns.trait)
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(
        ("record", "time_ms", "watermark_ms", "offset", "name", "id_hash"), (rows,)
    )
    shapes |= {f"property_{name}": (rows, len(plan.properties)) for name in ("kind", "number", "text", "units")}
    shapes |= dict.fromkeys(("trait", "trait_kind", "trait_number", "trait_text"), (values,))
    shapes["trait_start"] = (rows + 1,)
    dtypes = {
        **dict.fromkeys(("record", "name", "property_text", "trait_start", "trait", "trait_text"), np.int32),
        **dict.fromkeys(("time_ms", "watermark_ms", "offset", "property_units"), np.int64),
        **dict.fromkeys(("property_number", "trait_number"), np.float64),
        **dict.fromkeys(("property_kind", "trait_kind"), np.uint8),
        "id_hash": np.uint64,
    }
    actual = columns._asdict()
    assert {name: array.shape for name, array in actual.items()} == shapes
    assert {name: array.dtype.type for name, array in actual.items()} == dtypes
    assert all(array.flags.c_contiguous for array in actual.values())


def test_an_event_becomes_one_row() -> None:
    decoded = decode(event(messageId="m-1", timestamp="2026-01-01T00:00:00.123456+00:00", userId="用户"))
    columns = decoded.columns
    assert decoded.users == ["用户"]
    assert decoded.rejects == []
    assert columns.record.tolist() == [0]
    assert columns.time_ms.tolist() == [TIME_MS + 123]
    assert columns.watermark_ms.tolist() == [0]
    assert columns.offset.tolist() == [100]
    assert columns.name.tolist() == [1]
    assert columns.id_hash.tolist() == hash_message_ids(["m-1"]).tolist()


def test_names_are_those_of_the_catalog_and_a_page_or_screen_has_a_name_of_its_own() -> None:
    values = [
        event(event="Product Added"),
        event(event="product added"),
        event(type="page", event=None, name="Home"),
        event(event="Page Viewed"),
        event(type="screen"),
        event(type="identify"),
        event(type="alias"),
        event(type="group"),
    ]
    names = decode(*values).columns.name.tolist()
    assert names == [2, 0, 3, 3, 0, NOT_COUNTED, NOT_COUNTED, NOT_COUNTED]


def test_an_absent_null_or_empty_message_id_is_no_id() -> None:
    columns = decode(event(), event(messageId=None), event(messageId="")).columns
    assert columns.id_hash.tolist() == [0, 0, 0]


def test_a_property_has_a_kind_and_a_number_or_a_literal() -> None:
    values = [1, 2.5, True, False, "Shoes", "鞋", "shoes", None, [1], {"Shoes": 1}]
    columns = decode(event(), *(event(properties={"category": value}) for value in values)).columns
    kinds = [MISSING, NUMBER, NUMBER, BOOLEAN, BOOLEAN, STRING, STRING, STRING, MISSING, OTHER, OTHER]
    assert columns.property_kind[:, 1].tolist() == kinds
    assert columns.property_number[:, 1].tolist() == [0, 1, 2.5, 1, 0, 0, 0, 0, 0, 0, 0]
    assert columns.property_text[:, 1].tolist() == [0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0]
    assert columns.property_units[:, 1].tolist() == [0, 1_000_000, 2_500_000, 0, 0, 0, 0, 0, 0, 0, 0]


def test_a_column_of_one_kind_reads_the_same_as_a_mixed_one() -> None:
    for values in ([1, None, 2.5], ["Shoes", None, "x"], [True, None, False], [None, None, None]):
        one = [event(properties={"category": value, "gift": value}) for value in values]
        alone = decode(*one).columns
        mixed = decode(*one, event(properties={"category": [], "gift": {}})).columns
        for name in ("property_kind", "property_number", "property_text", "property_units"):
            assert getattr(alone, name).tolist() == getattr(mixed, name)[:3].tolist()


@pytest.mark.parametrize(
    ("number", "units"),
    [
        ("0.1", 100_000),
        ("0.0000005", 0),  # half to even
        ("0.0000015", 2),
        ("0.0000025", 2),
        ("-19.999999", -19_999_999),
        ("1e3", 1_000_000_000),
        ("999999999999", 999_999_999_999_000_000),
        ("-999999999999", -999_999_999_999_000_000),
        ("999999999999.9999", 999_999_999_999_999_872),  # of the double nearest to it
        ("1000000000000", 0),
        ("1e300", 0),
        ("123456789012345678901234567890", 0),
    ],
)
def test_units_are_exact_millionths_below_a_million_million(number: str, units: int) -> None:
    value = event(properties={"gift": "GIFT"}).replace(b'"GIFT"', number.encode())
    columns = decode(value).columns
    assert columns.property_kind[0, 2] == NUMBER
    assert columns.property_number[0, 2] == float(number)
    assert columns.property_units[0, 2] == units


def test_a_negative_zero_is_zero() -> None:
    zero = event(properties={"gift": -0.0}, traits={"age": -0.0}, type="identify")
    columns = decode(zero).columns
    assert not np.signbit(columns.property_number).any()
    assert not np.signbit(columns.trait_number).any()


def test_traits_of_identify_are_listed_by_row_and_a_null_removes() -> None:
    decoded = decode(
        event(traits={"gender": "F"}),
        event(type="identify", traits={"age": 33, "gender": "F", "unread": 1}),
        event(type="group", traits={"age": 1}),
        event(type="identify", traits=None),
        event(type="identify", traits={"gender": None, "age": True}),
        event(type="identify", traits={"gender": ["F"], "age": "F"}),
    )
    columns = decoded.columns
    assert columns.trait_start.tolist() == [0, 0, 2, 2, 2, 4, 6]
    assert columns.trait.tolist() == [0, 1, 0, 1, 0, 1]
    assert columns.trait_kind.tolist() == [STRING, NUMBER, MISSING, BOOLEAN, OTHER, STRING]
    assert columns.trait_number.tolist() == [0, 33, 0, 1, 0, 0]
    assert columns.trait_text.tolist() == [0, -1, -1, -1, -1, 0]
    assert decoded.texts == ["F"]


def test_a_text_is_cut_to_256_bytes_at_a_characters_boundary() -> None:
    assert cut_text("a" * 256) == "a" * 256
    assert cut_text("a" * 257) == "a" * 256
    assert cut_text("é" * 200) == "é" * 128
    assert cut_text("a" + "用" * 100) == "a" + "用" * 85
    assert cut_text("😀" * 65) == "😀" * 64
    assert decode(event(type="identify", traits={"gender": "用" * 300})).texts == ["用" * 85]


def test_a_property_longer_than_a_cut_literal_equals_it() -> None:
    plan = DecodePlan({}, ("category",), {}, {"用" * 85: 1, "Shoes": 2}, ())
    values = [event(properties={"category": "用" * length}) for length in (84, 85, 86, 300)]
    assert decode(*values, plan=plan).columns.property_text[:, 0].tolist() == [0, 1, 1, 1]


def test_keys_are_exact_and_may_be_written_with_escapes() -> None:
    value = event(properties={"Revenue": 1}, TYPE="page").replace(b'"userId"', b'"user\\u0049d"')
    columns = decode(value).columns
    assert columns.property_kind.tolist() == [[MISSING, MISSING, MISSING]]


def test_of_two_members_of_one_name_the_last_counts() -> None:
    value = event(properties={"revenue": 2}).replace(b'{"type"', b'{"userId": 5, "properties": {"gift": 1}, "type"')
    decoded = decode(value)
    assert decoded.users == ["u"]
    assert decoded.columns.property_number.tolist() == [[2, 0, 0]]


def test_names_that_json_must_escape_are_read_too() -> None:
    plan = DecodePlan({}, ('say "hi"', "a\\b", "tab\t"), {0: frozenset({0})}, {"x": 1}, ('"trait"', "plain"))
    decoded = decode(
        event(properties={'say "hi"': 1.5, "a\\b": "x", "tab\t": True}),
        event(type="identify", traits={'"trait"': "y", "plain": 1}),
        event(properties={'say "hi"': "one"}),
        plan=plan,
    )
    columns = decoded.columns
    assert columns.property_number.tolist() == [[1.5, 0, 1], [0, 0, 0]]
    assert columns.property_text.tolist() == [[0, 1, 0], [0, 0, 0]]
    assert columns.trait.tolist() == [0, 1]
    assert [reject.reason for reject in decoded.rejects] == ["not_a_number"]


def test_a_catalog_that_reads_nothing_still_gets_every_event() -> None:
    plan = DecodePlan({}, (), {}, {}, ())
    decoded = decode(event(), event(type="identify", traits={"a": 1}), event(type="page"), plan=plan)
    assert decoded.columns.name.tolist() == [0, NOT_COUNTED, 0]
    assert decoded.columns.property_kind.shape == (3, 0)


def test_no_records_give_no_rows() -> None:
    assert decode().users == []


TEXT_PLAN = DecodePlan(
    {}, ("category", "brand", "plain"), {}, {"Shoes": 1}, ("city",), frozenset({0, 1}), frozenset({1})
)


def test_all_strings_of_text_columns_and_traits_are_handed_on_once_and_cut() -> None:
    decoded = decode(
        event(properties={"category": "Shoes", "brand": "Ünïcode", "plain": "Shoes"}),
        event(properties={"category": "Ünïcode", "brand": "用" * 300, "plain": "other"}),
        event(properties={"category": "用" * 85, "brand": 1.5}, traits={"city": "Shoes"}, type="identify"),
        plan=TEXT_PLAN,
    )
    texts, columns = decoded.texts, decoded.columns
    assert sorted(texts) == ["Shoes", "Ünïcode", "用" * 85]
    there = [[texts[place] for place in columns.property_text[row, :2]] for row in (0, 1)]
    assert there == [["Shoes", "Ünïcode"], ["Ünïcode", "用" * 85]]
    assert texts[columns.property_text[2, 0]] == "用" * 85
    assert texts[columns.trait_text[0]] == "Shoes"
    assert columns.property_text[:, 2].tolist() == [1, 0, 0]


def test_in_null_columns_a_null_is_told_from_nothing() -> None:
    rows = [{"brand": None}, {}, {"brand": "x"}, {"brand": 1}, {"brand": [1]}]
    for count in range(1, len(rows) + 1):
        columns = decode(*(event(properties=row) for row in rows[:count]), plan=TEXT_PLAN).columns
        assert columns.property_kind[:, 1].tolist() == [MISSING, MISSING, STRING, NUMBER, OTHER][:count]
        assert columns.property_text[:, 1].tolist() == [0, ABSENT, 0, 0, 0][:count]
    nothing = decode(event(), event(properties=None), plan=TEXT_PLAN).columns
    assert nothing.property_text[:, 1].tolist() == [ABSENT, ABSENT]


@pytest.mark.parametrize("number", NO_DOUBLES)
def test_a_number_that_no_double_holds_is_a_null(number: str) -> None:
    def read(value: object, *beside: object) -> list[object]:
        rows = [event(properties={"category": each, "brand": each}) for each in (value, *beside)]
        columns = decode(*[row.replace(b'"?"', number.encode()) for row in rows], plan=TEXT_PLAN).columns
        matrices = columns.property_kind, columns.property_number, columns.property_text, columns.property_units
        return [matrix.tolist() for matrix in matrices]

    neighbours: list[list[object]] = [[], [7], [True], ["x", 2.5], [None], [[]]]
    for beside in neighbours:
        assert read("?", *beside) == read(None, *beside)


@pytest.mark.parametrize("number", NO_DOUBLES)
def test_inside_an_array_or_object_a_number_that_no_double_holds_is_not_looked_at(number: str) -> None:
    values = [
        event(properties={"category": each}, traits={"age": each}, type="identify") for each in (["?"], {"a": "?"})
    ]
    columns = decode(*[value.replace(b'"?"', number.encode()) for value in values]).columns
    assert columns.property_kind[:, 1].tolist() == [OTHER, OTHER]
    assert columns.trait_kind.tolist() == [OTHER, OTHER]


@pytest.mark.parametrize("number", NO_DOUBLES)
def test_a_trait_that_no_double_holds_removes_the_trait(number: str) -> None:
    value = event(type="identify", traits={"age": "?", "gender": "F"}).replace(b'"?"', number.encode())
    columns = decode(value, event(type="identify", traits={"age": 33})).columns
    assert columns.trait.tolist() == [0, 1, 1]
    assert columns.trait_kind.tolist() == [STRING, MISSING, NUMBER]
    assert columns.trait_number.tolist() == [0, 0, 33]
    assert columns.trait_text.tolist() == [0, -1, -1]


def test_a_record_read_carefully_tells_a_null_from_nothing_too() -> None:
    whole = event(properties={"brand": None}, event="ok").replace(b'"messageId"', b'"x"')
    strange = [record.replace(b'"userId"', b'"userId": 1, "userId"') for record in (whole, event())]
    columns = decode(*strange, plan=TEXT_PLAN).columns
    assert columns.property_text[:, 1].tolist() == [0, ABSENT]
