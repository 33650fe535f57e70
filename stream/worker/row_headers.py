"""The fixed beginning of a stored row (`stream.engine.rows`): what the worker asks of a row without decoding it."""

from __future__ import annotations

import struct
from typing import NamedTuple

from stream.engine.rows import row_step

__all__ = ["RowHeader", "row_header"]

_HEADER = struct.Struct("<B6q")


class RowHeader(NamedTuple):
    """step: in which the row was written.  moment_ms: newest of the user.  catalog_version: it was evaluated with."""

    format: int
    step: int
    moment_ms: int
    incarnation: int
    version: int
    armed_ms: int
    catalog_version: int


def row_header(row: bytes) -> RowHeader:
    """The header of a stored row. Raises RowFormatError."""
    row_step(row)  # which looks at the format
    return RowHeader(*_HEADER.unpack_from(row))
