"""Second stage: users to rows of the state table. Cold rows are loaded, warm rows kept, the longest unused dropped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from rules.program import Program
from rules.tables import Int32, Int64, Tables
from stream.engine import slots
from stream.engine.kernel import restore_row
from stream.engine.murmur import hash_users
from stream.engine.packed import PackedTables, pack
from stream.engine.result import NEVER_MS
from stream.engine.rows import check_format, encode_rows, read_row, row_bound
from stream.engine.state import NO_TIME, Scratch, State, new_scratch, new_state
from stream.engine.strings import Strings

__all__ = ["Table"]

LEAST_ROWS = 16_384
"""Room for the users of any batch, whatever the memory asked for: rows that are not used take none."""

_FREED_SHARE = 16
"""A full table drops a sixteenth of its rows at once, so that looking for the longest unused is rare."""


class Table:
    """Users and their rows. `archive`, where given, takes the rows that are dropped, and gives them back."""

    def __init__(self, program: Program, budget_bytes: int, archive: dict[str, bytes] | None) -> None:
        tables = program.tables
        self.tables: PackedTables = pack(tables)
        self.strings = Strings(program.texts)
        self._catalog_version = program.catalog.version
        self._blank = _blank_row(tables)
        row_bytes = self._blank.cells.nbytes + self._blank.flags.nbytes + self._blank.numbers.nbytes
        self.capacity = max(LEAST_ROWS, budget_bytes // row_bytes)
        self.state: State = new_state(tables, self.capacity)
        self.scratch: Scratch = new_scratch(tables)
        self._texts_at = slice(*self.state.at[[slots.TRAIT_TEXT, slots.TRAIT_TIME]].tolist())
        self.archive = archive
        self.row_of: dict[str, int] = {}
        self.users: list[str | None] = []
        self._free: list[int] = []
        self._used: Int64 = np.zeros(self.capacity, np.int64)
        self._turn = 0
        self._found: Int64 = np.zeros((max(1, len(tables.trait_key)), 3), np.int64)
        self._bound = row_bound(tables)
        self._buffer = np.zeros(max(1 << 20, self._bound), np.uint8)

    def cold(self, users: Iterable[str]) -> list[str]:
        """Those of the users that are in no row, each once, in order."""
        return [user for user in dict.fromkeys(users) if user not in self.row_of]

    def begin_turn(self) -> None:
        """Rows used from now on are not dropped before the next turn begins."""
        self._turn += 1

    def touch(self, rows: Int32) -> None:
        """Note that rows are in use."""
        self._used[rows] = self._turn

    def load(self, users: Sequence[str], rows: Sequence[bytes | None]) -> None:
        """Give each user a row: the stored one, or that of a user of whom nothing is known."""
        fresh = [(user, row) for user, row in zip(users, rows, strict=True) if user not in self.row_of]
        self._make_room(len(fresh))
        while len(self._free) < len(fresh):
            self._free.append(len(self.users))
            self.users.append(None)
        taken = [self._free.pop() for _ in fresh]
        for row, (user, _) in zip(taken, fresh, strict=True):
            self.users[row] = user
            self.row_of[user] = row
        places: Int32 = np.array(taken, np.int32)
        self._used[places] = self._turn
        self.state.cells[places] = self._blank.cells
        self.state.flags[places] = self._blank.flags
        self.state.numbers[places] = self._blank.numbers
        self.state.cells[places, slots.PHASE] = hash_users([user for user, _ in fresh])
        for row, (_, stored) in zip(taken, fresh, strict=True):
            if stored is not None:
                self._read(row, stored)

    def _read(self, row: int, stored: bytes) -> None:
        check_format(stored)
        found = read_row(self.tables, self.state, row, np.frombuffer(stored, np.uint8), self._found)
        for trait, start, length in self._found[:found].tolist():
            text = stored[start : start + length].decode()
            self.state.cells[row, self._texts_at.start + trait] = self.strings.number(text)
        restore_row(self.tables, self.state, self.scratch, row)

    def _make_room(self, wanted: int) -> None:
        short = wanted - len(self._free) - (self.capacity - len(self.users))
        if short <= 0:
            return
        droppable = np.flatnonzero(self._used[: len(self.users)] < self._turn)
        droppable = np.array([row for row in droppable.tolist() if self.users[row] is not None], np.int32)
        if len(droppable) < short:
            raise ValueError(f"{wanted} more users do not fit {self.capacity} rows beside those in use")
        count = min(len(droppable), max(short, self.capacity // _FREED_SHARE))
        oldest = droppable[np.argpartition(self._used[droppable], count - 1)[:count]]
        self.drop(oldest.astype(np.int32))

    def drop(self, rows: Int32) -> None:
        """Forget rows; with an archive they go there first."""
        if self.archive is not None:
            self.archive.update(self.encode(rows[self.state.flags[rows, slots.EXISTS] == 1], 0))
        for row in rows.tolist():
            user = self.users[row]
            if user is not None:
                del self.row_of[user]
            self.users[row] = None
            self._free.append(row)

    def encode(self, rows: Int32, step: int) -> list[tuple[str, bytes]]:
        """User and stored form of each row."""
        texts, starts = self.strings.encoded()
        ends: Int64 = np.zeros(len(rows), np.int64)
        encoded: list[tuple[str, bytes]] = []
        start = 0
        while start < len(rows):
            end = encode_rows(
                self.tables,
                self.state,
                rows,
                start,
                step,
                self._catalog_version,
                texts,
                starts,
                self._bound,
                self._buffer,
                ends,
            )
            if end == start:
                raise ValueError(f"a row does not fit {self._bound} bytes")
            filled = self._buffer[: ends[end - 1]].tobytes()
            begin = 0
            for row, stop in zip(rows[start:end].tolist(), ends[start:end].tolist(), strict=True):
                encoded.append((self.users[row] or "", filled[begin:stop]))
                begin = stop
            if end < len(rows):
                self._buffer = np.zeros(2 * len(self._buffer), np.uint8)
            start = end
        return encoded

    def tidy_strings(self) -> None:
        """Forget strings that no row holds any more, once there are many."""
        used = self.state.cells[: len(self.users), self._texts_at]
        if len(self.strings) >= 2 * used.size + (1 << 16):
            used[:] = self.strings.keep(used.ravel())[used]


def _blank_row(tables: Tables) -> State:
    """The row of a user of whom nothing is known."""
    blank = new_state(tables, 1)
    cells, at = blank.cells[0], blank.at

    def group(first: int, values: Int64 | Int32 | int) -> None:
        length = np.diff(np.sort([*at[: slots.RING + 1].tolist(), len(cells)]))[first]
        cells[at[first] : at[first] + length] = values

    cells[slots.MOMENT] = NO_TIME
    cells[[slots.DUE, slots.ARMED]] = NEVER_MS
    group(slots.VALUE, tables.aggregate_empty)
    group(slots.PLACE, tables.aggregate_place)
    group(slots.HEAD, NO_TIME)
    group(slots.NEXT, NEVER_MS)
    group(slots.ENTERED, NO_TIME)
    group(slots.TRAIT_TIME, NO_TIME)
    group(slots.ID_MOMENT, NO_TIME)
    leaves = int(at[slots.BIT])
    blank.flags[0, leaves : leaves + len(tables.leaf_initial)] = tables.leaf_initial
    return blank
