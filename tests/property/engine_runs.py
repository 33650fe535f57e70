"""Runs of the engine, cut and looked at as a worker or `replay` might do it, over switches of catalog too."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from rules.catalog import Catalog
from rules.models import fits
from rules.program import Program, compile_catalog
from rules.reference import Reference
from stream.engine import Engine, SampleRow, row_clusters, row_members, row_step
from stream.engine.result import NEVER_MS, Message, Records, StepResult
from tests.property.random_catalogs import parsed
from tests.property.random_logs import DAY_MS, GRACE_MS, HOUR_MS, Fed, timestamp_text
from tests.property.reference_runs import APP, by_user, canonical, run_reference

CHANGES = {
    "tagstream.segment.entered": b"entered",
    "tagstream.segment.exited": b"exited",
    "tagstream.level.changed": b"changed",
    "tagstream.cluster.changed": b"changed",
}


def checked_change(message: Message) -> str:
    """A message's change as canonical text, once its key, headers and form are what a subscriber relies on."""
    change = json.loads(message.value)
    data = change["data"]
    assert msgspec.json.format(message.value, indent=-1) == message.value  # compact
    assert "\\u" not in message.value.decode()
    assert message.key == data["user"].encode()
    assert message.headers == (
        ("content-type", b"application/cloudevents+json"),
        ("segment", next(data[key] for key in ("tier", "segment", "model") if key in data).encode()),
        ("change", CHANGES[change["type"]]),
        ("cause", data["cause"].encode()),
    )
    return canonical(change)


def records_of(fed: Sequence[Fed]) -> Records:
    """A batch as the engine takes it."""
    return Records(
        values=[record.value for record in fed],
        offsets=np.array([record.offset for record in fed], np.int64),
        watermark_ms=np.array([record.watermark_ms for record in fed], np.int64),
        horizon_ms=np.array([record.horizon_ms for record in fed], np.int64),
        forwarded=np.array([record.forwarded for record in fed], np.bool_),
    )


