"""How fast the machine is at this moment, so that limits in seconds mean the same on a slow or crowded one."""

from __future__ import annotations

import time

__all__ = ["patient"]

_STEPS = 1_000_000
_USUAL_S = 0.13
"""What the loop takes on the machine for which limits are written."""


def patient(limit_s: float) -> float:
    """A limit on processor time, in seconds, longer by as much as the machine is slower than usual. Takes 0.1 s."""
    start_s = time.process_time()
    steps = 0
    while steps < _STEPS:
        steps += 1
    return limit_s * max(1.0, (time.process_time() - start_s) / _USUAL_S)
