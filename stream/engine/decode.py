"""First stage: raw JSON records to columns of events.

Records are decoded by msgspec into a type built from the catalog, so that only what the catalog reads becomes Python
objects, and each attribute of all events becomes one column at once. The fast path never judges: what it cannot take
goes to `stream.engine.careful`, record by record, whose verdict is the only one. So what happens to a record does not
depend on the batch it comes in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import msgspec
import numpy as np
import numpy.typing as npt

from stream.engine import careful
from stream.engine.event_types import EVENT_TYPES, ReadEvent, event_type, fields_of
from stream.engine.joined import join_bytes, opening_brackets
from stream.engine.murmur import hash_message_ids, hash_users
from stream.engine.result import Records, Reject
from stream.engine.timestamps import parse_timestamps
from stream.engine.values import (
    ABSENT,
    BOOLEAN,
    MISSING,
    NUMBER,
    NUMBER_LIMIT,
    OTHER,
    STRING,
    PropertyReader,
    cut_text,
    read_traits,
)

__all__ = [
    "ABSENT",
    "BOOLEAN",
    "MISSING",
    "NOT_COUNTED",
    "NUMBER",
    "OTHER",
    "STRING",
    "Columns",
    "DecodePlan",
    "Decoded",
    "Decoder",
    "cut_text",
    "hash_users",
]

NOT_COUNTED = -1
"""The name of an event that is no track, page or screen."""

_NO_NAME = -2
_NAMES_OF_TYPES = {"page": "Page Viewed", "screen": "Screen Viewed"}


@dataclass(frozen=True, slots=True)
class DecodePlan:
    """What a catalog reads of events.

    event_names: names that the catalog mentions, each with its id, from 1; other counted events have id 0.
    properties: names of the properties read, in the order of the columns.
    numeric: by property column, the ids of the events in which it is aggregated as a number; 0 among them: in any.
    literals: strings that properties are compared with, each with its id, from 1; any other string has id 0.
    traits: names of the traits read; a trait's index is its place.
    text_columns: property columns whose strings are kept or looked into, and so are all handed on.
    null_columns: those of the text columns in which a null differs from nothing.
    """

    event_names: dict[str, int]
    properties: tuple[str, ...]
    numeric: dict[int, frozenset[int]]
    literals: dict[str, int]
    traits: tuple[str, ...]
    text_columns: frozenset[int] = field(default_factory=frozenset)
    null_columns: frozenset[int] = field(default_factory=frozenset)


class Columns(NamedTuple):
    """Events, one a row, in the order of their records; all contiguous. n events, p properties, k trait values.

    record: `(n,) int32`, which record of the batch.  time_ms, watermark_ms, offset: `(n,) int64`.
    name: `(n,) int32`, id of the event's name, 0 for one the catalog does not mention, `NOT_COUNTED`.
    id_hash: `(n,) uint64`, hash of the message id, 0 for none.
    property_kind: `(n, p) uint8`, `MISSING` … `OTHER`.  property_number: `(n, p) float64`, a boolean as 0 or 1, else 0.
    property_text: `(n, p) int32`, id of the literal that it equals, else 0; in text columns a string's index into
    `Decoded.texts` (once numbered by the table: its number among the engine's); in null columns `ABSENT` for nothing.
    property_units: `(n, p) int64`, millionths of a number below 10¹² in magnitude, rounded half to even, else 0.
    trait_start: `(n + 1,) int32`; row i's trait values are `[trait_start[i], trait_start[i + 1])` of:
    trait: `(k,) int32`, the trait's index.  trait_kind: `(k,) uint8`, `MISSING` for a null, which removes the trait.
    trait_number: `(k,) float64`.  trait_text: `(k,) int32`, index into `Decoded.texts`, -1 for what is no string.
    """

    record: npt.NDArray[np.int32]
    time_ms: npt.NDArray[np.int64]
    watermark_ms: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    name: npt.NDArray[np.int32]
    id_hash: npt.NDArray[np.uint64]
    property_kind: npt.NDArray[np.uint8]
    property_number: npt.NDArray[np.float64]
    property_text: npt.NDArray[np.int32]
    property_units: npt.NDArray[np.int64]
    trait_start: npt.NDArray[np.int32]
    trait: npt.NDArray[np.int32]
    trait_kind: npt.NDArray[np.uint8]
    trait_number: npt.NDArray[np.float64]
    trait_text: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Decoded:
    """The events of a batch; the user of each; the strings handed on, cut; the records that are no events."""

    columns: Columns
    users: list[str]
    texts: list[str]
    rejects: list[Reject]


class Decoder:
    """Decodes records by one plan. Holds nothing of a batch; `decode` does no I/O and does not alter its input."""

    def __init__(self, plan: DecodePlan) -> None:
        self._plan = plan
        self._names: dict[str | None, int] = dict(plan.event_names.items())
        self._names.update({None: _NO_NAME, "": _NO_NAME})
        self._names_of_types = dict.fromkeys(EVENT_TYPES, NOT_COUNTED)
        for kind, name in _NAMES_OF_TYPES.items():
            self._names_of_types[kind] = plan.event_names.get(name, 0)
        # [property's column, event's name + 1]: is it a number to aggregate in events of this name?
        self._aggregated = np.zeros((len(plan.properties), max(plan.event_names.values(), default=0) + 2), np.bool_)
        for column, names in plan.numeric.items():
            self._aggregated[column, 1:] = 0 in names
            self._aggregated[column, [name + 1 for name in names]] = True
        self._absent = [
            msgspec.UNSET if column in plan.null_columns else None for column in range(len(plan.properties))
        ]
        no_traits = [msgspec.UNSET] * len(plan.traits)
        try:
            self._properties_type = fields_of("Properties", plan.properties, self._absent)
            self._traits_type = fields_of("Traits", plan.traits, no_traits)
            fast = True
        except ValueError:  # a name that msgspec cannot look for: by the slow path then, and under any other name
            places = [f"p{place}" for place in range(max(len(plan.properties), len(plan.traits)))]
            self._properties_type = fields_of("Properties", places[: len(plan.properties)], self._absent)
            self._traits_type = fields_of("Traits", places[: len(plan.traits)], no_traits)
            fast = False
        event = event_type(self._properties_type, self._traits_type)
        self._make = cast("Callable[..., ReadEvent]", event)
        self._decode = cast("Callable[[bytes], ReadEvent]", msgspec.json.Decoder(event).decode if fast else _refuse)
        self._no_properties = self._properties_type()
        self._property_reader = PropertyReader(
            len(plan.properties), plan.literals, plan.text_columns, plan.null_columns
        )

    def decode(self, records: Records) -> Decoded:
        """Decode a batch. Every record becomes one row of the columns or one reject, which are in record order."""
        rejects: list[Reject] = []
        events, index = self._read(records, rejects)
        columns, texts, suspects = self._columns(records, events, index)
        if suspects.any():
            for record in index[suspects].tolist():
                if self._read_carefully(records, record, rejects) is not None:
                    raise RuntimeError(f"record {record} of the batch is refused for no reason; this is a defect")
            kept = np.flatnonzero(~suspects)
            events = [events[place] for place in kept.tolist()]
            columns, texts, _ = self._columns(records, events, index[kept])
        rejects.sort(key=lambda reject: reject.index)
        return Decoded(columns, [event.user for event in events], texts, rejects)

    def _read(self, records: Records, rejects: list[Reject]) -> tuple[list[ReadEvent], npt.NDArray[np.int32]]:
        """The records that are of the event's type, and the index of each; the others are rejected."""
        values, index = _sound_values(records, rejects)
        events: list[ReadEvent] = []
        refused: list[int] = []
        unread = map(self._decode, values)
        while True:
            try:
                # What was decoded before an error stays in the list, and the iterator goes on behind the culprit.
                events.extend(unread)
                break
            except msgspec.DecodeError:
                place = len(events) + len(refused)
                event = self._read_carefully(records, int(index[place]), rejects)
                if event is None:
                    refused.append(place)
                else:
                    events.append(event)
        return events, np.delete(index, refused) if refused else index

    def _read_carefully(self, records: Records, index: int, rejects: list[Reject]) -> ReadEvent | None:
        """The event that a record is after all, or None, and a reject."""
        plan = self._plan
        try:
            fields = careful.read_fields(careful.check_bytes(records.values[index]))
            strings = careful.check_fields(fields, int(records.horizon_ms[index]))
            kind, name = strings["type"], strings["event"]
            named = self._names.get(name, 0) if kind == "track" else self._names_of_types[cast("str", kind)]
            summed = {plan.properties[column] for column in np.flatnonzero(self._aggregated[:, named + 1]).tolist()}
            properties = careful.read_members(fields, "properties", plan.properties)
            traits = careful.read_members(fields, "traits", plan.traits) if kind == "identify" else {}
            careful.check_numbers(properties, summed)
        except careful.RefusedError as error:
            rejects.append(Reject(index, error.reason, error.detail))
            return None
        return self._make(
            **strings,
            properties=self._properties_type(
                *[properties.get(name, nothing) for name, nothing in zip(plan.properties, self._absent, strict=True)]
            ),
            traits=self._traits_type(*[traits.get(name, msgspec.UNSET) for name in plan.traits]),
        )

    def _columns(
        self, records: Records, events: list[ReadEvent], index: npt.NDArray[np.int32]
    ) -> tuple[Columns, list[str], npt.NDArray[np.bool_]]:
        """The events as columns, the strings handed on, and `(n,) bool`: those that break a rule beyond types."""
        known, of_types, nothing = self._names.get, self._names_of_types, self._no_properties
        name = np.array(
            [known(event.event, 0) if event.type == "track" else of_types[event.type] for event in events], np.int32
        )
        time_ms = parse_timestamps([event.timestamp for event in events])
        places: dict[str, int] = {}
        properties = self._property_reader.read([event.properties or nothing for event in events], places)
        traits = read_traits(events, len(self._plan.traits), places)

        suspects = (name == _NO_NAME) | (time_ms < 0) | (time_ms > records.horizon_ms[index])
        suspects |= _strange_users([event.user for event in events])
        for column in np.flatnonzero(self._aggregated.any(axis=1)).tolist():
            kinds, numbers = properties.kinds[:, column], properties.numbers[:, column]
            good = (kinds == MISSING) | ((kinds == NUMBER) & (np.abs(numbers) < NUMBER_LIMIT))
            suspects |= ~good & self._aggregated[column, np.maximum(name, NOT_COUNTED) + 1]
        # Where nothing is aggregated, a number that no double holds is a null.
        infinite = np.isinf(properties.numbers)
        if infinite.any():
            properties.kinds[infinite] = MISSING
            properties.numbers[infinite] = 0.0

        columns = Columns(
            record=index,
            time_ms=time_ms,
            watermark_ms=records.watermark_ms[index],
            offset=records.offsets[index],
            name=name,
            id_hash=hash_message_ids([event.message_id or "" for event in events]),
            property_kind=properties.kinds,
            property_number=properties.numbers,
            property_text=properties.texts,
            property_units=properties.units,
            trait_start=traits.start,
            trait=traits.trait,
            trait_kind=traits.kind,
            trait_number=traits.number,
            trait_text=traits.text,
        )
        return columns, list(places), suspects


def _refuse(value: bytes) -> ReadEvent:
    raise msgspec.DecodeError(f"{len(value)} bytes for the slow path")


def _sound_values(records: Records, rejects: list[Reject]) -> tuple[list[bytes], npt.NDArray[np.int32]]:
    """The records that are there, not too long, UTF-8 and not nested deeply, and the index of each.

    msgspec does not look at the UTF-8 of strings that it skips, and would recurse to any depth.
    """
    if None not in records.values:
        values = cast("list[bytes]", records.values)
        if max(map(len, values), default=0) <= careful.MAX_BYTES and _is_utf8(values):
            joined = join_bytes(values)
            if not (opening_brackets(joined.data, joined.bounds) > careful.MAX_DEPTH).any():
                return values, np.arange(len(values), dtype=np.int32)
    values, index = [], []
    for place, value in enumerate(records.values):
        try:
            values.append(careful.check_bytes(value))
            index.append(place)
        except careful.RefusedError as error:
            rejects.append(Reject(place, error.reason, error.detail))
    return values, np.array(index, np.int32)


def _is_utf8(values: Sequence[bytes]) -> bool:
    joined = b"\n".join(values)  # a line feed, lest the halves of a character at two records' ends make one
    if joined.isascii():
        return True
    try:
        joined.decode()
    except UnicodeDecodeError:
        return False
    return True


def _strange_users(users: list[str]) -> npt.NDArray[np.bool_]:
    """`(n,) bool`: users that are empty or longer than `MAX_USER_BYTES` of UTF-8."""
    lengths = np.array(list(map(len, users)), np.int64)
    strange: npt.NDArray[np.bool_] = lengths == 0
    for place in np.flatnonzero(lengths * 4 > careful.MAX_USER_BYTES).tolist():
        strange[place] = len(users[place].encode()) > careful.MAX_USER_BYTES
    return strange
