"""Which partition a user belongs to: murmur2 of the user's UTF-8 bytes, as Kafka's Java client does by default.

Engine and producers must agree on it: a user split over two partitions would be two users. Clients that hash
otherwise (librdkafka uses CRC32 unless told `murmur2_random`) still work, their events are forwarded, but pay for it.
"""

from __future__ import annotations

from kafka.partitioner import murmur2 as _murmur2

__all__ = ["murmur2", "partition_of"]


def murmur2(data: bytes) -> int:
    """MurmurHash2 with Kafka's seed, without its sign bit: 0 up to 2³¹ - 1 (Java's `toPositive(murmur2(data))`)."""
    hashed: int = _murmur2(data)
    return hashed & 0x7FFFFFFF


def partition_of(user: str, partition_count: int) -> int:
    """Partition of a user among `partition_count`."""
    return murmur2(user.encode()) % partition_count
