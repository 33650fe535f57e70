"""Reads changes: each user's in order, repeats dropped, gaps reported, committed when the caller is done with them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, Self

from stream.clock import Clock, SystemClock
from tagstream.connection import Bootstrap, bootstrap_list
from tagstream.contracts.changes import SEGMENT_HEADER, Change, OtherChange, parse_change, skim_change
from tagstream.contracts.positions import Position
from tagstream.errors import ClientClosedError, ClientConfigurationError, InvalidMessageError
from tagstream.group_reader import GroupOptions, GroupReader
from tagstream.progress import Step
from tagstream.topics import DEFAULT_APP, SEGMENT_CHANGES, check_topic, topic_name
from tagstream.versions import Gap, VersionMemory, missed_before, next_seen

__all__ = ["MalformedMessage", "Subscriber", "SubscriberCounts"]

_SLICE_S: Final = 0.2
"""Waiting is cut into pieces of this length, so that `stop` and Ctrl-C are heard."""

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
    segments: hand out changes of these segments, tiers and models only. Gaps are still found, as versions count over
        all kinds of change.
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
        self._segments = None if segments is None else frozenset([segments] if isinstance(segments, str) else segments)
        self._manual = acknowledge == "manual"
        self._max_in_flight = max_in_flight
        self._on_gap = on_gap if on_gap is not None else _log_gap
        self._on_malformed = on_malformed if on_malformed is not None else _log_malformed
        self._unknown_types = unknown_types
        self._idle_timeout_s = idle_timeout_s
        self._clock = clock if clock is not None else SystemClock()
        self._handed: dict[str, tuple[int, Step]] = {}
        """Changes in the caller's hands, by id; guarded by `self._reader.changed`."""
        self._current: str | None = None
        self._stopping = threading.Event()
        self._closed = False
        self._reader = GroupReader(
            bootstrap_list(bootstrap),
            self.topic,
            GroupOptions(
                name=group,
                from_latest=start == "latest",
                isolation=isolation,
                remember_users=remember_users,
                commit_interval_s=commit_interval_s,
                session_timeout_s=session_timeout_s,
                fetch_wait_ms=fetch_wait_ms,
                max_poll_interval_s=max_poll_interval_s,
                connect_timeout_s=connect_timeout_s,
                kafka=dict(options or {}),
            ),
            client_id=f"tagstream-subscriber-{app}",
            clock=self._clock,
            versions=versions,
            on_given_up=self._give_up,
        )

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
        reader = self._reader
        deadline_s = None if timeout_s is None else self._clock.monotonic_s() + timeout_s
        while not self._stopping.is_set():
            left_s = _SLICE_S if deadline_s is None else deadline_s - self._clock.monotonic_s()
            wait_s = max(0.0, min(_SLICE_S, left_s))
            if not reader.settle():
                reader.fetch(wait_s)
            elif self._is_full():
                reader.serve()
                with reader.changed:
                    reader.changed.wait_for(lambda: not self._is_full(), wait_s)
            elif reader.records:
                reader.keep_in_touch()
                change = self._take() if reader.settle() and reader.records else None
                if change is not None:
                    return change
                continue
            else:
                reader.fetch(wait_s)
                if reader.records:
                    continue
            if left_s <= 0:
                break
        return None

    def done(self, change: Change) -> None:
        """The caller is done with this change: for `acknowledge="manual"`. Any thread, any order, idempotent.

        Does nothing for a change whose partition another subscriber of the group has taken over: it comes again there.
        """
        with self._reader.changed:
            self._finish(change.id)

    def stop(self) -> None:
        """End the iteration, from another thread or a signal handler. The change at hand is finished first."""
        self._stopping.set()

    def close(self) -> None:
        """Tell Kafka what is done and leave the group. The change at hand is not done by this. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._reader.close()

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

    def _finish(self, change_id: str) -> None:
        handed = self._handed.pop(change_id, None)
        if handed is not None:
            self._reader.finish(*handed)

    def _finish_current(self) -> None:
        if self._current is not None and not self._manual:
            with self._reader.changed:
                self._finish(self._current)
        self._current = None

    def _give_up(self, partitions: frozenset[int]) -> None:
        # What is not done comes again, to whoever has the partition then.
        self._handed = {each: at for each, at in self._handed.items() if at[0] not in partitions}

    def _take(self) -> Change | None:
        """The first record: a change to hand out, or None where it is passed over."""
        record = self._reader.records[0]
        change, step = self._judge(record)
        # Only now: had a callback raised, the record would come again.
        with self._reader.changed:
            self._reader.begin(step)
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
        with self._reader.changed:
            last = self._reader.progress[record.partition].last_seen(user)
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
            elif self._segments is not None and change.name not in self._segments:
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


def _log_gap(gap: Gap) -> None:
    _log.warning(
        "changes of user %r that never came: %d before version %d, at %s",
        gap.user,
        gap.missed,
        gap.version,
        gap.position,
    )


def _log_malformed(message: MalformedMessage) -> None:
    _log.warning("passed over %s: %s", message.position, message.error)
