"""Random logs of one partition: events in and out of order, late, repeated and refused, ticks, log time running on.

Times come from a small pool and from the moments at which earlier events leave a window, so that boundaries are hit.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from rules.catalog import Catalog
from rules.days import day_begins_ms, local_day
from rules.history import hash_of_user
from rules.reference_models import next_model_moment_ms
from rules.windows import leaving_ms

START_MS = 1_700_000_000_000
STARTS_MS = (
    START_MS,  # 2023-11-14
    START_MS,
    1_709_121_600_000,  # 2024-02-28, the day before a leap day
    1_711_839_600_000,  # 2024-03-30, the day before Berlin's clock is put on
    1_730_595_600_000,  # 2024-11-03, the day on which New York's clock is put back
    1_162_080_000_000,  # 2006-10-29, when Saint John's clock goes back over midnight
    1_728_140_000_000,  # 2024-10-05, before half an hour is skipped on Lord Howe Island
)
GRACE_MS = 2_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
NO_WATERMARK_MS = -(2**40)
USERS = ("ana", "bo", "21", "é", "a b")
UNITS_MS = {"s": 1_000, "m": 60_000, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

STEPS_MS = (0, 0, 1, 16, 17, 18, 34, 50, 999, 1000, 1001, 1037, 2000, 2001, 3050, 7_000, 61_000, 305_000, HOUR_MS)
LONG_STEPS_MS = (*STEPS_MS, DAY_MS - 1, DAY_MS, DAY_MS + 1, 2 * DAY_MS)
LATENESS_MS = (0, 0, 0, 0, 0, 1, 17, 500, 1_000, 1_037, 2_000, 5_000, 62_000, HOUR_MS, 2 * DAY_MS)

NUMBERS = (0, 1, 1, 2, 3, -1, 0.5, 0.1, 0.2, 2.5, 1e-6, 5e-7, 1.5e-6, 1.0000005, 1e3, 123456.789, -2.5, 10**11, 1e11)
RICH_NUMBERS = (999_999_999_999, 900_000_000_000, 9e11, -9e11, 999_999_999_999.9, 1)
TEXTS = ("", "a", "A", "b", "na\u00efve", "NA\u00cfVE", "\u00e9" * 130, "a" * 255 + "\u00e9", "a" * 255)
DATES = (
    "2023-11-14", "2023-11-15T08:00:00Z", "2022-11-16", "1990-11-15 noon", "2000-02-29", "1996-02-29T00:00:00+14:00",
    "1984-02-28", "2024-03-01", "1999-03-31", "2025-03-30", "1970-11-03", "2024-11-04", "1980-10-30", "2006-10-29",
    "0001-01-01", "9999-12-31", "2023-02-29", "2024-11-3", "yesterday", "",
)  # fmt: skip
CATEGORIES: tuple[object, ...] = ("a", "a", "b", "A", "", 1, 1.0, 2, -0.0, 0, 1.5, True, False, "1", *TEXTS)
NO_DOUBLES: tuple[object, ...] = (math.inf, -math.inf, 10**400, -(10**310))
"""Numbers that no double holds; `json_text` writes the infinities as such."""
WRONG_NUMBERS: tuple[object, ...] = (
    "1", True, [], {}, 10**12, -(10**12), 1e13, 999_999_999_999.99999, *NO_DOUBLES, [math.inf],
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """One record of a log with its log time; `value` is None for a record without a value. A tick is no event."""

    value: bytes | None
    log_ms: int
    tick: bool = False
    forwarded: bool = False


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch record as the engine's worker gets it: the catalog that takes effect, and W."""

    catalog: Catalog
    watermark_ms: int


@dataclass(frozen=True, slots=True)
class ModelSwitch:
    """A switch record of a model: the snapshot that takes effect, and W."""

    snapshot: Mapping[str, Any]
    watermark_ms: int


@dataclass(frozen=True, slots=True)
class Fed:
    """One record as the engine gets it."""

    value: bytes | None
    offset: int
    watermark_ms: int
    horizon_ms: int
    forwarded: bool = False


def timestamp_text(t_ms: int, style: int = 0) -> str:
    """RFC 3339 of a moment, in several ways of writing it."""
    moment = EPOCH + timedelta(milliseconds=t_ms)
    match style:
        case 1:
            return (moment + timedelta(hours=8)).replace(tzinfo=None).isoformat(timespec="milliseconds") + "+08:00"
        case 2:
            return (moment - timedelta(minutes=210)).replace(tzinfo=None).isoformat(timespec="microseconds") + "-03:30"
        case 3 if t_ms % 1000 == 0:
            return moment.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
        case 4:
            return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "999Z"
        case _:
            return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def json_text(document: object, *, ensure_ascii: bool = True) -> str:
    """JSON of a document that has no word for infinity in it: an infinity becomes a number that no double holds."""
    return json.dumps(document, ensure_ascii=ensure_ascii).replace("Infinity", "1e400")


