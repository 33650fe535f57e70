"""Lists of numbers as flat arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rules.aggregates import key_of
from rules.tables import Int32, UInt64

__all__ = ["Fields", "grouped", "keys_of", "put_lists", "slots_for", "starts_of"]

Fields = dict[str, Any]
"""Some fields of the tables, by name."""


def slots_for(wanted: Sequence[bool]) -> list[int]:
    """Numbers from 0 for those that want one, -1 for the others."""
    slots, taken = [], 0
    for want in wanted:
        slots.append(taken if want else -1)
        taken += want
    return slots


def grouped(pairs: Iterable[tuple[int, int]], count: int) -> list[list[int]]:
    """The numbers of each of `count` owners, from pairs of owner and number."""
    lists: list[list[int]] = [[] for _ in range(count)]
    for owner, number in pairs:
        lists[owner].append(number)
    return lists


def put_lists(fields: Fields, name: str, lists: Sequence[Iterable[int]], flat: str | None = None) -> None:
    """A list of lists as two fields: where each starts, and all of them one behind the other."""
    starts, entries = [0], list[int]()
    for part in lists:
        entries.extend(part)
        starts.append(len(entries))
    fields[f"{name}_start"] = np.array(starts, np.int32)
    fields[flat or name] = np.array(entries, np.int32)


def starts_of(lengths: Iterable[int]) -> Int32:
    """Where each of lists of these lengths starts, and where the last ends."""
    starts = [0]
    for length in lengths:
        starts.append(starts[-1] + length)
    return np.array(starts, np.int32)


def keys_of(texts: Iterable[str]) -> UInt64:
    """What stored rows know things of these names by."""
    return np.array([key_of(text) for text in texts], np.uint64)
