"""Messages of `events.dlq`: one dead letter for each record of `events` that is no event, in JSON.

The bytes follow from the record alone: a worker that comes to a record twice writes the same letter with the same id.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, WithJsonSchema

from tagstream.contracts.positions import Position
from tagstream.contracts.problems import problems_of
from tagstream.contracts.timestamps import Timestamp, from_ms
from tagstream.errors import InvalidMessageError
from tagstream.ids import dead_letter_id

__all__ = [
    "DEAD_LETTER_CONTENT_TYPE",
    "MAX_HEADER_BYTES",
    "MAX_KEY_BYTES",
    "MAX_ORIGINAL_BYTES",
    "PREVIEW_CHARACTERS",
    "REASONS",
    "REASON_HEADER",
    "DeadLetter",
    "DeadLetterHeader",
    "build_dead_letter",
    "dead_letter_headers",
    "dead_letter_json_schema",
    "encode_dead_letter",
    "parse_dead_letter",
]

MAX_ORIGINAL_BYTES: Final = 524_288
"""512 KiB of the original at most. Base64 makes 683 KiB of it: a letter stays under the 1 MB that brokers take."""
MAX_KEY_BYTES: Final = 1_024
MAX_HEADER_BYTES: Final = 16_384
"""Names and values of all headers together; those that would go beyond are left out."""
PREVIEW_CHARACTERS: Final = 200
DEAD_LETTER_CONTENT_TYPE: Final = "application/json"
REASON_HEADER: Final = "reason"

REASONS: Final[dict[str, str]] = {
    "bad_control": "the headers mark it as a control record, and it can't be read as one",
    "bad_timestamp": "the timestamp is no RFC 3339 time with an offset",
    "bad_user": "the user is not text",
    "misplaced_again": "the event was forwarded to its user's partition and does not belong there either",
    "no_name": "a track has no event name",
    "no_timestamp": "there is no timestamp",
    "no_type": "there is no type",
    "no_user": "there is no user, or an empty one",
    "not_a_number": "a property that the catalog aggregates is not a finite number",
    "not_json": "the bytes are no JSON (no bytes at all included)",
    "not_object": "the JSON is not an object",
    "not_utf8": "the bytes are not UTF-8",
    "number_too_large": "a property that the catalog aggregates is 10¹² or more in magnitude",
    "sum_too_large": "with this event a sum would pass 9·10¹²",
    "too_deep": "objects and arrays are nested deeper than 64 levels",
    "too_early": "the timestamp lies before 1970",
    "too_far_ahead": "the timestamp lies more than 1 h after the record's log time",
    "too_large": "the record has more than 256 KiB",
    "unknown_type": "the type is none of the Segment spec's",
    "user_too_long": "the user has more than 512 bytes",
    "wrong_type": "a known field is of another type than the Segment spec says",
}
"""Why a record became a dead letter. Readers must bear with a reason that is not among these."""

Base64 = Annotated[str, WithJsonSchema({"type": "string", "contentEncoding": "base64"})]


class DeadLetterHeader(BaseModel):
    """One Kafka header of the original record."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    name: str
    value: Base64 | None = Field(description="Base64; null if the header had none.")


class DeadLetter(BaseModel):
    """A record that is no event: why, what it was, and where it lies."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    id: str = Field(min_length=1, description="The same however often the letter is sent: of app, partition, offset.")
    reason: str = Field(min_length=1, description="A code to count by.", examples=sorted(REASONS))
    detail: str = Field(description="A sentence for people.")
    position: Position = Field(description="Where the record lies.")
    time: Timestamp = Field(description="The record's log time.")
    length: int = Field(ge=0, description="Bytes of the whole original; more than is kept if it was cut.")
    preview: str = Field(description="How the original begins, as text; what is not UTF-8 shows as �.")
    original: Base64 | None = Field(description="The first 512 KiB of the original, base64; null if it had no value.")
    key: Base64 | None = Field(description="The first 1,024 bytes of the record's key, base64; null if it had none.")
    headers: tuple[DeadLetterHeader, ...]

    @property
    def original_bytes(self) -> bytes | None:
        """The original as it came, cut to 512 KiB; None if the record had no value."""
        return None if self.original is None else base64.b64decode(self.original)

    @property
    def key_bytes(self) -> bytes | None:
        """The record's key, cut to 1,024 bytes; None if it had none."""
        return None if self.key is None else base64.b64decode(self.key)

    @property
    def is_cut(self) -> bool:
        """True if `original` is not the whole record."""
        return self.length > MAX_ORIGINAL_BYTES


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _headers(headers: Iterable[tuple[str, bytes | None]]) -> tuple[DeadLetterHeader, ...]:
    kept = []
    size = 0
    for name, value in headers:
        size += len(name.encode()) + len(value or b"")
        if size > MAX_HEADER_BYTES:
            break
        kept.append(DeadLetterHeader(name=name, value=_base64(value)))
    return tuple(kept)


def build_dead_letter(
    *,
    app: str,
    reason: str,
    detail: str,
    position: Position,
    log_time_ms: int,
    value: bytes | None,
    key: bytes | None = None,
    headers: Iterable[tuple[str, bytes | None]] = (),
) -> DeadLetter:
    """The dead letter of a record. The same record gives the same letter, whoever builds it and when."""
    original = None if value is None else value[:MAX_ORIGINAL_BYTES]
    # Four bytes a character at most, and three more so that a character cut in two is not seen.
    start = (original or b"")[: 4 * PREVIEW_CHARACTERS + 3]
    return DeadLetter(
        id=dead_letter_id(app, position.partition, position.offset),
        reason=reason,
        detail=detail,
        position=position,
        time=from_ms(max(log_time_ms, 0)),
        length=0 if value is None else len(value),
        preview=start.decode(errors="replace")[:PREVIEW_CHARACTERS],
        original=_base64(original),
        key=_base64(None if key is None else key[:MAX_KEY_BYTES]),
        headers=_headers(headers),
    )


@cache
def _adapter() -> TypeAdapter[DeadLetter]:
    return TypeAdapter(DeadLetter)


def encode_dead_letter(letter: DeadLetter) -> bytes:
    """The bytes of a dead letter: compact UTF-8 JSON, the fields in the order of the model."""
    return letter.model_dump_json().encode()


def dead_letter_headers(letter: DeadLetter) -> tuple[tuple[str, bytes], ...]:
    """Kafka headers of a dead letter, to count and choose by without parsing."""
    return (("content-type", DEAD_LETTER_CONTENT_TYPE.encode()), (REASON_HEADER, letter.reason.encode()))


def parse_dead_letter(value: bytes) -> DeadLetter:
    """A record's value as a dead letter. Raises `InvalidMessageError` with everything that is wrong."""
    try:
        return _adapter().validate_json(value)
    except ValidationError as error:
        raise InvalidMessageError("the message is no dead letter", problems_of(error)) from error


def dead_letter_json_schema() -> dict[str, Any]:
    """JSON Schema of a dead letter, as it is on the wire."""
    return _adapter().json_schema(by_alias=True)
