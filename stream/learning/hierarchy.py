"""The hierarchy of clusters: Ward's, over their centres, in the form of scipy's `linkage`; to be cut at any number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import linkage

__all__ = ["cut_at", "ward_hierarchy"]


def ward_hierarchy(centres: npt.NDArray[np.float64]) -> list[list[float]]:
    """The k − 1 joins `[a, b, distance, size]` of centres (k, d); 0 to k − 1 are these, k + i is what join i made."""
    if len(centres) < 2:
        return []
    return [[int(a), int(b), float(distance), int(size)] for a, b, distance, size in linkage(centres, "ward")]


def cut_at(snapshot: Mapping[str, Any], groups: int) -> list[list[int]]:
    """The ids of the snapshot's clusters in `groups` groups (held to 1 and their number), nearest together."""
    ids: Sequence[int] = [each["id"] for each in snapshot["clusters"]]
    groups = max(1, min(groups, len(ids)))
    parts: dict[int, list[int]] = {number: [each] for number, each in enumerate(ids)}
    for join, (first, second, _, _) in enumerate(snapshot["hierarchy"][: len(ids) - groups]):
        parts[len(ids) + join] = parts.pop(int(first)) + parts.pop(int(second))
    return sorted(sorted(part) for part in parts.values())
