"""Where the log goes: to stderr, one line a message; libraries are heard only when something is wrong."""

from __future__ import annotations

import logging
import sys

__all__ = ["log_to_stderr", "quiet_libraries"]

_LIBRARIES = ("asyncio", "kafka", "numba", "redis")


def log_to_stderr() -> None:
    """For processes that run on: what happens, from INFO up; from libraries only errors."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)


def quiet_libraries() -> None:
    """For commands that answer and leave: what they have to say is in our own sentence."""
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.CRITICAL)
