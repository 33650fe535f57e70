"""Seeded events as a careless world sends them: late, twice, broken, to the wrong partition."""

from __future__ import annotations

import json
import random
import threading
from datetime import UTC, datetime

from confluent_kafka import Producer

from stream.clock import SystemClock

CATALOG = """
catalog: faults
version: 1
tags:
  bought: sum("Order Completed", "revenue", last="2s")
  orders: count("Order Completed")
segments:
  buyer: {when: orders >= 2, indexed: true}
  big: {when: bought > 60, exit: bought < 20, min_stay: 1s}
  busy: {when: 'count("Product Viewed", last="1s") >= 2'}
  idle: {when: 'since() > "3s"', indexed: true}
  grown: {when: 'trait("age") >= 18'}
"""


class Traffic:
    """Sends `rate` events a second to a topic, by a thread of its own, until stopped."""

    def __init__(self, brokers: str, topic: str, partitions: int, *, seed: int, rate: int, users: int = 300) -> None:
        self._random = random.Random(seed)
        self._producer = Producer(
            {
                "bootstrap.servers": brokers,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "linger.ms": 2,
            }
        )
        self._topic = topic
        self._partitions = partitions
        self._rate = rate
        self._users = users
        self._clock = SystemClock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send no more; returns once all is in the log."""
        self._end.set()
        self._thread.join()
        assert self._producer.flush(30) == 0

    def _run(self) -> None:
        started_s = self._clock.monotonic_s()
        while not self._end.wait(0.01):
            wanted = int((self._clock.monotonic_s() - started_s) * self._rate)
            for _ in range(wanted - self.sent):
                self._send()
            self._producer.poll(0)

    def _send(self) -> None:
        draw = self._random.random
        user = f"user-{self._random.randrange(self._users)}"
        value = json.dumps(self._event(user)).encode()
        if draw() < 0.01:
            value = self._random.choice([value[:-5], b"\xff", b"[]", b"{}", b""])
        partition = self._random.randrange(self._partitions) if draw() < 0.01 else -1  # -1: where the user belongs
        now_ms = self._clock.now_ms()
        for _ in range(2 if draw() < 0.02 else 1):
            self._producer.produce(self._topic, value, key=user, timestamp=now_ms, partition=partition)
            self.sent += 1

    def _event(self, user: str) -> dict[str, object]:
        late_ms = self._random.randrange(5_000) if self._random.random() < 0.05 else 0
        event: dict[str, object] = {
            "userId": user,
            "messageId": f"m{self.sent}",
            "timestamp": datetime.fromtimestamp((self._clock.now_ms() - late_ms) / 1000, UTC).isoformat(),
        }
        kind = self._random.random()
        if kind < 0.3:
            event |= {
                "type": "track",
                "event": "Order Completed",
                "properties": {"revenue": self._random.randrange(50)},
            }
        elif kind < 0.9:
            event |= {"type": "track", "event": "Product Viewed", "properties": {}}
        else:
            event |= {"type": "identify", "traits": {"age": self._random.randrange(40)}}
        return event
