"""The strings that rows hold, numbered: the kernel compares numbers, and bytes are at hand for encoding."""

from __future__ import annotations

import numpy as np

from rules.tables import Int32, Int64, UInt8

__all__ = ["Strings"]


class Strings:
    """Number 0 is the empty string of rows without one; then come the catalog's own, then others as they are met."""

    def __init__(self, texts: dict[str, int]) -> None:
        self._texts = ["", *texts]
        self._pinned = len(self._texts)
        self._numbers = dict(texts)
        self._bytes: UInt8 = np.zeros(1 << 16, np.uint8)
        self._start: Int64 = np.zeros(1 << 12, np.int64)
        self._written = 0

    def __len__(self) -> int:
        return len(self._texts)

    def number(self, text: str) -> int:
        """The number of a string, a new one where it has none yet."""
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self._texts)
            self._texts.append(text)
        return number

    def text(self, number: int) -> str:
        """The string of a number."""
        return self._texts[number]

    def encoded(self) -> tuple[UInt8, Int64]:
        """All strings as UTF-8, one behind the other, and where each starts (and the last ends)."""
        for number in range(self._written, len(self._texts)):
            encoded = self._texts[number].encode()
            start = int(self._start[number])
            if number + 2 > len(self._start):
                self._start = np.concatenate([self._start, np.zeros_like(self._start)])
            while start + len(encoded) > len(self._bytes):
                self._bytes = np.concatenate([self._bytes, np.zeros_like(self._bytes)])
            self._bytes[start : start + len(encoded)] = np.frombuffer(encoded, np.uint8)
            self._start[number + 1] = start + len(encoded)
        self._written = len(self._texts)
        return self._bytes, self._start

    def keep(self, used: Int64) -> Int32:
        """Forget all strings but the catalog's and those numbered in `used`; returns the new number of each old one."""
        kept = [*range(self._pinned), *(number for number in np.unique(used).tolist() if number >= self._pinned)]
        renumbered = np.zeros(len(self._texts), np.int32)
        renumbered[kept] = np.arange(len(kept), dtype=np.int32)
        self._texts = [self._texts[number] for number in kept]
        self._numbers = {text: number for number, text in enumerate(self._texts) if number}
        self._written = 0
        return renumbered
