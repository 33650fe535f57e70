"""From fetched records to what the engine takes: time, control records, and repeats of forwarded events.

Everything here follows from the position and the log alone, so a batch that is read again comes out the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from confluent_kafka import Message

from stream.engine import Records
from stream.engine.result import Reject
from stream.kafka_clients import headers_of
from stream.switches import CONTROL_HEADER, MalformedControlError, SwitchRecord, UnknownControlError, read_switch
from stream.worker.errors import PauseError
from stream.worker.position import Position
from stream.worker.ticks import TICK

__all__ = [
    "AHEAD_MS",
    "BATCH_BYTES",
    "FORWARD",
    "ID_HEADER",
    "ORIGIN_HEADER",
    "Intake",
    "Progress",
    "cut_batch",
    "take_in",
]

AHEAD_MS: Final = 3_600_000
"""How far an event may lie ahead of its record's log time, and a log time ahead of the clock."""

BATCH_BYTES: Final = 4 * 1024 * 1024
"""Raw bytes of a batch: were all of them rejects, their dead letters in base64 would stay below an outbox's 8 MiB."""

FORWARD: Final = b"forward"
ORIGIN_HEADER: Final = "tagstream-origin"
"""`partition:offset` of the record that a forwarded event was first."""
ID_HEADER: Final = "tagstream-id"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step takes the position."""

    next_offset: int
    log_time_ms: int
    watermark_ms: int
    origins: dict[int, int]


@dataclass(frozen=True, slots=True)
class Intake:
    """A batch of one partition.

    messages: as fetched, n of them, control records among them.  records: what the engine gets, m of them.
    places: `(m,) int64`, the message of each record.  greatest_ms: `(n,) int64`, the greatest log time up to and with
    each message.  times_ms: `(n,) int64`, each message's own.
    forwards: message, origin partition and offset of each forwarded event among the records.
    switch: the switch that comes next in the log, which ends the batch. Where it comes first, n is 0.
    malformed: by record, those that are marked as control records and are none: rejects, for a reason of their own.
    """

    messages: Sequence[Message]
    records: Records
    places: npt.NDArray[np.int64]
    times_ms: npt.NDArray[np.int64]
    greatest_ms: npt.NDArray[np.int64]
    forwards: Sequence[tuple[int, int, int]]
    grace_ms: int
    switch: SwitchRecord | None = None
    malformed: Mapping[int, Reject] = field(default_factory=dict)

    def rejects(self, found: Sequence[Reject]) -> list[Reject]:
        """The engine's rejects, which sees of a malformed control record only that there is no value."""
        return [self.malformed.get(reject.index, reject) for reject in found]

    def progress(self, position: Position, end: int) -> Progress:
        """Where the partition stands after the first `end` records, and the control records before the next one."""
        behind = int(self.places[end]) if end < len(self.places) else len(self.messages)
        origins = dict(position.origins)
        for place, partition, offset in self.forwards:
            if place < behind:
                origins[partition] = max(origins.get(partition, -1), offset)
        log_time_ms = int(self.greatest_ms[behind - 1]) if behind else position.log_time_ms
        return Progress(
            next_offset=_offset(self.messages[behind - 1]) + 1 if behind else position.next_offset,
            log_time_ms=log_time_ms,
            watermark_ms=max(log_time_ms - self.grace_ms, position.watermark_ms),
            origins=origins,
        )


def _offset(message: Message) -> int:
    return message.offset() or 0


def cut_batch(messages: Sequence[Message], limit: int | None) -> int:
    """How many of the messages make one batch: at most `limit`, at most `BATCH_BYTES` of values, at least one."""
    count = len(messages) if limit is None else min(len(messages), limit)
    size = 0
    for place, message in enumerate(messages[:count]):
        size += len(message)
        if size > BATCH_BYTES and place:
            return place
    return count


