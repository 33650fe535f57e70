"""Laws that the reference must keep, checked without the engine: what a right answer cannot depend on."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from math import lcm
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rules.catalog import Catalog
from rules.nodes import And, Node, Or
from rules.reference import Reference
from rules.windows import hop_of
from tests.property.random_catalogs import catalog_texts, drafts, parsed
from tests.property.random_logs import DAY_MS, Fed, Item, fed_records, lengths_of, logs
from tests.property.reference_runs import by_user, canonical, run_reference, share


def _folded(catalog: Catalog, items: list[Item], until_ms: int, *, live: bool = True) -> dict[str, list[str]]:
    return by_user(run_reference(catalog, fed_records(items, live=live), until_ms).changes)


def _until_ms(items: list[Item]) -> int:
    return max(item.log_ms for item in items) + DAY_MS


@share(0.3)
@given(st.data())
def test_looking_between_records_changes_nothing(data: st.DataObject) -> None:
    text = data.draw(catalog_texts())
    catalog = parsed(text)
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


@share(0.3)
@given(st.data())
def test_users_do_not_touch_each_other(data: st.DataObject) -> None:
    text = data.draw(catalog_texts())
    catalog = parsed(text)
    items = data.draw(logs(text, max_size=20, live=False))
    alone = data.draw(st.sampled_from(sorted({_user(item) for item in items})))
    kept = [item if _user(item) == alone else Item(b"", item.log_ms) for item in items]

    together = _folded(catalog, items, _until_ms(items), live=False)

    assert _folded(catalog, kept, _until_ms(items), live=False).get(alone) == together.get(alone)


@share(0.3)
@given(st.data())
def test_all_times_and_dates_moved_by_whole_days_and_hops_move_all_changes_alike(data: st.DataObject) -> None:
    # Not so where a year or a zone's clock matters; a half-life's scores are rounded, and where two are equal it shows.
    text = re.sub(r"(, )?half_life=\"\\w+\"", "", data.draw(catalog_texts()))
    text = re.sub(r"timezone: .*", "timezone: UTC", text.replace("yearly=true", "yearly=false"))
    catalog = parsed(text)
    items = data.draw(logs(text, max_size=20))
    items = [replace(item, value=item.value and item.value.replace(b"9999-", b"5999-")) for item in items]
    by_days = lcm(DAY_MS, *(hop_of(length_ms) for length_ms in lengths_of(text, "last="))) // DAY_MS
    moved = [
        Item(
            None if item.value is None else _moved(item.value.decode("latin-1"), by_days).encode("latin-1"),
            item.log_ms + by_days * DAY_MS,
            item.tick,
        )
        for item in items
    ]

    expected = _folded(catalog, items, _until_ms(items))

    actual = _folded(catalog, moved, _until_ms(moved))
    assert actual == {user: [_moved(change, by_days) for change in changes] for user, changes in expected.items()}


@share(0.3)
@given(st.data())
def test_not_not_changes_nothing(data: st.DataObject) -> None:
    text = data.draw(catalog_texts())
    items = data.draw(logs(text, max_size=20))
    twice = re.sub(r"(when|exit|low|mid|high|top_most): '(.*)'", r"\1: 'not not (\2)'", text)

    expected = _folded(parsed(text), items, _until_ms(items))

    assert _folded(parsed(twice), items, _until_ms(items)) == expected


@share(0.3)
@given(st.data())
def test_the_order_of_what_is_joined_by_and_or_or_changes_nothing(data: st.DataObject) -> None:
    text = data.draw(catalog_texts())
    catalog = parsed(text)
    items = data.draw(logs(text, max_size=20))

    expected = _folded(catalog, items, _until_ms(items))

    assert _folded(_turned_round(catalog), items, _until_ms(items)) == expected


@share(0.3)
@given(st.data())
def test_the_order_of_the_file_changes_the_order_of_changes_only(data: st.DataObject) -> None:
    draft = data.draw(drafts())
    items = data.draw(logs(draft.text, max_size=20))
    other = replace(draft, shuffle=data.draw(st.integers(0, 11)))

    expected = _folded(parsed(draft.text), items, _until_ms(items))

    actual = _folded(parsed(other.text), items, _until_ms(items))
    assert _by_unit(actual) == _by_unit(expected)


@share(0.3)
@given(st.data())
def test_versions_have_no_gap_every_change_is_one_and_no_stay_is_too_short(data: st.DataObject) -> None:
    text = data.draw(catalog_texts())
    catalog = parsed(text)
    items = data.draw(logs(text))

    for changes in _folded(catalog, items, _until_ms(items)).values():
        decoded = [json.loads(change) for change in changes]
        assert [change["data"]["version"] for change in decoded] == list(range(1, len(decoded) + 1))
        assert [change["time"] for change in decoded] == sorted(change["time"] for change in decoded)
        entered: set[str] = set()
        levels: dict[str, str | None] = {}
        for data_of in (change["data"] for change in decoded):
            if "tier" in data_of:
                assert data_of["from"] == levels.get(data_of["tier"])
                assert data_of["to"] != data_of["from"]
                levels[data_of["tier"]] = data_of["to"]
            else:
                assert (data_of["segment"] in entered) == ("stayed_ms" in data_of)
                entered ^= {data_of["segment"]}
            if "stayed_ms" in data_of:
                assert data_of["stayed_ms"] >= catalog.segments[data_of["segment"]].min_stay_ms
        assert set(levels) == set(catalog.tiers)


def _user(item: Item) -> str:
    try:
        return str(json.loads(item.value or b"")["userId"])
    except (ValueError, TypeError, KeyError):
        return ""


def _moved(text: str, by_days: int) -> str:
    """A text with all dates in it moved that are some; those before 1970 that are times stay refused."""

    def later(match: re.Match[str]) -> str:
        try:
            return str(date.fromisoformat(match[0]) + timedelta(days=by_days))
        except ValueError:
            return match[0]

    return re.sub(r"(?<![0-9])(?!1969)[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])", later, text)


def _turned_round(catalog: Catalog) -> Catalog:
    """The catalog with the operands of each `and` and `or` in reverse."""
    segments = {
        name: replace(segment, when=_reversed(segment.when), exit=segment.exit and _reversed(segment.exit))
        for name, segment in catalog.segments.items()
    }
    tiers = {
        name: replace(
            tier, levels={each: replace(level, when=_reversed(level.when)) for each, level in tier.levels.items()}
        )
        for name, tier in catalog.tiers.items()
    }
    tags = {name: replace(tag, expression=_reversed(tag.expression)) for name, tag in catalog.tags.items()}
    return replace(catalog, segments=segments, tiers=tiers, tags=tags)


def _reversed(node: Node) -> Node:
    parts: dict[str, Any] = {}
    for name in type(node).__dataclass_fields__:
        part = getattr(node, name)
        if isinstance(part, tuple):
            parts[name] = tuple(_reversed(each) for each in (part[::-1] if isinstance(node, And | Or) else part))
        elif isinstance(part, Node):
            parts[name] = _reversed(part)
    return replace(node, **parts)


def _by_unit(changes: dict[str, list[str]]) -> dict[tuple[str, str], list[str]]:
    """Changes of each user's segments and tiers without what their order decides: version and id."""
    found: dict[tuple[str, str], list[str]] = {}
    for user, texts in changes.items():
        for change in map(json.loads, texts):
            data = change["data"]
            del change["id"], data["version"]
            found.setdefault((user, data.get("segment") or data["tier"]), []).append(canonical(change))
    return found
