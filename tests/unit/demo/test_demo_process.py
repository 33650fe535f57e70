from __future__ import annotations

import json

import pytest

from stream.clock import ScaledClock, clock_from_text
from stream.demo.worker_process import clock_line, work_line
from stream.embedded import Addresses
from stream.settings import Settings


def test_a_process_that_is_given_the_clock_s_text_shares_the_clock() -> None:
    clock = ScaledClock(1_761_840_000_000, 21_600.0, origin_s=812.25)
    shared = clock_from_text(clock_line(clock).decode().strip())
    assert isinstance(shared, ScaledClock)
    assert (shared.start_ms, shared.speed, shared.origin_s) == (clock.start_ms, clock.speed, clock.origin_s)


@pytest.mark.parametrize(
    "text", ["", "system", "held", "held:x", "scaled:1:2", "scaled:x:1.0:2.0", "scaled:1:0:2.0", "other:1:2.0:3.0"]
)
def test_a_text_that_is_no_clock_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no clock"):
        clock_from_text(text)


def test_the_worker_s_orders_are_whole_lines_that_give_back_what_went_in() -> None:
    settings, addresses = Settings(partitions=7, app="shop"), Addresses("127.0.0.1:1", "redis://127.0.0.1:2/0", True)
    line = work_line(settings, addresses, "catalog: x\nversion: 1\n")
    assert line.count(b"\n") == 1
    work = json.loads(line)
    assert Settings(**work["settings"]) == settings
    assert Addresses(**work["addresses"]) == addresses
    assert work["catalog"] == "catalog: x\nversion: 1\n"
