"""Durations: a whole number and one unit, kept as whole milliseconds."""

from __future__ import annotations

import re

__all__ = ["MAX_DURATION_MS", "UNIT_MS", "DurationError", "format_duration", "parse_duration"]

UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
MAX_UNITS = 10**12
MAX_DURATION_MS = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly."""

_DURATION = re.compile(r"([0-9]+)([smhdw])")
_LOOSE = re.compile(r"([0-9]+) *([smhdw])(?:ecs?|econds?|ins?|inutes?|rs?|ours?|ays?|ks?|eeks?)?")


class DurationError(ValueError):
    """A text that is no duration. `suggestion` is the duration that was probably meant, or None."""

    def __init__(self, message: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.suggestion = suggestion


def parse_duration(text: str) -> int:
    """The milliseconds of a duration such as `90s`, `30m`, `24h`, `7d`, `26w`; a day is 24 hours.

    Raises DurationError if the text is not a whole number and one of the units, or too long a time.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        loose = _LOOSE.fullmatch(text.strip().lower())
        raise DurationError(
            "a duration is a whole number and one unit of s m h d w",
            None if loose is None else f"{loose[1]}{loose[2]}",
        )
    digits, unit = match.groups()
    # The length is looked at first: int() of endless digits is slow and refused by Python itself.
    if len(digits.lstrip("0")) > len(str(MAX_UNITS)):
        raise DurationError(f"a duration has at most 10^12 units and {MAX_DURATION_MS:,} ms")
    count = int(digits)
    if count > MAX_UNITS or count * UNIT_MS[unit] > MAX_DURATION_MS:
        raise DurationError(f"a duration has at most 10^12 units and {MAX_DURATION_MS:,} ms")
    return count * UNIT_MS[unit]


def format_duration(ms: int) -> str:
    """The shortest text for a time: the greatest unit that is exact (`36h`, `1w`), or milliseconds (`1500ms`)."""
    if ms == 0:
        return "0s"
    for unit in ("w", "d", "h", "m", "s"):
        if ms % UNIT_MS[unit] == 0:
            return f"{ms // UNIT_MS[unit]}{unit}"
    return f"{ms}ms"
