"""Taking a partition: the first half of the step protocol (the second, a step, is in `rounds`).

Runs beside the loop, in a thread of its own: a read of K may wait for an open transaction of a dead worker to end, and
the partitions that are running must not wait with it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rules.program import Program
from stream.catalogs import AppliedCatalogs
from stream.errors import ConfigurationError
from stream.metrics import Metrics
from stream.settings import Delivery
from stream.worker.errors import REBUILD, PauseError
from stream.worker.in_force import ModelsInForce, at_the_start, why_useless
from stream.worker.lookup import Lookup, TopicFacts
from stream.worker.outbox import Outgoing, decode_outbox
from stream.worker.position import Committed, Position, decode_position
from stream.worker.programs import Programs
from stream.worker.published import PublishedTopics, ReplayGuard, load_guard, missing
from stream.worker.row_headers import row_header
from stream.worker.sink import Publication, Sink
from stream.worker.steps import committed_of
from stream.worker.store import Store, Taken

__all__ = ["Acquired", "Acquirer"]

log = logging.getLogger("tagstream.worker")

_ROWS_AT_ONCE: Final = 4_000


@dataclass(frozen=True, slots=True)
class Acquired:
    """A partition that is ours. Once `outstanding` is published, it may run from `position`.

    due_ms: the smallest due time.  guard: set if records are to be processed a second time.
    program: of the version that the position names; while a walk is under way, taking over from the one before.
    """

    partition: int
    position: Position
    program: Program
    outstanding: Publication | None
    due_ms: int | None
    guard: ReplayGuard | None


@dataclass(frozen=True, slots=True)
class Acquirer:
    """Takes partitions. facts: of the events topic as the worker found it when it started."""

    store: Store
    lookup: Lookup
    sink: Sink
    topics: PublishedTopics
    facts: TopicFacts
    delivery: Delivery
    programs: Programs
    metrics: Metrics

    def acquire(self, partition: int) -> Acquired:
        """Take the partition and find out where it stands. Blocks; any thread; any number of times.

        Raises UnavailableError or DoubtError (try again), PauseError (somebody has to act).

        1. The producer stands; K is read when no open transaction can still change it.
        2. One script takes the partition: R and the outbox come back, older owners are locked out, and where R is
           behind K it is marked.
        3. What must not have changed is checked. No R and no K: a first start, from the log's start.
        4. The outbox is published if it isn't known to be. (The loop does it: a transaction is the loop's.)
        5. Where R was behind K, the changes published since are read.
        6. (The loop drops rows and records, and seeks.)
        """
        # 1
        self._check_store()
        self.sink.stand()
        committed = self.lookup.committed(partition)
        facts = self.lookup.facts()
        low, high = self.lookup.bounds(partition)
        self._check_topic(partition, facts)
        # 2
        taken = self._take(partition, committed, low)
        position = decode_position(taken.position, partition)
        # 3
        self._check_position(partition, position, facts, low, high)
        program = self._program(position)
        first = Publication(partition, (), committed_of(position)) if committed is None else None
        # 4
        outstanding = self._unpublished(partition, position, taken, committed) or first
        # 5
        if position.replay_to is not None:
            self._alarm(partition, position, taken)
        guard = load_guard(self.topics, partition, position)
        if guard is not None:
            self._forget_what_rows_have(partition, guard)
        return Acquired(partition, position, program, outstanding, taken.due_ms, guard)

    def _check_store(self) -> None:
        try:
            self.store.check()
        except ConfigurationError as error:
            raise PauseError("redis_configuration", error.message, remedy=error.remedy) from error

    def _check_topic(self, partition: int, facts: TopicFacts) -> None:
        if facts.topic_id != self.facts.topic_id:
            raise PauseError(
                "topic_recreated",
                f"The topic {self.topics.topics['events']} was deleted and made anew.",
                remedy=f"Start the workers again. {REBUILD}",
            )
        if facts.partition_count != self.facts.partition_count:
            raise _partitions_changed(partition, self.facts.partition_count, facts.partition_count)

    def _take(self, partition: int, committed: Committed | None, low: int) -> Taken:
        catalogs = self.programs.catalogs
        begins_ms = self.lookup.time_of(partition, low) if low > 0 else None
        version = self._first_version(committed, low, begins_ms)
        models = self._first_models(committed, low, begins_ms, version)
        first = Position(
            step=0,
            next_offset=low,
            log_time_ms=0,
            watermark_ms=0,
            catalog=catalogs.name or "",
            catalog_version=version,
            model_versions=dict(models.versions),
            models_waiting=dict(models.waiting),
            walk=None,
            partition_count=self.facts.partition_count,
            topic_id=self.facts.topic_id,
            origins={},
            published={},
        ).encode_body()
        mark = Position.encode_mark(committed)
        # With K but without R, Redis has lost everything. Where the log is whole, going through it again brings
        # everything back; where it isn't, what is left of it would give other results.
        whole = committed is None or low == 0 or committed.offset <= low
        if partition != 0:
            self._check_sibling(partition)
        if self.store.position(partition) is None and self.store.has_rows(partition):
            raise PauseError(
                "position_lost",
                f"Redis has rows of partition {partition} but no position: going through the log again would count "
                "twice what they hold already.",
                remedy=f"Redis was restored from parts, or written to by hand. {REBUILD}",
            )
        taken = self.store.acquire(
            partition,
            committed_step=None if committed is None else committed.step,
            mark=mark,
            first=first if whole else None,
            first_mark=mark if committed is not None and committed.offset > low else b"",
        )
        if taken is None:
            raise PauseError(
                "redis_lost",
                f"Redis has no position of partition {partition}, though its offset "
                f"{committed and committed.offset} is committed, and the log begins at {low} only.",
                remedy=f"Check that TAGSTREAM_REDIS is the right Redis. {REBUILD}",
            )
        return taken

    def _check_sibling(self, partition: int) -> None:
        """A partition that is new must not start while the others stand on another number of partitions."""
        stored = self.store.position(0)
        if stored is not None:
            found = decode_position(stored, 0).partition_count
            if found != self.facts.partition_count:
                raise _partitions_changed(partition, found, self.facts.partition_count)

    def _check_position(self, partition: int, position: Position, facts: TopicFacts, low: int, high: int) -> None:
        if position.topic_id != facts.topic_id and position.topic_id and facts.topic_id:
            raise PauseError(
                "topic_recreated",
                f"The topic {self.topics.topics['events']} was deleted and made anew since partition {partition} "
                "was read last.",
                remedy=f"If that was meant, give the app a new name or an empty Redis. {REBUILD}",
            )
        if position.partition_count != facts.partition_count:
            raise _partitions_changed(partition, position.partition_count, facts.partition_count)
        if not low <= position.next_offset <= high:
            raise PauseError(
                "position_out_of_range",
                f"Partition {partition} stands at offset {position.next_offset}, but its log has the offsets from "
                f"{low} to {high} only.",
                remedy=f"Records were deleted before they were read, or the log was cut. {REBUILD}",
            )
        catalogs = self.programs.catalogs
        needed = [position.catalog_version, *([] if position.taken_over is None else [position.taken_over])]
        missing = [version for version in needed if version not in catalogs.versions]
        if position.catalog != catalogs.name or missing:
            raise PauseError(
                "unknown_version",
                f"Partition {partition} is evaluated with version {(missing or needed)[0]} of the catalog "
                f"{position.catalog}; this app's topic of catalogs has {_listed(catalogs)}.",
                remedy="Apply that catalog again (`tagstream apply`) if the topic was made anew; "
                "to use another one, give TAGSTREAM_APP another name.",
            )
        useless = next(self._useless(position), None)
        if useless is not None:
            raise PauseError(
                "unknown_version",
                f"Partition {partition} is evaluated with a snapshot that is not to be had: {useless}",
                remedy="If a newer version of tagstream wrote it, upgrade this worker; if the topic of models was made "
                f"anew, publish that version again. {REBUILD}",
            )

    def _useless(self, position: Position) -> Iterator[str]:
        """Sentences on the snapshots in force that can't be applied to the catalog that runs."""
        catalog = self.programs.catalogs.catalog(position.catalog_version)
        for name, version in position.model_versions.items():
            reason = why_useless(self.programs.models, catalog, name, version)
            if reason is not None:
                yield reason

    def _first_models(
        self, committed: Committed | None, low: int, begins_ms: int | None, version: int
    ) -> ModelsInForce:
        """The models that the log's first records were evaluated with; the log has the switches to others."""
        if low == 0:
            return ModelsInForce()
        known = {} if committed is None else committed.model_versions
        return at_the_start(self.programs.models, self.programs.catalogs.catalog(version), begins_ms, known)

    def _first_version(self, committed: Committed | None, low: int, begins_ms: int | None) -> int:
        """The version of the catalog that the records at the log's beginning were, or are to be, evaluated with.

        The log has the switches to all others. Where it was cut, those that are gone have taken effect.
        """
        catalogs = self.programs.catalogs
        versions = catalogs.versions
        if low == 0 or len(versions) < 2:
            return versions[0]
        known = committed.catalog_version if committed is not None else None
        then = [version for version in versions if begins_ms is None or catalogs.applied_ms(version) <= begins_ms]
        return max([versions[0], *then, *([known] if known in versions else [])])

    def _program(self, position: Position) -> Program:
        """The program that the partition goes on with. Blocks while it is compiled."""
        return self.programs.program(position.catalog_version, position.taken_over, position.model_versions)

    def _unpublished(
        self, partition: int, position: Position, taken: Taken, committed: Committed | None
    ) -> Publication | None:
        if taken.outbox is None:
            return None
        outbox = decode_outbox(taken.outbox, partition)
        if outbox.step <= self.sink.published_steps.get(partition, -1):
            return None  # this very process has published it
        messages: list[Outgoing] = list(outbox.messages)
        if committed is not None and committed.step is not None:
            if outbox.step <= committed.step:
                return None
        elif self.delivery == "exactly_once":
            # K doesn't tell whether the outbox was published; its topics do.
            messages = missing(self.topics, position, messages)
        self.metrics.resends.inc()
        return Publication(partition, messages, committed_of(position))

    def _forget_what_rows_have(self, partition: int, guard: ReplayGuard) -> None:
        """Of the changes read, those of the position's own step, and of steps since the mark, are in the rows."""
        users = guard.users()
        for start in range(0, len(users), _ROWS_AT_ONCE):
            part = users[start : start + _ROWS_AT_ONCE]
            for user, row in zip(part, self.store.rows(partition, part), strict=True):
                if row is not None:
                    header = row_header(row)
                    guard.forget(user, header.incarnation, header.version)

    def _alarm(self, partition: int, position: Position, taken: Taken) -> None:
        found = "nothing" if taken.before is None else f"step {taken.before[:16].decode()}"
        until = position.replay_to
        self.metrics.lost_tails.inc()
        log.error(
            "Redis has lost data of partition %d: it has %s, while offset %d is committed with step %s. "
            "The records from offset %d on are processed again; what was published is not published twice.",
            partition,
            found,
            until.offset if until else -1,
            f"{until.step:016x}" if until and until.step is not None else "unknown",
            position.next_offset,
        )


def _listed(catalogs: AppliedCatalogs) -> str:
    versions = catalogs.versions
    return f"version {', '.join(map(str, versions))} of {catalogs.name}" if versions else "none"


def _partitions_changed(partition: int, before: int, now: int) -> PauseError:
    return PauseError(
        "partitions_changed",
        f"Partition {partition} was read as one of {before}, and the topic has {now} partitions now: "
        "users would be looked for in the wrong place.",
        remedy=f"Make a topic with the number of partitions wanted and set TAGSTREAM_TOPIC_EVENTS to it. {REBUILD}",
    )
