"""The errors of the worker. Each is a sentence on what happened, and one on what to do.

Three kinds go different ways: an `UnavailableError` is waited out, a `FencedError` or any other doubt makes the worker
acquire the partition again, and a `PauseError` stops one partition until somebody has done something.
"""

from __future__ import annotations

from typing import ClassVar, Final

from stream.errors import TagstreamError

__all__ = [
    "REBUILD",
    "DoubtError",
    "FencedError",
    "PauseError",
    "SharedNameError",
    "StepTooLargeError",
    "WorkerError",
]

REBUILD: Final = (
    "To rebuild a partition, delete its keys in Redis (they begin with {app:partition}): the worker then goes through "
    "its log again, and publishes nothing twice. Where the log no longer reaches back to its start, give the app a new "
    "name (TAGSTREAM_APP): it then begins with what the log still has."
)


class WorkerError(TagstreamError):
    """Root of the worker's own errors."""


class DoubtError(WorkerError):
    """It isn't known, or not certain, that what was asked for happened: acquire the partition again and look."""

    retriable: ClassVar[bool] = True


class FencedError(DoubtError):
    """Another worker has taken the partition (its position isn't the one this worker left)."""


class StepTooLargeError(WorkerError):
    """A step's outbox is larger than a step may be; the step has to be cut."""


class SharedNameError(WorkerError):
    """Two running workers have the same name, so each ends the other's transactions."""


class PauseError(WorkerError):
    """A partition can't go on until somebody acts. `reason` is a code: the label of the metric, a word in `status`."""

    def __init__(self, reason: str, message: str, *, remedy: str) -> None:
        super().__init__(message, remedy=remedy)
        self.reason = reason
