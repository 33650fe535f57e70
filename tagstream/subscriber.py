"""Reads changes: each user's in order, repeats dropped, gaps reported, committed when the caller is done with them."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, Self

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

from stream.clock import Clock, SystemClock
from tagstream.connection import Bootstrap, ask_about_topic, bootstrap_list, make_client, misconfigured
from tagstream.contracts.changes import SEGMENT_HEADER, Change, OtherChange, parse_change, skim_change
from tagstream.contracts.positions import Position
from tagstream.errors import (
    ClientClosedError,
    ClientConfigurationError,
    InvalidMessageError,
    KafkaUnavailableError,
    SubscriptionError,
)
from tagstream.progress import PartitionProgress, Step
from tagstream.topics import DEFAULT_APP, SEGMENT_CHANGES, check_topic, topic_name
from tagstream.versions import Gap, RecentVersions, VersionMemory, missed_before, next_seen

__all__ = ["MalformedMessage", "Subscriber", "SubscriberCounts"]

_SLICE_S: Final = 0.2
"""Waiting is cut into pieces of this length, so that `stop` and Ctrl-C are heard."""
_SERVE_EVERY_S: Final = 1.0
"""How often the group is served while a batch is being worked through: others may be waiting to join."""
_SESSION_TIMEOUT_S: Final = 10.0
_EMBEDDED_SESSION_TIMEOUT_S: Final = 2.0
_FETCH_WAIT_MS: Final = 500
_EMBEDDED_FETCH_WAIT_MS: Final = 25
"""Measured there: 500 gives a median of 128 ms from message to reader, 100 gives 25, 25 gives 8, 10 gives 6."""
_CALL_TIMEOUT_MS: Final = 5_000
_BATCH_RECORDS: Final = 500
_WARN_AFTER_S: Final = 15.0
_LEFT_GROUP: Final = (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MalformedMessage:
    """A record of the topic that is no change. It is passed over; `error` says why."""

    position: Position
    key: bytes | None
    value: bytes | None
    error: InvalidMessageError


@dataclass(slots=True)
class SubscriberCounts:
    """What became of the records read so far."""

    delivered: int = 0
    repeats: int = 0
    filtered: int = 0
    unknown_types: int = 0
    gaps: int = 0
    missed: int = 0
    malformed: int = 0


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python carries no types
    """Notes what happened; runs in kafka-python's thread, which must not be held up, so the rest is done later."""

    def __init__(self) -> None:
        self.events: deque[tuple[bool, frozenset[int]]] = deque()

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self.events.append((False, frozenset(each.partition for each in revoked)))

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self.events.append((True, frozenset(each.partition for each in assigned)))


