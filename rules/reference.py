"""The reference: one partition's log → changes, profiles and rejects, user by user, from plain lists of events.

The compiled engine is held to it by property tests and golden cases. It looks at a user at every moment at which
anything could change; a look too many is harmless, since a look at which no condition has changed does nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from rules.catalog import Catalog, Segment
from rules.history import Event, Reads, RecordError, hash_of_user, read_event
from rules.interpret import (
    PRESENT,
    History,
    Value,
    duration_moments,
    leaving_ms,
    sum_peak_units,
    value_of,
    walk,
)
from rules.nodes import Aggregate, Node, Property, Trait

__all__ = ["Outcome", "Reference", "ReferenceProfile"]

DAY_MS = 86_400_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KEPT_MESSAGE_IDS = 64
MAX_SUM_UNITS = 9 * 10**18
"""9·10¹² in millionths: what a sum may come to."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one record brought about: changes, or why there are none.

    changes: CloudEvents as plain dicts, in the order of the user's versions.  reason: the code of a reject.
    """

    changes: list[dict[str, object]] = field(default_factory=list)
    reason: str | None = None
    duplicate: bool = False
    misplaced: bool = False


@dataclass(frozen=True, slots=True)
class ReferenceProfile:
    """One user as of a moment. `tags`: durations in ms, missing None. `since_ms`: entry time of each segment held."""

    user: str
    version: int
    incarnation: int
    tags: dict[str, object]
    segments: list[str]
    since_ms: dict[str, int]


@dataclass(slots=True)
class _User:
    """newest_ms: the newest moment of an evaluation that had an event or changed something."""

    name: str
    user_hash: int
    incarnation: int
    newest_ms: int
    version: int = 0
    events: list[Event] = field(default_factory=list)
    message_ids: list[tuple[str, int]] = field(default_factory=list)
    entered_ms: dict[str, int] = field(default_factory=dict)

    @property
    def history(self) -> History:
        return History(self.events, self.user_hash)


class Reference:
    """The fold of one partition's log. Records are fed one by one, in log order; nothing is ever forgotten."""

    def __init__(
        self, catalog: Catalog, *, app: str = "tagstream", partition: int = 0, partition_count: int = 1
    ) -> None:
        self.catalog = catalog
        self.app = app
        self.partition = partition
        self.partition_count = partition_count
        self._users: dict[str, _User] = {}
        conditions = [node for segment in catalog.segments.values() for node in _conditions(segment)]
        self._condition_nodes = list(_distinct(conditions))
        self._windows_ms = {
            node.last_ms for node in self._condition_nodes if isinstance(node, Aggregate) and node.last_ms is not None
        }
        everything = _distinct([*conditions, *(tag.expression for tag in catalog.tags.values())])
        self._sums = [node for node in everything if isinstance(node, Aggregate) and node.function == "sum"]
        summed = {(node.event or "", node.property or "") for node in self._sums}
        properties = {node.name for node in everything if isinstance(node, Property)}
        self._reads = Reads(
            summed=summed,
            properties=properties | {name for _, name in summed},
            traits={node.name for node in everything if isinstance(node, Trait)},
        )

    @property
    def users(self) -> list[str]:
        """The users that exist, in order."""
        return sorted(self._users)

    def feed(
        self, value: bytes | None, offset: int, watermark_ms: int, horizon_ms: int, *, forwarded: bool = False
    ) -> Outcome:
        """One record.

        watermark_ms: W at the record, its own log time counted.  horizon_ms: the newest timestamp not too far ahead.
        """
        try:
            event = read_event(value, horizon_ms, self._reads)
        except RecordError as error:
            return Outcome(reason=error.reason)
        user_hash = hash_of_user(event.user)
        if user_hash % self.partition_count != self.partition:
            return Outcome(reason="misplaced_again") if forwarded else Outcome(misplaced=True)
        known = self._users.get(event.user)
        user = known or _User(event.user, user_hash, incarnation=offset, newest_ms=max(event.t_ms, watermark_ms))
        moment_ms = max(event.t_ms, user.newest_ms, watermark_ms)
        if event.message_id is not None and any(
            event.message_id == message_id and moment_ms - accepted_ms <= DAY_MS
            for message_id, accepted_ms in user.message_ids
        ):
            return Outcome(duplicate=True)
        grown = History([*user.events, event], user_hash)
        if any(
            node.event == event.name and sum_peak_units(node, grown, moment_ms) > MAX_SUM_UNITS for node in self._sums
        ):
            return Outcome(reason="sum_too_large")

        changes = self._flip(user, moment_ms)
        user.events.append(event)
        user.newest_ms = moment_ms
        if event.message_id is not None:
            user.message_ids = [*user.message_ids, (event.message_id, moment_ms)][-KEPT_MESSAGE_IDS:]
        self._users[event.user] = user
        record = {"partition": self.partition, "offset": offset}
        changes += self._evaluate(user, moment_ms, "event", record)
        return Outcome(changes=changes)

    def advance(self, watermark_ms: int, users: Iterable[str] | None = None) -> list[dict[str, object]]:
        """The flips due at or before W of all users (or of those), by time, then user, then version."""
        found: list[tuple[str, str, int, dict[str, object]]] = []
        for name in self.users if users is None else users:
            user = self._users[name]
            version = user.version
            for change in self._flip(user, watermark_ms):
                version += 1
                found.append((str(change["time"]), name, version, change))
        return [change for *_, change in sorted(found, key=lambda entry: entry[:3])]

    def next_flip_ms(self, user: str) -> int | None:
        """The moment of the user's next flip if no event comes; None if there is none."""
        return self._next_flip_ms(self._users[user])

    def profile(self, user: str, at_ms: int | None = None) -> ReferenceProfile:
        """One user, tags as of `at_ms` (not before the user's newest moment); memberships as they stand."""
        known = self._users[user]
        now_ms = known.newest_ms if at_ms is None else max(at_ms, known.newest_ms)
        held = [name for name in self.catalog.segments if name in known.entered_ms]
        return ReferenceProfile(
            user=user,
            version=known.version,
            incarnation=known.incarnation,
            tags={name: self._tag(name, known, now_ms) for name in self.catalog.tags},
            segments=held,
            since_ms={name: known.entered_ms[name] for name in held},
        )

    def profiles(self, at_ms: int | None = None) -> list[ReferenceProfile]:
        """All users in order."""
        return [self.profile(user, at_ms) for user in self.users]

    def _flip(self, user: _User, until_ms: int) -> list[dict[str, object]]:
        """Apply what time alone changes after the user's newest moment and up to `until_ms`, each at its own moment."""
        changes: list[dict[str, object]] = []
        while (moment_ms := self._next_flip_ms(user, until_ms)) is not None:
            user.newest_ms = moment_ms
            changes += self._evaluate(user, moment_ms, "time", None)
        return changes

    def _next_flip_ms(self, user: _User, until_ms: int | None = None) -> int | None:
        looks = {moment for moment in self._looks_ms(user) if moment > user.newest_ms}
        for moment_ms in sorted(looks):
            if until_ms is not None and moment_ms > until_ms:
                return None
            if self._moving(user, moment_ms):
                return moment_ms
        return None

    def _looks_ms(self, user: _User) -> Iterator[int]:
        """Every moment at which a condition, or whether a stay has ended, may come to differ without an event."""
        for last_ms in self._windows_ms:
            for event in user.events:
                yield leaving_ms(event.t_ms, last_ms, user.user_hash)
        for node in self._condition_nodes:
            yield from duration_moments(node, user.history)
        for name, entered_ms in user.entered_ms.items():
            yield entered_ms + self.catalog.segments[name].min_stay_ms

    def _moving(self, user: _User, now_ms: int) -> list[Segment]:
        """The segments that the user enters or leaves at a moment, in catalog order."""
        return [segment for segment in self.catalog.segments.values() if self._moves(segment, user, now_ms)]

    def _moves(self, segment: Segment, user: _User, now_ms: int) -> bool:
        when = value_of(segment.when, user.history, now_ms) is True
        leave = not when if segment.exit is None else value_of(segment.exit, user.history, now_ms) is True
        if segment.name in user.entered_ms:
            return leave and now_ms >= user.entered_ms[segment.name] + segment.min_stay_ms
        return when and not leave

    def _evaluate(self, user: _User, now_ms: int, cause: str, record: dict[str, int] | None) -> list[dict[str, object]]:
        changes: list[dict[str, object]] = []
        for segment in self._moving(user, now_ms):
            user.version += 1
            entered_ms = user.entered_ms.pop(segment.name, None)
            if entered_ms is None:
                user.entered_ms[segment.name] = now_ms
            changes.append(self._change(user, segment, now_ms, entered_ms, cause, record))
        return changes

    def _change(
        self,
        user: _User,
        segment: Segment,
        now_ms: int,
        entered_ms: int | None,
        cause: str,
        record: dict[str, int] | None,
    ) -> dict[str, object]:
        """The CloudEvent of one transition; `entered_ms` is the time of the entry for an exit, None for an entry."""
        identity = f"{self.app}\x1f{user.name}\x1f{user.incarnation}\x1f{user.version}"
        data: dict[str, object] = {
            "user": user.name,
            "incarnation": user.incarnation,
            "version": user.version,
            "cause": cause,
            "catalog_version": self.catalog.version,
            "model_versions": {},
            "tags": {name: self._tag(name, user, now_ms) for name in self.catalog.tags if name in segment.reads},
            "record": record,
            "segment": segment.name,
            "kind": segment.kind,
            "title": segment.title,
        }
        if entered_ms is not None:
            data["stayed_ms"] = now_ms - entered_ms
        return {
            "specversion": "1.0",
            "id": hashlib.sha256(identity.encode("utf-8")).hexdigest()[:32],
            "source": f"/tagstream/{self.app}/{self.partition}",
            "type": "tagstream.segment.entered" if entered_ms is None else "tagstream.segment.exited",
            "subject": user.name,
            "time": _timestamp_text(now_ms),
            "datacontenttype": "application/json",
            "data": data,
        }

    def _tag(self, name: str, user: _User, now_ms: int) -> object:
        value: Value = value_of(self.catalog.tags[name].expression, user.history, now_ms)
        return None if value is PRESENT else value


def _conditions(segment: Segment) -> list[Node]:
    return [segment.when] if segment.exit is None else [segment.when, segment.exit]


def _distinct(roots: Iterable[Node]) -> dict[Node, None]:
    """All nodes of some trees, each once, in order of their first mention."""
    return {node: None for root in roots for node in walk(root)}


def _timestamp_text(t_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    moment = EPOCH + timedelta(milliseconds=t_ms)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
