"""The newest labelled samples: what a model learns again, in turn with new ones, after a restart, or scaled anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from stream.learning.packed import pack, unpack
from stream.learning.scaling import TRAINING_LIMIT, FeatureScale, scaled_rows

__all__ = ["NEWEST_LABELLED", "Labelled"]

NEWEST_LABELLED = 5_000
_SEED = 11
# The golden ratio's share of 2³²: multiples of it, modulo 2³², fall evenly over all places (Knuth, volume 3, 6.4).
_GOLDEN = 2_654_435_769


class Labelled:
    """At most 5,000 samples, the oldest going first. Scaled rows are kept beside the values, held to ±10."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._values: list[Sequence[float]] = []
        self._rows: list[Sequence[float]] = []
        self._labels: list[bool] = []
        self._oldest = 0
        self._turn = 0

    def __len__(self) -> int:
        return len(self._labels)

    def differ(self) -> bool:
        """Whether both labels are among them."""
        return len(set(self._labels)) > 1

    def put(self, values: Sequence[float], label: bool, scales: Sequence[FeatureScale]) -> None:
        """Take up one; its row is empty while there are no scales."""
        row = scaled_rows(scales, np.array([values]), TRAINING_LIMIT)[0].tolist() if scales else ()
        if len(self) < NEWEST_LABELLED:
            self._values.append(values)
            self._rows.append(row)
            self._labels.append(label)
        else:
            number = self._oldest
            self._values[number], self._rows[number], self._labels[number] = values, row, label
            self._oldest = (number + 1) % NEWEST_LABELLED

    def newest(self) -> tuple[Sequence[float], bool]:
        """The row and the label of the one put last."""
        number = self._oldest - 1
        return self._rows[number], self._labels[number]

    def others(self, count: int) -> Iterator[tuple[Sequence[float], bool]]:
        """`count` of them, which over time fall evenly on old and new."""
        for _ in range(count):
            self._turn += 1
            pick = (self._turn * _GOLDEN % 2**32) * len(self) >> 32
            number = (self._oldest + pick) % len(self)
            yield self._rows[number], self._labels[number]

    def shuffled(self, passes: int) -> Iterator[tuple[Sequence[float], bool]]:
        """All of them, `passes` times, each time in another order that a fixed seed gives."""
        generator = np.random.default_rng(_SEED)
        for _ in range(passes):
            for pick in generator.permutation(len(self)).tolist():
                number = (self._oldest + pick) % len(self)
                yield self._rows[number], self._labels[number]

    def scale(self, scales: Sequence[FeatureScale]) -> None:
        """Scale all anew."""
        values = np.array(self._values, dtype=np.float64).reshape(-1, self._width)
        self._rows = list(scaled_rows(scales, values, TRAINING_LIMIT).tolist())

    def state(self) -> dict[str, Any]:
        """All of it as plain data, the oldest first."""
        order = [(self._oldest + number) % len(self) for number in range(len(self))]
        rows = [(float(self._labels[number]), *self._values[number]) for number in order]
        return {"turn": self._turn, "rows": pack(np.array(rows, dtype=np.float64).reshape(-1, self._width + 1))}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` returned, not scaled. Raises LearningError."""
        self._turn = int(state["turn"])
        table = unpack(state["rows"], "labelled.rows").reshape(-1, self._width + 1)
        self._labels = (table[:, 0] > 0.5).tolist()
        self._values = [tuple(row) for row in table[:, 1:].tolist()]
        self._rows = [()] * len(self._labels)
        self._oldest = 0
