"""Laws that the reference must keep, checked without the engine: what a right answer cannot depend on."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from math import lcm

from hypothesis import given
from hypothesis import strategies as st

from rules.catalog import Catalog, parse_catalog
from rules.interpret import hop_of
from rules.reference import Reference
from tests.property.random_catalogs import catalog_texts
from tests.property.random_logs import (
    DAY_MS,
    EPOCH,
    Fed,
    Item,
    fed_records,
    logs,
    timestamp_text,
    windows_of,
)
from tests.property.reference_runs import by_user, canonical, run_reference, share


def _folded(catalog: Catalog, items: list[Item], until_ms: int, *, live: bool = True) -> dict[str, list[str]]:
    return by_user(run_reference(catalog, fed_records(items, live=live), until_ms).changes)


def _until_ms(items: list[Item]) -> int:
    return max(item.log_ms for item in items) + DAY_MS


@share(0.4)
@given(st.data())
def test_looking_between_records_changes_nothing(data: st.DataObject) -> None:
    text = data.draw(catalog_texts())
    catalog = parse_catalog(text)
    items = data.draw(logs(text, max_size=20))
    reference = Reference(catalog)
    changes: list[str] = []
    for record in fed_records(items):
        watermark_ms = record if isinstance(record, int) else record.watermark_ms
        if isinstance(record, Fed):
            outcome = reference.feed(record.value, record.offset, record.watermark_ms, record.horizon_ms)
            changes += map(canonical, outcome.changes)
        if data.draw(st.booleans()):
            changes += map(canonical, reference.advance(watermark_ms))
    changes += map(canonical, reference.advance(_until_ms(items)))

    assert by_user(changes) == _folded(catalog, items, _until_ms(items))


@share(0.4)
@given(st.data())
def test_users_do_not_touch_each_other(data: st.DataObject) -> None:
    text = data.draw(catalog_texts())
    catalog = parse_catalog(text)
    items = data.draw(logs(text, max_size=20, live=False))
    alone = data.draw(st.sampled_from(sorted({_user(item) for item in items})))
    kept = [item if _user(item) == alone else Item(b"", item.log_ms) for item in items]

    together = _folded(catalog, items, _until_ms(items), live=False)

    assert _folded(catalog, kept, _until_ms(items), live=False).get(alone) == together.get(alone)


@share(0.4)
@given(st.data())
def test_all_times_moved_by_whole_hops_move_all_changes_alike(data: st.DataObject) -> None:
    text = data.draw(catalog_texts())
    catalog = parse_catalog(text)
    items = data.draw(logs(text, max_size=20))
    by_ms = lcm(1_000, *(hop_of(window_ms) for window_ms in windows_of(text)))
    if by_ms > 1_000_000 * DAY_MS:
        return  # past the year 4700
    moved = [Item(_moved(item.value, by_ms), item.log_ms + by_ms, item.tick) for item in items]

    expected = _folded(catalog, items, _until_ms(items))

    actual = _folded(catalog, moved, _until_ms(moved))
    assert actual == {user: [_moved_text(change, by_ms) for change in changes] for user, changes in expected.items()}


@share(0.4)
@given(st.data())
def test_not_not_changes_nothing(data: st.DataObject) -> None:
    text = data.draw(catalog_texts())
    items = data.draw(logs(text, max_size=20))
    twice = re.sub(r"(when|exit): '(.*)'", r"\1: 'not not (\2)'", text)

    expected = _folded(parse_catalog(text), items, _until_ms(items))

    assert _folded(parse_catalog(twice), items, _until_ms(items)) == expected


@share(0.4)
@given(st.data())
def test_versions_have_no_gap_entries_and_exits_alternate_and_no_stay_is_too_short(data: st.DataObject) -> None:
    text = data.draw(catalog_texts())
    catalog = parse_catalog(text)
    items = data.draw(logs(text))

    for changes in _folded(catalog, items, _until_ms(items)).values():
        decoded = [json.loads(change) for change in changes]
        assert [change["data"]["version"] for change in decoded] == list(range(1, len(decoded) + 1))
        assert [change["time"] for change in decoded] == sorted(change["time"] for change in decoded)
        entered: set[str] = set()
        for change in decoded:
            segment = change["data"]["segment"]
            assert (segment in entered) == change["type"].endswith("exited")
            entered ^= {segment}
            if "stayed_ms" in change["data"]:
                assert change["data"]["stayed_ms"] >= catalog.segments[segment].min_stay_ms


def _user(item: Item) -> str:
    try:
        return str(json.loads(item.value or b"")["userId"])
    except (ValueError, TypeError, KeyError):
        return ""


def _moved(value: bytes | None, by_ms: int) -> bytes | None:
    """A record with its timestamp moved; one whose timestamp is none stays as it is."""

    def later(match: re.Match[bytes]) -> bytes:
        try:
            moment = datetime.fromisoformat(f"{match[0].decode()}Z")
        except ValueError:
            return match[0]
        return timestamp_text((moment - EPOCH) // timedelta(milliseconds=1) + by_ms, 3).removesuffix("Z").encode()

    if value is None:
        return None
    return re.sub(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d", later, value)


def _moved_text(change: str, by_ms: int) -> str:
    moved = _moved(change.encode(), by_ms)
    return "" if moved is None else moved.decode()
