from __future__ import annotations

import json
from itertools import pairwise

import numpy as np

from rules.catalog import parse_catalog
from rules.program import compile_catalog
from stream.engine import Engine, Records
from stream.engine.strings import START, Strings
from stream.engine.table import LEAST_ROWS, Table

CATALOG = parse_catalog("""
catalog: shop
version: 1
tags: {name: 'trait("name")'}
segments:
  seen: {when: count() >= 2}
""")


def records(users: list[str], first: int) -> Records:
    values: list[bytes | None] = [
        json.dumps({"type": "page", "userId": user, "timestamp": "2026-01-01T00:00:00Z"}).encode() for user in users
    ]
    n = len(values)
    return Records(values, np.arange(first, first + n), np.full(n, -(2**62)), np.full(n, 2**62), np.zeros(n, np.bool_))


def test_rows_that_do_not_fit_go_to_the_archive_and_come_back_as_they_were() -> None:
    engine = Engine(CATALOG, app="test", partition=0, partition_count=1, row_budget_bytes=1, archive={})
    users = [f"u{number}" for number in range(LEAST_ROWS + 5_000)]
    changes = 0
    for _ in range(2):
        for first in range(0, len(users), 8_000):
            batch = engine.decode(records(users[first : first + 8_000], first))
            start = 0
            while start < len(batch):
                result = engine.process(batch, start, 1)
                changes += len(result.changes)
                start = result.end
    assert changes == len(users)
    assert sorted(engine.users()) == sorted(users)


def test_the_longest_unused_rows_are_dropped_first_and_those_in_use_never() -> None:
    table = Table(compile_catalog(CATALOG), 1, None)
    users = [f"u{number}" for number in range(table.capacity)]
    table.begin_turn()
    table.load(users, [None] * len(users))
    table.begin_turn()
    kept = users[-100:]
    table.touch(np.array([table.row_of[user] for user in kept], np.int32))
    table.load(["new"], [None])
    assert table.cold([*kept, "new"]) == []
    assert len(table.cold(users)) == table.capacity // 16


def test_strings_keep_the_catalogs_and_those_in_use_only() -> None:
    strings = Strings({"F": 1, "gold": 2})
    numbers = [strings.number(text) for text in ("F", "Ana", "Bo", "é" * 100)]
    assert numbers == [1, 3, 4, 5]
    renumbered = strings.keep(np.array([4, 1, 0], np.int64))
    assert (strings.text(int(renumbered[4])), strings.text(2), len(strings)) == ("Bo", "gold", 4)
    assert strings.number("Ana") == 4
    assert bytes_of(strings) == ["", "F", "gold", "Bo", "Ana"]


def bytes_of(strings: Strings) -> list[str]:
    texts = strings.known()
    start = texts.numbers[: len(strings) + 1, START].tolist()
    return [texts.data[first:end].tobytes().decode() for first, end in pairwise(start)]
