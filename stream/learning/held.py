"""Labels that wait until every sample opened with theirs has its label too, so that what is learned is not skewed.

One of the two labels comes early (at the event), the other at the deadline. Learned as they come, the newest labels
would be nearly all of one kind whenever many samples were opened at once, and a model that forgets would follow them
about. Held until its deadline, each label is learned and judged in the order in which the samples were opened.
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from stream.learning.packed import pack, unpack
from stream.learning.verdicts import Forecast

__all__ = ["HeldLabel", "HeldLabels"]

MAX_HELD = 20_000
_HEAD = 8


@dataclass(frozen=True, slots=True, order=True)
class HeldLabel:
    """What is known of one labelled sample. `values`: NaN where missing. The order only breaks ties."""

    label: bool
    forecast: Forecast
    values: tuple[float, ...]


class HeldLabels:
    """At most 20,000 of them. Past that half of all samples, by a hash, are let go, and half of all that come."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, HeldLabel]] = []
        self._share = 1.0

    def __len__(self) -> int:
        return len(self._heap)

    def hold(self, user: str, deadline_ms: int, held: HeldLabel) -> None:
        """Keep a label until log time reaches `deadline_ms`."""
        place = zlib.crc32(f"{user}:{held.forecast.opened_ms}".encode())
        if place >= self._share * 2**32:
            return
        heapq.heappush(self._heap, (deadline_ms, place, held))
        if len(self._heap) > MAX_HELD:
            self._share /= 2
            self._heap = [each for each in self._heap if each[1] < self._share * 2**32]
            heapq.heapify(self._heap)

    def due(self, now_ms: int) -> Iterator[HeldLabel]:
        """Those whose deadline has come, in the order of their deadlines; they are no longer held."""
        while self._heap and self._heap[0][0] <= now_ms:
            yield heapq.heappop(self._heap)[2]

    def state(self) -> dict[str, Any]:
        """All of it as plain data."""
        rows = [
            (deadline_ms, place, held.label, *astuple(held.forecast), *held.values)
            for deadline_ms, place, held in sorted(self._heap, key=lambda each: each[:2])
        ]
        return {"share": self._share, "rows": pack(np.array(rows, dtype=np.float64))}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` returned. Raises LearningError."""
        self._share = float(state["share"])
        self._heap = []
        for row in unpack(state["rows"], "held.rows").tolist():
            forecast = Forecast(int(row[3]), *row[4:_HEAD])
            held = HeldLabel(bool(row[2]), forecast, tuple(row[_HEAD:]))
            self._heap.append((int(row[0]), int(row[1]), held))
        heapq.heapify(self._heap)
