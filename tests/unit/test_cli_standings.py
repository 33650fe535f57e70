"""How `status` and `lag` look at the positions and at the ends of a log that goes on meanwhile."""

from __future__ import annotations

from stream.commands.standings import look_with_ends
from stream.worker.memory_store import MemoryStore
from tests.unit.worker.worker_builders import position


class _Stream(MemoryStore):
    """A log and its positions: six records more, read at once, whenever one of them is looked at."""

    def __init__(self) -> None:
        super().__init__(1)
        self.partition_count = 1
        self._offset = 393

    def _moved(self) -> int:
        self._offset += 6
        return self._offset

    def position(self, partition: int) -> bytes | None:
        del partition
        return position(next_offset=self._moved()).encode()

    def ends(self) -> list[int]:
        return [self._moved()]


def test_the_log_never_ends_before_the_position_that_is_shown_beside() -> None:
    stream = _Stream()
    overview, ends = look_with_ends(stream, stream)
    assert ([each.next_offset for each in overview.positions], ends) == ([399], [405])
