"""River's trees as plain nodes, and as rules that people read.

A node is `[feature, threshold, left, right]`, or `[-1, probability, 0, 0]` for a leaf; the root is the first, children
come after their parents, and a scaled value at most the threshold goes left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stream.learning.rounding import rounded
from stream.learning.scaling import FeatureScale, raw_rows

__all__ = ["legible", "plain_tree", "tree_rules"]

# A leaf says as much of its parent's share as if it held this many samples of it: few samples make nobody certain.
_PRIOR_SAMPLES = 5.0
_MS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000))


def plain_tree(tree: Any, base_rate: float) -> list[list[float]]:
    """The nodes of one of River's Hoeffding trees over features 0 to d − 1, labels True and False."""
    nodes: list[list[float]] = []
    # Each with the share of positives around it, and the node and place that wait for its number.
    waiting: list[tuple[Any, float, int, int]] = [(tree._root, base_rate, -1, 0)]  # noqa: SLF001 - River has no other way
    while waiting:
        node, around, parent, place = waiting.pop()
        number = len(nodes)
        if parent >= 0:
            nodes[parent][place] = number
        children = getattr(node, "children", None)
        stats = getattr(node, "stats", None) or {}
        share = _share(stats, around)
        if children:
            nodes.append([int(node.feature), rounded(float(node.threshold)), 0, 0])
            waiting.append((children[1], share, number, 3))
            waiting.append((children[0], share, number, 2))
        else:
            nodes.append([-1, rounded(share), 0, 0])
    return nodes


def _share(stats: dict[bool, float], around: float) -> float:
    positive, negative = float(stats.get(True, 0.0)), float(stats.get(False, 0.0))
    return (positive + _PRIOR_SAMPLES * around) / (positive + negative + _PRIOR_SAMPLES)


def tree_rules(nodes: Sequence[Sequence[float]], scales: Sequence[FeatureScale], durations: Sequence[bool]) -> str:
    """A line a leaf, the likeliest first: `if orders_90d <= 2 and since_order > 12d: 83 %`; the numbers not scaled."""
    lines: list[tuple[float, str]] = []
    waiting: list[tuple[int, tuple[str, ...]]] = [(0, ())]
    while waiting:
        number, path = waiting.pop()
        feature, threshold, left, right = nodes[number]
        if feature < 0:
            condition = f"if {' and '.join(path)}" if path else "always"
            lines.append((threshold, f"{condition}: {threshold:.0%}"))
            continue
        scale, duration = scales[int(feature)], durations[int(feature)]
        value = legible(float(raw_rows([scale], np.array([[threshold]]))[0, 0]), duration=duration)
        waiting.append((int(right), (*path, f"{scale.name} > {value}")))
        waiting.append((int(left), (*path, f"{scale.name} <= {value}")))
    lines.sort(key=lambda line: -line[0])
    return "\n".join(line for _, line in lines)


def legible(value: float, *, duration: bool) -> str:
    """A number to three digits; a time in the largest unit of which it is at least two, such as `12d`, rounded."""
    if duration:
        for unit, size in _MS:
            if abs(value) >= 2 * size or unit == "s":
                return f"{value / size:.0f}{unit}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{float(f'{value:.3g}'):g}"
