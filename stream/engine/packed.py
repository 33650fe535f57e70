"""The catalog's tables packed into three arrays for the kernel.

Numba passes every array of every tuple as seven arguments of every function: with a tuple of sixty arrays the kernel
takes minutes to compile, with three it takes seconds. So fields are asked for by number (`stream.engine.fields`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rules.tables import Float64, Int64, Tables
from stream.engine.jit import inner

__all__ = ["PackedTables", "entry", "number", "pack", "size", "span"]


class PackedTables(NamedTuple):
    """Field f of the tables is `[start[f]:start[f + 1]]` of `whole` or, if it holds floats, of `real`."""

    start: Int64
    whole: Int64
    real: Float64


def pack(tables: Tables) -> PackedTables:
    """Lay the fields of the tables one behind the other. Both arrays have all places, so that starts are the same."""
    fields = [np.atleast_1d(np.asarray(field)) for field in tables]
    start = np.concatenate([[0], np.cumsum([len(field) for field in fields])]).astype(np.int64)
    whole, real = np.zeros(start[-1], np.int64), np.zeros(start[-1], np.float64)
    for first, field in zip(start.tolist(), fields, strict=False):
        if field.dtype.kind == "f":
            real[first : first + len(field)] = field
        else:
            whole[first : first + len(field)] = field.astype(np.int64)
    return PackedTables(start, whole, real)


@inner
def entry(tables: PackedTables, field: int, index: int) -> int:
    """One entry of a field of whole numbers."""
    return int(tables.whole[tables.start[field] + index])


@inner
def number(tables: PackedTables, field: int, index: int) -> float:
    """One entry of a field of floats."""
    return float(tables.real[tables.start[field] + index])


@inner
def size(tables: PackedTables, field: int) -> int:
    """How many entries a field has."""
    return int(tables.start[field + 1] - tables.start[field])


@inner
def span(tables: PackedTables, field: int, index: int) -> range:
    """The entries of one list of a field of lists, given the field of their starts."""
    at = tables.start[field] + index
    return range(tables.whole[at], tables.whole[at + 1])
