"""What the contract promises of messages, the engine keeps: on the way in and on the way out."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rules.catalog import parse_catalog
from stream.engine import Engine, Message, Records, Reject
from stream.engine.decode import DecodePlan, Decoder
from tagstream.contracts import (
    EVENT_TYPES,
    REASONS,
    LevelChanged,
    SegmentEntered,
    SegmentExited,
    change_headers,
    encode_change,
    parse_change,
    parse_event,
)
from tagstream.contracts.timestamps import to_ms
from tagstream.errors import InvalidEventError
from tagstream.ids import change_id

FAR_MS = 2**48
PLAN = DecodePlan(
    event_names={"Order Completed": 1, "Page Viewed": 2},
    properties=("revenue", "category"),
    numeric={},
    literals={"shoes": 1},
    traits=("age", "gender"),
)
DECODER = Decoder(PLAN)
CATALOG = parse_catalog(
    """
catalog: contract
version: 12
tags:
  spend: sum("Order Completed", "revenue", last="60s")
  gender: trait("gender")
  seen: since()
segments:
  payers:
    title: {zh: "会员 \\\\ \\"1\\"", en: Payers}
    kind: value
    when: spend > 0.1 and (gender != "X" or not has(gender)) and seen >= "0s"
tiers:
  purse:
    title: {zh: "钱 \\ \\"2\\"", en: Purse}
    levels:
      full: spend > 0.1
      empty: always
