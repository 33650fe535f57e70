"""Files of events as one log: lines of `.jsonl`, `.jsonl.gz` and standard input (`-`), in blocks of bounded size.

A line ends with a line feed (one carriage return before it goes too), whatever else it holds; lines of nothing but
white space are skipped, and yet counted. What is compressed is known by its first bytes, not by its name.
"""

from __future__ import annotations

import gzip
import io
import os
import select
import stat
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stream.commands.outcome import InputError

__all__ = ["STANDARD_INPUT", "Lines", "read_lines", "total_bytes"]

STANDARD_INPUT = "-"

_BLOCK_BYTES = 2**20
_BUFFER_BYTES = 2**18
_RECORD_BYTES = 262_144
"""The largest event; of a longer line two bytes more are kept, enough to see that it is too large."""
_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Lines:
    """Some lines of one file in its order. `numbers` counts from 1 and counts skipped lines too."""

    file: str
    values: list[bytes]
    numbers: Sequence[int]


def total_bytes(files: Sequence[str]) -> int | None:
    """How many bytes the files take as they are stored, for a progress bar. None: not known (standard input).

    Raises `InputError` where a file isn't there or can't be read, before any of them is touched.
    """
    if list(files).count(STANDARD_INPUT) > 1:
        raise InputError("Standard input (-) is named more than once.", remedy="It can be read once; name it once.")
    total, known = 0, True
    for name in files:
        if name == STANDARD_INPUT:
            known = False
            continue
        path = Path(name)
        try:
            with path.open("rb"):
                status = path.stat()
        except OSError as error:
            raise _unreadable(name, error) from error
        total += status.st_size
        known = known and stat.S_ISREG(status.st_mode)
    return total if known else None


def read_lines(
    files: Sequence[str], *, batch_lines: int, progress: Callable[[int], None] | None = None
) -> Iterator[Lines]:
    """All lines of all files, at most `batch_lines` at once and never of two files.

    progress: told how many stored bytes have been read since it was last told. Blocks on pipes until there is a line,
    and then yields what there is. Raises `InputError` on a file that can't be read or whose compression is broken.
    """
    for name in files:
        number = 1
        for block in _whole_lines(_blocks(name, progress)):
            values, numbers, number = _split(block, number)
            for start in range(0, len(values), batch_lines):
                end = start + batch_lines
                yield Lines(name, values[start:end], numbers[start:end])


def _split(block: bytes, first: int) -> tuple[list[bytes], Sequence[int], int]:
    """The lines of a block that aren't blank, the number of each, and the number of the line after the block."""
    values = block.split(b"\n")
    if b"\r" in block:
        values = [value[:-1] if value.endswith(b"\r") else value for value in values]
    after = first + len(values)
    blank = [i for i, value in enumerate(values) if not value or (value.isspace() and len(value) <= _RECORD_BYTES)]
    if not blank:
        return values, range(first, after), after
    skipped = set(blank)
    kept = [i for i in range(len(values)) if i not in skipped]
    return [values[i] for i in kept], [first + i for i in kept], after


def _whole_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes cut at line ends, without the last line end of each piece; lines far too long are cut short."""
    rest = b""
    for block in blocks:
        data = rest + block if rest else block
        end = data.rfind(b"\n")
        if end >= 0:
            yield data[:end]
            data = data[end + 1 :]
        rest = data[: _RECORD_BYTES + 2]
    if rest:
        yield rest


def _blocks(name: str, progress: Callable[[int], None] | None) -> Iterator[bytes]:
    """A file's bytes, decompressed, without a byte order mark before the first."""
    try:
        with _open(name) as stored:
            compressed = stored.peek(2)[:2] == _GZIP_MAGIC
            source: io.BufferedIOBase = gzip.GzipFile(fileobj=stored) if compressed else stored
            read = source.read if compressed or _is_file(stored) else _read_what_is_there(stored)
            told, first = 0, True
            while block := read(_BLOCK_BYTES):
                if first:
                    block, first = block.removeprefix(_BYTE_ORDER_MARK), False
                if progress is not None and stored.seekable():
                    place = stored.tell()
                    progress(place - told)
                    told = place
                yield block
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{name}: the gzip data is damaged or cut off ({error}).", remedy="Fetch or write the file again."
        ) from error
    except OSError as error:
        raise _unreadable(name, error) from error


def _open(name: str) -> io.BufferedReader:
    """A file, or standard input, that closing leaves open for whoever owns it."""
    if name != STANDARD_INPUT:
        return io.BufferedReader(io.FileIO(name), _BUFFER_BYTES)
    if sys.stdin is None:  # the caller closed it
        raise InputError("Standard input (-) is closed.", remedy="Name a file.")
    stdin: BinaryIO = sys.stdin.buffer
    try:
        descriptor = stdin.fileno()
    except (OSError, ValueError):  # not the process's own standard input but a test's bytes
        return io.BufferedReader(io.BytesIO(stdin.read()))
    return io.BufferedReader(io.FileIO(descriptor, closefd=False), _BUFFER_BYTES)


def _is_file(stored: io.BufferedReader) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stored.fileno()).st_mode)
    except (OSError, ValueError):
        return True  # bytes in memory


def _read_what_is_there(stored: io.BufferedReader) -> Callable[[int], bytes]:
    """A `read` for pipes: waits for the first byte, then takes what has come, and doesn't wait for a full block."""

    def read(size: int) -> bytes:
        data = stored.read1(size)
        while data and len(data) < size and select.select([stored], [], [], 0)[0]:
            more = stored.read1(size - len(data))
            if not more:
                break
            data += more
        return data

    return read


def _unreadable(name: str, error: OSError) -> InputError:
    what = "standard input" if name == STANDARD_INPUT else name
    return InputError(f"{what} can't be read: {error.strerror or error}.", remedy="Check the name and its permissions.")
