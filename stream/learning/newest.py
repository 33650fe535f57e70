"""The newest values of the newest users, each user once: what snapshots are judged on and restarts learn from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stream.learning.errors import LearningError
from stream.learning.packed import pack, unpack

__all__ = ["NEWEST_USERS", "NewestUsers"]

# Enough for shares to the percent and centres to a few hundredths, and 64 kB a feature.
NEWEST_USERS = 8_192


class NewestUsers:
    """At most `capacity` users with `width` values each, the one heard of longest ago going first."""

    def __init__(self, width: int, capacity: int = NEWEST_USERS) -> None:
        self._values = np.full((capacity, width), np.nan)
        self._slots: OrderedDict[str, int] = OrderedDict()
        self._capacity = capacity

    def __len__(self) -> int:
        return len(self._slots)

    def put(self, users: Sequence[str], values: npt.NDArray[np.float64]) -> None:
        """Take up `values` (n, width) float64, NaN where missing, of `users` (n), the newest last."""
        slots = self._slots
        for user, row in zip(users, values, strict=True):
            slot = slots.pop(user, None)
            if slot is None:
                slot = len(slots) if len(slots) < self._capacity else slots.popitem(last=False)[1]
            self._values[slot] = row
            slots[user] = slot

    def values(self) -> npt.NDArray[np.float64]:
        """The values (n, width), the newest last; NaN where missing. A copy."""
        return self._values[list(self._slots.values())]

    def state(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {"users": list(self._slots), "values": pack(self.values())}

    def restore(self, state: dict[str, Any], place: str) -> None:
        """Take up what `state` returned. Raises LearningError."""
        values = unpack(state.get("values"), f"{place}.values")
        users = state.get("users")
        if not isinstance(users, list) or values.shape != (len(users), self._values.shape[1]):
            raise LearningError("the users and their values don't go together", place=place)
        self.put([str(user) for user in users], values)
