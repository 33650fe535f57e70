"""A worker in a thread of this process, and what a test needs around it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Message, Producer

from rules.catalog import Catalog, parse_catalog
from stream.clock import Clock, SystemClock
from stream.embedded import Addresses
from stream.metrics import Metrics
from stream.settings import Settings
from stream.topics import ensure_topics
from stream.worker import Worker
from stream.worker.slots import claim_name
from tagstream.contracts.changes import Change, parse_change
from tagstream.contracts.deadletters import DeadLetter, parse_dead_letter
from tagstream.partitioning import partition_of
from tests.faults.log_fold import messages_of_topic, read_topic

CATALOG = """
catalog: shop
version: 1
tags:
  orders: count("Order Completed")
segments:
  buyer: {when: orders >= 1, indexed: true}
  fresh: {when: 'count("Product Viewed", last="1s") >= 1'}
  rich: {when: 'sum("Order Completed", "revenue") > 100'}
"""

DEADLINE_S = 25.0


def shop(version: int = 1) -> Catalog:
    return parse_catalog(CATALOG.replace("version: 1", f"version: {version}"))


def wait_for(look: Callable[[], object], within_s: float = DEADLINE_S) -> None:
    """Wait until `look` gives something true; fails after a while."""
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + within_s
    while not look():
        assert clock.monotonic_s() < deadline_s, f"waited {within_s:.0f} s in vain"
        clock.sleep_s(0.02)


class Run:
    """A worker that runs from `with` to its end. `error`: what `run` raised.

    applied: it is started without a catalog and goes on with the one that was applied.
    """

    def __init__(
        self,
        settings: Settings,
        addresses: Addresses,
        catalog: Catalog | None = None,
        clock: Clock | None = None,
        *,
        topics: bool = True,
        applied: bool = False,
    ) -> None:
        if topics:
            ensure_topics(settings, addresses)
        self.metrics = Metrics()
        self.error: Exception | None = None
        self._end = threading.Event()
        self._name = claim_name(settings.app, settings.runtime_path(), settings.worker)
        self.worker = Worker(
            settings,
            addresses,
            None if applied else catalog or shop(),
            clock or SystemClock(),
            self._end,
            name=self._name,
            metrics=self.metrics,
        )
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.worker.run()
        except Exception as error:  # noqa: BLE001  # the test looks at it
            self.error = error

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._end.set()
        self.wait()

    def wait(self) -> None:
        """Until it has ended by itself."""
        self._thread.join(DEADLINE_S)
        self._name.close()
        assert not self._thread.is_alive()

    def count(self, name: str) -> float:
        """A counter, by its full name with labels."""
        return self.metrics.snapshot().get(f"tagstream_{name}", 0.0)

    def until(self, name: str, value: float) -> None:
        """Wait until a counter has come so far."""
        wait_for(lambda: self.error is not None or self.count(name) >= value)
        assert self.error is None

    def paused(self) -> dict[int, str]:
        """The reasons by partition."""
        return {partition: pause.reason for partition, pause in self.worker.paused().items()}

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Shop:
    """Sends events and reads what came of them."""

    def __init__(self, settings: Settings, addresses: Addresses, clock: Clock | None = None) -> None:
        self._settings = settings
        self._addresses = addresses
        self._clock = clock or SystemClock()
        self._isolation = "read_uncommitted" if addresses.embedded else "read_committed"

    def send(self, records: Iterable[dict[str, Any]]) -> None:
        """Produce records: keyword arguments of `produce` without the topic; they are in the log on return."""
        producer = Producer({"bootstrap.servers": self._addresses.kafka, "partitioner": "murmur2_random"})
        for record in records:
            producer.produce(self._settings.events_topic, **{"timestamp": self._clock.now_ms(), **record})
        assert producer.flush(10) == 0

    def track(self, user: str, name: str = "Order Completed", *, ago_ms: int = 0, **properties: Any) -> dict[str, Any]:
        """A record of a `track`."""
        moment = datetime.fromtimestamp((self._clock.now_ms() - ago_ms) / 1000, UTC).isoformat()
        event = {"type": "track", "userId": user, "event": name, "timestamp": moment, "properties": properties}
        return {"value": json.dumps(event).encode(), "key": user.encode()}

    def changes(self) -> list[Change]:
        """All changes, by partition and in log order."""
        return [parse_change(message.value() or b"") for message in self._read(self._settings.segment_changes_topic)]

    def dead_letters(self) -> list[DeadLetter]:
        return [parse_dead_letter(message.value() or b"") for message in self._read(self._settings.events_dlq_topic)]

    def log(self) -> list[Message]:
        return self._read(self._settings.events_topic)

    def _read(self, topic: str) -> list[Message]:
        return messages_of_topic(read_topic(self._addresses.kafka, topic, isolation=self._isolation))

    def user_of(self, partition: int, number: int = 0) -> str:
        """A user who belongs to this partition."""
        users = (f"user-{i}" for i in range(10_000))
        return [user for user in users if partition_of(user, self._settings.partitions) == partition][number]