def take_in(
    messages: Sequence[Message], position: Position, *, app: str, grace_ms: int, now_ms: int, stops: bool = True
) -> Intake:
    """The batch for the engine. Messages below the position are left out.

    stops: at the first switch to something newer than the position has in force; others are passed over.
    Raises PauseError if the first one's log time lies too far ahead of the clock (a later one ends the batch before
    it), or if a control record is one that only a newer version knows.
    """
    messages = [message for message in messages if _offset(message) >= position.next_offset]
    times = np.array([message.timestamp()[1] for message in messages], np.int64)
    ahead = np.flatnonzero(times > now_ms + AHEAD_MS)
    if len(ahead):
        if ahead[0] == 0:
            raise _ahead(messages[0], int(times[0]), now_ms)
        messages, times = messages[: ahead[0]], times[: ahead[0]]
    control = _control(messages, position, app, stops=stops)
    forwards, switch = control.forwards, control.switch
    if switch is not None:
        before = sum((message.offset() or 0) < switch.offset for message in messages)
        messages, times = messages[:before], times[:before]
    greatest = np.maximum.accumulate(np.maximum(times, position.log_time_ms)) if len(times) else times
    places = np.arange(len(messages), dtype=np.int64)
    if control.skipped:
        places = np.delete(places, control.skipped)
    forwarded = np.zeros(len(messages), np.bool_)
    forwarded[[place for place, _, _ in forwards]] = True
    records = Records(
        values=[messages[place].value() for place in places.tolist()],
        offsets=np.array([_offset(messages[place]) for place in places.tolist()], np.int64),
        watermark_ms=np.maximum(greatest[places] - grace_ms, position.watermark_ms),
        horizon_ms=times[places] + AHEAD_MS,
        forwarded=forwarded[places],
    )
    indices = np.searchsorted(places, [place for place, _ in control.malformed]).tolist()
    malformed = {
        index: Reject(index, "bad_control", detail)
        for index, (_, detail) in zip(indices, control.malformed, strict=True)
    }
    return Intake(messages, records, places, times, greatest, forwards, grace_ms, switch, malformed)


@dataclass(frozen=True, slots=True)
class _Control:
    """What the headers say, up to the first switch that takes effect; and that switch.

    skipped: places of the messages that are neither events nor rejects.  forwards: as in Intake.
    malformed: place and fault of what is marked as a control record and can't be read.
    """

    skipped: list[int] = field(default_factory=list)
    forwards: list[tuple[int, int, int]] = field(default_factory=list)
    malformed: list[tuple[int, str]] = field(default_factory=list)
    switch: SwitchRecord | None = None


def _control(messages: Sequence[Message], position: Position, app: str, *, stops: bool) -> _Control:
    found = _Control()
    newest = dict(position.origins)
    for place, message in enumerate(messages):
        if not message.headers():
            continue
        headers = dict(headers_of(message))
        mark = headers.get(CONTROL_HEADER)
        if mark is None:
            continue
        if mark == FORWARD:
            origin = _origin(headers.get(ORIGIN_HEADER))
            if origin is not None:
                partition, offset = origin
                if offset <= newest.get(partition, -1):
                    found.skipped.append(place)  # its outbox was sent again
                else:
                    newest[partition] = offset
                    found.forwards.append((place, partition, offset))
        elif message.value() is None:
            try:
                switch = _switch(message, mark, app)
            except MalformedControlError as error:
                found.malformed.append((place, str(error)))
                continue
            if stops and switch is not None and _is_newer(switch, position):
                return replace(found, switch=switch)
            found.skipped.append(place)
    return found


def _is_newer(switch: SwitchRecord, position: Position) -> bool:
    """Whether it is to be looked at: it names a version above all that were switched to before."""
    if switch.model is None:
        return switch.version > position.catalog_version
    reached = position.model_versions.get(switch.model, 0), position.models_waiting.get(switch.model, 0)
    return switch.version > max(reached)


def _switch(message: Message, mark: bytes, app: str) -> SwitchRecord | None:
    """The switch that a control record is, None if it is a tick or another app's."""
    if mark == TICK:
        return None
    try:
        return read_switch(message, app)
    except UnknownControlError as error:
        raise _unknown_control(message, str(error)) from error


def _origin(text: bytes | None) -> tuple[int, int] | None:
    """Partition and offset; None where it is none of ours."""
    partition, _, offset = (text or b"").decode(errors="replace").partition(":")
    return (int(partition), int(offset)) if partition.isdecimal() and offset.isdecimal() else None


def _ahead(message: Message, time_ms: int, now_ms: int) -> PauseError:
    return PauseError(
        "log_time_ahead",
        f"The record at offset {message.offset()} of partition {message.partition()} has a log time "
        f"{(time_ms - now_ms) / 3_600_000:.1f} h ahead of this machine's clock.",
        remedy="Set the clocks of the brokers and of this machine right; the partition goes on when they agree.",
    )


def _unknown_control(message: Message, name: str) -> PauseError:
    return PauseError(
        "unknown_control",
        f"The control record at offset {message.offset()} of partition {message.partition()}, {name!r}, "
        "is none that this version knows.",
        remedy="A newer version wrote it: upgrade this worker.",
    )
