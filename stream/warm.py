"""Has Numba load, or compile, what an engine needs before anybody waits for it.

The first time on an installation that takes a minute; in the middle of the loop a worker would be thrown out of its
group. What is compiled is driven by tables, so a small catalog does for all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import numpy as np

from rules.catalog import parse_catalog
from rules.program import compile_catalog
from stream.engine import Engine, Records

__all__ = ["warm_up"]

_USER: Final = "somebody"
_EVENTS: Final = (
    {"type": "track", "event": "Something", "properties": {"price": 1, "kind": "a"}},
    {"type": "identify", "traits": {"age": 1, "name": "x", "member": True}},
)
_CATALOG: Final = """
catalog: warm_up
version: {version}
tags:
  some: count("Something", last="1d")
segments:
  few: {{when: some >= 1 and trait("age") > 0}}
"""


def warm_up() -> None:
    """Run everything once on a made-up user. Blocks; in a process where it has run, for a few milliseconds."""
    first, second = (parse_catalog(_CATALOG.format(version=version)) for version in (1, 2))
    engine = Engine(first, app="warm", partition=0, partition_count=1, row_budget_bytes=1)
    batch = engine.decode(_records())
    engine.load(batch.cold, [None] * len(batch.cold))
    rows = engine.process(batch, 0, 1).rows
    again = Engine(
        compile_catalog(second, first), app="warm", partition=0, partition_count=1, row_budget_bytes=1, switched_ms=0
    )
    users, stored = [user for user, _ in rows], [row for _, row in rows]
    again.load(users, stored, _none(users))
    again.bring_over(users, 2)
    again.process_due([_USER], 2**50, 3)
    again.profiles([_USER])


def _records() -> Records:
    values = [
        json.dumps({"userId": _USER, "messageId": "m", "timestamp": "2026-01-01T00:00:00Z", **event}).encode()
        for event in _EVENTS
    ]
    count = len(values)
    return Records(
        values=list(values),
        offsets=np.arange(count, dtype=np.int64),
        watermark_ms=np.zeros(count, np.int64),
        horizon_ms=np.full(count, 2**60, np.int64),
        forwarded=np.zeros(count, np.bool_),
    )


def _none(users: Sequence[str]) -> list[bytes | None]:
    return [None] * len(users)
