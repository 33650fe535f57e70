"""RFC 3339 timestamps to milliseconds, many at once.

Taken: `YYYY-MM-DD`, then `T`, `t` or a space, `hh:mm:ss`, a fraction of any length or none, `Z`, `z` or `±hh:mm`.
Digits after the third of the fraction are cut off, not rounded. A second 60 is a leap second only at 23:59:60 UTC and
counts as the second that follows. Nothing else of ISO 8601 is taken: no date alone, no missing offset, no `+0800`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stream.engine.dates import days_from_civil, days_in_month
from stream.engine.jit import jit
from stream.engine.joined import join_text

__all__ = ["NO_TIME", "parse_timestamps"]

NO_TIME = -(2**63)
"""What is no timestamp. Every timestamp before 1970 is negative too, but greater."""

_SHORTEST = len("1970-01-01T00:00:00Z")
_MS_PER_MINUTE = 60_000
_MS_PER_DAY = 86_400_000
_ZERO = ord("0")
_DASH = np.uint8(ord("-"))
_PLUS = np.uint8(ord("+"))
_COLON = np.uint8(ord(":"))
_POINT = np.uint8(ord("."))
_SPACE = np.uint8(ord(" "))
_LOWER = np.uint8(0x20)
_T = np.uint8(ord("t"))
_Z = np.uint8(ord("z"))


@jit
def _number(data: npt.NDArray[np.uint8], at: int, digits: int) -> int:
    """The number that `digits` digits from `at` on write, -1 where one is none."""
    number = 0
    for place in range(at, at + digits):
        digit = int(data[place]) - _ZERO
        if digit < 0 or digit > 9:
            return -1
        number = number * 10 + digit
    return number


@jit
def _parse(data: npt.NDArray[np.uint8], start: int, end: int) -> int:
    """Milliseconds since 1970 of the text in `[start, end)`, `NO_TIME` where it is no timestamp."""
    if end - start < _SHORTEST:
        return NO_TIME
    year = _number(data, start, 4)
    month = _number(data, start + 5, 2)
    day = _number(data, start + 8, 2)
    hour = _number(data, start + 11, 2)
    minute = _number(data, start + 14, 2)
    second = _number(data, start + 17, 2)
    if year < 0 or month < 1 or month > 12 or day < 1 or day > days_in_month(year, month):
        return NO_TIME
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 60:
        return NO_TIME
    if data[start + 4] != _DASH or data[start + 7] != _DASH or data[start + 13] != _COLON or data[start + 16] != _COLON:
        return NO_TIME
    between = data[start + 10]
    if (between | _LOWER) != _T and between != _SPACE:
        return NO_TIME

    at = start + 19
    fraction_ms = 0
    if data[at] == _POINT:
        at += 1
        place_ms = 100
        digits = 0
        while at < end:
            digit = int(data[at]) - _ZERO
            if digit < 0 or digit > 9:
                break
            fraction_ms += digit * place_ms
            place_ms //= 10
            digits += 1
            at += 1
        if digits == 0:
            return NO_TIME

    offset_minutes = 0
    if end - at == 1:
        if (data[at] | _LOWER) != _Z:
            return NO_TIME
    elif end - at == 6:
        offset_hour = _number(data, at + 1, 2)
        offset_minute = _number(data, at + 4, 2)
        if offset_hour < 0 or offset_hour > 23 or offset_minute < 0 or offset_minute > 59 or data[at + 3] != _COLON:
            return NO_TIME
        offset_minutes = offset_hour * 60 + offset_minute
        if data[at] == _DASH:
            offset_minutes = -offset_minutes
        elif data[at] != _PLUS:
            return NO_TIME
    else:
        return NO_TIME

    minutes = hour * 60 + minute - offset_minutes
    if second == 60 and minutes % 1440 != 1439:
        return NO_TIME
    return days_from_civil(year, month, day) * _MS_PER_DAY + minutes * _MS_PER_MINUTE + second * 1000 + fraction_ms


@jit
def _parse_all(data: npt.NDArray[np.uint8], bounds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    times_ms = np.empty(len(bounds) - 1, np.int64)
    for i in range(len(times_ms)):
        times_ms[i] = _parse(data, bounds[i], bounds[i + 1])
    return times_ms


def parse_timestamps(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Milliseconds since 1970 of each text, cut, not rounded: `(n,) int64`; `NO_TIME` where it is no timestamp."""
    joined = join_text(texts)
    return _parse_all(joined.data, joined.bounds)
