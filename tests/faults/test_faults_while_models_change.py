"""Snapshots are switched in under load while workers are killed and frozen: the changes are the reference's."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stream.clock import SystemClock
from stream.embedded import Addresses, Stack
from stream.settings import Settings
from stream.topics import ensure_topics
from stream.worker.overview import open_store
from tests.apache_kafka import ApacheKafka
from tests.contract.redis_servers import redis_server
from tests.faults.checks import wait_until_drained
from tests.faults.fleet import Fleet
from tests.faults.learned import FIRST, LAST_FLIP_MS, catalogs, leaving, rank, worth
from tests.faults.reference_fold import Expected, assert_published_is_the_references, expected_by_reference
from tests.faults.traffic import Traffic
from tests.integration.apply_runs import apply, overview
from tests.integration.model_runs import publish
from tests.integration.worker_runs import wait_for

SEED = 20261128
SETTLED_S = 60.0
"""A worker that was killed is taken over from, and comes back, in a few seconds; in twenty on a busy machine."""

Snapshot = Mapping[str, Any]

pytestmark = pytest.mark.timeout(240)


def snapshots() -> list[Snapshot]:
    """In the order in which they are published; the last fits the second catalog alone.

    In the first looks of late decide, so users move at events however long the test takes.
    """
    first, second = catalogs().values()
    return [
        worth(first, 1, (1, 0.5, 0), (2, 0.5, 2)),
        rank(first, 1, [1, 3], [1_000, 2_500]),
        leaving(first, 1, 0.5),
        worth(first, 2, (1, 0.5, 0), (3, 0.5, 1), (4, 0.5, 3)),
        rank(first, 2, [2, 2], [500, 2_000]),
        worth(second, 3, (2, 0.4, 2), (5, 0, 0)),
    ]


class Field:
    """Two workers under load, and what is done to them."""

    def __init__(self, folder: Path, settings: Settings, addresses: Addresses, *, frozen_s: float) -> None:
        path = folder / "catalog.yaml"
        path.write_text(FIRST, encoding="utf-8")
        self.fleet = Fleet(folder, settings, addresses, path)
        self.snapshots = snapshots()
        self._settings, self._addresses = settings, addresses
        self._clock = SystemClock()
        self._frozen_s = frozen_s
        self._published = 0

    def run(self) -> None:
        """All six snapshots, a catalog, two kills and a freeze; returns once all is drained and the workers ended."""
        settings, addresses, fleet = self._settings, self._addresses, self.fleet
        ensure_topics(settings, addresses)
        topic, partitions = settings.events_topic, settings.partitions
        traffic = Traffic(addresses.kafka, topic, partitions, seed=SEED, rate=100, users=150)
        with fleet:
            fleet.start(0)
            traffic.start()
            try:
                try:
                    wait_for(lambda: len(overview(settings, addresses).positions) == partitions)
                    fleet.start(1)
                    self._clock.sleep_s(1.0)
                    self._play()
                finally:
                    traffic.stop()
                wait_until_drained(settings, addresses, within_s=40, due_within_ms=LAST_FLIP_MS)
                assert fleet.stop() == [0, -signal.SIGKILL]
            except BaseException as error:
                error.add_note(f"{overview(settings, addresses).positions}\n{fleet.logs()}")
                raise

    def _play(self) -> None:
        self._switch(2)  # two at once: the second waits in the log until the walk of the first is done
        self._kill_in_a_walk(0)
        self.fleet.start(0)
        self._settled({"worth": 1, "rank": 1})
        self.fleet.freeze(1)
        self._switch(1)
        self._clock.sleep_s(self._frozen_s)
        self.fleet.thaw(1)
        self._switch(2)
        self._kill_in_a_walk(1)  # for good: the other worker does the rest
        self._settled({"worth": 2, "rank": 2, "leaving": 1})
        report = apply(self._settings, self._addresses, catalogs()[2])
        assert (report.is_done, report.problem) == (True, None)
        self._switch(1)
        self._settled({"worth": 3, "rank": 2, "leaving": 1})

    def _switch(self, count: int) -> None:
        for _ in range(count):
            publish(self._settings, self._addresses, self.snapshots[self._published])
            self._published += 1

    def _settled(self, versions: dict[str, int]) -> None:
        """Wait until all partitions evaluate with these versions."""

        def has_come() -> bool:
            return all(each.model_versions == versions for each in overview(self._settings, self._addresses).positions)

        wait_for(has_come, SETTLED_S)

    def _kill_in_a_walk(self, worker: int) -> None:
        """Kill a worker as soon as any partition is in a walk that has begun."""

        def is_walking() -> bool:
            positions = overview(self._settings, self._addresses).positions
            return any(each.walk is not None and each.walk.bucket > 0 for each in positions)

        wait_for(is_walking, SETTLED_S)
        self.fleet.kill(worker)


def assert_right(expected: Expected, settings: Settings, addresses: Addresses, isolation: str) -> None:
    """What was published, and the sizes and members that Redis holds, are the reference's; all causes occur."""
    assert_published_is_the_references(expected, settings, addresses, isolation)
    changes = [change["data"] for changes in expected.changes.values() for change in changes]
    causes = Counter(
        (change.get("model") or change.get("segment") or change["tier"], change["cause"]) for change in changes
    )
    for frequent in (("worth", "model"), ("worth", "event"), ("good", "model")):
        assert causes[frequent] > 20, causes
    for rare in (
        ("worth", "catalog"),
        ("likely", "event"),
        *((name, "model") for name in ("asleep", "likely", "standing")),
    ):
        assert causes[rare] > 0, causes
    sizes: Counter[str] = Counter()
    members: dict[str, set[str]] = {"good": set(), "asleep": set()}
    with closing(open_store(settings, addresses, settings.partitions)) as store:
        for partition in range(settings.partitions):
            sizes.update(store.sizes(partition))
            for name, found in members.items():
                found.update(store.members(partition, name))
    assert {name: size for name, size in sizes.items() if size} == expected.sizes()
    for name, found in members.items():
        assert found == {user for user, profile in expected.profiles.items() if name in profile.segments}


@pytest.mark.slow
def test_changes_are_the_references_when_models_change_while_workers_are_killed(
    stack: Stack, settings: Settings, tmp_path: Path
) -> None:
    field = Field(tmp_path, settings, stack.addresses, frozen_s=3.0)
    field.run()
    isolation = "read_uncommitted"
    expected = expected_by_reference(catalogs(), settings, stack.addresses, isolation, field.snapshots)
    assert_right(expected, settings, stack.addresses, isolation)


@pytest.mark.kafka
@pytest.mark.slow
def test_models_change_exactly_once_on_apache_kafka(
    apache_kafka: ApacheKafka, settings: Settings, tmp_path: Path
) -> None:
    settings = settings.model_copy(update={"session_timeout_ms": 6_000})
    with redis_server() as redis:
        addresses = apache_kafka.addresses(redis)
        field = Field(tmp_path, settings, addresses, frozen_s=8.0)
        field.run()
        expected = expected_by_reference(catalogs(), settings, addresses, "read_committed", field.snapshots)
        assert_right(expected, settings, addresses, "read_committed")
