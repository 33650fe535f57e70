"""Many strings as one array of bytes: how text gets into kernels, which know no Python objects.

A joined text is a read-only `uint8` array and `(n + 1,) int64` bounds; string i is `data[bounds[i]:bounds[i + 1]]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stream.engine.jit import jit

__all__ = ["Joined", "bracket_depth", "join_bytes", "join_text", "opening_brackets"]

# The bit in which `[` (0x5b) and `{` (0x7b) differ, and with it `]` (0x5d) and `}` (0x7d).
_BRACKET_BIT = np.uint8(0x20)
_OPENING = np.uint8(0x7B)
_CLOSING = np.uint8(0x7D)
_QUOTE = np.uint8(0x22)
_BACKSLASH = np.uint8(0x5C)


class Joined(NamedTuple):
    """`data`: `(bytes,) uint8`, read-only.  `bounds`: `(n + 1,) int64`, ascending, from 0."""

    data: npt.NDArray[np.uint8]
    bounds: npt.NDArray[np.int64]


def _bounds(lengths: Sequence[int]) -> npt.NDArray[np.int64]:
    bounds = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(np.array(lengths, np.int64), out=bounds[1:])
    return bounds


def join_bytes(values: Sequence[bytes]) -> Joined:
    """Join byte strings, nothing between them."""
    return Joined(np.frombuffer(b"".join(values), np.uint8), _bounds(list(map(len, values))))


def join_text(texts: Sequence[str]) -> Joined:
    """Join strings as UTF-8, nothing between them. ASCII, the usual case, is encoded in one piece."""
    joined = "".join(texts)
    if joined.isascii():
        return Joined(np.frombuffer(joined.encode(), np.uint8), _bounds(list(map(len, texts))))
    return join_bytes([text.encode() for text in texts])


@jit
def opening_brackets(data: npt.NDArray[np.uint8], bounds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many `[` and `{` each string has, those inside JSON strings too: `(n,) int64`, a bound on its depth."""
    counts = np.zeros(len(bounds) - 1, np.int64)
    for i in range(len(counts)):
        count = 0
        for at in range(bounds[i], bounds[i + 1]):
            count += (data[at] | _BRACKET_BIT) == _OPENING
        counts[i] = count
    return counts


@jit
def bracket_depth(data: npt.NDArray[np.uint8]) -> int:
    """How deep arrays and objects are nested in one JSON text; brackets inside its strings do not count.

    Of bytes that are no JSON it is the depth which a parser would reach before it noticed, or more.
    """
    depth = 0
    deepest = 0
    in_string = False
    escaped = False
    for byte in data:
        if in_string:
            if escaped:
                escaped = False
            elif byte == _BACKSLASH:
                escaped = True
            elif byte == _QUOTE:
                in_string = False
        elif byte == _QUOTE:
            in_string = True
        elif (byte | _BRACKET_BIT) == _OPENING:
            depth += 1
            deepest = max(deepest, depth)
        elif (byte | _BRACKET_BIT) == _CLOSING:
            depth -= 1
    return deepest
