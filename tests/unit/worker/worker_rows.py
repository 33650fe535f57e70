"""A stored row, made by an engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from rules.catalog import Catalog
from rules.program import compile_catalog
from stream.engine import Engine, Records


def stored_row(catalog: Catalog, snapshots: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The row of a user with one event, evaluated with these snapshots."""
    engine = Engine(compile_catalog(catalog, None, snapshots), app="app", partition=0, partition_count=1)
    event = {"type": "track", "userId": "ann", "event": "Order Completed", "timestamp": "2026-01-01T00:00:00Z"}
    records = Records(
        values=[json.dumps(event).encode()],
        offsets=np.zeros(1, np.int64),
        watermark_ms=np.zeros(1, np.int64),
        horizon_ms=np.full(1, 2**60, np.int64),
        forwarded=np.zeros(1, np.bool_),
    )
    batch = engine.decode(records)
    engine.load(batch.cold, [None])
    ((_, row),) = engine.process(batch, 0, 1).rows
    return row
