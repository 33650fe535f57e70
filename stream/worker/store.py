"""What the worker keeps of a partition between steps, and the two ways to keep it: `RedisStore` and `MemoryStore`.

Both are held to one contract suite. A step changes everything or nothing, and only from the position it names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from stream.engine.murmur import hash_users
from stream.worker.errors import REBUILD, DoubtError, FencedError, PauseError

__all__ = ["BUCKETS", "StepWrite", "Store", "Taken", "buckets_of", "keys_of", "reports_key"]

BUCKETS: Final = 1024
"""Hashes of rows a partition: fewer and larger would make the walk's pieces large, a key a user costs more memory."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A partition just taken. before: its position as it was found.  position: as it is now.  due_ms: the smallest."""

    before: bytes | None
    position: bytes
    outbox: bytes | None
    due_ms: int | None


@dataclass(frozen=True, slots=True)
class StepWrite:
    """All that one step writes.

    expected_step: of the position it starts from.  position: the new one, encoded.  published_step: the newest step
    whose outbox is known to be published.  outbox: encoded, empty if there is nothing to publish.
    due: `NEVER_MS` takes the user out; the other fields as in `StepResult`.
    filled: user and row of the backfill; kept beside the rows.  unfilled: buckets whose backfilled rows go.
    gone_sizes, gone_sets: names of sizes, and segments of sets of members, that go.
    """

    expected_step: int
    position: bytes
    published_step: int
    outbox: bytes = b""
    rows: Sequence[tuple[str, bytes]] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    entered: Mapping[str, Sequence[str]] = field(default_factory=dict)
    left: Mapping[str, Sequence[str]] = field(default_factory=dict)
    due: Sequence[tuple[str, int]] = ()
    filled: Sequence[tuple[str, bytes]] = ()
    unfilled: Sequence[int] = ()
    gone_sizes: Sequence[str] = ()
    gone_sets: Sequence[str] = ()


class Store(Protocol):
    """State of all partitions of one app. Calls block. All raise UnavailableError if the store isn't there.

    After an UnavailableError of `acquire` or `commit` it isn't known whether the call took effect: acquire again.
    """

    def check(self) -> None:
        """Raise ConfigurationError if the store is set up in a way that could lose data."""
        ...

    def acquire(
        self, partition: int, *, committed_step: int | None, mark: bytes, first: bytes | None, first_mark: bytes = b""
    ) -> Taken | None:
        """Take the partition: raise its step above all used, and set `mark` if the position is behind `committed_step`.

        first: the body of a first position, with `first_mark`; None: don't make one. Returns None, having done
        nothing, if there is no position and none is to be made. Raises PauseError if a key isn't what it should be.
        """
        ...

    def commit(self, partition: int, write: StepWrite) -> int | None:
        """Commit a step; returns the smallest due time of the partition. Once more is refused, so never twice.

        Raises FencedError if the position isn't at `expected_step`, DoubtError if an outbox newer than
        `published_step` would be overwritten, PauseError if a key isn't what it should be; then nothing is written.
        """
        ...

    def commit_all(self, writes: Sequence[tuple[int, StepWrite]]) -> list[int | Exception | None]:
        """Commit a step each of several partitions, as `commit` does; in place of a result, the error it would raise.

        Each is committed by itself: one may fail and the others not.
        """
        ...

    def rows(self, partition: int, users: Sequence[str]) -> list[bytes | None]:
        """The rows of these users, in one round trip; None for a user who has none."""
        ...

    def filled(self, partition: int, users: Sequence[str]) -> list[bytes | None]:
        """The backfilled rows of these users, in one round trip; None for a user who has none."""
        ...

    def bucket_lengths(self, partition: int) -> list[int]:
        """By bucket, how many users' rows are in it."""
        ...

    def buckets(self, partition: int, numbers: Sequence[int]) -> list[list[tuple[str, bytes]]]:
        """All users and rows of each of these buckets, ordered by user, in one round trip."""
        ...

    def due(self, partition: int, watermark_ms: int, limit: int) -> list[str]:
        """At most `limit` users due at or before the watermark, in (due, user) order."""
        ...

    def position(self, partition: int) -> bytes | None:
        """The stored position, or None."""
        ...

    def has_rows(self, partition: int) -> bool:
        """Whether any user's row is stored."""
        ...

    def sizes(self, partition: int) -> dict[str, int]:
        """The number of members by segment."""
        ...

    def members(self, partition: int, segment: str) -> Iterator[str]:
        """The members of an indexed segment, in no order; as a cursor does, members that come or go may be missed."""
        ...

    def scan(self, partition: int) -> Iterator[tuple[str, bytes]]:
        """All users and rows, bucket by bucket; a user whose row is written meanwhile may come twice."""
        ...

    def report(self, worker: str, text: bytes | None) -> None:
        """Leave what a worker says of itself, for whoever looks; None takes it away."""
        ...

    def reports(self) -> dict[str, tuple[int, bytes]]:
        """By worker, how many ms ago it said something, and what. Those that ended without a word are among them."""
        ...

    def close(self) -> None:
        """Let go of connections. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of a partition's fixed keys; all share the hash tag, so a step touches one slot."""

    tag: str
    position: str
    outbox: str
    due: str
    sizes: str

    def bucket(self, bucket: int) -> str:
        return f"{self.tag}r:{bucket}"

    def filled(self, bucket: int) -> str:
        return f"{self.tag}b:{bucket}"

    def members(self, segment: str) -> str:
        return f"{self.tag}s:{segment}"


def keys_of(app: str, partition: int) -> Keys:
    """The keys of one partition."""
    tag = f"{{{app}:{partition}}}:"
    return Keys(tag, f"{tag}position", f"{tag}outbox", f"{tag}due", f"{tag}sizes")


def reports_key(app: str) -> str:
    """The hash of what the app's workers say of themselves. Of no partition, and no result depends on it."""
    return f"{{{app}:workers}}"


def buckets_of(users: Sequence[str], partition_count: int) -> list[int]:
    """The bucket of each user's row. All users of one partition share `hash % count`, so the quotient spreads them."""
    buckets: list[int] = ((hash_users(users) // np.int64(partition_count)) % BUCKETS).tolist()
    return buckets


def fenced(partition: int) -> FencedError:
    return FencedError(
        f"Partition {partition} has been taken by another worker.", remedy="It is acquired again if it is still ours."
    )


def unpublished_outbox(partition: int) -> DoubtError:
    return DoubtError(
        f"The outbox of partition {partition} isn't known to be published.", remedy="The partition is acquired again."
    )


def wrong_type(key: str, found: str) -> PauseError:
    return PauseError(
        "wrong_type",
        f"The key {key} in Redis is a {found}, which no worker made.",
        remedy=f"Delete or rename it if it is another program's; give this app a database of its own. {REBUILD}",
    )


def wrong_size(partition: int, segment: str, found: str) -> PauseError:
    return PauseError(
        "wrong_type",
        f"The size of segment {segment} of partition {partition} in Redis is {found!r}, not a whole number.",
        remedy="Another program wrote it. Set it to the number of members; give this app a database of its own.",
    )


def malformed_position(partition: int) -> PauseError:
    return PauseError(
        "position_unreadable",
        f"The position of partition {partition} in Redis is none that a worker wrote.",
        remedy="Another program or a newer version wrote it: give this app its own Redis database, or upgrade.",
    )
