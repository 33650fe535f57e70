"""How often learners publish."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Pace"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often snapshots are asked for, and states published.

    A state is published every `state_every_s`; after `state_samples` (None: not for them) sooner, but at least
    `state_pause_s` after the last. To make one takes 12 to 76 ms, and it has 0.4 to 1.9 MB (ten features, each
    algorithm after 4,000 to 200,000 samples): a quarter of a percent of a processor where samples never stop.
    """

    snapshot_samples: int = 10_000
    snapshot_every_s: float = 3_600.0
    state_every_s: float = 300.0
    state_samples: int | None = 20_000
    state_pause_s: float = 30.0
