from __future__ import annotations

from stream.clock import ManualClock
from stream.demo.catching_up import PATIENCE_S, CatchingUp
from stream.worker.memory_store import MemoryStore
from tests.unit.worker.worker_builders import position


def taken(store: MemoryStore, partition: int, next_offset: int) -> None:
    store.acquire(partition, committed_step=None, mark=b"", first=position(next_offset=next_offset).encode_body())


def test_what_lies_behind_the_past_does_not_make_up_for_a_partition_that_is_not_there_yet() -> None:
    store = MemoryStore()
    past = CatchingUp(store, {0: 60, 1: 40}, ManualClock())
    taken(store, 0, 1_000)
    past.look()
    assert (past.text, past.is_done) == ("60 of 100 events", False)
    taken(store, 1, 40)
    past.look()
    assert (past.text, past.is_done) == ("100 of 100 events", True)


def test_it_is_stuck_only_once_nothing_has_moved_for_a_minute_however_long_it_takes() -> None:
    store, clock = MemoryStore(), ManualClock()
    past = CatchingUp(store, dict.fromkeys(range(4), 10), clock)
    stuck = []
    for partition in range(3):
        clock.advance_ms(int(PATIENCE_S * 1000) - 1)
        taken(store, partition, 10)
        past.look()
        stuck.append(past.is_stuck)
    assert stuck == [False, False, False]
    clock.advance_ms(int(PATIENCE_S * 1000) + 1)
    past.look()
    assert past.is_stuck
