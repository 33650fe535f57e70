"""Milliseconds to RFC 3339 text, quickly: the day's date is formatted once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

__all__ = ["Stamps"]

_DAY_MS: Final = 86_400_000


class Stamps:
    """Call it with ms since 1970 for text such as `2025-11-11T12:00:00.250Z`."""

    def __init__(self) -> None:
        self._dates: dict[int, str] = {}

    def __call__(self, at_ms: int) -> str:
        day, rest = divmod(at_ms, _DAY_MS)
        date = self._dates.get(day)
        if date is None:
            date = self._dates[day] = datetime.fromtimestamp(day * 86_400, tz=UTC).strftime("%Y-%m-%dT")
        seconds, milliseconds = divmod(rest, 1000)
        minutes, second = divmod(seconds, 60)
        hour, minute = divmod(minutes, 60)
        return f"{date}{hour:02d}:{minute:02d}:{second:02d}.{milliseconds:03d}Z"
