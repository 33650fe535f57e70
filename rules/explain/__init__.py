"""Why a user is in a segment or out of it, since when, and what would flip it."""

from __future__ import annotations

from rules.explain.explanation import (
    Condition,
    Explained,
    Explanation,
    Seen,
    explain,
    explain_condition,
    part_about,
    whole_from_ms,
)

__all__ = [
    "Condition",
    "Explained",
    "Explanation",
    "Seen",
    "explain",
    "explain_condition",
    "part_about",
    "whole_from_ms",
]