""",
    with_lint=False,
)


def records(values: list[bytes | None]) -> Records:
    count = len(values)
    return Records(
        values=values,
        offsets=np.arange(count, dtype=np.int64),
        watermark_ms=np.full(count, -(2**40), np.int64),
        horizon_ms=np.full(count, FAR_MS, np.int64),
        forwarded=np.zeros(count, np.bool_),
    )


def rejects_of(value: bytes) -> list[Reject]:
    return DECODER.decode(records([value])).rejects


def by_contract(value: bytes) -> list[str]:
    """What the contract finds wrong with the bytes."""
    try:
        parse_event(value)
    except InvalidEventError as error:
        return [str(problem) for problem in error.problems]
    return []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
TIMES = st.sampled_from(
    ["2026-11-22T08:30:00Z", "2026-11-22t08:30:00.1239+05:30", "2016-12-31T23:59:60Z", "2026-11-22 08:30:00-23:59"]
) | st.datetimes().map(lambda moment: moment.isoformat() + "Z")
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(EVENT_TYPES) | JSON,
        "userId": st.text(min_size=1, max_size=6) | st.text(max_size=300) | JSON,
        "timestamp": TIMES | JSON,
        "event": st.sampled_from(["Order Completed", "Signed Up", ""]) | JSON,
        "name": st.text(max_size=5) | JSON,
        "messageId": st.text(max_size=5) | JSON,
        "properties": st.dictionaries(st.sampled_from(PLAN.properties) | st.text(max_size=4), JSON, max_size=3) | JSON,
        "traits": st.dictionaries(st.sampled_from(PLAN.traits) | st.text(max_size=4), JSON, max_size=3) | JSON,
        "context": JSON,
        "previousId": st.just("visitor") | JSON,
        "groupId": st.just("acme") | JSON,
        "integrations": JSON,
    },
)
GOOD_ENOUGH = st.fixed_dictionaries(
    {
        "type": st.sampled_from(EVENT_TYPES),
        "userId": st.text(min_size=1, max_size=6),
        "timestamp": TIMES,
        "event": st.sampled_from(["Order Completed", "Signed Up"]),
        "previousId": st.just("visitor"),
        "groupId": st.just("acme"),
    },
    optional={
        "properties": st.dictionaries(st.sampled_from(PLAN.properties), JSON, max_size=2) | st.none(),
        "traits": st.dictionaries(st.sampled_from(PLAN.traits), JSON, max_size=2) | st.none(),
        "messageId": st.text(max_size=5) | st.none(),
    },
)


@hypothesis_settings(max_examples=300)
@given(EVENTS | GOOD_ENOUGH, st.booleans())
def test_what_the_contract_takes_the_engine_takes(event: dict[str, Any], ascii_only: bool) -> None:
    value = json.dumps(event, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    if by_contract(value) == []:
        assert rejects_of(value) == []
        columns = DECODER.decode(records([value])).columns
        assert columns.time_ms.tolist() == [to_ms(parse_event(value).timestamp)]


@hypothesis_settings(max_examples=300)
@given(GOOD_ENOUGH, st.booleans())
def test_what_the_engine_takes_the_contract_takes_where_all_ids_and_numbers_are_sound(
    event: dict[str, Any], ascii_only: bool
) -> None:
    value = json.dumps(event, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    if rejects_of(value) == []:
        wrong = [problem for problem in by_contract(value) if " is nan" not in problem and " is inf" not in problem]
        assert wrong == []


@pytest.mark.parametrize(
    "value",
    [
        b'{"type":"track","userId":"' + b"x" * 513 + b'","event":"x","timestamp":"2026-11-22T08:30:00Z"}',
        b'{"type":"track","userId":"u","event":"x","timestamp":"2026-11-22T08:30:00Z","properties":'
        + b'{"a":' * 64
        + b"1"
        + b"}" * 65,
        b'{"type":"track","userId":"u","event":"x","timestamp":"2026-11-22T08:30:00Z"}' + b" " * 262_144,
        b'{"type":"track","userId":"u","event":"x","timestamp":"2026-11-22T08:30:00Z","name":5}',
        b'{"type":"identify","userId":"u","timestamp":"2026-11-22T08:30:00Z","properties":[]}',
        b'{"type":"page","userId":"u","timestamp":"2026-11-22T08:30:00Z","event":{}}',
    ],
)
def test_what_lies_just_beyond_a_limit_neither_takes(value: bytes) -> None:
    assert by_contract(value) != []
    assert [reject.reason in REASONS for reject in rejects_of(value)] == [True]


def messages(*events: dict[str, Any]) -> list[Message]:
    """What the engine publishes for these events of one log, and for the time that passes at its end."""
    engine = Engine(CATALOG, app="shop", partition=0, partition_count=1)
    batch = engine.decode(records([json.dumps(event).encode() for event in events]))
    engine.load(batch.cold, [None] * len(batch.cold))
    changes = list(engine.process(batch, 0, 1).changes)
    users = sorted({event["userId"] for event in events})
    return changes + list(engine.process_due(users, FAR_MS // 8, 2).changes)


@pytest.fixture(scope="module")
def published() -> list[Message]:
    order = {"type": "track", "event": "Order Completed", "timestamp": "2026-11-22T08:30:00.125Z"}
    return messages(
        {**order, "userId": "李雷", "properties": {"revenue": 1e-1 + 2e-1}},
        {**order, "type": "identify", "userId": 'a"d\\a\n', "traits": {"gender": 'F\t"\u2028é'}},
        {**order, "userId": 'a"d\\a\n', "properties": {"revenue": 123_456_789_012.25}},
    )


def test_the_engines_changes_are_the_contracts_byte_for_byte(published: list[Message]) -> None:
    assert [encode_change(parse_change(message.value)) for message in published] == [
        message.value for message in published
    ]


def test_changes_come_out_with_keys_headers_and_ids_as_promised(published: list[Message]) -> None:
    changes = [parse_change(message.value) for message in published]
    assert [type(change) for change in changes] == [
        *(SegmentEntered, LevelChanged),
        *(LevelChanged, SegmentEntered, LevelChanged),
        *(SegmentExited, LevelChanged) * 2,
    ]
    assert [message.key for message in published] == [change.user.encode() for change in changes]
    assert [message.headers for message in published] == [change_headers(change) for change in changes]
    assert [change.id for change in changes] == [
        change_id("shop", change.user, change.incarnation, change.version) for change in changes
    ]
    assert {change.source for change in changes} == {"/tagstream/shop/0"}
    assert {change.subject == change.user for change in changes} == {True}
