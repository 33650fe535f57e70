"""The engine: events of one partition in, changes of its users' segments out. No I/O, no clock, no randomness."""

from __future__ import annotations

from stream.engine.engine import Batch, Engine
from stream.engine.result import NEVER_MS, Message, Profile, Records, Reject, StepResult
from stream.engine.rows import RowFormatError, row_members, row_step

__all__ = [
    "NEVER_MS",
    "Batch",
    "Engine",
    "Message",
    "Profile",
    "Records",
    "Reject",
    "RowFormatError",
    "StepResult",
    "row_members",
    "row_step",
]
