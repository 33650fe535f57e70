"""The standard streams of a process that was started without some of them, as by `>&-` in a shell.

Python leaves None in place of such a stream, and the next file opened would get its number, and with it whatever a
library writes there.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Final

from stream.errors import TagstreamError

__all__ = ["STDERR", "ClosedOutputError", "refuse_closed_output", "stand_in_for_closed_streams"]

STDERR: Final = 2
"""The number of standard error, by which all write who know nothing of Python's."""


class ClosedOutputError(TagstreamError):
    """There are results to print, and standard output was closed before the command started."""

    def __init__(self) -> None:
        super().__init__(
            "Standard output is closed, so the results can't be printed.",
            remedy="Send them to a file or a pipe, or to /dev/null if nobody wants them.",
        )


class _NoOutput(io.RawIOBase):
    """Takes no byte: each `write` raises `ClosedOutputError`."""

    def writable(self) -> bool:
        return True

    def write(self, _: object, /) -> int:
        raise ClosedOutputError


def stand_in_for_closed_streams() -> None:
    """Let stdout say that it is closed once something is printed, and stderr swallow what nobody hears. Idempotent.

    A closed stdin stays None: whoever reads it says so.
    """
    for number, stream in enumerate((sys.stdin, sys.stdout, sys.stderr)):
        if stream is None:
            _reserve(number)
    if sys.stdout is None:
        # Nothing is kept back, or Python's flush at exit would raise again.
        sys.stdout = io.TextIOWrapper(_NoOutput(), encoding="utf-8", write_through=True)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - it lives as long as the process


def refuse_closed_output() -> None:
    """Raise `ClosedOutputError` if stdout is closed: told at once, not after an hour's work."""
    if isinstance(sys.stdout.buffer, _NoOutput):
        raise ClosedOutputError


def _reserve(number: int) -> None:
    """Hold a closed stream's descriptor, so that no file of ours gets it."""
    try:
        os.fstat(number)
    except OSError:
        nothing = os.open(os.devnull, os.O_RDWR)
        if nothing != number:
            os.dup2(nothing, number)
            os.close(nothing)
