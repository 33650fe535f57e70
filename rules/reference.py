"""The reference: one partition's log → changes, profiles and rejects, user by user, from plain lists of events.

The compiled engine is held to it by property tests and golden cases. It looks at a user at every moment at which
anything could change (`rules.looks`).
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from rules.catalog import Catalog, Segment, Tier
from rules.history import Event, Reads, RecordError, hash_of_user, read_event
from rules.interpret import PRESENT, History, value_of, walk
from rules.looks import looks_ms, sum_peak_units
from rules.nodes import Aggregate, Node, Property, Trait

__all__ = ["Outcome", "Reference", "ReferenceProfile"]

DAY_MS = 86_400_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KEPT_MESSAGE_IDS = 64
MAX_SUM_UNITS = 9 * 10**18
"""9·10¹² in millionths: what a sum may come to."""
FAR_MS = 400 * DAY_MS
"""How far ahead the next flip is looked for: past every day of a year."""


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
    """One user as of a moment.

    tags: durations in ms, missing None.  segments: those held, in the catalog's order, and since_ms: when each was
    entered.  levels: the level of each tier, in the catalog's order.
    """

    user: str
    version: int
    incarnation: int
    tags: dict[str, object]
    segments: list[str]
    since_ms: dict[str, int]
    levels: dict[str, str]


@dataclass(slots=True)
class _User:
    """newest_ms: the newest moment of an evaluation that had an event or a new catalog, or that changed something."""

    name: str
    user_hash: int
    incarnation: int
    newest_ms: int
    version: int = 0
    events: list[Event] = field(default_factory=list)
    message_ids: list[tuple[str, int]] = field(default_factory=list)
    entered_ms: dict[str, int] = field(default_factory=dict)
    levels: dict[str, str] = field(default_factory=dict)

    def history(self, timezone: str) -> History:
        return History(self.events, self.user_hash, timezone, self.entered_ms.keys(), self.levels)


@dataclass(frozen=True, slots=True)
class _Occasion:
    """Why users are looked at: the moment, the cause, and the record if that is an event."""

    now_ms: int
    cause: str
    record: dict[str, int] | None = None


class Reference:
    """The fold of one partition's log. Records are fed one by one, in log order; nothing is ever forgotten."""

    def __init__(
        self, catalog: Catalog, *, app: str = "tagstream", partition: int = 0, partition_count: int = 1
    ) -> None:
        self.app = app
        self.partition = partition
        self.partition_count = partition_count
        self._users: dict[str, _User] = {}
        self._take(catalog)

    def _take(self, catalog: Catalog) -> None:
        self.catalog = catalog
        segments = [node for segment in catalog.segments.values() for node in _conditions(segment)]
        levels = [level.when for tier in catalog.tiers.values() for level in tier.levels.values()]
        self._condition_nodes = list(_distinct([*segments, *levels]))
        everything = list(_distinct([*segments, *levels, *(tag.expression for tag in catalog.tags.values())]))
        aggregates = [node for node in everything if isinstance(node, Aggregate)]
        self._sums = [node for node in aggregates if node.function in ("sum", "mean")]
        numeric = [node for node in aggregates if node.function in ("sum", "mean", "min", "max")]
        read = {node.property for node in aggregates if node.property is not None}
        self._reads = Reads(
            summed={(node.event or "", node.property or "") for node in numeric},
            properties=read | {node.name for node in everything if isinstance(node, Property)},
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
        grown = History([*user.events, event], user_hash, self.catalog.timezone)
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
        changes += self._evaluate(user, _Occasion(moment_ms, "event", record))
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

    def switch(self, catalog: Catalog, watermark_ms: int) -> list[dict[str, object]]:
        """A switch record: what is due at or before W happens under the old catalog, then all is looked at by the new.

        A catalog that is not newer is passed over. New aggregates are what they would be had they been there all along.
        """
        changes = self.advance(watermark_ms)
        if catalog.version <= self.catalog.version:
            return changes
        previous = self.catalog
        self._take(catalog)
        for name in self.users:
            user = self._users[name]
            user.newest_ms = max(user.newest_ms, watermark_ms)
            occasion = _Occasion(user.newest_ms, "catalog")
            changes += self._evaluate(user, occasion)
            changes += self._retire(user, previous, occasion)
        return changes

    def next_flip_ms(self, user: str, until_ms: int | None = None) -> int | None:
        """The moment of the user's next flip without an event; None if there is none up to `until_ms` (400 days on)."""
        known = self._users[user]
        return self._next_flip_ms(known, known.newest_ms + FAR_MS if until_ms is None else until_ms)

    def profile(self, user: str, at_ms: int | None = None) -> ReferenceProfile:
        """One user, tags as of `at_ms` (not before the user's newest moment); memberships as they stand."""
        known = self._users[user]
        now_ms = known.newest_ms if at_ms is None else max(at_ms, known.newest_ms)
        held = [name for name in self.catalog.segments if name in known.entered_ms]
        return ReferenceProfile(
            user=user,
            version=known.version,
            incarnation=known.incarnation,
            tags=self._tags(self.catalog.tags, known, now_ms),
            segments=held,
            since_ms={name: known.entered_ms[name] for name in held},
            levels={name: known.levels[name] for name in self.catalog.tiers},
        )

    def profiles(self, at_ms: int | None = None) -> list[ReferenceProfile]:
        """All users in order."""
        return [self.profile(user, at_ms) for user in self.users]

    def _flip(self, user: _User, until_ms: int) -> list[dict[str, object]]:
        """Apply what time alone changes after the user's newest moment and up to `until_ms`, each at its own moment."""
        changes: list[dict[str, object]] = []
        while (moment_ms := self._next_flip_ms(user, until_ms)) is not None:
            user.newest_ms = moment_ms
            changes += self._evaluate(user, _Occasion(moment_ms, "time"))
        return changes

    def _next_flip_ms(self, user: _User, until_ms: int) -> int | None:
        history = user.history(self.catalog.timezone)
        looks = looks_ms(self._condition_nodes, history, user.newest_ms, until_ms)
        stays = [entered_ms + self.catalog.segments[name].min_stay_ms for name, entered_ms in user.entered_ms.items()]
        stays = sorted(end_ms for end_ms in stays if user.newest_ms < end_ms <= until_ms)
        return next((moment_ms for moment_ms in heapq.merge(looks, stays) if self._moves(user, moment_ms)), None)

    def _moves(self, user: _User, now_ms: int) -> bool:
        """Whether anything changes at a moment: the first that does, does so by the memberships as they stand."""
        segments, tiers = self.catalog.segments.values(), self.catalog.tiers.values()
        return any(self._turns(segment, user, now_ms) for segment in segments) or any(
            self._level(tier, user, now_ms) != user.levels.get(tier.name) for tier in tiers
        )

    def _turns(self, segment: Segment, user: _User, now_ms: int) -> bool:
        """Whether the user enters or leaves a segment at a moment."""
        history = user.history(self.catalog.timezone)
        when = value_of(segment.when, history, now_ms) is True
        leave = not when if segment.exit is None else value_of(segment.exit, history, now_ms) is True
        if segment.name in user.entered_ms:
            return leave and now_ms >= user.entered_ms[segment.name] + segment.min_stay_ms
        return when and not leave

    def _level(self, tier: Tier, user: _User, now_ms: int) -> str:
        """The first level of a tier whose condition holds."""
        history = user.history(self.catalog.timezone)
        return next(level.name for level in tier.levels.values() if value_of(level.when, history, now_ms) is True)

    def _evaluate(self, user: _User, occasion: _Occasion) -> list[dict[str, object]]:
        """Segments and tiers, each once, in the order of dependency: later ones see what earlier ones have come to."""
        changes: list[dict[str, object]] = []
        for name in self.catalog.order:
            if name in self.catalog.tiers:
                tier = self.catalog.tiers[name]
                level = self._level(tier, user, occasion.now_ms)
                if level != user.levels.get(name):
                    changes.append(self._change_level(user, tier, level, tier.reads, occasion))
            elif self._turns(self.catalog.segments[name], user, occasion.now_ms):
                segment = self.catalog.segments[name]
                changes.append(self._enter_or_leave(user, segment, segment.reads, occasion))
        return changes

    def _retire(self, user: _User, previous: Catalog, occasion: _Occasion) -> list[dict[str, object]]:
        """Leave what the catalog no longer has, whatever stay is left, under the title it had; its tags are gone."""
        changes: list[dict[str, object]] = []
        for name in previous.order:
            if name in previous.tiers:
                if name not in self.catalog.tiers:
                    changes.append(self._change_level(user, previous.tiers[name], None, (), occasion))
            elif name not in self.catalog.segments and name in user.entered_ms:
                changes.append(self._enter_or_leave(user, previous.segments[name], (), occasion))
        return changes

    def _enter_or_leave(
        self, user: _User, segment: Segment, reads: Sequence[str], occasion: _Occasion
    ) -> dict[str, object]:
        entered_ms = user.entered_ms.pop(segment.name, None)
        if entered_ms is None:
            user.entered_ms[segment.name] = occasion.now_ms
        data: dict[str, object] = {"segment": segment.name, "kind": segment.kind, "title": segment.title}
        if entered_ms is not None:
            data["stayed_ms"] = occasion.now_ms - entered_ms
        change = "tagstream.segment.entered" if entered_ms is None else "tagstream.segment.exited"
        return self._change(user, change, reads, occasion, data)

    def _change_level(
        self, user: _User, tier: Tier, level: str | None, reads: Sequence[str], occasion: _Occasion
    ) -> dict[str, object]:
        before = user.levels.pop(tier.name, None)
        if level is not None:
            user.levels[tier.name] = level
        names: dict[str, object] = {"tier": tier.name, "kind": tier.kind, "title": tier.title}
        data = {**names, "from": before, "to": level}
        return self._change(user, "tagstream.level.changed", reads, occasion, data)

    def _change(
        self, user: _User, change: str, reads: Sequence[str], occasion: _Occasion, about: dict[str, object]
    ) -> dict[str, object]:
        """The CloudEvent of one transition; it raises the user's version."""
        user.version += 1
        identity = f"{self.app}\x1f{user.name}\x1f{user.incarnation}\x1f{user.version}"
        data: dict[str, object] = {
            "user": user.name,
            "incarnation": user.incarnation,
            "version": user.version,
            "cause": occasion.cause,
            "catalog_version": self.catalog.version,
            "model_versions": {},
            "tags": self._tags(reads, user, occasion.now_ms),
            "record": occasion.record,
            **about,
        }
        return {
            "specversion": "1.0",
            "id": hashlib.sha256(identity.encode("utf-8")).hexdigest()[:32],
            "source": f"/tagstream/{self.app}/{self.partition}",
            "type": change,
            "subject": user.name,
            "time": _timestamp_text(occasion.now_ms),
            "datacontenttype": "application/json",
            "data": data,
        }

    def _tags(self, names: Iterable[str], user: _User, now_ms: int) -> dict[str, object]:
        history = user.history(self.catalog.timezone)
        values = {name: value_of(self.catalog.tags[name].expression, history, now_ms) for name in names}
        return {name: None if value is PRESENT else value for name, value in values.items()}


def _conditions(segment: Segment) -> list[Node]:
    return [segment.when] if segment.exit is None else [segment.when, segment.exit]


def _distinct(roots: Iterable[Node]) -> dict[Node, None]:
    """All nodes of some trees, each once, in order of their first mention."""
    return {node: None for root in roots for node in walk(root)}


def _timestamp_text(t_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    moment = EPOCH + timedelta(milliseconds=t_ms)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
