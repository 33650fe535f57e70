"""The engine's decoder takes and refuses what the reference's own takes and refuses, for the same reasons."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rules.catalog import parse_catalog
from rules.history import Reads, RecordError, read_event
from stream.engine import Engine, Records
from tests.property.random_logs import json_text
from tests.property.reference_runs import APP, share

CATALOG = parse_catalog(
    """
catalog: decoder
version: 1
tags:
  paid: sum("A", "x")
  said: count("A", where=property("s") == "é" and property("b"))
  had: count("B", where=has(property("o")))
  number: trait("n")
  strange: trait('strange " name')
  least: min("B", "y", where=starts_with(property("s"), "é"))
  different: distinct("B", "c")
  favourite: top("A", "c")
  newest: latest("A", "l")
segments:
  seen: {when: count() > 0}
"""
)
READS = Reads(summed={("A", "x"), ("B", "y")})
HORIZON_MS = 1_700_003_600_000

SOUND: tuple[dict[str, object], ...] = (
    {
        "userId": "ana",
        "type": "track",
        "event": "A",
        "timestamp": "2023-11-14T22:13:20.123Z",
        "messageId": "m1",
        "properties": {"x": 1.5, "s": "é", "b": True, "o": {"a": [1, {}]}},
        "context": {"ip": "1"},
    },
    {
        "userId": "bö",
        "type": "identify",
        "traits": {"n": 5, 'strange " name': "q", "z": None},
        "timestamp": "2023-11-14T22:13:20+08:00",
        "name": "x",
    },
    {"userId": "c😀", "type": "page", "name": "Home", "timestamp": "2016-12-31T23:59:60Z", "properties": None},
    {"type": "alias", "userId": "d\n\t", "timestamp": "1970-01-01T00:00:00Z", "previousId": "z"},
)
FIELDS = ("userId", "type", "event", "timestamp", "messageId", "name", "properties", "properties", "traits", "context")
VALUES: tuple[object, ...] = (
    None, "", 1, 1.5, True, [], {}, "x", "A", "B", "track", "identify", "screen", "u" * 513, "é" * 256, "é" * 257,
    {"x": "a"}, {"x": 10**12}, {"x": -999_999_999_999}, {"x": 1e12}, {"x": True}, {"x": None}, {"x": 10**310},
    {"y": "a", "l": 10**400}, {"y": 10**12}, {"c": 10**310}, {"c": [10**400], "l": "é" * 200},
    {"n": 10**400}, {"n": [10**400]}, {"o": 10**400}, {"s": 1}, {"b": "true"}, {"x": math.inf}, {"y": -math.inf},
    {"n": math.inf, "x": 1}, {"o": {"a": math.inf}, "l": -math.inf}, {"c": [math.inf], "s": math.inf, "b": -math.inf},
    "2023-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "0000-02-29T00:00:00Z", "9999-12-31T23:59:59.999Z",
    "2000-01-01T00:00:00.0000000001-23:59", "2023-11-14 22:13:20z", "2023-11-14T22:13:60Z", "2023-11-14T22:13:20+24:00",
)  # fmt: skip
SNIPPETS = (
    b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\\u0041", b"\\ud800", b"\\udc00", b"\\u0000", b"null", b"true",
    b"0", b"1", b"-", b".", b"e", b"E9", b"1e999", b"-1e400", b"9" * 30, b"9" * 400, b"999999999999", b" ", b"\n",
    b"\x00", b"\x1f", b"\x7f", b"\xff", b"\xc3", b"\xa9", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80\xa8", b"NaN",
    b"Infinity", b"Z", b"T", b"+", b"60", b"99", b'"userId":"",', b'"type":"track",', b"\xef\xbb\xbf", b"[" * 64,
)  # fmt: skip


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """A sound event, fields of it replaced by whatever else is JSON, and then bytes of it by whatever is not."""
    document = dict(draw(st.sampled_from(SOUND)))
    for field in draw(st.lists(st.sampled_from(FIELDS), max_size=2)):
        document[field] = draw(st.sampled_from(VALUES))
    value = json_text(document, ensure_ascii=draw(st.booleans())).encode()
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(value)))
        end = start + draw(st.sampled_from((0, 0, 1, 1, 2, 5, 20)))
        value = value[:start] + draw(st.sampled_from((b"", *SNIPPETS))) + value[end:]
    return value


@cache
def _engine() -> Engine:
    """One engine for all examples: decoding a batch leaves no trace."""
    return Engine(CATALOG, app=APP, partition=0, partition_count=1)


@share(3)
@given(st.lists(records(), min_size=1, max_size=8))
def test_records_are_taken_or_refused_alike(values: list[bytes]) -> None:
    expected: list[object] = []
    for value in values:
        try:
            event = read_event(value, HORIZON_MS, READS)
            expected.append((event.user, event.t_ms))
        except RecordError as error:
            expected.append(error.reason)

    count = len(values)
    batch = _engine().decode(
        Records(
            values=[*values],
            offsets=np.arange(count, dtype=np.int64),
            watermark_ms=np.zeros(count, np.int64),
            horizon_ms=np.full(count, HORIZON_MS, np.int64),
            forwarded=np.zeros(count, np.bool_),
        )
    )

    columns = batch.decoded.columns
    found: dict[int, object] = {reject.index: reject.reason for reject in batch.rejects}
    for index, user, time_ms in zip(
        columns.record.tolist(), batch.decoded.users, columns.time_ms.tolist(), strict=True
    ):
        found[index] = (user, time_ms)
    assert [found[index] for index in range(count)] == expected
