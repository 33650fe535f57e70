"""A member of a consumer group: fetches records, begins each partition where the group stands, commits what is done.

The one place that knows kafka-python's consumer. It is used from one thread, but for `finish`.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    KafkaTimeoutError,
    RebalanceInProgressError,
    RetriableError,
    UnknownMemberIdError,
)

from stream.clock import Clock
from tagstream.connection import RECONNECT_MS, ask_about_topic, make_client, misconfigured
from tagstream.errors import KafkaUnavailableError, SubscriptionError
from tagstream.progress import PartitionProgress, Step
from tagstream.versions import RecentVersions, VersionMemory

__all__ = ["GroupOptions", "GroupReader"]

_SERVE_EVERY_S: Final = 1.0
"""How often the group is served while a batch is being worked through: others may be waiting to join."""
_SESSION_TIMEOUT_S: Final = 10.0
_EMBEDDED_SESSION_TIMEOUT_S: Final = 2.0
_FETCH_WAIT_MS: Final = 500
_EMBEDDED_FETCH_WAIT_MS: Final = 25
"""Measured there: 500 gives a median of 128 ms from message to reader, 100 gives 25, 25 gives 8, 10 gives 6."""
_CALL_TIMEOUT_MS: Final = 5_000
_COMMIT_TIMEOUT_MS: Final = 1_000
_COMMIT_AGAIN_S: Final = 2.0
_BATCH_RECORDS: Final = 500
_WARN_AFTER_S: Final = 15.0
_LEFT_GROUP: Final = (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GroupOptions:
    """How to take part in a group. None: what suits the broker, see `Subscriber`. `kafka`: more for kafka-python."""

    name: str
    from_latest: bool
    isolation: str | None
    remember_users: int
    commit_interval_s: float
    session_timeout_s: float | None
    fetch_wait_ms: int | None
    max_poll_interval_s: float
    connect_timeout_s: float
    kafka: Mapping[str, Any]


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python carries no types
    """Notes what happened; runs in kafka-python's thread, which must not be held up, so the rest is done later."""

    def __init__(self) -> None:
        self.events: deque[tuple[bool, frozenset[int]]] = deque()

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self.events.append((False, frozenset(each.partition for each in revoked)))

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self.events.append((True, frozenset(each.partition for each in assigned)))