@dataclass
class EngineRun:
    """One partition's engine and what its worker keeps in Redis: rows, due times, sizes, indexed members.

    After a switch `stale` are the users whose rows are still of the catalog, or the snapshots, before, and `filled`
    their rows as made anew from the log under a new catalog. `snapshots` are those in force, by model, `met` all
    that the log has switched to.
    """

    catalog: Catalog
    partition: int = 0
    partition_count: int = 1
    rows: dict[str, bytes] = field(default_factory=dict)
    due_ms: dict[str, int] = field(default_factory=dict)
    sizes: Counter[str] = field(default_factory=Counter)
    members: dict[str, set[str]] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)
    rejects: dict[int, str] = field(default_factory=dict)
    misplaced: list[int] = field(default_factory=list)
    accepted: int = 0
    duplicates: int = 0
    step: int = 0
    stale: set[str] = field(default_factory=set)
    filled: dict[str, bytes] = field(default_factory=dict)
    log: list[Fed] = field(default_factory=list)
    snapshots: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    met: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    sampled: bool = False
    samples: list[SampleRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.met = {name: [snapshot] for name, snapshot in self.snapshots.items()}
        self.program: Program = compile_catalog(self.catalog, None, self.snapshots, sampled=self.sampled)
        self.switched_ms: int | None = None
        self.restart()

    def restart(self) -> None:
        """Forget the engine's table: every user is cold again."""
        self.engine = Engine(
            self.program,
            app=APP,
            partition=self.partition,
            partition_count=self.partition_count,
            switched_ms=self.switched_ms,
        )

    def feed(self, fed: list[Fed]) -> None:
        """One batch of records, in as many steps as the engine makes of it."""
        batch = self.engine.decode(records_of(fed))
        assert len(batch) == len(fed)
        self._load(batch.cold)
        start = 0
        while start < len(batch):
            self.step += 1
            result = self.engine.process(batch, start, self.step)
            assert (result.start, result.end > start) == (start, True)
            self._apply(result)
            self.rejects.update({fed[reject.index].offset: reject.reason for reject in result.rejects})
            self.misplaced += [fed[index].offset for index in result.misplaced]
            start = result.end
        self.log += fed

    def look(self, watermark_ms: int, *, at_most: int = 500, early: bool = False) -> None:
        """Look at those who are due at W, some users at a time, until nobody is; `early`: at everybody, once more."""
        if early:
            self._look_at(sorted(self.rows), watermark_ms)
        while due := sorted((due_ms, user) for user, due_ms in self.due_ms.items() if due_ms <= watermark_ms):
            self._look_at([user for _, user in due[:at_most]], watermark_ms)

    def switch(self, catalog: Catalog, watermark_ms: int) -> None:
        """The switch to a newer catalog, at W: what is due and the walk of the switch before are done first."""
        self.walk(sorted(self.stale))
        self.look(watermark_ms)
        backfill = EngineRun(catalog, self.partition, self.partition_count)
        if self.log:
            backfill.feed(self.log)
        fitting = {name: [each for each in met if fits(each, catalog)] for name, met in self.met.items()}
        self.filled, self.snapshots = backfill.rows, {name: found[-1] for name, found in fitting.items() if found}
        self._begin_again(catalog, self.catalog, watermark_ms)

    def switch_model(self, snapshot: Mapping[str, Any], watermark_ms: int) -> None:
        """The switch to a newer snapshot, at W: what is due and the walk of the switch before are done first."""
        self.walk(sorted(self.stale))
        self.look(watermark_ms)
        name, version = snapshot["model"], snapshot["version"]
        met = self.met.setdefault(name, [])
        if met and version <= met[-1]["version"]:
            return
        met.append(snapshot)
        if not fits(snapshot, self.catalog):
            return
        self.filled, self.snapshots = {}, {**self.snapshots, name: snapshot}
        self._begin_again(self.catalog, None, watermark_ms)

    def _begin_again(self, catalog: Catalog, previous: Catalog | None, watermark_ms: int) -> None:
        """Have all rows stale, and an engine of another program."""
        self.stale = set(self.rows)
        self.program = compile_catalog(catalog, previous, self.snapshots, sampled=self.sampled)
        self.catalog, self.switched_ms = catalog, watermark_ms
        self.restart()

    def walk(self, users: Iterable[str]) -> None:
        """Bring some users over to the new catalog; those who already are stay as they are."""
        users = [*users]
        self._load(self.engine.cold(users))
        self.step += 1
        result = self.engine.bring_over(users, self.step)
        assert {user for user, _ in result.rows} == self.stale & {*users}
        self._apply(result)

    def _look_at(self, users: list[str], watermark_ms: int) -> None:
        self._load(self.engine.cold(users))
        self.step += 1
        result = self.engine.process_due(users, watermark_ms, self.step)
        self._apply(result)
        assert all(self.due_ms.get(user, NEVER_MS) > watermark_ms for user in users)

    def _load(self, users: Sequence[str]) -> None:
        filled = [self.filled.get(user) if user in self.stale else None for user in users]
        self.engine.load(users, [self.rows.get(user) for user in users], filled)

    def _apply(self, result: StepResult) -> None:
        assert len(result.changes) == len(result.change_times_ms) == len(result.change_events)
        assert len({user for user, _ in result.rows}) == len(result.rows)
        self.changes += [checked_change(message) for message in result.changes]
        self.values += [message.value for message in result.changes]
        self.samples += result.samples
        for user, row in result.rows:
            assert row_step(row) == self.step
            self.rows[user] = row
            self.stale.discard(user)
        for user, due_ms in result.due:
            if due_ms == NEVER_MS:
                self.due_ms.pop(user, None)
            else:
                self.due_ms[user] = due_ms
        self.sizes.update(result.sizes)
        for segment in {*result.entered, *result.left}:
            entered, left = Counter(result.entered.get(segment)), Counter(result.left.get(segment))
            members = self.members.setdefault(segment, set())
            assert members.isdisjoint(entered - left)
            assert members.issuperset(left - entered)
            members.update(entered - left)
            members.difference_update(left - entered)
        self.accepted += result.accepted
        self.duplicates += result.duplicates


def check_state(run: EngineRun, reference: Reference, at_ms: int) -> None:
    """The engine's profiles, stored rows, sizes, member sets and due times are the reference's."""
    users = reference.users
    assert sorted(run.rows) == users
    assert run.stale == set()
    run._load(run.engine.cold(users))
    sizes: Counter[str] = Counter()
    members: dict[str, set[str]] = {}
    for actual, expected in zip(run.engine.profiles(users, at_ms), reference.profiles(at_ms), strict=True):
        assert (actual.user, actual.version, actual.incarnation) == (
            expected.user,
            expected.version,
            expected.incarnation,
        )
        assert canonical(actual.tags) == canonical(expected.tags)
        assert (actual.segments, actual.since_ms) == (expected.segments, expected.since_ms)
        assert actual.levels == expected.levels
        assert (actual.clusters, actual.cluster_since_ms) == (expected.clusters, expected.cluster_since_ms)
        stored = row_clusters(run.rows[actual.user], list(run.catalog.models))
        assert stored == {
            name: (cluster, expected.cluster_since_ms[name]) for name, cluster in expected.clusters.items()
        }
        assert row_members(run.rows[actual.user], list(run.catalog.segments)) == expected.since_ms
        next_flip_ms = reference.next_flip_ms(actual.user, at_ms + 30 * DAY_MS)
        assert next_flip_ms is None or actual.due_ms <= next_flip_ms
        sizes.update(expected.segments)
        sizes.update(f"{tier}={level}" for tier, level in expected.levels.items())
        sizes.update(f"{model}={cluster}" for model, cluster in expected.clusters.items())
        for segment in expected.segments:
            if run.catalog.segments[segment].indexed:
                members.setdefault(segment, set()).add(actual.user)
    assert {name: size for name, size in run.sizes.items() if size} == dict(sizes)
    assert {segment: found for segment, found in run.members.items() if found} == members


def check_in_two_batches(text: str, fed: Sequence[Fed], cut: int, days: int = 1) -> None:
    """Feed the engine in two batches, its table forgotten between; then time for days; hold it to the reference."""
    catalog = parsed(text)
    until_ms = max(record.watermark_ms for record in fed) + days * DAY_MS
    expected = run_reference(catalog, list(fed), until_ms)

    run = EngineRun(catalog)
    for batch in (fed[:cut], fed[cut:]):
        if batch:
            run.feed([*batch])
            run.restart()
    run.look(until_ms)

    assert by_user(run.changes) == by_user(expected.changes)
    assert (run.accepted, run.duplicates, run.rejects) == (expected.accepted, expected.duplicates, expected.rejects)
    check_state(run, expected.reference, until_ms)


def one_users_records(documents: Sequence[tuple[int, int, dict[str, object]]]) -> list[Fed]:
    """Records of one user: event time, log time (never running back here) and fields of each."""
    return [
        Fed(
            json.dumps({"userId": "abc", "timestamp": timestamp_text(t_ms), **fields}).encode(),
            offset,
            log_ms - GRACE_MS,
            log_ms + HOUR_MS,
        )
        for offset, (t_ms, log_ms, fields) in enumerate(documents)
    ]