def lengths_of(catalog_text: str, before: str = "") -> list[int]:
    """The lengths, ms, of the windows and other durations that a catalog's text speaks of; of those after a text."""
    found = re.findall(before + r'"([0-9]+)([smhdw])"', catalog_text)
    return sorted({int(count) * UNITS_MS[unit] for count, unit in found}) or [1_000]


def timezone_of(catalog_text: str) -> str:
    """The time zone of a catalog's text."""
    found = re.search(r"^timezone: (.*)$", catalog_text, re.MULTILINE)
    return "UTC" if found is None else found[1]


PROPERTY_VALUES: dict[str, st.SearchStrategy[object]] = {
    "x": st.sampled_from(NUMBERS),
    "y": st.sampled_from(NUMBERS),
    "s": st.sampled_from([*TEXTS, None, 1, True, {"a": 1}, math.inf, {"a": 10**400}]),
    "b": st.sampled_from([True, False, None, 1, "true", [], -math.inf]),
    "c": st.sampled_from([*CATEGORIES, None, [], {"a": 1}, *NO_DOUBLES, [-math.inf]]),
    "d": st.sampled_from([*DATES, None, 20240229, 10**400]),
}
TRAIT_VALUES: dict[str, st.SearchStrategy[object]] = {
    "n": st.sampled_from([*NUMBERS, None, None, "1", True, [1], 10**30, 2**53 + 1, *NO_DOUBLES, [math.inf]]),
    "s": st.sampled_from([*TEXTS, None, None, 1, False, {"a": None}, -math.inf]),
    "b": st.sampled_from([True, True, False, None, None, 0, "true", 10**400]),
    "d": st.sampled_from([*DATES, None, 19840229, True, math.inf]),
}


@st.composite
def event_documents(draw: st.DrawFn, t_ms: int, *, user: str, rich: bool, tame: bool) -> dict[str, object]:
    """An event of one user at a time; now and then (never when `tame`) with a number that is none."""
    kind = draw(
        st.sampled_from(["track"] * 6 + ["page", "screen", "identify", "identify", "identify", "alias", "group"])
    )
    document: dict[str, object] = {"type": kind, "userId": user}
    document["timestamp"] = timestamp_text(t_ms, draw(st.integers(0, 4)))
    message_id = draw(st.sampled_from([None] * 6 + ["", "m1", "m2", "m3"]))
    if message_id is not None:
        document["messageId"] = message_id
    if kind == "track":
        document["event"] = draw(st.sampled_from(["A", "A", "A", "B", "B", "Page Viewed", "a"]))
    if kind in ("track", "page", "screen") or draw(st.integers(0, 9)) == 0:
        properties = {name: draw(PROPERTY_VALUES[name]) for name in draw(_names("xysbcd"))}
        if rich and draw(st.integers(0, 3)) != 0:
            properties["x"] = draw(st.sampled_from(RICH_NUMBERS))
        counted = kind in ("track", "page", "screen")
        if not (tame and counted) and draw(st.integers(0, 19 if counted else 3)) == 0:
            properties["x"] = draw(st.sampled_from(WRONG_NUMBERS))
        document["properties"] = properties or draw(st.sampled_from([{}, None]))
    if kind == "identify" or draw(st.integers(0, 9)) == 0:
        document["traits"] = {name: draw(TRAIT_VALUES[name]) for name in draw(_names("nsbd"))}
    return document


def _names(letters: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(letters), max_size=len(letters), unique=True)


