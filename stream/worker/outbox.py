"""The outbox: the messages of a step, as they lie in Redis from the step's commit until they are published.

What is sent again after a crash is decoded from the stored bytes, so it is byte for byte what would have been sent. The
step number leads the record as 16 hex digits: the commit script reads no further.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from stream.worker.errors import PauseError, StepTooLargeError
from tagstream.topics import EVENTS, EVENTS_DLQ, SEGMENT_CHANGES

__all__ = ["OUTBOX_LIMIT", "Outbox", "Outgoing", "decode_outbox", "encode_outbox", "outgoing"]

OUTBOX_LIMIT: Final = 8 * 1024 * 1024
"""Bytes. A step is cut so that its outbox stays below."""

_KINDS: Final = (SEGMENT_CHANGES, EVENTS_DLQ, EVENTS)  # a kind is stored as its place here: append only

_STEP_DIGITS: Final = 16


class Outgoing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One message to publish, on the topic of a kind (`tagstream.topics`). place: the kind's, as it is stored."""

    place: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    @property
    def kind(self) -> str:
        return _KINDS[self.place]


def outgoing(kind: str, key: bytes | None, value: bytes, headers: tuple[tuple[str, bytes], ...]) -> Outgoing:
    """A message for the topic of this kind."""
    return Outgoing(_KINDS.index(kind), key, value, headers)


@dataclass(frozen=True, slots=True)
class Outbox:
    """The messages of one step and the offset that is committed with them."""

    step: int
    next_offset: int
    messages: Sequence[Outgoing]


class _Stored(msgspec.Struct, array_like=True):
    next_offset: int
    messages: list[Outgoing]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stored)


def encode_outbox(outbox: Outbox) -> bytes:
    """The stored record. Raises StepTooLargeError over `OUTBOX_LIMIT`."""
    stored = f"{outbox.step:016x}".encode() + _encoder.encode((outbox.next_offset, outbox.messages))
    if len(stored) > OUTBOX_LIMIT:
        raise StepTooLargeError(
            f"A step has {len(stored):,} bytes of messages to publish; it may have {OUTBOX_LIMIT:,}.",
            remedy="It is cut into smaller steps.",
        )
    return stored


def decode_outbox(stored: bytes, partition: int) -> Outbox:
    """The outbox from its stored record. Raises PauseError if it is none."""
    try:
        content = _decoder.decode(stored[_STEP_DIGITS:])
        return Outbox(int(stored[:_STEP_DIGITS], 16), content.next_offset, content.messages)
    except (msgspec.DecodeError, ValueError) as error:
        raise PauseError(
            "outbox_unreadable",
            f"The outbox of partition {partition} in Redis can't be read: {error}.",
            remedy="Another program or a newer version wrote it: give this app its own Redis database, or upgrade.",
        ) from error
