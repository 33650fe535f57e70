"""The reference fold of tiers, of segments that read each other, and of a catalog that takes over from another."""

from __future__ import annotations

import json
from typing import Any

from rules.catalog import parse_catalog
from rules.reference import Reference

NO_WATERMARK_MS = -1
HORIZON_MS = 2**42

BASE = """
catalog: base
version: 5
tags:
  times: count("A")
segments:
  kept: {when: times >= 1, min_stay: 1m}
  gone: {when: times >= 1, min_stay: 1h, title: Old, kind: value}
tiers:
  rank:
    title: Rank
    levels:
      low: times < 2
      mid: times < 3
      high: always
  lost:
    levels: {one: times < 2, two: always}
"""
NEXT = """
catalog: base
version: 6
tags:
  paid: mean("A", "x", where=property("x") > 1)
segments:
  kept: {when: 'count("A") >= 5', min_stay: 2m}
  fresh: {when: 'paid > 2 and level(rank) == "upper"'}
tiers:
  rank:
    kind: value
    levels: {upper: paid > 0, lower: always}
"""


def _feed(reference: Reference, offset: int, t_ms: int, **fields: object) -> list[dict[str, Any]]:
    moment = f"1970-01-01T{t_ms // 3_600_000:02}:{t_ms // 60_000 % 60:02}:{t_ms // 1000 % 60:02}.{t_ms % 1000:03}Z"
    document = {"userId": "abc", "type": "track", "event": "A", "timestamp": moment, **fields}
    outcome = reference.feed(json.dumps(document).encode(), offset, NO_WATERMARK_MS, HORIZON_MS)
    assert outcome.reason is None
    return outcome.changes


def _brief(changes: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    return [
        (data["cause"], data.get("segment") or data["tier"], data.get("stayed_ms"), data.get("from"), data.get("to"))
        for data in (change["data"] for change in changes)
    ]


def test_a_user_is_on_a_level_of_every_tier_from_the_first_event_on() -> None:
    reference = Reference(parse_catalog(BASE))

    _feed(reference, 0, 0, type="alias")

    assert reference.profile("abc").levels == {"rank": "low", "lost": "one"}
    assert reference.profile("abc").version == 2


def test_a_change_of_level_is_one_message_with_from_and_to() -> None:
    reference = Reference(parse_catalog(BASE))
    _feed(reference, 0, 0)

    change = _feed(reference, 1, 0)[0]

    assert change["type"] == "tagstream.level.changed"
    assert list(change["data"]) == [
        "user", "incarnation", "version", "cause", "catalog_version", "model_versions", "tags", "record",
        "tier", "kind", "title", "from", "to",
    ]  # fmt: skip
    assert (change["data"]["tags"], change["data"]["title"]) == ({"times": 2.0}, "Rank")
    assert _brief([change]) == [("event", "rank", None, "low", "mid")]


def test_a_newer_catalog_is_looked_at_once_in_its_order_and_then_what_is_gone() -> None:
    reference = Reference(parse_catalog(BASE))
    _feed(reference, 0, 0, properties={"x": 1})
    _feed(reference, 1, 30_000, properties={"x": 3})

    changes: list[dict[str, Any]] = reference.switch(parse_catalog(NEXT), 40_000)

    assert _brief(changes) == [
        ("catalog", "rank", None, "mid", "upper"),
        ("catalog", "fresh", None, None, None),
        ("catalog", "gone", 40_000, None, None),
        ("catalog", "lost", None, "two", None),
    ]
    assert {change["time"] for change in changes} == {"1970-01-01T00:00:40.000Z"}
    assert [(data["catalog_version"], data["title"], data["kind"]) for data in (each["data"] for each in changes)] == [
        (6, "rank", "value"), (6, "fresh", "behaviour"), (6, "Old", "value"), (6, "lost", "behaviour"),
    ]  # fmt: skip
    assert [change["data"]["tags"] for change in changes] == [{"paid": 3.0}, {"paid": 3.0}, {}, {}]
    assert reference.profile("abc").levels == {"rank": "upper"}
    assert reference.profile("abc").segments == ["kept", "fresh"]


def test_entries_count_on_by_name_under_the_stay_of_the_newer_catalog() -> None:
    reference = Reference(parse_catalog(BASE))
    _feed(reference, 0, 0)
    reference.switch(parse_catalog(NEXT), 70_000)

    assert reference.next_flip_ms("abc") == 120_000
    (change,) = reference.advance(200_000)
    assert (change["time"], _brief([change])) == ("1970-01-01T00:02:00.000Z", [("time", "kept", 120_000, None, None)])


def test_a_user_ahead_of_the_watermark_is_looked_at_at_its_own_moment() -> None:
    reference = Reference(parse_catalog(BASE))
    _feed(reference, 0, 90_000)

    assert {change["time"] for change in reference.switch(parse_catalog(NEXT), 60_000)} == {"1970-01-01T00:01:30.000Z"}


def test_what_is_due_by_the_watermark_happens_under_the_old_catalog() -> None:
    quiet = 'catalog: q\nversion: {}\nsegments:\n  quiet: {{when: since() >= "{}s"}}\n'
    reference = Reference(parse_catalog(quiet.format(1, 10)))
    _feed(reference, 0, 0)

    changes: list[dict[str, Any]] = reference.switch(parse_catalog(quiet.format(2, 20)), 15_000)

    assert _brief(changes) == [("time", "quiet", None, None, None), ("catalog", "quiet", 5_000, None, None)]
    assert [change["data"]["catalog_version"] for change in changes] == [1, 2]
    assert reference.next_flip_ms("abc") == 20_000


def test_a_catalog_that_is_not_newer_is_passed_over() -> None:
    reference = Reference(parse_catalog(BASE))
    _feed(reference, 0, 0)

    for version in (4, 5):
        assert reference.switch(parse_catalog(NEXT.replace("version: 6", f"version: {version}")), 40_000) == []
    assert reference.catalog.version == 5
    assert reference.next_flip_ms("abc") is None


def test_a_segment_and_a_tier_of_one_name_are_two_things() -> None:
    reference = Reference(parse_catalog("catalog: n\nversion: 1\nsegments:\n  name: {when: count() > 0}\n"))
    _feed(reference, 0, 0)
    tier = "catalog: n\nversion: 2\ntiers:\n  name:\n    levels: {some: count() > 0, none_at_all: always}\n"

    changes: list[dict[str, Any]] = reference.switch(parse_catalog(tier), 0)

    assert _brief(changes) == [("catalog", "name", None, None, "some"), ("catalog", "name", 0, None, None)]


def test_the_sum_behind_a_mean_has_the_limit_of_sums() -> None:
    reference = Reference(parse_catalog('catalog: m\nversion: 1\nsegments:\n  s:\n    when: mean("A", "x") > 0\n'))
    for offset in range(9):
        _feed(reference, offset, 0, properties={"x": 999_999_999_999})

    document = {"userId": "abc", "type": "track", "event": "A", "timestamp": "1970-01-01T00:00:00Z"}
    reasons = []
    for amount in (10, 9):
        value = json.dumps({**document, "properties": {"x": amount}}).encode()
        reasons.append(reference.feed(value, 9, NO_WATERMARK_MS, HORIZON_MS).reason)
    assert reasons == ["sum_too_large", None]
