"""Ids that follow from what a message is about, so that the same content has the same id however often it is sent."""

from __future__ import annotations

from hashlib import sha256

from tagstream.topics import EVENTS, EVENTS_DLQ

__all__ = ["change_id", "dead_letter_id", "forward_id"]

# No part but the user may hold the separator (apps are checked, the rest are numbers and constants), and the user is
# followed by numbers only: two different contents never give the same text.
_SEPARATOR = "\x1f"


def _digest(*parts: str | int) -> str:
    text = _SEPARATOR.join(str(part) for part in parts)
    return sha256(text.encode()).hexdigest()[:32]


def change_id(app: str, user: str, incarnation: int, version: int) -> str:
    """Id of a user's change: 32 hex digits of app, user, incarnation and version."""
    return _digest(app, user, incarnation, version)


def dead_letter_id(app: str, partition: int, offset: int) -> str:
    """Id of the dead letter of the record at this place of the app's `events` topic."""
    return _digest(app, EVENTS_DLQ, partition, offset)


def forward_id(app: str, partition: int, offset: int) -> str:
    """Id of a misplaced event on its way from this place of the `events` topic to its right partition."""
    return _digest(app, EVENTS, partition, offset)
