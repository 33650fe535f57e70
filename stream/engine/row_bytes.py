"""Numbers as bytes of a stored row, both ways: little-endian, or as varints (zigzag LEB128)."""

from __future__ import annotations

import numpy as np

from rules.tables import UInt8
from stream.engine.jit import inner

__all__ = ["get", "get_varint", "put", "put_varint"]


@inner
def put(buffer: UInt8, at: int, value: int, size: int) -> int:
    """Write the low `size` bytes of a value; returns the position behind them."""
    for index in range(size):
        buffer[at + index] = (value >> (8 * index)) & 0xFF
    return at + size


@inner
def get(data: UInt8, at: int, size: int) -> int:
    """Read `size` bytes; of eight the result is signed."""
    value = np.int64(0)
    for index in range(size):
        value |= np.int64(data[at + index]) << (8 * index)
    return int(value)


@inner
def put_varint(buffer: UInt8, at: int, value: int) -> int:
    """Write a signed number of any size in as few bytes as it needs."""
    rest = np.uint64((value << 1) ^ (value >> 63))
    while rest >= np.uint64(128):
        buffer[at] = np.uint8(rest & np.uint64(127)) | np.uint8(128)
        rest >>= np.uint64(7)
        at += 1
    buffer[at] = np.uint8(rest)
    return at + 1


@inner
def get_varint(data: UInt8, at: int) -> tuple[int, int]:
    """The number at a position, and the position behind it."""
    rest, shift = np.uint64(0), np.uint64(0)
    while data[at] >= 128:
        rest |= np.uint64(data[at] & 127) << shift
        shift += np.uint64(7)
        at += 1
    rest |= np.uint64(data[at]) << shift
    return int(np.int64(rest >> np.uint64(1)) ^ -np.int64(rest & np.uint64(1))), at + 1
