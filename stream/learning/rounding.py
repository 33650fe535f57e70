"""Numbers of a snapshot, held to 12 significant digits: the text is shorter, and nobody could tell the difference."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["rounded", "rounded_list"]


def rounded(value: float) -> float:
    """The value to 12 significant digits."""
    return float(f"{value:.12g}")


def rounded_list(values: Iterable[float]) -> list[float]:
    """Each of the values to 12 significant digits."""
    return [rounded(value) for value in values]