class Subscriber:
    """Reads the changes of an app as a member of a consumer group: subscribers of one group share the users.

        with Subscriber("localhost:9092", group="crm") as changes:
            for change in changes:
                if change.entered and change.segment == "vip":
                    greet(change.user)

    A user's changes come in order. One that was handed out before is dropped (its version is not above the last), and
    missing ones are reported to `on_gap`. A change counts as done when the next one is asked for, or when the `with`
    block ends without an error; only then Kafka is told. So after a crash the change at hand, and some before it, come
    again: what you do on a change should bear being done twice, or be keyed by `change.id`.

    Which changes are repeats is known for as long as the subscriber lives (see `remember_users`), or for as long as
    `versions` is kept.

    bootstrap: `host:port`, several with commas between them, or a sequence.
    group: name of the consumer group; its progress is kept under it.
    app, topic: the app's name; the topic's, where it is not `{app}.segment-changes`.
    segments: hand out changes of these only. Gaps are still found, as versions count over all kinds of change.
    start: where a group that is new begins: with the oldest change there is, or with those to come.
    isolation: `read_committed` (default) waits for the transactions of an exactly-once worker to end. On the embedded
        stack the default is `read_uncommitted`: there are no transactions, and its broker is wrong about them.
    acknowledge: `on_next` as said; with `manual` you call `done(change)`, from any thread and in any order.
    max_in_flight: with `manual`: with so many changes not done, the next one waits.
    versions: where to keep the newest version of each user; default in memory.
    remember_users: of how many users, if in memory. Of one forgotten, a repeat is handed out and a gap goes unseen.
    on_gap, on_malformed: called before the next change is handed out; by default a warning is logged. If one raises,
        the error reaches whoever asked for the change, and the same record comes first again.
    unknown_types: hand out changes of kinds that this version does not know, as `OtherChange`, too.
    idle_timeout_s: iteration ends when no change comes for so long; default never.
    commit_interval_s: Kafka is told when all fetched is done, at least this often, and at the end.
    session_timeout_s: after so long without a sign of life, others of the group take over. Default 10; 2 on the
        embedded stack, whose broker takes half of it to let one join.
    fetch_wait_ms: how long the broker may hold a fetch back for want of changes. Default 500, at which Apache Kafka
        still answers at once when there is one; 25 on the embedded stack, whose broker does not.
    max_poll_interval_s: a change may take so long to be worked on before others of the group take over.
    connect_timeout_s: how long the constructor waits for Kafka. Later, a Kafka that goes away is waited for.
    options: more for kafka-python's `KafkaConsumer`: `security_protocol`, `sasl_mechanism`, `ssl_cafile`, ….

    Not safe to share between threads, but for `done` and `stop`.
    Raises `KafkaUnavailableError`, `TopicMissingError`, `SubscriptionError` (no rights), `ClientConfigurationError`.
    """

    def __init__(
        self,
        bootstrap: Bootstrap,
        *,
        group: str,
        app: str = DEFAULT_APP,
        topic: str | None = None,
        segments: str | Collection[str] | None = None,
        start: Literal["earliest", "latest"] = "earliest",
        isolation: Literal["read_committed", "read_uncommitted"] | None = None,
        acknowledge: Literal["on_next", "manual"] = "on_next",
        max_in_flight: int = 1_000,
        versions: VersionMemory | None = None,
        remember_users: int = 200_000,
        on_gap: Callable[[Gap], None] | None = None,
        on_malformed: Callable[[MalformedMessage], None] | None = None,
        unknown_types: bool = False,
        idle_timeout_s: float | None = None,
        commit_interval_s: float = 1.0,
        session_timeout_s: float | None = None,
        fetch_wait_ms: int | None = None,
        max_poll_interval_s: float = 300.0,
        connect_timeout_s: float = 10.0,
        clock: Clock | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(group, str) or not group:
            raise ClientConfigurationError(f"group {group!r} is no name; name what reads the changes, such as 'crm'")
        for name, value, choices in (
            ("start", start, ("earliest", "latest")),
            ("acknowledge", acknowledge, ("on_next", "manual")),
            ("isolation", isolation, (None, "read_committed", "read_uncommitted")),
        ):
            if value not in choices:
                raise ClientConfigurationError(
                    f"{name} {value!r} is unknown; pass one of {', '.join(filter(None, choices))}"
                )
        self.topic = topic_name(app, SEGMENT_CHANGES) if topic is None else check_topic(topic)
        self.counts = SubscriberCounts()
        """What became of the records read so far."""
        self._group = group
        self._segments = None if segments is None else frozenset([segments] if isinstance(segments, str) else segments)
        self._start = start
        self._manual = acknowledge == "manual"
        self._max_in_flight = max_in_flight
        self._versions = versions
        self._recent = RecentVersions(remember_users)
        self._on_gap = on_gap if on_gap is not None else _log_gap
        self._on_malformed = on_malformed if on_malformed is not None else _log_malformed
        self._unknown_types = unknown_types
        self._idle_timeout_s = idle_timeout_s
        self._commit_interval_s = commit_interval_s
        self._clock = clock if clock is not None else SystemClock()
        # Guards what `done` touches: the progress of the partitions and the changes handed out.
        self._changed = threading.Condition()
        self._progress: dict[int, PartitionProgress] = {}
        self._handed: dict[str, tuple[int, Step]] = {}
        self._buffer: deque[Any] = deque()
        self._unsettled: set[int] = set()
        self._left_at: dict[int, int] = {}
        self._current: str | None = None
        self._stopping = threading.Event()
        self._closed = False
        self._rebalances = _Rebalances()

        self._addresses = bootstrap_list(bootstrap)
        client_id = f"tagstream-subscriber-{app}"
        extra = dict(options or {})
        facts = ask_about_topic(
            self._addresses, self.topic, timeout_s=connect_timeout_s, options=extra, client_id=client_id
        )
        self._embedded = facts.embedded
        if isolation is None:
            isolation = "read_uncommitted" if facts.embedded else "read_committed"
        if session_timeout_s is None:
            session_timeout_s = _EMBEDDED_SESSION_TIMEOUT_S if facts.embedded else _SESSION_TIMEOUT_S
        if fetch_wait_ms is None:
            fetch_wait_ms = _EMBEDDED_FETCH_WAIT_MS if facts.embedded else _FETCH_WAIT_MS
        session_timeout_ms = round(session_timeout_s * 1000)
        try:
            self._kafka = make_client(
                KafkaConsumer,
                **{
                    "metrics_enabled": False,
                    "client_id": client_id,
                    "session_timeout_ms": session_timeout_ms,
                    "heartbeat_interval_ms": max(1, session_timeout_ms // 4),
                    "max_poll_interval_ms": round(max_poll_interval_s * 1000),
                    "max_poll_records": _BATCH_RECORDS,
                    "fetch_max_wait_ms": fetch_wait_ms,
                    "bootstrap_timeout_ms": max(1, round(connect_timeout_s * 1000)),
                    **extra,
                    "bootstrap_servers": self._addresses,
                    "group_id": group,
                    "isolation_level": isolation,
                    "enable_auto_commit": False,
                    # Also for a group whose place is no longer kept: what is left is read, gaps are reported.
                    "auto_offset_reset": "earliest",
                },
            )
        except KafkaTimeoutError as error:
            raise KafkaUnavailableError(
                f"Kafka at {', '.join(self._addresses)} stopped answering; check that the broker is running"
            ) from error
        except (ValueError, TypeError, AssertionError, RuntimeError, KafkaError) as error:
            raise misconfigured(error) from error
        self._kafka.subscribe([self.topic], listener=self._rebalances)
        now_s = self._clock.monotonic_s()
        self._committed_s = self._served_s = self._stable_s = now_s
        self._warned = False

    def __iter__(self) -> Iterator[Change]:
        return self

    def __next__(self) -> Change:
        change = self.next_change(self._idle_timeout_s)
        if change is None:
            raise StopIteration
        return change

    def next_change(self, timeout_s: float | None = None) -> Change | None:
        """The next change; None if none comes within `timeout_s` (default: wait for ever) or after `stop`.

        Asking says that the change before is done (unless `acknowledge="manual"`). Raises `SubscriptionError`,
        `ClientClosedError`, and what the callbacks raise.
        """
        if self._closed:
            raise ClientClosedError("this subscriber is closed; make a new one")
        self._finish_current()
        deadline_s = None if timeout_s is None else self._clock.monotonic_s() + timeout_s
        while not self._stopping.is_set():
            now_s = self._clock.monotonic_s()
            wait_s = _SLICE_S if deadline_s is None else max(0.0, min(_SLICE_S, deadline_s - now_s))
            if self._unsettled and not self._settle():
                self._poll(wait_s)
            elif self._is_full():
                self._wait_for_room(wait_s)
            elif self._buffer:
                self._keep_in_touch(now_s)
                change = self._take() if self._buffer and not self._unsettled else None
                if change is not None:
                    return change
                continue
            else:
                self._poll(wait_s)
                if self._buffer:
                    continue
            if deadline_s is not None and self._clock.monotonic_s() >= deadline_s:
                break
        return None

    def done(self, change: Change) -> None:
        """The caller is done with this change: for `acknowledge="manual"`. Any thread, any order, idempotent.

        Does nothing for a change whose partition another subscriber of the group has taken over: it comes again there.
        """
        with self._changed:
            handed = self._handed.pop(change.id, None)
            if handed is not None:
                partition, step = handed
                self._progress[partition].finish(step)
                self._changed.notify_all()

    def stop(self) -> None:
        """End the iteration, from another thread or a signal handler. The change at hand is finished first."""
        self._stopping.set()

    def close(self) -> None:
        """Tell Kafka what is done and leave the group. The change at hand is not done by this. Idempotent."""
        if self._closed:
            return
        self._closed = True
        try:
            self._commit()
        finally:
            self._kafka.close(autocommit=False, timeout_ms=_CALL_TIMEOUT_MS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None and not self._closed:
            self._finish_current()
        self.close()

    def _is_full(self) -> bool:
        return self._manual and len(self._handed) >= self._max_in_flight

    def _wait_for_room(self, timeout_s: float) -> None:
        self._serve_group()
        with self._changed:
            self._changed.wait_for(lambda: not self._is_full(), timeout_s)

    def _keep_in_touch(self, now_s: float) -> None:
        """What must go on while a batch is being worked through."""
        if now_s - self._served_s >= _SERVE_EVERY_S:
            self._serve_group()
        elif now_s - self._committed_s >= self._commit_interval_s:
            self._commit()

    def _finish_current(self) -> None:
        if self._current is not None and not self._manual:
            with self._changed:
                handed = self._handed.pop(self._current, None)
                if handed is not None:
                    self._progress[handed[0]].finish(handed[1])
        self._current = None

    def _take(self) -> Change | None:
        """The first record of the buffer: a change to hand out, or None where it is passed over."""
        record = self._buffer[0]
        change, step = self._judge(record)
        # Only now: had a callback raised, the record would come again.
        self._buffer.popleft()
        with self._changed:
            self._progress[record.partition].begin(step)
            if change is not None:
                self._handed[change.id] = (record.partition, step)
        if change is not None:
            self._current = change.id
            self.counts.delivered += 1
        return change

    def _judge(self, record: Any) -> tuple[Change | None, Step]:
        position = Position(record.topic, record.partition, record.offset)
        change: Change | None = None
        try:
            if self._is_unwanted(record):
                # Its version counts all the same; the rest is not looked at.
                user, incarnation, version = skim_change(record.value)
            else:
                change = parse_change(record.value)
                user, incarnation, version = change.user, change.incarnation, change.version
        except InvalidMessageError as error:
            self._on_malformed(MalformedMessage(position, record.key, record.value, error))
            self.counts.malformed += 1
            return None, Step(record.offset, done=True)
        with self._changed:
            last = self._progress[record.partition].last_seen(user)
        seen = next_seen(last, incarnation, version)
        if seen is None:
            self.counts.repeats += 1
            return None, Step(record.offset, done=True)
        after = missed_before(last, seen)
        if after is not None:
            gap = Gap(user, incarnation, after, version, position)
            self._on_gap(gap)
            self.counts.gaps += 1
            self.counts.missed += gap.missed
        if change is not None:
            if isinstance(change, OtherChange) and not self._unknown_types:
                self.counts.unknown_types += 1
                change = None
            elif self._segments is not None and change.segment not in self._segments:
                self.counts.filtered += 1
                change = None
        else:
            self.counts.filtered += 1
        return change, Step(record.offset, user, seen, done=change is None)

    def _is_unwanted(self, record: Any) -> bool:
        if self._segments is None:
            return False
        for name, value in record.headers or ():
            if name == SEGMENT_HEADER and value is not None:
                return value.decode(errors="replace") not in self._segments
        return False

    def _poll(self, timeout_s: float) -> None:
        # Everything done is committed first: partitions are given up only inside of `poll`.
        self._commit()
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
            self._buffer.extend(records)
        self._watch_membership()

    def _serve_group(self) -> None:
        """A poll that fetches nothing: it keeps this subscriber in the group, and lets others join."""
        assigned = self._kafka.assignment()
        self._kafka.pause(*assigned)
        try:
            self._poll(0.0)
        finally:
            self._kafka.resume(*(assigned & self._kafka.assignment()))

    def _apply_rebalances(self) -> None:
        while self._rebalances.events:
            assigned, partitions = self._rebalances.events.popleft()
            with self._changed:
                for partition in partitions:
                    progress = self._progress.pop(partition, None)
                    if progress is not None and progress.next_offset is not None:
                        self._left_at[partition] = progress.next_offset
                    if assigned:
                        memory = self._versions
                        if memory is None:
                            memory = self._recent.of_partition(partition)
                        self._progress[partition] = PartitionProgress(memory)
                self._unsettled = self._unsettled | partitions if assigned else self._unsettled - partitions
                # What is not done comes again, to whoever has the partition then.
                self._handed = {id_: at for id_, at in self._handed.items() if at[0] not in partitions}
                self._buffer = deque(record for record in self._buffer if record.partition not in partitions)
                self._changed.notify_all()

    def _settle(self) -> bool:
        """Begin the partitions that were assigned where the group stands. False if Kafka doesn't say now.

        kafka-python does not: of a partition that was here before a rebalance and is after it, it reads on behind what
        it had fetched, which is further than what was done.
        """
        for partition in sorted(self._unsettled):
            place = TopicPartition(self.topic, partition)
            progress = self._progress[partition]
            try:
                committed = self._kafka.committed(place, timeout_ms=_CALL_TIMEOUT_MS)
                if committed is not None:
                    begin = committed
                elif self._start == "earliest":
                    begin = self._kafka.beginning_offsets([place], timeout_ms=_CALL_TIMEOUT_MS)[place]
                else:
                    begin = self._end_of(place)
                    if begin is None:
                        return False
                # `seek_to_end` would do it too, but may be overtaken by a look-up of the beginning that is under way.
                self._kafka.seek(place, begin)
            except RetriableError as error:
                _log.debug("Kafka does not say where the group stands, trying on: %s", error)
                return False
            except KafkaError as error:
                raise self._refused(error) from error
            self._buffer = deque(record for record in self._buffer if record.partition != partition)
            progress.next_offset = begin
            progress.committed = committed
            if committed is not None:
                left_at = self._left_at.get(partition)
                if left_at is None or committed > left_at:
                    # Others have read on here: to go by what was seen before would find gaps that are none.
                    self._recent.forget(partition)
            self._unsettled.discard(partition)
        # The place is kept from the start: with `latest`, what comes before the first commit must not be passed over.
        self._commit()
        return True

    def _end_of(self, place: TopicPartition) -> int | None:
        """The offset of the next change to come; None if it takes another poll to know."""
        if self._embedded:
            # Asked for its end, that broker names the second record of the last batch; only fetches tell the truth.
            highwater: int | None = self._kafka.highwater(place)
            return highwater
        end: int = self._kafka.end_offsets([place], timeout_ms=_CALL_TIMEOUT_MS)[place]
        return end

    def _commit(self) -> None:
        with self._changed:
            offsets = {partition: progress.to_commit for partition, progress in self._progress.items()}
        told = {
            TopicPartition(self.topic, partition): OffsetAndMetadata(offset, "", -1)
            for partition, offset in offsets.items()
            if offset is not None
        }
        self._committed_s = self._clock.monotonic_s()
        if not told:
            return
        try:
            self._kafka.commit(told, timeout_ms=_CALL_TIMEOUT_MS)
        except _LEFT_GROUP as error:
            # The next poll joins again; what was done since the last commit is then read, and dropped, again.
            _log.info("group %s is sharing out its partitions anew, so a commit came too late: %s", self._group, error)
        except RetriableError as error:
            _log.warning("Kafka took no commit, will try again (after a crash, changes would come again): %s", error)
        except KafkaError as error:
            raise self._refused(error) from error
        else:
            with self._changed:
                for place, offset in told.items():
                    self._progress[place.partition].committed = offset.offset

    def _watch_membership(self) -> None:
        """Say so when this subscriber has been without Kafka for long, and when it is back."""
        now_s = self._clock.monotonic_s()
        if self._kafka.group_metadata().state == "<stable>":
            self._stable_s = now_s
            if self._warned:
                self._warned = False
                _log.warning("group %s reads on", self._group)
        elif now_s - self._stable_s > _WARN_AFTER_S and not self._warned:
            self._warned = True
            _log.warning(
                "no part in group %s for %.0f s: Kafka at %s does not answer, or the group is not settling; waiting",
                self._group,
                now_s - self._stable_s,
                ", ".join(self._addresses),
            )

    def _refused(self, error: KafkaError) -> SubscriptionError:
        return SubscriptionError(f"Kafka refuses group {self._group!r} on topic {self.topic!r}: {error}")


def _log_gap(gap: Gap) -> None:
    _log.warning(
        "%d changes of user %r are missing before version %d at %s", gap.missed, gap.user, gap.version, gap.position
    )


def _log_malformed(message: MalformedMessage) -> None:
    _log.warning("passed over %s: %s", message.position, message.error)
