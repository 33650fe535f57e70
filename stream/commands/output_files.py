"""Files that a command writes: they appear whole at the end, or not at all.

Lines go to a file beside the target, which takes the target's place when all went well; `-` is stdout, and what is no
plain file (a pipe, /dev/null) is written to as it is.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from stream.commands.outcome import InputError
from stream.commands.streams import refuse_closed_output
from stream.errors import TagstreamError

__all__ = ["STANDARD_OUTPUT", "OutputError", "OutputFile", "refuse_clashes"]

STANDARD_OUTPUT = "-"
_BUFFER_BYTES = 2**20


class OutputError(TagstreamError):
    """A file could not be written to its end: the disk is full, or the folder is gone."""


def refuse_clashes(outputs: dict[str, str | None], inputs: Iterable[str]) -> None:
    """Raise `InputError` where two outputs are one file, or an output is an input.

    outputs: option (`--changes`) to the file it was given.
    """
    taken = {_identity(name): name for name in inputs if name != "-"}
    for option, name in outputs.items():
        if name is None or _is_device(name):
            continue
        other = taken.setdefault(_identity(name), option)
        if other != option:
            raise InputError(f"{option} {name} is also {other}.", remedy="Name another file.")


def _identity(name: str) -> str:
    return name if name == STANDARD_OUTPUT else str(Path(name).resolve())


def _is_device(name: str) -> bool:
    """Whether the name is of a pipe, /dev/null and the like: nothing there is to be overwritten."""
    return Path(name).exists() and not Path(name).is_file()


class OutputFile:
    """One target for lines of bytes. As a context manager it leaves nothing behind unless `keep` was called.

    A name that ends in `.gz` is written compressed. Raises `InputError` on opening, `OutputError` later.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._target: Path | None = None
        self._partial: Path | None = None
        self._lines = 0
        try:
            self._stream = self._open()
        except OSError as error:
            raise InputError(
                f"{name} can't be written: {error.strerror or error}.", remedy="Check the folder and its permissions."
            ) from error

    def _open(self) -> BinaryIO | gzip.GzipFile:
        if self.name == STANDARD_OUTPUT:
            refuse_closed_output()
            sys.stdout.flush()
            return sys.stdout.buffer
        path = Path(self.name)
        if _is_device(self.name):
            return path.open("wb", buffering=_BUFFER_BYTES)
        target = path.resolve()  # of a link, what it points at
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        self._target, self._partial = target, partial
        plain = partial.open("xb", buffering=_BUFFER_BYTES)
        if target.exists():
            shutil.copymode(target, partial)
        if not self.name.endswith(".gz"):
            return plain
        return _Compressed(plain)

    def write_lines(self, lines: list[bytes]) -> None:
        """Add lines; none of them may hold a line feed. On stdout they are there when this returns."""
        if not lines:
            return
        self._lines += len(lines)
        try:
            self._stream.write(b"\n".join(lines) + b"\n")
            if self._target is None:
                self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._failed(error) from error

    @property
    def lines(self) -> int:
        """How many lines were written."""
        return self._lines

    def keep(self) -> None:
        """Everything has been written: put the file in its place. Nothing may be written after this."""
        try:
            if self.name == STANDARD_OUTPUT:
                self._stream.flush()
                return
            self._stream.close()
            if self._partial is not None and self._target is not None:
                self._partial.replace(self._target)
                self._partial = None
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.name != STANDARD_OUTPUT:
            with contextlib.suppress(OSError):  # closing flushes, and a full disk has been reported already
                self._stream.close()
        if self._partial is not None:
            self._partial.unlink(missing_ok=True)

    def _failed(self, error: OSError) -> OutputError:
        if self.name == STANDARD_OUTPUT:
            remedy = "It ends midway, so don't use it. Make room, then run the command again."
        elif self._target is None:
            remedy = "What has been written so far is incomplete. Make room, then run the command again."
        else:
            remedy = "What was at that place before is still there. Make room, then run the command again."
        return OutputError(f"{_in_words(self.name)} can't be written: {error.strerror or error}.", remedy=remedy)


def _in_words(name: str) -> str:
    return "Standard output" if name == STANDARD_OUTPUT else name


class _Compressed(gzip.GzipFile):
    """Gzip without a name or time in it, so that equal lines give equal files; closes the file under it too."""

    def __init__(self, plain: BinaryIO) -> None:
        super().__init__(filename="", mode="wb", fileobj=plain, mtime=0, compresslevel=6)
        self._plain = plain

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._plain.close()
