"""Second stage: users to rows of the state table. Cold rows are loaded, warm rows kept, the longest unused dropped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from rules.program import Program
from rules.tables import TEXT, TOP_VALUES, Int32, Int64
from stream.engine import slots
from stream.engine.decode import Columns, Decoded
from stream.engine.joined import join_bytes
from stream.engine.murmur import hash_users
from stream.engine.packed import PackedTables, pack
from stream.engine.restore import restore_rows
from stream.engine.row_reader import key_order, read_rows
from stream.engine.rows import check_format, encode_rows, row_bound, row_catalog_version, row_models_stamp
from stream.engine.state import Scratch, State, blank_row, new_scratch, new_state
from stream.engine.strings import Strings, Texts

__all__ = ["Table"]

LEAST_ROWS = 16_384
"""Room for the users of any batch, whatever the memory asked for: rows that are not used take none."""

_FREED_SHARE = 16
"""A full table drops a sixteenth of its rows at once, so that looking for the longest unused is rare."""

_STRINGS_AT_ONCE = 4_096
"""So many strings of stored rows are looked up in one go."""

_LEAST_STRINGS = 1 << 16
_LOOKED_THROUGH_A_STRING = 16
"""Strings are tidied once so many are new: at least so many, and one for so many cells that are to be gone through."""


class Table:
    """Users and their rows. `archive`, where given, takes the rows that are dropped, and gives them back.

    models_stamp: what the models' versions are known by in rows; without it, the program's.
    """

    def __init__(
        self, program: Program, budget_bytes: int, archive: dict[str, bytes] | None, models_stamp: int | None = None
    ) -> None:
        tables = program.tables
        self.tables: PackedTables = pack(tables)
        self.strings = Strings(program.texts, program.predicates, dated=len(tables.day_start) > 0)
        self._kept_strings = len(self.strings)
        self._catalog_version = program.catalog.version
        self._models_stamp = program.models_stamp if models_stamp is None else models_stamp
        self._text_columns = sorted(program.text_columns)
        self._blank = blank_row(tables)
        row_bytes = self._blank.cells.nbytes + self._blank.flags.nbytes + self._blank.numbers.nbytes
        self.capacity = max(LEAST_ROWS, budget_bytes // row_bytes)
        self.state: State = new_state(tables, self.capacity)
        self.scratch: Scratch = new_scratch(tables)
        # The strings of facts, and behind them those of tops.
        self._texts_at = slice(*self.state.at[[slots.FACT_TEXT, slots.SET_VALUE]].tolist())
        self._order = key_order(self.tables)
        self.archive = archive
        self.row_of: dict[str, int] = {}
        self.users: list[str | None] = []
        self._free: list[int] = []
        self._used: Int64 = np.zeros(self.capacity, np.int64)
        self._turn = 0
        self._row_strings = len(tables.fact_kind) + tables.top_count * TOP_VALUES
        self._found: Int64 = np.zeros((max(_STRINGS_AT_ONCE, self._row_strings), 4), np.int64)
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

    @property
    def texts(self) -> Texts:
        """What is known of all strings, as the kernel takes it."""
        return self.strings.known()

    def number_texts(self, decoded: Decoded) -> Columns:
        """The columns of decoded events as the kernel takes them: strings by the numbers that they have here."""
        columns = decoded.columns
        numbers = np.array([self.strings.number(text) for text in decoded.texts], np.int32)
        traits, properties = np.zeros_like(columns.trait_text), columns.property_text.copy()
        if len(numbers):
            there = columns.trait_text >= 0
            traits[there] = numbers[columns.trait_text[there]]
            for column in self._text_columns:
                there = columns.property_kind[:, column] == TEXT
                properties[there, column] = numbers[properties[there, column]]
        # Rows hold hashes signed, and the kernel compares the two.
        return columns._replace(trait_text=traits, property_text=properties, id_hash=columns.id_hash.view(np.int64))

    def load(
        self, users: Sequence[str], rows: Sequence[bytes | None], filled: Sequence[bytes | None] | None = None
    ) -> None:
        """Give each user a row: the stored one, or that of a user of whom nothing is known.

        `filled`: rows from which aggregates and facts are taken that a stored row does not have.
        """
        given = zip(users, rows, [None] * len(users) if filled is None else filled, strict=True)
        fresh = [(user, row, filling) for user, row, filling in given if user not in self.row_of]
        self._make_room(len(fresh))
        while len(self._free) < len(fresh):
            self._free.append(len(self.users))
            self.users.append(None)
        taken = [self._free.pop() for _ in fresh]
        for row, (user, _, _) in zip(taken, fresh, strict=True):
            self.users[row] = user
            self.row_of[user] = row
        places: Int32 = np.array(taken, np.int32)
        self._used[places] = self._turn
        self.state.cells[places] = self._blank.cells
        self.state.flags[places] = self._blank.flags
        self.state.numbers[places] = self._blank.numbers
        self.state.cells[places, slots.PHASE] = hash_users([user for user, _, _ in fresh])
        read = [
            (row, stored, filling) for row, (_, stored, filling) in zip(taken, fresh, strict=True) if stored is not None
        ]
        if read:
            self._read(*zip(*read, strict=True))

    def _read(self, rows: Sequence[int], stored: Sequence[bytes], filled: Sequence[bytes | None]) -> None:
        """Take over stored rows, and what they do not have from the filled ones. RowFormatError."""
        places: Int32 = np.array(rows, np.int32)
        stale = [self._stale(row) for row in stored]
        filling = [(place, row) for place, row in zip(rows, filled, strict=True) if row is not None]
        if filling:
            for _, row in filling:
                check_format(row)
            self._read_into(np.array([place for place, _ in filling], np.int32), [row for _, row in filling], True)
        self._read_into(places, stored, False)
        self.state.flags[places, slots.STALE] = stale
        restore_rows(self.tables, self.state, self.scratch, self.texts, places)

    def _read_into(self, places: Int32, stored: Sequence[bytes], filling: bool) -> None:
        joined, cells, number = join_bytes(stored), self.state.cells, self.strings.number
        at = 0
        while at < len(places):
            at, count = read_rows(
                *(self.tables, self._order, self.state, places, joined.data, joined.bounds),
                *(at, self._row_strings, self._found, filling),
            )
            for column, start, length, index in self._found[:count].tolist():
                cells[places[index], column] = number(stored[index][start : start + length].decode())

    def _stale(self, stored: bytes) -> int:
        """Whether, and how, a stored row was evaluated under others than these. RowFormatError."""
        if row_catalog_version(stored) != self._catalog_version:
            return slots.STALE_CATALOG
        return slots.STALE_MODELS if row_models_stamp(stored) != self._models_stamp else 0

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
        texts = self.texts
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
                self._models_stamp,
                texts,
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
        if len(self.strings) >= 2 * self._kept_strings + max(_LEAST_STRINGS, used.size // _LOOKED_THROUGH_A_STRING):
            used[:] = self.strings.keep(used.ravel())[used]
            self._kept_strings = len(self.strings)
