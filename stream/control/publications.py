"""What the learners want published, in the order in which it must happen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stream.control.reports import DriftReport, Report

__all__ = ["FoundDrifts", "NewSnapshot", "Publication", "SavedState", "SwitchAgain"]


@dataclass(frozen=True, slots=True)
class NewSnapshot:
    """Publish a snapshot, wait until it is there, then switch every partition to it."""

    snapshot: Mapping[str, Any]

    @property
    def model(self) -> str:
        return str(self.snapshot["model"])

    @property
    def version(self) -> int:
        return int(self.snapshot["version"])


@dataclass(frozen=True, slots=True)
class SwitchAgain:
    """Switch to a snapshot that lies on the topic: whoever published it may have died before the switches."""

    model: str
    version: int


@dataclass(frozen=True, slots=True)
class SavedState:
    """Keep what a learner has learned, for the next start."""

    model: str
    state: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FoundDrifts:
    """Report what has drifted since a snapshot was last asked for: each by itself, and all in one line of the log."""

    model: str
    reports: Sequence[DriftReport]


Publication = NewSnapshot | SwitchAgain | SavedState | FoundDrifts | Report
