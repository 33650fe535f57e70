"""What becomes of a record depends neither on the records beside it nor on the path that it takes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.engine.decode import Decoded, DecodePlan, Decoder
from stream.engine.result import Records

PLAN = DecodePlan(
    event_names={"A": 1, "B": 2, "Page Viewed": 3},
    properties=("p", "q", "r"),
    numeric={0: frozenset({1, 3}), 1: frozenset({0})},
    literals={"x": 1, "y": 2},
    traits=("s", "t"),
)

texts = st.sampled_from(["", "x", "y", "用户", "A" * 300, "\x00", "\\", '"'])
numbers = st.sampled_from([0, 1, -1, 0.5, -0.0, 1e12, -1e12, 999_999_999_999, 10**30, 10**400, 1e308, 5e-324])
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.one_of(scalars, st.lists(scalars, max_size=2), st.dictionaries(texts, scalars, max_size=2))
members = st.dictionaries(st.sampled_from(["p", "q", "r", "s", "t", "other"]), values, max_size=5)
times = st.sampled_from(["1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2026-01-01T00:00:00.5+08:00", "soon", ""])
events = st.fixed_dictionaries(
    {},
    optional={
        "type": st.one_of(st.sampled_from(["track", "identify", "page", "screen", "alias", "group", "x"]), values),
        "userId": st.one_of(st.sampled_from(["u", "v", "用户", "A" * 513]), values),
        "event": st.one_of(st.sampled_from(["A", "B", "C"]), values),
        "timestamp": st.one_of(times, values),
        "messageId": st.one_of(texts, values),
        "properties": st.one_of(members, values),
        "traits": st.one_of(members, values),
        "context": values,
        "unread": values,
    },
)
sound = st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "identify", "page"]), "userId": texts, "timestamp": times},
    optional={"event": st.sampled_from(["A", "B", "C"]), "properties": members, "traits": members, "messageId": texts},
)


@st.composite
def raw_records(draw: st.DrawFn) -> bytes | None:
    kind = draw(st.integers(0, 20))
    if kind == 0:
        return draw(st.one_of(st.none(), st.binary(max_size=8)))
    raw = json.dumps(draw(sound if kind % 2 else events), ensure_ascii=draw(st.booleans())).encode()
    if kind == 1:  # spoil it somewhere
        place = draw(st.integers(0, len(raw)))
        raw = raw[:place] + draw(st.binary(max_size=2)) + raw[place + draw(st.integers(0, 2)) :]
    if kind == 2:
        raw = raw.replace(b"0.5", draw(st.sampled_from([b"1e999", b"-1e400", b"9" * 5000])))
    return raw


def decode(decoder: Decoder, batch: list[bytes | None], first: int = 0) -> Decoded:
    count = len(batch)
    offsets = np.arange(first, first + count, dtype=np.int64)
    horizon_ms = np.full(count, 2 * 10**12, np.int64)
    return decoder.decode(Records(batch, offsets, offsets * 7, horizon_ms, np.zeros(count, np.bool_)))


def rows_of(decoded: Decoded) -> list[Any]:
    """All that the columns tell of each event, with trait strings in place of their indices."""
    columns = decoded.columns
    matrices = [matrix.tolist() for matrix in columns[6:10]]
    bounds = columns.trait_start.tolist()
    traits = [
        (trait, kind, number, decoded.texts[text] if text >= 0 else None)
        for trait, kind, number, text in zip(*(column.tolist() for column in columns[11:]), strict=True)
    ]
    plain = zip(*(column.tolist() for column in columns[1:6]), strict=True)
    return [
        (user, *row, *(matrix[i] for matrix in matrices), traits[bounds[i] : bounds[i + 1]])
        for i, (user, row) in enumerate(zip(decoded.users, plain, strict=True))
    ]


@settings(deadline=None)
@given(st.lists(raw_records(), max_size=12))
def test_a_record_alone_is_what_it_is_in_a_batch(batch: list[bytes | None]) -> None:
    decoder = Decoder(PLAN)
    together = decode(decoder, batch)
    rows, rejects = [], []
    for index, value in enumerate(batch):
        alone = decode(decoder, [value], index)
        rows += rows_of(alone)
        rejects += [(index, reject.reason, reject.detail) for reject in alone.rejects]
    assert rows_of(together) == rows
    assert [(reject.index, reject.reason, reject.detail) for reject in together.rejects] == rejects


@settings(deadline=None)
@given(st.lists(raw_records(), max_size=12))
def test_the_slow_path_takes_and_refuses_what_the_fast_path_does(batch: list[bytes | None]) -> None:
    fast = decode(Decoder(PLAN), batch)
    # A trait with a quote in its name cannot be decoded fast, and no record has it.
    slow = decode(
        Decoder(DecodePlan(PLAN.event_names, PLAN.properties, PLAN.numeric, PLAN.literals, ("s", "t", '"'))), batch
    )
    assert rows_of(slow) == rows_of(fast)
    assert slow.rejects == fast.rejects
