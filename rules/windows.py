"""Windows: which bucket an event lies in, and the exact moment at which it leaves.

A window of length w moves in hops of w/60, rounded up to whole ms and shifted for each user by a phase, so that not
everybody's windows move at once. An event is inside for at least w and at most 61 hops.
"""

from __future__ import annotations

__all__ = ["HOPS_PER_WINDOW", "bucket_of", "hop_of", "is_inside", "leaving_ms"]

HOPS_PER_WINDOW = 60


def hop_of(last_ms: int) -> int:
    """The hop of a window, ms: a sixtieth of its length, rounded up."""
    return -(-last_ms // HOPS_PER_WINDOW)


def bucket_of(t_ms: int, hop_ms: int, phase_ms: int) -> int:
    """The number of the bucket that a time lies in."""
    return (t_ms + phase_ms) // hop_ms


def leaving_ms(t_ms: int, last_ms: int, user_hash: int) -> int:
    """The first moment at which an event at `t_ms` is no longer in the window of length `last_ms`."""
    hop_ms = hop_of(last_ms)
    phase_ms = user_hash % hop_ms
    return (bucket_of(t_ms, hop_ms, phase_ms) + HOPS_PER_WINDOW + 1) * hop_ms - phase_ms


def is_inside(t_ms: int, last_ms: int | None, user_hash: int, now_ms: int) -> bool:
    """Whether an event at `t_ms` counts at `now_ms`: always without a window, and if it is still to come."""
    if last_ms is None:
        return True
    hop_ms = hop_of(last_ms)
    phase_ms = user_hash % hop_ms
    return bucket_of(now_ms, hop_ms, phase_ms) - bucket_of(t_ms, hop_ms, phase_ms) <= HOPS_PER_WINDOW
