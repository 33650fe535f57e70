"""Has Numba compile what an engine needs before a worker joins its group.

The first time on an installation that takes a minute; in the middle of the loop the worker would be thrown out.
"""

from __future__ import annotations

import json

import numpy as np

from rules.program import Program
from stream.engine import Engine, Records

__all__ = ["compile_engine"]

_USER = "somebody"
_EVENTS = (
    {"type": "track", "event": "Something", "properties": {}},
    {"type": "identify", "traits": {"age": 1, "name": "x", "member": True}},
)


def compile_engine(program: Program) -> None:
    """Run everything once on a made-up user. Blocks; afterwards a matter of milliseconds."""
    values = [
        json.dumps({"userId": _USER, "messageId": "m", "timestamp": "2026-01-01T00:00:00Z", **event}).encode()
        for event in _EVENTS
    ]
    count = len(values)
    records = Records(
        values=list(values),
        offsets=np.arange(count, dtype=np.int64),
        watermark_ms=np.zeros(count, np.int64),
        horizon_ms=np.full(count, 2**60, np.int64),
        forwarded=np.zeros(count, np.bool_),
    )
    engine = Engine(program, app="warm", partition=0, partition_count=1, row_budget_bytes=1)
    batch = engine.decode(records)
    engine.load(batch.cold, [None] * len(batch.cold))
    rows = engine.process(batch, 0, 1).rows
    again = Engine(program, app="warm", partition=0, partition_count=1, row_budget_bytes=1)
    again.load([user for user, _ in rows], [row for _, row in rows])
    again.process_due([_USER], 2**50, 2)
    again.profiles([_USER])
