"""Hashes over many strings at once: Kafka's murmur2 for users, MurmurHash64A for message ids.

murmur2 (32 bits, seed 0x9747b28c) is what Apache Kafka's Java client and kafka-python place keys by, so a user is where
every such producer puts it; the shift φ of a user's windows is taken from it too. MurmurHash64A (Austin Appleby, public
domain, seed 0 here) stands for a message id in a row: it is part of the format of rows and never changes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stream.engine.jit import jit
from stream.engine.joined import join_text

__all__ = ["hash_message_ids", "hash_users", "murmur2_all", "murmur64_all"]

_SEED_32 = np.uint32(0x9747B28C)
_FACTOR_32 = np.uint32(0x5BD1E995)
_POSITIVE = np.uint32(0x7FFFFFFF)
_FACTOR_64 = np.uint64(0xC6A4A7935BD1E995)


@jit
def murmur2_all(data: npt.NDArray[np.uint8], bounds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Kafka's murmur2 of each joined string, made positive as Kafka does: `(n,) int64` in [0, 2³¹)."""
    hashes = np.empty(len(bounds) - 1, np.int64)
    for i in range(len(hashes)):
        at = bounds[i]
        end = bounds[i + 1]
        value = _SEED_32 ^ np.uint32(end - at)
        while end - at >= 4:
            word = (
                np.uint32(data[at])
                | np.uint32(np.uint32(data[at + 1]) << np.uint32(8))
                | np.uint32(np.uint32(data[at + 2]) << np.uint32(16))
                | np.uint32(np.uint32(data[at + 3]) << np.uint32(24))
            )
            word = np.uint32(word * _FACTOR_32)
            word = np.uint32(word ^ (word >> np.uint32(24)))
            word = np.uint32(word * _FACTOR_32)
            value = np.uint32(np.uint32(value * _FACTOR_32) ^ word)
            at += 4
        if at < end:
            for place in range(end - at):
                value = np.uint32(value ^ np.uint32(np.uint32(data[at + place]) << np.uint32(8 * place)))
            value = np.uint32(value * _FACTOR_32)
        value = np.uint32(value ^ (value >> np.uint32(13)))
        value = np.uint32(value * _FACTOR_32)
        value = np.uint32(value ^ (value >> np.uint32(15)))
        hashes[i] = np.int64(value & _POSITIVE)
    return hashes


@jit
def murmur64_all(data: npt.NDArray[np.uint8], bounds: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """MurmurHash64A with seed 0 of each joined string: `(n,) uint64`."""
    hashes = np.empty(len(bounds) - 1, np.uint64)
    for i in range(len(hashes)):
        at = bounds[i]
        end = bounds[i + 1]
        value = np.uint64(end - at) * _FACTOR_64
        while end - at >= 8:
            word = np.uint64(0)
            for place in range(8):
                word |= np.uint64(data[at + place]) << np.uint64(8 * place)
            word *= _FACTOR_64
            word ^= word >> np.uint64(47)
            word *= _FACTOR_64
            value = (value ^ word) * _FACTOR_64
            at += 8
        if at < end:
            for place in range(end - at):
                value ^= np.uint64(data[at + place]) << np.uint64(8 * place)
            value *= _FACTOR_64
        value ^= value >> np.uint64(47)
        value *= _FACTOR_64
        value ^= value >> np.uint64(47)
        hashes[i] = value
    return hashes


def hash_users(users: Sequence[str]) -> npt.NDArray[np.int64]:
    """`murmur2(user) & 0x7fffffff` of each user's UTF-8: `(n,) int64`; modulo the partition count, the partition."""
    joined = join_text(users)
    return murmur2_all(joined.data, joined.bounds)


def hash_message_ids(ids: Sequence[str]) -> npt.NDArray[np.uint64]:
    """The hash of each message id: `(n,) uint64`; 0 stands for the empty string, no id, and for nothing else."""
    joined = join_text(ids)
    hashes = murmur64_all(joined.data, joined.bounds)
    hashes[hashes == 0] = 1
    hashes[joined.bounds[1:] == joined.bounds[:-1]] = 0
    return hashes
