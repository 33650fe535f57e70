"""A time zone as tables: the offset from UTC at any moment, and the beginning of every local day.

The tables reach from 1970 to 2100. Before and after them the first and the last offset hold, and days have 24 hours.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from rules.tables import NOT_YET_MS, Int64

__all__ = ["DAY_MS", "FIRST_DAY", "day_starts", "zone_offsets"]

DAY_MS = 86_400_000
DAY_S = 86_400
FIRST_DAY = -1
"""1969-12-31: the local day at the beginning of 1970 west of Greenwich."""

_DAYS = datetime(2101, 1, 1, tzinfo=UTC).toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()
_STEP_S = DAY_S
"""No zone has changed its clock twice within three days since 1970."""


@lru_cache(maxsize=64)
def zone_offsets(timezone: str) -> tuple[Int64, Int64]:
    """`(n,)` moments in UTC ms, ascending, and `(n,)` the offset (local time less UTC, ms) that holds from each on."""
    zone = ZoneInfo(timezone)

    def offset_s(moment_s: int) -> int:
        offset = datetime.fromtimestamp(moment_s, zone).utcoffset() or timedelta()
        return offset // timedelta(seconds=1)

    starts, offsets = [NOT_YET_MS], [offset_s(-DAY_S) * 1000]
    before_s, before = -DAY_S, offset_s(-DAY_S)
    for moment_s in range(-DAY_S, (_DAYS + 1) * DAY_S, _STEP_S):
        offset = offset_s(moment_s)
        if offset != before:
            low, high = before_s, moment_s
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset_s(middle) == before else (low, middle)
            starts.append(high * 1000)
            offsets.append(offset * 1000)
        before_s, before = moment_s, offset
    return np.array(starts, np.int64), np.array(offsets, np.int64)


@lru_cache(maxsize=64)
def day_starts(timezone: str) -> Int64:
    """`(n,)` UTC ms at which local day `FIRST_DAY + i` (days since 1970-01-01) begins, ascending.

    A day begins at the first instant whose local date is that day or a later one.
    """
    starts, offsets = zone_offsets(timezone)
    midnights = np.arange(FIRST_DAY, _DAYS, dtype=np.int64) * DAY_MS
    # In a stretch with one offset local time runs on evenly, up to the stretch's end. A day begins in the first stretch
    # that reaches its midnight: there, or at once where the clock was put forward over midnight.
    reached = np.maximum.accumulate(np.append(starts[1:] + offsets[:-1], np.iinfo(np.int64).max))
    stretch = np.searchsorted(reached, midnights, side="right")
    begins: Int64 = np.maximum(starts[stretch], midnights - offsets[stretch])
    return begins
