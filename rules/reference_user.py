"""The reference's user: all that is kept of one, and why one is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rules.history import Event
from rules.reference_models import UserModels

__all__ = ["Occasion", "User"]


@dataclass(slots=True)
class User:
    """Everything accepted of a user, and where the user stands.

    newest_ms: the newest moment of an evaluation that had an event or a switch, or that changed something.
    seen_ms: the newest moment of any; up to it there is nothing left to look at.
    """

    name: str
    user_hash: int
    incarnation: int
    newest_ms: int
    seen_ms: int
    version: int = 0
    events: list[Event] = field(default_factory=list)
    message_ids: list[tuple[str, int]] = field(default_factory=list)
    entered_ms: dict[str, int] = field(default_factory=dict)
    levels: dict[str, str] = field(default_factory=dict)
    models: UserModels = field(default_factory=UserModels)

    def copy(self) -> User:
        """The same, to see what becomes of it."""
        return replace(
            self,
            events=[*self.events],
            message_ids=[*self.message_ids],
            entered_ms=dict(self.entered_ms),
            levels=dict(self.levels),
            models=self.models.copy(),
        )


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why a user is looked at: the moment, the cause, and if that is an event, the event and its record."""

    now_ms: int
    cause: str
    event: Event | None = None
    record: Mapping[str, int] | None = None