def refused_records(t_ms: int) -> st.SearchStrategy[bytes | None]:
    """Records that are no events, each kind of refusal among them."""
    good: dict[str, object] = {"type": "track", "event": "A", "userId": "ana", "timestamp": timestamp_text(t_ms)}

    def changed(**fields: object) -> bytes:
        return json.dumps({name: value for name, value in {**good, **fields}.items() if value != "-"}).encode()

    return st.sampled_from(
        [
            None,
            b"",
            b"nope",
            b'{"type": "track"',
            b'{"type": NaN}',
            b"\xff\xfe",
            b"[]",
            b'"text"',
            b"null",
            json.dumps(good).encode("utf-16"),
            b"[" * 65 + b"]" * 65,
            json.dumps(good).encode()[:-1] + b', "x": ' + b"[" * 64 + b"]" * 64 + b"}",
            changed(userId="-"),
            changed(userId=None),
            changed(userId=""),
            changed(userId=7),
            changed(userId="u" * 513),
            changed(type="-"),
            changed(type="click"),
            changed(type=3),
            changed(timestamp="-"),
            changed(timestamp="2026-01-01"),
            changed(timestamp="2026-02-29T00:00:00Z"),
            changed(timestamp=1_700_000_000),
            changed(timestamp="1969-12-31T23:59:59.999Z"),
            changed(timestamp=timestamp_text(t_ms + 2 * HOUR_MS)),
            changed(event="-"),
            changed(event=""),
            changed(event=5),
            changed(messageId=5),
            changed(properties=[1]),
            changed(traits="x"),
            changed(context=1),
            changed(filler="x" * 262_144),
        ]
    )


@st.composite
def logs(
    draw: st.DrawFn, catalog_text: str, *, max_size: int = 30, users: int = 3, live: bool = True, tame: bool = False
) -> list[Item]:
    """A log: records and ticks with their log times.

    live: log time runs with the events (late ones included). Else it is a file for `replay`.
    tame: which events are accepted does not depend on the catalog.
    """
    windows = lengths_of(catalog_text)
    timezone, has_models = timezone_of(catalog_text), "\nmodels:" in catalog_text
    names = USERS[: draw(st.sampled_from((1, 2, users)))]
    rich = draw(st.integers(0, 4)) == 0 and not tame
    steps = st.sampled_from(LONG_STEPS_MS if draw(st.integers(0, 3)) == 0 else STEPS_MS)
    clock_ms = draw(st.sampled_from(STARTS_MS))
    seen: list[tuple[str, int]] = []
    items: list[Item] = []
    for _ in range(draw(st.sampled_from((max_size, max_size * 2 // 3, max_size // 3, 5, 1)))):
        clock_ms += draw(steps)
        choice = draw(st.integers(0, 29))
        if choice == 29:
            items.append(Item(draw(refused_records(clock_ms)), clock_ms))
            continue
        if choice >= 27 and live:
            items.append(Item(None, clock_ms, tick=True))
            continue
        if choice == 26 and items:
            repeated = draw(st.sampled_from(items))
            items.append(Item(repeated.value, clock_ms, tick=repeated.tick))
            continue
        user = draw(st.sampled_from(names))
        if choice >= 10 and seen:
            user, earlier_ms = draw(st.sampled_from(seen))
            window_ms = draw(st.sampled_from(windows))
            boundaries = (
                leaving_ms(earlier_ms, window_ms, hash_of_user(user)),
                leaving_ms(earlier_ms, window_ms, hash_of_user(user)),
                earlier_ms + window_ms,
                earlier_ms,
                day_begins_ms(local_day(earlier_ms, timezone) + timedelta(days=1), timezone),
                *([next_model_moment_ms(hash_of_user(user), earlier_ms)] if has_models else []),
            )
            t_ms = draw(st.sampled_from(boundaries)) + draw(st.integers(-1, 1))
            clock_ms = max(clock_ms, t_ms)
        else:
            t_ms = clock_ms - draw(st.sampled_from(LATENESS_MS))
        seen.append((user, t_ms))
        document = draw(event_documents(t_ms, user=user, rich=rich, tame=tame))
        log_ms = clock_ms + draw(st.sampled_from((0, 0, 0, 3, 2_000, 2_001, 5_000, -40)))
        items.append(Item(json_text(document, ensure_ascii=draw(st.booleans())).encode(), log_ms))
    return items


def fed_records(items: list[Item], *, live: bool = True) -> list[Fed | int]:
    """A log as the engine gets it: records with their watermark; of each tick the watermark alone.

    In a file for `replay` (not `live`) the watermark stands still and every timestamp up to the last is near enough.
    """
    fed: list[Fed | int] = []
    newest_ms = NO_WATERMARK_MS
    last_ms = max((item.log_ms for item in items), default=START_MS)
    for offset, item in enumerate(items):
        newest_ms = max(newest_ms, item.log_ms)
        watermark_ms = newest_ms - GRACE_MS
        if item.tick:
            fed.append(watermark_ms)
        elif live:
            fed.append(Fed(item.value, offset, watermark_ms, item.log_ms + HOUR_MS, item.forwarded))
        else:
            fed.append(Fed(item.value, offset, NO_WATERMARK_MS, last_ms + HOUR_MS))
    return fed
