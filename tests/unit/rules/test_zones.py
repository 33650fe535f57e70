from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest

from rules.days import day_begins_ms, local_hour
from rules.zones import DAY_MS, FIRST_DAY, day_starts, zone_offsets

ZONES = [
    "UTC",
    "America/New_York",
    "America/Sao_Paulo",  # its clock was put forward at midnight
    "America/Scoresbysund",
    "Africa/Casablanca",  # changes within weeks
    "Asia/Kathmandu",
    "Pacific/Apia",  # left a day out
    "Pacific/Kwajalein",
]
EPOCH_DAY = date(1970, 1, 1).toordinal()


@pytest.mark.parametrize("timezone", ZONES)
def test_a_day_begins_where_the_slow_calendar_says(timezone: str) -> None:
    starts, _ = zone_offsets(timezone)
    begins = day_starts(timezone)
    changed = {int(moment_ms) // DAY_MS + near for moment_ms in starts[1:] for near in (-1, 0, 1, 2)}
    for day in sorted(changed | set(range(0, len(begins) - 1, 997))):
        if day >= len(begins) + FIRST_DAY:
            break
        assert begins[day - FIRST_DAY] == day_begins_ms(date.fromordinal(EPOCH_DAY + day), timezone), day


@pytest.mark.parametrize("timezone", ZONES)
def test_days_never_begin_before_those_before_them(timezone: str) -> None:
    assert (np.diff(day_starts(timezone)) >= 0).all()


@pytest.mark.parametrize("timezone", ZONES)
def test_an_offset_gives_the_hour_of_the_zones_clock(timezone: str) -> None:
    starts, offsets = zone_offsets(timezone)
    moments = [0, int(datetime(2100, 7, 1, tzinfo=UTC).timestamp() * 1000)]
    moments += [int(start) + near for start in starts[1:] for near in (-1, 0, 1_800_000)]
    for moment_ms in moments:
        offset_ms = int(offsets[np.searchsorted(starts, moment_ms, side="right") - 1])
        assert (moment_ms + offset_ms) // 3_600_000 % 24 == local_hour(moment_ms, timezone)


def test_the_days_reach_from_1970_to_2100_everywhere() -> None:
    begins = day_starts("Etc/GMT+12")
    assert begins[0] <= 0
    assert len(begins) + FIRST_DAY == date(2101, 1, 1).toordinal() - EPOCH_DAY
