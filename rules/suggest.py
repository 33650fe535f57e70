"""The nearest valid name to a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

__all__ = ["Suggester"]

SIMILARITY = 0.6
COMPARED_CHARACTERS = 128
BUDGET = 20_000
"""Comparisons a catalog may cost: a hostile one has 100,000 misspelt names, each held against all others."""


class Suggester:
    """Finds the nearest of some names, in bounded time over its whole life."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget

    def nearest(self, name: str, candidates: Iterable[str]) -> str | None:
        """The candidate most like `name`, case aside, or None if none is like it (or the budget is spent)."""
        matcher = SequenceMatcher(autojunk=False)
        matcher.set_seq2(name.lower()[:COMPARED_CHARACTERS])
        best_ratio = 0.0
        best = None
        for candidate in candidates:
            if self._budget <= 0:
                break
            self._budget -= 1
            matcher.set_seq1(candidate.lower())
            floor = max(SIMILARITY, best_ratio)
            if matcher.real_quick_ratio() < floor or matcher.quick_ratio() < floor:
                continue
            ratio = matcher.ratio()
            if ratio >= SIMILARITY and ratio > best_ratio:
                best_ratio, best = ratio, candidate
        return best
