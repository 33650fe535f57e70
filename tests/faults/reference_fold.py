"""What a log with switches of catalogs and models should have brought out, by the reference: no worker, no engine."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Message

from rules.catalog import Catalog
from rules.reference import Reference, ReferenceProfile
from stream.embedded import Addresses
from stream.settings import Settings
from tests.faults.log_fold import HOUR_MS, headers_of, messages_of_topic, read_topic

__all__ = ["Expected", "assert_published_is_the_references", "expected_by_reference"]

Change = dict[str, Any]
Snapshot = Mapping[str, Any]


@dataclass
class Expected:
    """Of all partitions: the changes of each user in order, everybody at the end, and W where each log ends."""

    changes: dict[str, list[Change]] = field(default_factory=lambda: defaultdict(list))
    profiles: dict[str, ReferenceProfile] = field(default_factory=dict)

    def add(self, changes: list[Change]) -> None:
        for change in changes:
            self.changes[change["subject"]].append(change)

    def sizes(self) -> dict[str, int]:
        """How many are in each segment, on each level and in each cluster at the end."""
        sizes: dict[str, int] = defaultdict(int)
        for profile in self.profiles.values():
            for name in profile.segments:
                sizes[name] += 1
            for name, part in (*profile.levels.items(), *profile.clusters.items()):
                sizes[f"{name}={part}"] += 1
        return dict(sizes)


def expected_by_reference(
    catalogs: Mapping[int, Catalog],
    settings: Settings,
    addresses: Addresses,
    isolation: str,
    snapshots: Sequence[Snapshot] = (),
) -> Expected:
    """Go through each partition's log as it is now. catalogs: by version; the smallest is the first.

    snapshots: all that a record of the log switches to.
    """
    log = read_topic(addresses.kafka, settings.events_topic, isolation=isolation)
    learned = {(str(each["model"]), int(each["version"])): each for each in snapshots}
    expected = Expected()
    for partition, messages in log.items():
        _fold(expected, catalogs, learned, messages, settings, partition)
    return expected


def _fold(
    expected: Expected,
    catalogs: Mapping[int, Catalog],
    learned: Mapping[tuple[str, int], Snapshot],
    messages: list[Message],
    settings: Settings,
    partition: int,
) -> None:
    reference = Reference(
        catalogs[min(catalogs)], app=settings.app, partition=partition, partition_count=settings.partitions
    )
    greatest_ms = 0
    origins: dict[str, int] = {}
    for message in messages:
        greatest_ms = max(greatest_ms, message.timestamp()[1])
        watermark_ms = max(greatest_ms - settings.grace_ms, 0)
        headers = headers_of(message)
        mark = headers.get("tagstream")
        if mark == b"tick":
            continue
        if mark == b"switch":
            version = int(headers["tagstream-version"])
            if headers["tagstream-app"] != settings.app.encode():
                continue
            if headers["tagstream-kind"] == b"model":
                snapshot = learned[headers["tagstream-model"].decode(), version]
                expected.add(reference.switch_model(snapshot, watermark_ms))
            else:
                expected.add(reference.switch(catalogs[version], watermark_ms))
            continue
        if mark == b"forward":
            origin, offset = headers["tagstream-origin"].decode().split(":")
            if int(offset) <= origins.get(origin, -1):
                continue
            origins[origin] = int(offset)
        outcome = reference.feed(
            message.value(),
            message.offset() or 0,
            watermark_ms,
            message.timestamp()[1] + HOUR_MS,
            forwarded=mark == b"forward",
        )
        expected.add(outcome.changes)
    watermark_ms = max(greatest_ms - settings.grace_ms, 0)
    expected.add(reference.advance(watermark_ms))
    expected.profiles |= {profile.user: profile for profile in reference.profiles()}


def assert_published_is_the_references(
    expected: Expected, settings: Settings, addresses: Addresses, isolation: str
) -> None:
    """The published changes, repeats dropped by id, are the reference's; each user's are gapless and of one catalog."""
    published = messages_of_topic(read_topic(addresses.kafka, settings.segment_changes_topic, isolation=isolation))
    seen: dict[str, bytes] = {}
    found: dict[str, list[Change]] = defaultdict(list)
    for message in published:
        value = message.value() or b""
        change = json.loads(value)
        if change["id"] in seen:
            assert seen[change["id"]] == value  # what comes again is the same to the byte
            continue
        seen[change["id"]] = value
        found[change["subject"]].append(change)
    for user in sorted(expected.changes.keys() | found.keys()):
        assert found.get(user, []) == expected.changes.get(user, []), user
        versions = [change["data"]["version"] for change in found[user]]
        assert versions == list(range(1, len(versions) + 1)), user
        catalogs = [change["data"]["catalog_version"] for change in found[user]]
        assert catalogs == sorted(catalogs), user
