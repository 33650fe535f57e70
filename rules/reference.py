"""The reference: one partition's log → changes, profiles, rejects, samples, user by user, from plain lists of events.

The compiled engine is held to it by property tests and golden cases. It looks at a user at every moment at which
anything could change (`rules.looks`), at the user's model moments and at deadlines of labels. At one moment:
1. Labels that are due, or that the event brings, are settled (`rules.reference_models`).
2. At an event, a model moment and a switch clusters and scores are computed anew, in the order of the catalog.
3. At an event and a model moment samples are taken.
4. Segments and tiers follow, in the order of dependency, then what the last catalog alone had.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rules.catalog import Catalog, Segment, Tier
from rules.history import Reads, RecordError, hash_of_user, read_event
from rules.interpret import PRESENT, History, value_of, walk
from rules.looks import looks_ms, sum_peak_units
from rules.models import CLUSTERS, Model, fits
from rules.nodes import Aggregate, Node
from rules.reference_messages import Outcome, ReferenceProfile, cloud_event
from rules.reference_models import ModelsInForce, ReferenceSample, next_model_moment_ms
from rules.reference_user import Occasion, User

__all__ = ["Outcome", "Reference", "ReferenceProfile"]

DAY_MS = 86_400_000
KEPT_MESSAGE_IDS = 64
MAX_SUM_UNITS = 9 * 10**18
"""9·10¹² in millionths: what a sum may come to."""
FAR_MS = 400 * DAY_MS
"""How far ahead the next flip is looked for: past every day of a year."""

Snapshot = Mapping[str, Any]


class Reference:
    """The fold of one partition's log. Records are fed one by one, in log order; nothing is ever forgotten."""

    def __init__(
        self,
        catalog: Catalog,
        *,
        app: str = "tagstream",
        partition: int = 0,
        partition_count: int = 1,
        snapshots: Mapping[str, Snapshot] | None = None,
        sampled: bool = False,
    ) -> None:
        """snapshots: those in force at the start, by model.  sampled: whether users give `samples`."""
        self.app = app
        self.partition = partition
        self.partition_count = partition_count
        self.samples: list[ReferenceSample] = []
        self._sampled = sampled
        self._users: dict[str, User] = {}
        self._met: dict[str, list[Snapshot]] = {name: [snapshot] for name, snapshot in (snapshots or {}).items()}
        self._take(catalog)

    def _take(self, catalog: Catalog) -> None:
        """Go on with a catalog; of each model with the newest snapshot that the log has switched to and that fits."""
        self.catalog = catalog
        fitting = {name: [each for each in met if fits(each, catalog)] for name, met in self._met.items()}
        snapshots = {name: found[-1] for name, found in fitting.items() if found}
        self.models = ModelsInForce(catalog, snapshots, sampled=self._sampled)
        segments = [node for segment in catalog.segments.values() for node in _conditions(segment)]
        levels = [level.when for tier in catalog.tiers.values() for level in tier.levels.values()]
        in_conditions = list(_distinct([*segments, *levels]))
        self._condition_nodes = [*in_conditions, *self.models.field_nodes(in_conditions)]
        features = [feature.expression for model in catalog.models.values() for feature in model.features]
        tags = [tag.expression for tag in catalog.tags.values()]
        everything = _distinct([*segments, *levels, *tags, *features])
        aggregates = [node for node in everything if isinstance(node, Aggregate)]
        self._sums = [node for node in aggregates if node.function in ("sum", "mean")]
        numeric = [node for node in aggregates if node.function in ("sum", "mean", "min", "max")]
        self._reads = Reads(summed={(node.event or "", node.property or "") for node in numeric})

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
        first_ms = max(event.t_ms, watermark_ms)
        user = known or User(event.user, user_hash, incarnation=offset, newest_ms=first_ms, seen_ms=first_ms)
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
        changes += self._evaluate(user, Occasion(moment_ms, "event", event, record))
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
        Of each model there is in force from then on the newest snapshot that the log has switched to and that fits.
        """
        changes = self.advance(watermark_ms)
        if catalog.version <= self.catalog.version:
            return changes
        previous = self.catalog
        self._take(catalog)
        for user in self._bring_over(watermark_ms):
            occasion = Occasion(user.newest_ms, "catalog")
            changes += self._evaluate(user, occasion)
            changes += self._retire(user, previous, occasion)
        return changes

    def switch_model(self, snapshot: Snapshot, watermark_ms: int) -> list[dict[str, object]]:
        """A switch record of a model: what is due at or before W happens first, then all is looked at by the snapshot.

        One that is not newer than all before is passed over; one that does not fit waits for a catalog it fits.
        """
        changes = self.advance(watermark_ms)
        name, version = str(snapshot["model"]), snapshot["version"]
        met = self._met.setdefault(name, [])
        if met and version <= met[-1]["version"]:
            return changes
        met.append(snapshot)
        if not fits(snapshot, self.catalog):
            return changes
        self._take(self.catalog)
        for user in self._bring_over(watermark_ms):
            changes += self._evaluate(user, Occasion(user.newest_ms, "model"))
        return changes

    def _bring_over(self, watermark_ms: int) -> Iterator[User]:
        """The users in order, each at the moment of its first look by what has just come into force."""
        for name in self.users:
            user = self._users[name]
            user.newest_ms = max(user.newest_ms, watermark_ms)
            self.models.drop_strangers(user.models)
            yield user

    def next_flip_ms(self, user: str, until_ms: int | None = None) -> int | None:
        """The moment of the user's next flip without an event; None if there is none up to `until_ms` (400 days on)."""
        known = self._users[user].copy()
        samples = [*self.samples]
        changes = self._flip(known, known.newest_ms + FAR_MS if until_ms is None else until_ms, only_first=True)
        self.samples = samples
        return known.seen_ms if changes else None

    def profile(self, user: str, at_ms: int | None = None) -> ReferenceProfile:
        """One user, tags as of `at_ms` (not before the user's newest moment); memberships as they stand."""
        known = self._users[user]
        now_ms = known.newest_ms if at_ms is None else max(at_ms, known.newest_ms)
        held = [name for name in self.catalog.segments if name in known.entered_ms]
        clustered = [name for name in self.catalog.models if name in known.models.clusters]
        return ReferenceProfile(
            user=user,
            version=known.version,
            incarnation=known.incarnation,
            tags=self._tags(self.catalog.tags, known, now_ms),
            segments=held,
            since_ms={name: known.entered_ms[name] for name in held},
            levels={name: known.levels[name] for name in self.catalog.tiers},
            clusters={name: known.models.clusters[name] for name in clustered},
            cluster_since_ms={name: known.models.since_ms[name] for name in clustered},
        )

    def profiles(self, at_ms: int | None = None) -> list[ReferenceProfile]:
        """All users in order."""
        return [self.profile(user, at_ms) for user in self.users]

    def history(self, user: User) -> History:
        """All that is known of a user, for `rules.interpret`."""
        return History(
            user.events,
            user.user_hash,
            self.catalog.timezone,
            user.entered_ms.keys(),
            user.levels,
            user.models.clusters,
            user.models.scores,
            self.models.models,
            self.models.snapshots,
        )

    def _flip(self, user: User, until_ms: int, *, only_first: bool = False) -> list[dict[str, object]]:
        """Apply what time alone changes after the newest moment seen and up to `until_ms`, each at its own moment."""
        changes: list[dict[str, object]] = []
        while (moment_ms := self._next_look_ms(user, until_ms)) is not None:
            found = self._evaluate(user, Occasion(moment_ms, "time"))
            changes += found
            if found:
                user.newest_ms = moment_ms
            if found and only_first:
                break
        return changes

    def _next_look_ms(self, user: User, until_ms: int) -> int | None:
        """The next moment at which something changes by time, or at which models are to be looked at."""
        model_ms = self.models.next_look_ms(user.models, user.user_hash, user.seen_ms, until_ms)
        flip_ms = self._next_flip_ms(user, until_ms if model_ms is None else model_ms)
        return model_ms if flip_ms is None else flip_ms

    def _next_flip_ms(self, user: User, until_ms: int) -> int | None:
        looks = looks_ms(self._condition_nodes, self.history(user), user.seen_ms, until_ms)
        stays = [entered_ms + self.catalog.segments[name].min_stay_ms for name, entered_ms in user.entered_ms.items()]
        stays = sorted(end_ms for end_ms in stays if user.seen_ms < end_ms <= until_ms)
        return next((moment_ms for moment_ms in heapq.merge(looks, stays) if self._moves(user, moment_ms)), None)

    def _moves(self, user: User, now_ms: int) -> bool:
        """Whether anything changes at a moment: the first that does, does so by the memberships as they stand."""
        segments, tiers, history = self.catalog.segments.values(), self.catalog.tiers.values(), self.history(user)
        return any(self._turns(segment, user, history, now_ms) for segment in segments) or any(
            self._level(tier, history, now_ms) != user.levels.get(tier.name) for tier in tiers
        )

    def _turns(self, segment: Segment, user: User, history: History, now_ms: int) -> bool:
        """Whether the user enters or leaves a segment at a moment."""
        when = value_of(segment.when, history, now_ms) is True
        leave = not when if segment.exit is None else value_of(segment.exit, history, now_ms) is True
        if segment.name in user.entered_ms:
            return leave and now_ms >= user.entered_ms[segment.name] + segment.min_stay_ms
        return when and not leave

    def _level(self, tier: Tier, history: History, now_ms: int) -> str:
        """The first level of a tier whose condition holds."""
        return next(level.name for level in tier.levels.values() if value_of(level.when, history, now_ms) is True)

    def _evaluate(self, user: User, occasion: Occasion) -> list[dict[str, object]]:
        """Models, then segments and tiers, each once: later ones see what earlier ones have come to."""
        user.seen_ms = occasion.now_ms
        changes = self._ask_models(user, occasion)
        history = self.history(user)  # in which memberships and levels are seen as they stand at any time
        for name in self.catalog.order:
            if name in self.catalog.tiers:
                tier = self.catalog.tiers[name]
                level = self._level(tier, history, occasion.now_ms)
                if level != user.levels.get(name):
                    changes.append(self._change_level(user, tier, level, tier.reads, occasion))
            elif self._turns(self.catalog.segments[name], user, history, occasion.now_ms):
                segment = self.catalog.segments[name]
                changes.append(self._enter_or_leave(user, segment, segment.reads, occasion))
        return changes

    def _ask_models(self, user: User, occasion: Occasion) -> list[dict[str, object]]:
        """Labels, clusters and scores, samples: those of the moment."""
        now_ms, of_user = occasion.now_ms, user.models
        self.samples += self.models.settle(user.name, of_user, now_ms, occasion.event)
        is_time = occasion.cause == "time"
        if is_time and now_ms != next_model_moment_ms(user.user_hash, now_ms - 1):
            return []
        history = self.history(user)
        changed = list(self.models.clusters(of_user, history, now_ms))
        of_user.scores = self.models.scores(history, now_ms)
        changes = [self._change_cluster(user, model, cluster, model.reads, occasion) for model, cluster in changed]
        if is_time or occasion.cause == "event":
            why = "moment" if is_time else "event"
            self.samples += self.models.take(user.name, of_user, history, now_ms, why)
        return changes

    def _retire(self, user: User, previous: Catalog, occasion: Occasion) -> list[dict[str, object]]:
        """Leave what the catalog no longer has, whatever stay is left, under the title it had; its tags are gone."""
        changes: list[dict[str, object]] = []
        for name, model in previous.models.items():
            now = self.catalog.models.get(name)
            if name in user.models.clusters and (now is None or now.kind != CLUSTERS):
                changes.append(self._change_cluster(user, model, None, (), occasion))
        for name in previous.order:
            if name in previous.tiers:
                if name not in self.catalog.tiers:
                    changes.append(self._change_level(user, previous.tiers[name], None, (), occasion))
            elif name not in self.catalog.segments and name in user.entered_ms:
                changes.append(self._enter_or_leave(user, previous.segments[name], (), occasion))
        return changes

    def _enter_or_leave(
        self, user: User, segment: Segment, reads: Sequence[str], occasion: Occasion
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
        self, user: User, tier: Tier, level: str | None, reads: Sequence[str], occasion: Occasion
    ) -> dict[str, object]:
        before = user.levels.pop(tier.name, None)
        if level is not None:
            user.levels[tier.name] = level
        names: dict[str, object] = {"tier": tier.name, "kind": tier.kind, "title": tier.title}
        data = {**names, "from": before, "to": level}
        return self._change(user, "tagstream.level.changed", reads, occasion, data)

    def _change_cluster(
        self, user: User, model: Model, cluster: int | None, reads: Sequence[str], occasion: Occasion
    ) -> dict[str, object]:
        before = user.models.clusters.pop(model.name, None)
        if cluster is not None:
            user.models.clusters[model.name] = cluster
            user.models.since_ms[model.name] = occasion.now_ms
        from_name = None if before is None else model.names.get(before)
        to_name = None if cluster is None else model.names.get(cluster)
        data = {"model": model.name, "from": before, "to": cluster, "from_name": from_name, "to_name": to_name}
        return self._change(user, "tagstream.cluster.changed", reads, occasion, data)

    def _change(
        self, user: User, change: str, reads: Sequence[str], occasion: Occasion, about: Mapping[str, object]
    ) -> dict[str, object]:
        """The CloudEvent of one transition; it raises the user's version."""
        user.version += 1
        data: dict[str, object] = {
            "user": user.name,
            "incarnation": user.incarnation,
            "version": user.version,
            "cause": occasion.cause,
            "catalog_version": self.catalog.version,
            "model_versions": self.models.versions,
            "tags": self._tags(reads, user, occasion.now_ms),
            "record": occasion.record,
            **about,
        }
        return cloud_event(change, data, occasion.now_ms, self.app, self.partition)

    def _tags(self, names: Iterable[str], user: User, now_ms: int) -> dict[str, object]:
        history = self.history(user)
        values = {name: value_of(self.catalog.tags[name].expression, history, now_ms) for name in names}
        return {name: None if value is PRESENT else value for name, value in values.items()}


def _conditions(segment: Segment) -> list[Node]:
    return [segment.when] if segment.exit is None else [segment.when, segment.exit]


def _distinct(roots: Iterable[Node]) -> dict[Node, None]:
    """All nodes of some trees, each once, in order of their first mention."""
    return {node: None for root in roots for node in walk(root)}
