"""How the demo's models learn: a day of the shop takes four seconds, so snapshots come in seconds too."""

from __future__ import annotations

from typing import Final

from stream.control.pace import Pace

__all__ = ["DEMO_PACE"]

DEMO_PACE: Final = Pace(snapshot_samples=40_000, snapshot_every_s=20.0, state_every_s=3_600.0, state_samples=None)
