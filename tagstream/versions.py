"""Repeats and gaps: what the version of a change says about the changes before it.

A user's changes are numbered 1, 2, 3, … within an incarnation, over all kinds of change. So a number that is not above
the last one seen is a repeat, and one that leaves numbers out is a gap.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from tagstream.contracts.positions import Position

__all__ = ["Gap", "RecentVersions", "SeenVersion", "VersionMemory", "missed_before", "next_seen"]


@dataclass(frozen=True, slots=True)
class SeenVersion:
    """The newest change seen of a user.

    `former_*`: the same of the incarnation before, so that changes of it that are sent again are known as repeats;
    0 if there was none.
    """

    incarnation: int
    version: int
    former_incarnation: int = 0
    former_version: int = 0


class VersionMemory(Protocol):
    """Where a subscriber keeps the newest change of each user. A `dict` is one; so is a table beside your own data.

    Kept for longer than the subscriber lives, it lets repeats be dropped across restarts too. It must then be shared by
    all subscribers of the group, since users move between them.
    """

    def get(self, user: str, /) -> SeenVersion | None:
        """The newest change seen of a user, None if there is none."""
        ...

    def __setitem__(self, user: str, seen: SeenVersion, /) -> None:
        """Remember it. Called once the caller is done with the change, before Kafka is told."""
        ...


@dataclass(frozen=True, slots=True)
class Gap:
    """Changes of a user that never came: `missed` of them, between `last_version` and the change at `position`.

    `last_version` is 0 if the first changes of a new incarnation are missing. What the user's segments are now, ask
    Tagstream (`tagstream profile USER`).
    """

    user: str
    incarnation: int
    last_version: int
    version: int
    position: Position

    @property
    def missed(self) -> int:
        """How many changes are missing."""
        return self.version - self.last_version - 1


def next_seen(last: SeenVersion | None, incarnation: int, version: int) -> SeenVersion | None:
    """What to remember after this change; None if it is a repeat."""
    if last is None:
        return SeenVersion(incarnation, version)
    if incarnation == last.incarnation:
        if version <= last.version:
            return None
        return SeenVersion(incarnation, version, last.former_incarnation, last.former_version)
    # Incarnations are offsets, and grow, but for a log that was created anew: so a smaller one is no repeat by itself.
    if incarnation == last.former_incarnation and version <= last.former_version:
        return None
    return SeenVersion(incarnation, version, last.incarnation, last.version)


def missed_before(last: SeenVersion | None, seen: SeenVersion) -> int | None:
    """The version after which changes are missing; None if there is no gap.

    The first change of a user that a subscriber sees is no gap, whatever its version.
    """
    if last is None:
        return None
    previous = last.version if seen.incarnation == last.incarnation else 0
    return previous if seen.version > previous + 1 else None


class RecentVersions:
    """The newest change of the users seen most recently, in memory.

    Holds `limit` users (some 300 bytes each); of a user that had to make room, the next change is taken as the first
    one seen: a repeat of it would be handed out, a gap before it not be reported.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._users: OrderedDict[str, tuple[int, SeenVersion]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._users)

    def of_partition(self, partition: int) -> VersionMemory:
        """The memory as the users of one partition see it."""
        return _PartitionVersions(self, partition)

    def get(self, user: str) -> SeenVersion | None:
        """The newest change of a user, which also keeps the user from making room."""
        found = self._users.get(user)
        if found is None:
            return None
        self._users.move_to_end(user)
        return found[1]

    def put(self, partition: int, user: str, seen: SeenVersion) -> None:
        """Remember a change of a user of this partition."""
        self._users[user] = (partition, seen)
        self._users.move_to_end(user)
        if len(self._users) > self._limit:
            self._users.popitem(last=False)

    def forget(self, partition: int) -> None:
        """Forget the users of a partition: another subscriber has read on there."""
        for user in [user for user, (home, _) in self._users.items() if home == partition]:
            del self._users[user]


class _PartitionVersions:
    def __init__(self, recent: RecentVersions, partition: int) -> None:
        self._recent = recent
        self._partition = partition

    def get(self, user: str, /) -> SeenVersion | None:
        return self._recent.get(user)

    def __setitem__(self, user: str, seen: SeenVersion, /) -> None:
        self._recent.put(self._partition, user, seen)
