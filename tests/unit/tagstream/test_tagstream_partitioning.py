from __future__ import annotations

from collections import Counter

import pytest
from kafka.partitioner import DefaultPartitioner

from tagstream.partitioning import murmur2, partition_of

# Signed results that Kafka's own UtilsTest.testMurmur2 expects.
JAVA_VECTORS = [
    (b"21", -973932308),
    (b"foobar", -790332482),
    (b"a-little-bit-long-string", -985981536),
    (b"a-little-bit-longer-string", -1486304829),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    (b"abc", 479470107),
]


class OneTopic:
    """As much of the cluster as kafka-python's partitioner asks for."""

    def __init__(self, partition_count: int) -> None:
        self._partitions = set(range(partition_count))

    def topics(self) -> set[str]:
        return {"events"}

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return self._partitions

    def available_partitions_for_topic(self, _topic: str) -> set[int]:
        return self._partitions


@pytest.mark.parametrize(("data", "java"), JAVA_VECTORS)
def test_murmur2_is_javas_without_the_sign(data: bytes, java: int) -> None:
    assert murmur2(data) == java & 0x7FFFFFFF


# From `Utils.toPositive(Utils.murmur2(bytes))` of kafka-clients 4.1.0.
@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", 275646681),
        ("ada", 313287821),
        ("李雷", 1514997423),
        ("Ω≈ç√", 1532276067),
        ("👩‍🚀", 1750928535),
        ("user-42", 1459644460),
    ],
)
def test_murmur2_of_users_in_any_script(user: str, expected: int) -> None:
    assert murmur2(user.encode()) == expected


@pytest.mark.parametrize(
    "user", ["ada", "李雷", "Ω≈ç√", "👩‍🚀", "a" * 512, *(f"user-{number}" for number in range(50))]
)
@pytest.mark.parametrize("partition_count", [1, 4, 12])
def test_a_user_is_where_the_default_partitioner_of_kafka_clients_puts_the_key(user: str, partition_count: int) -> None:
    key = user.encode()
    theirs = DefaultPartitioner().partition("events", key, key, b"", b"", OneTopic(partition_count))
    assert partition_of(user, partition_count) == theirs


def test_users_spread_over_the_partitions() -> None:
    counts = Counter(partition_of(f"user-{number}", 4) for number in range(4_000))
    assert sorted(counts) == [0, 1, 2, 3]
    assert min(counts.values()) > 900
