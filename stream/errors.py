"""The errors of `stream`: one root, each a sentence that says what is wrong, and one that says what to do.

A command prints `str(error)` and leaves with an exit code; nobody shows a user the traceback of one of these.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = ["ConfigurationError", "EmbeddedStackError", "TagstreamError", "UnavailableError", "unavailable"]


class TagstreamError(Exception):
    """Root of all errors that `stream` raises on purpose.

    message: a sentence, what is wrong and where.  remedy: a sentence, what to do about it; may be empty.
    retriable: whether the same call may succeed later without anybody changing anything here.
    """

    retriable: ClassVar[bool] = False

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}" if self.remedy else self.message


class ConfigurationError(TagstreamError):
    """A setting, a topic or a server is set up in a way that can't work; somebody must change it."""


class UnavailableError(TagstreamError):
    """Kafka or Redis is not there, or was lost midway. Waiting and trying again may help."""

    retriable: ClassVar[bool] = True


class EmbeddedStackError(TagstreamError):
    """The embedded broker or Redis can't be started on this machine."""


def unavailable(service: str, address: str, detail: str) -> UnavailableError:
    """The error for a service that doesn't answer. `service`: Kafka or Redis; `detail`: what its client says."""
    variable = f"TAGSTREAM_{service.upper()}"
    return UnavailableError(
        f"{service} at {address} can't be reached: {detail.rstrip('.')}.",
        remedy=f"Start it, or correct {variable}; the worker waits and goes on where it was.",
    )