class GroupReader:
    """Reads one topic as a member of a group.

    records: fetched and not yet begun, each partition's in order; those of partitions that were given up are gone.
    changed: guards `progress`; notified when a step is done and when partitions are given up.
    progress: of each partition that is here.
    on_given_up: called with partitions whose steps under way are void, as they begin anew, here or elsewhere.

    Raises what `ask_about_topic` raises.
    """

    def __init__(
        self,
        addresses: list[str],
        topic: str,
        options: GroupOptions,
        *,
        client_id: str,
        clock: Clock,
        versions: VersionMemory | None,
        on_given_up: Callable[[frozenset[int]], None],
    ) -> None:
        self.records: deque[Any] = deque()
        self.changed = threading.Condition()
        self.progress: dict[int, PartitionProgress] = {}
        self._addresses = addresses
        self._topic = topic
        self._options = options
        self._clock = clock
        self._versions = versions
        self._recent = RecentVersions(options.remember_users)
        self._on_given_up = on_given_up
        self._unsettled: set[int] = set()
        self._left_at: dict[int, int] = {}
        self._rebalances = _Rebalances()
        facts = ask_about_topic(
            addresses, topic, timeout_s=options.connect_timeout_s, options=options.kafka, client_id=client_id
        )
        self._embedded = facts.embedded
        self._partition_count = facts.partition_count
        self._kafka, self._hang_up = self._connect(client_id)
        self._kafka.subscribe([topic], listener=self._rebalances)
        self._committed_s = self._served_s = self._stable_s = clock.monotonic_s()
        self._commit_again_s = 0.0
        self._warned = False

    def fetch(self, timeout_s: float) -> None:
        """Take part in the group and fetch what there is into `records`, waiting for it for `timeout_s` at most.

        Raises `SubscriptionError`; a Kafka that does not answer is waited for.
        """
        # Everything done is committed first: partitions are given up only inside of `poll`.
        self.commit()
        try:
            fetched = self._kafka.poll(timeout_ms=round(timeout_s * 1000))
        except RetriableError as error:
            _log.debug("Kafka is not answering, trying on: %s", error)
            fetched = {}
        except KafkaError as error:
            raise self._refused(error) from error
        finally:
            self._served_s = self._clock.monotonic_s()
            self._apply_rebalances()
        for records in fetched.values():
            self.records.extend(records)
        self._watch_membership()

    def settle(self) -> bool:
        """Begin the partitions that were assigned where the group stands. False if Kafka doesn't say now.

        kafka-python does not: of a partition that was here before a rebalance and is after it, it reads on behind what
        it had fetched, which is further than what was done.
        """
        if not self._unsettled:
            return True
        for partition in sorted(self._unsettled):
            place = TopicPartition(self._topic, partition)
            try:
                committed = self._kafka.committed(place, timeout_ms=_CALL_TIMEOUT_MS)
                begin = self._end_or_beginning_of(place) if committed is None else committed
                if begin is None:
                    return False
                # `seek_to_end` would do it too, but may be overtaken by a look-up of the beginning that is under way.
                self._kafka.seek(place, begin)
            except RetriableError as error:
                _log.debug("Kafka does not say where the group stands, trying on: %s", error)
                return False
            except KafkaError as error:
                raise self._refused(error) from error
            self._drop_records({partition})
            progress = self.progress[partition]
            progress.next_offset = begin
            progress.committed = committed
            left_at = self._left_at.get(partition)
            if committed is not None and (left_at is None or committed > left_at):
                # Others have read on here: to go by what was seen before would find gaps that are none.
                self._recent.forget(partition)
            self._unsettled.discard(partition)
        # The place is kept from the start: with `latest`, what comes before the first commit must not be passed over.
        self.commit()
        return True

    def begin(self, step: Step) -> None:
        """The first of `records` is being worked on. The caller holds `changed`."""
        self.progress[self.records.popleft().partition].begin(step)

    def finish(self, partition: int, step: Step) -> None:
        """A step is done. The caller holds `changed`."""
        self.progress[partition].finish(step)
        self.changed.notify_all()

    def keep_in_touch(self) -> None:
        """What must go on while a batch is being worked through."""
        now_s = self._clock.monotonic_s()
        if now_s - self._served_s >= _SERVE_EVERY_S:
            self.serve()
        elif now_s - self._committed_s >= self._options.commit_interval_s:
            self.commit()

    def serve(self) -> None:
        """A poll that fetches nothing: it keeps this member in the group, and lets others join."""
        assigned = self._kafka.assignment()
        self._kafka.pause(*assigned)
        try:
            self.fetch(0.0)
        finally:
            self._kafka.resume(*(assigned & self._kafka.assignment()))

    def commit(self, *, last: bool = False) -> None:
        """Tell Kafka what is done. Raises `SubscriptionError`; what Kafka doesn't take now is told again later.

        `last`: there is no later, so wait longer.
        """
        with self.changed:
            offsets = {partition: progress.to_commit for partition, progress in self.progress.items()}
        told = {
            TopicPartition(self._topic, partition): OffsetAndMetadata(offset, "", -1)
            for partition, offset in offsets.items()
            if offset is not None
        }
        now_s = self._clock.monotonic_s()
        self._committed_s = now_s
        if not told or (now_s < self._commit_again_s and not last):
            return
        group = self._options.name
        try:
            self._kafka.commit(told, timeout_ms=_CALL_TIMEOUT_MS if last else _COMMIT_TIMEOUT_MS)
        except _LEFT_GROUP as error:
            # The next poll joins again; what was done since the last commit is then read, and dropped, again.
            _log.info("group %s is sharing out its partitions anew, so a commit came too late: %s", group, error)
        except RetriableError as error:
            level = logging.DEBUG if self._commit_again_s else logging.WARNING
            _log.log(level, "Kafka took no commit, will try on (after a crash, changes would come again): %s", error)
            self._commit_again_s = self._clock.monotonic_s() + _COMMIT_AGAIN_S
        except KafkaError as error:
            raise self._refused(error) from error
        else:
            self._commit_again_s = 0.0
            with self.changed:
                for place, offset in told.items():
                    self.progress[place.partition].committed = offset.offset

    def close(self) -> None:
        """Commit, and leave the group. Raises `SubscriptionError`, closed all the same."""
        try:
            self.commit(last=True)
        finally:
            if self._embedded and len(self._kafka.assignment()) < self._partition_count:
                # That broker's group never settles again if its leader leaves while it shares out what another one
                # left. A member that just goes silent it gets over, after the session timeout.
                self._hang_up()
            else:
                self._kafka.close(autocommit=False, timeout_ms=_CALL_TIMEOUT_MS)

    def _connect(self, client_id: str) -> tuple[Any, Callable[[], None]]:
        options = self._options
        session_timeout_s, fetch_wait_ms, isolation = (
            options.session_timeout_s,
            options.fetch_wait_ms,
            options.isolation,
        )
        if session_timeout_s is None:
            session_timeout_s = _EMBEDDED_SESSION_TIMEOUT_S if self._embedded else _SESSION_TIMEOUT_S
        if fetch_wait_ms is None:
            fetch_wait_ms = _EMBEDDED_FETCH_WAIT_MS if self._embedded else _FETCH_WAIT_MS
        if isolation is None:
            isolation = "read_uncommitted" if self._embedded else "read_committed"
        configuration = {
            "metrics_enabled": False,
            "reconnect_backoff_max_ms": RECONNECT_MS,
            "client_id": client_id,
            "session_timeout_ms": round(session_timeout_s * 1000),
            "heartbeat_interval_ms": max(1, round(session_timeout_s * 250)),
            "max_poll_interval_ms": round(options.max_poll_interval_s * 1000),
            "max_poll_records": _BATCH_RECORDS,
            "fetch_max_wait_ms": fetch_wait_ms,
            "bootstrap_timeout_ms": max(1, round(options.connect_timeout_s * 1000)),
            **options.kafka,
            "bootstrap_servers": self._addresses,
            "group_id": options.name,
            "isolation_level": isolation,
            "enable_auto_commit": False,
            # Also for a group whose place is no longer kept: what is left is read, gaps are reported.
            "auto_offset_reset": "earliest",
        }
        try:
            return make_client(KafkaConsumer, **configuration)
        except KafkaTimeoutError as error:
            where = ", ".join(self._addresses)
            raise KafkaUnavailableError(
                f"Kafka at {where} stopped answering; check that the broker is running"
            ) from error
        except (ValueError, TypeError, AssertionError, RuntimeError, KafkaError) as error:
            raise misconfigured(error) from error

    def _apply_rebalances(self) -> None:
        while self._rebalances.events:
            assigned, partitions = self._rebalances.events.popleft()
            with self.changed:
                for partition in partitions:
                    progress = self.progress.pop(partition, None)
                    if progress is not None and progress.next_offset is not None:
                        self._left_at[partition] = progress.next_offset
                    if assigned:
                        memory = self._recent.of_partition(partition) if self._versions is None else self._versions
                        self.progress[partition] = PartitionProgress(memory)
                self._unsettled = self._unsettled | partitions if assigned else self._unsettled - partitions
                self._drop_records(partitions)
                self._on_given_up(partitions)
                self.changed.notify_all()

    def _drop_records(self, partitions: Collection[int]) -> None:
        self.records = deque(record for record in self.records if record.partition not in partitions)

    def _end_or_beginning_of(self, place: TopicPartition) -> int | None:
        """Where a group begins that has no place yet; None if it takes another poll to know."""
        found: int | None
        if not self._options.from_latest:
            found = self._kafka.beginning_offsets([place], timeout_ms=_CALL_TIMEOUT_MS)[place]
        elif self._embedded:
            # Asked for its end, that broker names the second record of the last batch; only fetches tell the truth.
            found = self._kafka.highwater(place)
        else:
            found = self._kafka.end_offsets([place], timeout_ms=_CALL_TIMEOUT_MS)[place]
        return found

    def _watch_membership(self) -> None:
        """Say so when this member has been without Kafka for long, and when it is back."""
        now_s = self._clock.monotonic_s()
        if self._kafka.group_metadata().state == "<stable>":
            self._stable_s = now_s
            if self._warned:
                self._warned = False
                _log.warning("group %s reads on", self._options.name)
        elif now_s - self._stable_s > _WARN_AFTER_S and not self._warned:
            self._warned = True
            _log.warning(
                "no part in group %s for %.0f s: Kafka at %s does not answer, or the group is not settling; waiting",
                self._options.name,
                now_s - self._stable_s,
                ", ".join(self._addresses),
            )

    def _refused(self, error: KafkaError) -> SubscriptionError:
        return SubscriptionError(f"Kafka refuses group {self._options.name!r} on topic {self._topic!r}: {error}")
