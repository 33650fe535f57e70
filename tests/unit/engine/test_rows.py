from __future__ import annotations

import json

import numpy as np
import pytest

from rules.catalog import parse_catalog
from stream.engine import Engine, Profile, Records, RowFormatError, StepResult, row_members, row_step

CATALOG = """
catalog: shop
version: 4
tags:
  orders_30d: count("Order Completed", last="30d")
  spend: sum("Order Completed", "revenue")
  first: since_first()
  city: trait("city")
  vip: trait("vip")
segments:
  buyer: {when: orders_30d >= 1, min_stay: 2d}
  spender: {when: spend > 100}
"""

WIDER = CATALOG.replace("version: 4", "version: 5").replace(
    "segments:", 'segments:\n  seen:\n    when: count("Page Viewed", last="7d") > 0'
)


def records(*events: dict[str, object]) -> Records:
    values: list[bytes | None] = [json.dumps({"userId": "ana", **event}).encode() for event in events]
    n = len(values)
    return Records(values, np.arange(n), np.full(n, -(2**62)), np.full(n, 2**62), np.zeros(n, np.bool_))


def engine(catalog: str = CATALOG) -> Engine:
    return Engine(parse_catalog(catalog), app="test", partition=0, partition_count=1)


def order(time: str, revenue: float, message_id: str) -> dict[str, object]:
    properties = {"revenue": revenue}
    return {
        "type": "track",
        "event": "Order Completed",
        "timestamp": time,
        "properties": properties,
        "messageId": message_id,
    }


EVENTS: tuple[dict[str, object], ...] = (
    order("1970-01-01T00:00:00Z", -0.5, "a"),
    {"type": "identify", "timestamp": "1970-01-02T00:00:00Z", "traits": {"city": "Zürich", "vip": True}},
    order("1970-01-20T00:00:00Z", 150.25, "b"),
)


def run(some: Engine, *events: dict[str, object], step: int = 7) -> StepResult:
    batch = some.decode(records(*events))
    some.load(batch.cold, [None] * len(batch.cold))
    return some.process(batch, 0, step)


def profile(some: Engine) -> Profile:
    return some.profiles(["ana"])[0]


def test_a_row_read_back_is_the_row_that_was_written() -> None:
    first = engine()
    ((user, row),) = run(first, *EVENTS).rows
    second = engine()
    second.load([user], [row])
    assert profile(second) == profile(first)
    assert profile(second).tags == {
        "orders_30d": 2,
        "spend": 149.75,
        "first": 19 * 86_400_000,
        "city": "Zürich",
        "vip": True,
    }
    assert second.process_due(["ana"], 2**50, 8).rows == first.process_due(["ana"], 2**50, 8).rows


def test_a_row_tells_its_step_and_its_segments_without_an_engine() -> None:
    ((_, row),) = run(engine(), *EVENTS, step=2**40 + 3).rows
    assert row_step(row) == 2**40 + 3
    assert row_members(row, ["spender", "buyer", "unknown"]) == {"buyer": 0, "spender": 19 * 86_400_000}


def test_a_row_is_read_under_another_catalog_with_what_both_have() -> None:
    ((user, row),) = run(engine(), *EVENTS).rows
    wider = engine(WIDER)
    wider.load([user], [row])
    found = profile(wider)
    assert (found.segments, found.tags["spend"], found.tags["city"]) == (["buyer", "spender"], 149.75, "Zürich")
    ((_, again),) = run(wider, order("1970-01-21T00:00:00Z", 1, "c")).rows
    narrower = engine()
    narrower.load([user], [again])
    assert profile(narrower).tags["spend"] == 150.75


def test_a_duplicate_is_still_known_after_the_row_was_stored_and_read_back() -> None:
    ((user, row),) = run(engine(), *EVENTS).rows
    second = engine()
    second.load([user], [row])
    result = run(second, EVENTS[2])
    assert (result.duplicates, result.accepted, result.rows) == (1, 0, [])


def test_a_row_of_another_format_is_refused_in_words() -> None:
    ((user, row),) = run(engine(), *EVENTS).rows
    with pytest.raises(RowFormatError, match="format 9, this version of tagstream reads 3"):
        engine().load([user], [b"\x09" + row[1:]])


def test_the_same_content_gives_the_same_bytes() -> None:
    assert run(engine(), *EVENTS).rows == run(engine(), *EVENTS).rows
