"""How often learners publish."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Pace"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often snapshots are asked for, and states published."""

    snapshot_samples: int = 10_000
    snapshot_every_s: float = 3_600.0
    state_every_s: float = 300.0
