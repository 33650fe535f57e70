"""How far a subscriber is on one partition: what is handed out, what is done, and up to where all is done."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tagstream.versions import SeenVersion, VersionMemory

__all__ = ["PartitionProgress", "Step"]


@dataclass(slots=True)
class Step:
    """One record read. `user` and `seen` are None where it is no change."""

    offset: int
    user: str | None = None
    seen: SeenVersion | None = None
    done: bool = False


class PartitionProgress:
    """Steps of one partition, done in any order, committed in theirs.

    A user's newest version goes into `memory` only when everything before it is done too: then nothing that will be
    read again after a crash is taken for a repeat.

    committed: offset that Kafka has, as far as known; None before the first commit.
    """

    def __init__(self, memory: VersionMemory) -> None:
        self._memory = memory
        self._steps: deque[Step] = deque()
        self._under_way: dict[str, SeenVersion] = {}
        self.next_offset: int | None = None
        self.committed: int | None = None

    @property
    def under_way(self) -> int:
        """Steps that wait for themselves or one before them to be done."""
        return len(self._steps)

    @property
    def to_commit(self) -> int | None:
        """The offset Kafka is to be told; None if it has been."""
        return None if self.next_offset == self.committed else self.next_offset

    def last_seen(self, user: str) -> SeenVersion | None:
        """The newest change of a user, done or not."""
        seen = self._under_way.get(user)
        return seen if seen is not None else self._memory.get(user)

    def begin(self, step: Step) -> None:
        """A record was read; records come in the order of their offsets."""
        self._steps.append(step)
        if step.user is not None and step.seen is not None:
            self._under_way[step.user] = step.seen
        if step.done:
            self._advance()

    def finish(self, step: Step) -> None:
        """The caller is done with it."""
        step.done = True
        self._advance()

    def _advance(self) -> None:
        while self._steps and self._steps[0].done:
            step = self._steps[0]
            if step.user is not None and step.seen is not None:
                self._memory[step.user] = step.seen
                if self._under_way.get(step.user) is step.seen:
                    del self._under_way[step.user]
            # Last, so that a memory that raises is asked again.
            self._steps.popleft()
            self.next_offset = step.offset + 1
