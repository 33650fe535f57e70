"""Runs of the engine, cut and looked at as a worker or `replay` might do it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

import msgspec
import numpy as np

from rules.catalog import Catalog
from rules.reference import Reference
from stream.engine import Engine, row_members, row_step
from stream.engine.result import NEVER_MS, Message, Records, StepResult
from tests.property.random_logs import Fed
from tests.property.reference_runs import APP, canonical


def checked_change(message: Message) -> str:
    """A message's change as canonical text, once its key, headers and form are what a subscriber relies on."""
    change = json.loads(message.value)
    data = change["data"]
    assert msgspec.json.format(message.value, indent=-1) == message.value  # compact
    assert "\\u" not in message.value.decode()
    assert message.key == data["user"].encode()
    assert message.headers == (
        ("content-type", b"application/cloudevents+json"),
        ("segment", data["segment"].encode()),
        ("change", change["type"].removeprefix("tagstream.segment.").encode()),
        ("cause", data["cause"].encode()),
    )
    return canonical(change)


@dataclass
class EngineRun:
    """One partition's engine and what its worker keeps in Redis: rows, due times, sizes, indexed members."""

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

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget the engine's table: every user is cold again."""
        self.engine = Engine(self.catalog, app=APP, partition=self.partition, partition_count=self.partition_count)

    def feed(self, fed: list[Fed]) -> None:
        """One batch of records, in as many steps as the engine makes of it."""
        records = Records(
            values=[record.value for record in fed],
            offsets=np.array([record.offset for record in fed], np.int64),
            watermark_ms=np.array([record.watermark_ms for record in fed], np.int64),
            horizon_ms=np.array([record.horizon_ms for record in fed], np.int64),
            forwarded=np.array([record.forwarded for record in fed], np.bool_),
        )
        batch = self.engine.decode(records)
        assert len(batch) == len(records)
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

    def look(self, watermark_ms: int, *, at_most: int = 500, early: bool = False) -> None:
        """Look at those who are due at W, some users at a time, until nobody is; `early`: at everybody, once more."""
        if early:
            self._look_at(sorted(self.rows), watermark_ms)
        while due := sorted((due_ms, user) for user, due_ms in self.due_ms.items() if due_ms <= watermark_ms):
            self._look_at([user for _, user in due[:at_most]], watermark_ms)

    def _look_at(self, users: list[str], watermark_ms: int) -> None:
        self._load(self.engine.cold(users))
        self.step += 1
        result = self.engine.process_due(users, watermark_ms, self.step)
        self._apply(result)
        assert all(self.due_ms.get(user, NEVER_MS) > watermark_ms for user in users)

    def _load(self, users: list[str]) -> None:
        self.engine.load(users, [self.rows.get(user) for user in users])

    def _apply(self, result: StepResult) -> None:
        assert len(result.changes) == len(result.change_times_ms) == len(result.change_events)
        assert len({user for user, _ in result.rows}) == len(result.rows)
        self.changes += [checked_change(message) for message in result.changes]
        self.values += [message.value for message in result.changes]
        for user, row in result.rows:
            assert row_step(row) == self.step
            self.rows[user] = row
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
    run._load(run.engine.cold(users))
    for actual, expected in zip(run.engine.profiles(users, at_ms), reference.profiles(at_ms), strict=True):
        assert (actual.user, actual.version, actual.incarnation) == (
            expected.user,
            expected.version,
            expected.incarnation,
        )
        assert canonical(actual.tags) == canonical(expected.tags)
        assert (actual.segments, actual.since_ms) == (expected.segments, expected.since_ms)
        assert row_members(run.rows[actual.user], list(run.catalog.segments)) == expected.since_ms
        next_flip_ms = reference.next_flip_ms(actual.user)
        assert actual.due_ms <= (NEVER_MS if next_flip_ms is None else next_flip_ms)
    held = {
        segment: {user for user in users if segment in reference.profile(user).segments}
        for segment in run.catalog.segments
    }
    assert {segment: size for segment, size in run.sizes.items() if size} == {
        segment: len(members) for segment, members in held.items() if members
    }
    assert {segment: members for segment, members in run.members.items() if members} == {
        segment: members for segment, members in held.items() if members and run.catalog.segments[segment].indexed
    }
