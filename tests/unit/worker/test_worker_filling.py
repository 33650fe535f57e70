"""What a new version reads of the past that the one before did not, and how that is computed."""

from __future__ import annotations

import json

import numpy as np

from rules.catalog import Catalog, parse_catalog
from stream.engine import NEVER_MS, Engine, Records
from stream.worker.filling import FillPlan, plan_filling, warming_until

DAY_MS = 86_400_000


def catalog(version: int = 1, **tags: str) -> Catalog:
    lines = "".join(f"  {name}: '{expression}'\n" for name, expression in tags.items())
    head = f"catalog: shop\nversion: {version}\ntags:\n{lines}" if tags else f"catalog: shop\nversion: {version}\n"
    return parse_catalog(f"{head}segments:\n  one: {{when: 'has(since())'}}\n", with_lint=False)


def planned(new: Catalog, base: Catalog) -> list[str]:
    return sorted(text.split("\x1f")[0] for text in plan_filling(new, base).nodes)


def test_nothing_is_filled_where_thresholds_change_and_all_that_is_read_was_there() -> None:
    base = catalog(orders='count("Order")', age='trait("age")')
    new = parse_catalog(
        "catalog: shop\nversion: 2\ntags: {}\nsegments:\n"
        '  many: {when: \'count("Order") > 5 and trait("age") > 3\', exit: \'count("Order") < 2\'}\n'
    )
    assert plan_filling(new, base) == FillPlan({}, None)


def test_what_is_new_is_filled_wherever_it_is_read() -> None:
    base = catalog(orders='count("Order")')
    new = parse_catalog(
        """
catalog: shop
version: 2
tags:
  orders: count("Order")
  spent: sum("Order", "revenue", last="30d")
segments:
  a: {when: 'orders > 1', exit: 'min("Order", "revenue") > 5'}
  b: {when: 'trait("gender") == "F" and latest("Viewed", "category") == "shoes"'}
tiers:
  life:
    kind: value
    levels:
      young: 'since_first() < "7d"'
      old: always
"""
    )
    assert planned(new, base) == ["gender", "latest", "min", "since_first", "sum"]


def test_a_mean_of_what_was_summed_fills_no_more_than_what_is_missing() -> None:
    base = catalog(spent='sum("Order", "revenue")')
    assert planned(catalog(2, usual='mean("Order", "revenue")'), base) == ["mean"]
    assert planned(catalog(2, spent='sum("Order", "revenue")'), catalog(usual='mean("Order", "revenue")')) == []


def test_the_same_property_in_a_place_of_another_kind_is_not_new() -> None:
    base = catalog(seen='latest("Viewed", "category") == "shoes"')
    assert planned(catalog(2, high='latest("Viewed", "category") > 5'), base) == []


def test_a_window_is_whole_when_it_has_passed_and_what_counts_for_ever_never_is() -> None:
    plan = plan_filling(catalog(2, month='count("A", last="30d")', ever='count("A")', age='trait("age")'), catalog())
    found = sorted(warming_until(node, 1_000) for node in plan.nodes.values())
    assert found == [1_000 + 61 * (30 * DAY_MS // 60), NEVER_MS, NEVER_MS]


def _filled(values: list[bytes], new: Catalog, base: Catalog) -> dict[str, object]:
    """What the filling makes of one user's records, by the function that it is new in."""
    plan = plan_filling(new, base)
    assert plan.program is not None
    engine = Engine(plan.program, app="app", partition=0, partition_count=1)
    count = len(values)
    zeros = np.zeros(count, np.int64)
    batch = engine.decode(Records([*values], zeros, zeros, np.full(count, 2**60, np.int64), np.zeros(count, np.bool_)))
    engine.load(batch.cold, [None])
    assert engine.process(batch, 0, 1).rejects == []
    (profile,) = engine.profiles(["ann"])
    return {node.split("\x1f")[0]: profile.tags[f"tag_{place}"] for place, node in enumerate(plan.nodes)}


def test_records_are_judged_by_the_version_before() -> None:
    base = catalog(old='sum("Order", "tax")')
    plan = plan_filling(catalog(2, spent='sum("Order", "revenue")', orders='count("Order")'), base)
    assert plan.program is not None
    engine = Engine(plan.program, app="app", partition=0, partition_count=1)
    properties = [{"revenue": 5}, {"revenue": "much"}, {"revenue": 7, "tax": "none"}, {"tax": 1, "revenue": 10**400}]
    event = {"type": "track", "userId": "ann", "event": "Order"}
    values = [
        json.dumps({**event, "timestamp": f"2026-01-01T00:00:0{second}Z", "properties": each}).encode()
        for second, each in enumerate(properties)
    ]
    count = len(values)
    records = Records(
        values=list(values),
        offsets=np.arange(count, dtype=np.int64),
        watermark_ms=np.zeros(count, np.int64),
        horizon_ms=np.full(count, 2**60, np.int64),
        forwarded=np.zeros(count, np.bool_),
    )
    batch = engine.decode(records)
    engine.load(batch.cold, [None])
    result = engine.process(batch, 0, 1)
    assert [(reject.index, reject.reason) for reject in result.rejects] == [(2, "not_a_number")]
    assert result.changes == []
    (profile,) = engine.profiles(["ann"])
    assert sorted(value for value in profile.tags.values() if isinstance(value, int | float)) == [1, 3, 5]


def test_a_number_too_large_to_aggregate_adds_nothing_where_only_the_new_version_aggregates_it() -> None:
    base = catalog(seen='count("Order", where=property("revenue") > 3)')
    new = catalog(
        2, **{f"its_{name}": f'{name}("Order", "revenue")' for name in ("sum", "mean", "min", "max", "distinct")}
    )
    event = {"type": "track", "userId": "ann", "event": "Order", "timestamp": "2026-01-01T00:00:00Z"}
    values = [json.dumps({**event, "properties": {"revenue": x}}).encode() for x in (5, 1e12, -1e15, 10**400, 7)]
    assert _filled(values, new, base) == {
        "sum": 12,
        "mean": 6,
        "min": 5,
        "max": 7,
        "distinct": 4,
    }


def test_the_busiest_hour_is_filled_again_where_the_time_zone_changes() -> None:
    here = catalog(hour="top_hour()", orders='count("Order")')
    there = parse_catalog(here.text.replace("version: 1", "version: 2\ntimezone: Asia/Shanghai"))
    assert planned(there, here) == ["top_hour"]
    assert planned(here, there) == ["top_hour"]
    assert planned(here, here) == []
