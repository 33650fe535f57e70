"""The fixed beginning of a stored row (`stream.engine.rows`): what the worker asks of a row without decoding it."""

from __future__ import annotations

import struct
from typing import NamedTuple

from stream.engine.rows import row_step
from stream.worker.position import Position

__all__ = ["RowHeader", "is_stale", "row_header"]

_HEADER = struct.Struct("<B7q")


class RowHeader(NamedTuple):
    """step: in which the row was written.  moment_ms: newest of the user.

    catalog_version, models_stamp: what it was evaluated with.
    """

    format: int
    step: int
    moment_ms: int
    incarnation: int
    version: int
    armed_ms: int
    catalog_version: int
    models_stamp: int


def row_header(row: bytes) -> RowHeader:
    """The header of a stored row. Raises RowFormatError."""
    row_step(row)  # which looks at the format
    return RowHeader(*_HEADER.unpack_from(row))


def is_stale(row: bytes, position: Position) -> bool:
    """Whether the row was evaluated with another catalog or other models than its partition's. RowFormatError."""
    header = row_header(row)
    return (header.catalog_version, header.models_stamp) != (position.catalog_version, position.models_stamp)
