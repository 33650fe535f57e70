"""The engine: events of one partition in, changes of its users out. No I/O, no clock, no randomness."""

from __future__ import annotations

from stream.engine.engine import Batch, Engine
from stream.engine.result import (
    NEVER_MS,
    FactReading,
    Message,
    Profile,
    Reading,
    Records,
    Reject,
    SampleRow,
    Standing,
    StepResult,
    UnitReading,
)
from stream.engine.rows import (
    RowFormatError,
    row_catalog_version,
    row_clusters,
    row_levels,
    row_members,
    row_models_stamp,
    row_step,
)

__all__ = [
    "NEVER_MS",
    "Batch",
    "Engine",
    "FactReading",
    "Message",
    "Profile",
    "Reading",
    "Records",
    "Reject",
    "RowFormatError",
    "SampleRow",
    "Standing",
    "StepResult",
    "UnitReading",
    "row_catalog_version",
    "row_clusters",
    "row_levels",
    "row_members",
    "row_models_stamp",
    "row_step",
]
