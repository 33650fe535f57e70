"""The engine of one partition: bytes in, transitions out. No I/O, no clock, no randomness.

A batch goes through in one direction: decode → table → kernel → encode.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rules.catalog import Catalog
from rules.program import Program, compile_catalog
from rules.tables import CLUSTER, TIER, Int32, Int64, UInt8
from stream.engine import slots
from stream.engine.decode import Decoded, DecodePlan, Decoder
from stream.engine.encode import ChangeEncoder
from stream.engine.kernel import ACCEPTED, DUPLICATE, SUM_TOO_LARGE, process_due, process_events
from stream.engine.murmur import hash_users
from stream.engine.profiles import features_of, profiles_of
from stream.engine.result import NEVER_MS, Profile, Records, Reject, SampleRow, Standing, StepResult
from stream.engine.standing import standing_of
from stream.engine.state import NO_TIME, Transitions, new_transitions
from stream.engine.table import Table

__all__ = ["Batch", "Engine"]

STEP_CHANGES = 4_096
"""A step stops at this many changes: at about 1 KiB each they stay well under the 8 MiB an outbox may have."""

ROW_BUDGET_BYTES = 512 * 2**20

_WHYS = ("moment", "event", "label")


@dataclass(frozen=True, slots=True)
class Batch:
    """Decoded records, ready to be processed once the `cold` users are loaded.

    misplaced: `(n,) bool` by event: its user hashes to another partition.
    """

    records: Records
    decoded: Decoded
    misplaced: npt.NDArray[np.bool_]
    rejects: list[Reject]
    cold: list[str]

    def __len__(self) -> int:
        return len(self.records)


class Engine:
    """Holds the rows of a partition's users, and moves them forward by records and by time.

    It is a cache of what is stored: whoever cannot store a step's result throws the engine away. With an `archive`
    (a dict of rows) nothing is stored outside: rows that do not fit `row_budget_bytes` go there and come back.

    A row that was stored under another version of the catalog, or under other versions of its models, is *stale*:
    whatever is to happen to it, everything is evaluated under these first, at `switched_ms` (the watermark at the
    switch) or at its newest moment, if later. `models_stamp` stands for the models' versions; without it, it is the
    program's.
    """

    def __init__(
        self,
        catalog: Catalog | Program,
        *,
        app: str,
        partition: int,
        partition_count: int,
        row_budget_bytes: int = ROW_BUDGET_BYTES,
        archive: dict[str, bytes] | None = None,
        switched_ms: int | None = None,
        models_stamp: int | None = None,
    ) -> None:
        program = catalog if isinstance(catalog, Program) else compile_catalog(catalog)
        self.program = program
        self._partition = partition
        self._partition_count = partition_count
        self._decoder = Decoder(
            DecodePlan(
                event_names=program.event_names,
                properties=tuple(program.properties),
                numeric=program.numeric,
                literals=program.texts,
                traits=tuple(program.traits),
                text_columns=program.text_columns,
                null_columns=program.null_columns,
            )
        )
        self._table = Table(program, row_budget_bytes, archive, models_stamp)
        self._encoder = ChangeEncoder(program, app, partition)
        self._switched_ms = NO_TIME if switched_ms is None else switched_ms
        least = 2 * len(program.units) + 2 * len(program.catalog.models)
        self._transitions: Transitions = new_transitions(program.tables, STEP_CHANGES + least)
        self._models = list(program.catalog.models)
        # Segments whose members are to be added to the sets, or to be taken out, as their rows are brought over.
        self._reindexed = [number for number, unit in enumerate(program.units) if unit.indexed != unit.was_indexed]

    def decode(self, records: Records) -> Batch:
        """Decode a batch and find its users' rows; those of `cold` must be loaded before `process`."""
        decoded = self._decoder.decode(records)
        table = self._table
        table.begin_turn()
        table.tidy_strings()
        cold = table.cold(decoded.users)
        misplaced = np.zeros(len(decoded.users), np.bool_)
        rejects = decoded.rejects
        foreign = {
            user
            for user, phase in zip(cold, hash_users(cold).tolist(), strict=True)
            if phase % self._partition_count != self._partition
        }
        if foreign:
            misplaced[:] = [user in foreign for user in decoded.users]
            twice = decoded.columns.record[misplaced & records.forwarded[decoded.columns.record]].tolist()
            again = [
                Reject(record, "misplaced_again", "it was forwarded here already, and its user belongs elsewhere still")
                for record in twice
            ]
            rejects = sorted([*rejects, *again], key=lambda reject: reject.index)
            cold = [user for user in cold if user not in foreign]
        warm = [row for row in map(table.row_of.get, decoded.users) if row is not None]
        table.touch(np.array(warm, np.int32))
        if table.archive is not None:
            table.load(cold, [table.archive.pop(user, None) for user in cold])
            cold = []
        return Batch(records, decoded, misplaced, rejects, cold)

    def cold(self, users: Iterable[str]) -> list[str]:
        """Those of the users whose rows are not in the table, each once: to be loaded. Begins a new turn."""
        self._table.begin_turn()
        known = [row for row in map(self._table.row_of.get, users) if row is not None]
        self._table.touch(np.array(known, np.int32))
        return self._table.cold(users)

    def load(
        self, users: Sequence[str], rows: Sequence[bytes | None], filled: Sequence[bytes | None] | None = None
    ) -> None:
        """Take over stored rows; None: there is no such user yet. RowFormatError where a row cannot be read.

        `filled` are rows of the same users that were made anew from the log under this catalog: what a stored row does
        not have of aggregates and facts is taken from them.
        """
        self._table.load(users, rows, filled)

    def process(self, batch: Batch, start: int, step: int) -> StepResult:
        """Process the records of a batch from `start` on, as far as one step goes (`result.end`)."""
        table = self._table
        columns = table.number_texts(batch.decoded)
        rows: Int32 = np.array([table.row_of.get(user, -1) for user in batch.decoded.users], np.int32)
        rows[batch.misplaced] = -1
        count = len(rows)
        outcome: UInt8 = np.zeros(count, np.uint8)
        event = first = int(np.searchsorted(columns.record, start))
        result = StepResult(start=start)
        stale = self._stale(np.unique(rows[rows >= 0]))
        while event < count:
            event = process_events(
                table.tables,
                table.state,
                table.scratch,
                table.texts,
                columns,
                rows,
                event,
                count,
                STEP_CHANGES - len(result.changes),
                self._switched_ms,
                self._transitions,
                outcome,
            )
            self._collect(result, columns.record, columns.offset)
            if len(result.changes) >= STEP_CHANGES:
                break
        result.end = len(batch) if event == count else int(columns.record[event])
        done = outcome[first:event]
        result.accepted = int((done == ACCEPTED).sum())
        result.duplicates = int((done == DUPLICATE).sum())
        result.rejects = [reject for reject in batch.rejects if start <= reject.index < result.end]
        again = {reject.index for reject in result.rejects}
        lost = columns.record[first:event][batch.misplaced[first:event]].tolist()
        result.misplaced = [record for record in lost if record not in again]
        for record in columns.record[first:event][done == SUM_TOO_LARGE].tolist():
            detail = "with it a sum that the catalog keeps for this user would pass 9·10¹²"
            result.rejects.append(Reject(record, "sum_too_large", detail))
        result.rejects.sort(key=lambda reject: reject.index)
        self._reindex(result, stale)
        touched = np.unique(rows[first : event + 1])
        self._store(result, touched[touched >= 0].astype(np.int32), step, looked_at=False)
        return result

    def process_due(self, users: Sequence[str], watermark_ms: int, step: int) -> StepResult:
        """Apply what time has brought about for these users up to the watermark; their due entries are set anew."""
        rows: Int32 = np.array([self._table.row_of[user] for user in users], np.int32)
        result = self._pass_time(rows, watermark_ms)
        self._store(result, rows[self._table.state.flags[rows, slots.EXISTS] == 1], step, looked_at=True)
        return result

    def bring_over(self, users: Sequence[str], step: int) -> StepResult:
        """Evaluate the stale rows of these users, which are in the table; the others are passed over. Idempotent."""
        rows: Int32 = np.array([self._table.row_of[user] for user in users], np.int32)
        flags = self._table.state.flags
        rows = rows[(flags[rows, slots.STALE] != 0) & (flags[rows, slots.EXISTS] == 1)]
        result = self._pass_time(rows, NO_TIME)
        self._store(result, rows, step, looked_at=True)
        return result

    def forget(self, users: Sequence[str]) -> None:
        """Drop these users, who are in the table and whose results are out, to leave room to those that come again."""
        self._table.drop(np.array([self._table.row_of[user] for user in users], np.int32))

    def _pass_time(self, rows: Int32, watermark_ms: int) -> StepResult:
        """Bring over rows that are stale, then apply what is due, row by row."""
        table = self._table
        result = StepResult()
        stale = self._stale(rows)
        at = 0
        while at < len(rows):
            at = process_due(
                table.tables,
                table.state,
                table.scratch,
                table.texts,
                rows,
                at,
                watermark_ms,
                self._switched_ms,
                self._transitions,
            )
            self._collect(result, None, None)
        self._reindex(result, stale)
        return result

    def users(self) -> list[str]:
        """All users known here, those of the archive among them."""
        exists = self._table.state.flags[:, slots.EXISTS]
        known = [user for user, row in self._table.row_of.items() if exists[row] == 1]
        return known + list(self._table.archive or ())

    def bring(self, users: Sequence[str]) -> None:
        """Have these users of the archive in the table."""
        archive = self._table.archive
        if archive is not None:
            cold = self.cold(users)
            self._table.load(cold, [archive.pop(user, None) for user in cold])

    def standing(self, users: Sequence[str]) -> list[tuple[str, int, int]]:
        """Of users in the table: the user, the newest moment it was evaluated at, and when it is next due (ms)."""
        cells = self._table.state.cells[[self._table.row_of[user] for user in users]]
        return list(zip(users, cells[:, slots.MOMENT].tolist(), cells[:, slots.DUE].tolist(), strict=True))

    def profiles(self, users: Sequence[str], at_ms: int | None = None) -> list[Profile]:
        """What is known of users in the table, at a moment (not before each one's newest). Alters nothing."""
        return profiles_of(self.program, self._table, users, at_ms)

    def standing_of(self, user: str, at_ms: int) -> Standing:
        """All that is known of a user in the table, at a moment (not before the user's newest). Alters nothing."""
        return standing_of(self.program, self._table, self._table.row_of[user], at_ms)

    def _collect(self, result: StepResult, record: Int32 | None, offset: Int64 | None) -> None:
        """Move the transitions and samples that are out into the result."""
        out, table = self._transitions, self._table
        count, samples = out.written.tolist()
        out.written[:] = 0
        if samples:
            result.samples += self._sampled(samples)
        if count == 0:
            return
        cells = out.cells[:count]
        rows = cells[:, slots.OUT_ROW]
        users = [table.users[row] or "" for row in rows.tolist()]
        events = cells[:, slots.OUT_EVENT]
        records = [-1] * count if record is None else record[events].tolist()
        offsets = [-1] * count if offset is None else offset[events].tolist()
        features = features_of(
            self.program,
            table,
            cells[:, slots.OUT_MOMENT],
            cells[:, slots.OUT_VALUES :],
            out.kinds[:count],
            out.numbers[:count],
            out.texts[:count],
        )
        incarnations = table.state.cells[rows, slots.INCARNATION].tolist()
        result.changes += self._encoder.encode(out, features, users, incarnations, offsets)
        result.change_times_ms += cells[:, slots.OUT_MOMENT].tolist()
        result.change_events += records
        units = self.program.units
        for user, number, before, after in zip(
            users,
            *(cells[:, column].tolist() for column in (slots.OUT_UNIT, slots.OUT_FROM, slots.OUT_TO)),
            strict=True,
        ):
            unit = units[number]
            if unit.form in (TIER, CLUSTER):
                for flag, change in ((before, -1), (after, 1)):
                    if flag:
                        level = flag - 1 if unit.form == CLUSTER else unit.levels[flag - 1]
                        _count(result.sizes, f"{unit.name}={level}", change)
                continue
            _count(result.sizes, unit.name, 1 if after else -1)
            if unit.indexed:
                (result.entered if after else result.left).setdefault(unit.name, []).append(user)

    def _sampled(self, count: int) -> list[SampleRow]:
        """The first samples that are out, as plain data."""
        out, users = self._transitions, self._table.users
        features = self.program.catalog.models
        missing = np.isnan(out.values[:count]).tolist()
        found = []
        for (row, model, moment, why, label, opened), values, lacks in zip(
            out.samples[:count].tolist(), out.values[:count].tolist(), missing, strict=True
        ):
            name = self._models[model]
            width = len(features[name].features)
            known = tuple(None if lack else value for value, lack in zip(values[:width], lacks[:width], strict=True))
            is_label = why == slots.WHY_LABEL
            found.append(
                SampleRow(
                    model=name,
                    user=users[row] or "",
                    at_ms=moment,
                    why=_WHYS[why],
                    values=known,
                    label=label == 1 if is_label else None,
                    opened_ms=opened if is_label else None,
                )
            )
        return found

    def _stale(self, rows: Int32) -> tuple[Int32, UInt8] | None:
        """The stale rows among these and, `(n, R)`, who of them is in the segments that have been reindexed."""
        if not self._reindexed:
            return None
        state = self._table.state
        stale = rows[state.flags[rows, slots.STALE] != 0]
        columns = int(state.at[slots.MEMBER]) + np.array(self._reindexed)
        return stale, state.flags[np.ix_(stale, columns)]

    def _reindex(self, result: StepResult, stale: tuple[Int32, UInt8] | None) -> None:
        """Put those into the sets, or take them out, who were members when their rows were brought over."""
        if stale is None:
            return
        table = self._table
        rows, member = stale
        done = np.flatnonzero(table.state.flags[rows, slots.STALE] == 0)
        for column, number in enumerate(self._reindexed):
            unit = self.program.units[number]
            users = [table.users[row] or "" for row in rows[done[member[done, column] > 0]].tolist()]
            if users:
                (result.entered if unit.indexed else result.left).setdefault(unit.name, []).extend(users)

    def _store(self, result: StepResult, rows: Int32, step: int, *, looked_at: bool) -> None:
        """Put the rows to be stored, and the due entries to be set, into the result."""
        table, state = self._table, self._table.state
        if table.archive is not None:
            return
        if not looked_at:
            rows = rows[state.flags[rows, slots.CHANGED] == 1]
        due, armed = state.cells[rows, slots.DUE], state.cells[rows, slots.ARMED]
        rearmed = np.flatnonzero((due < armed) | (looked_at & (due != armed)))
        result.due = [
            (table.users[row] or "", min(moment, NEVER_MS))
            for row, moment in zip(rows[rearmed].tolist(), due[rearmed].tolist(), strict=True)
        ]
        state.cells[rows[rearmed], slots.ARMED] = due[rearmed]
        result.rows = table.encode(rows, step)
        state.flags[rows, slots.CHANGED] = 0


def _count(sizes: dict[str, int], name: str, change: int) -> None:
    sizes[name] = sizes.get(name, 0) + change
