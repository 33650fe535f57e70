"""A sample: what a model's features were for one user at one moment, as the topic `profile-samples` carries it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from stream.learning.errors import LearningError

__all__ = ["MAX_SAMPLE_BYTES", "Sample", "encode_sample", "parse_sample"]

MAX_SAMPLE_BYTES = 65_536
_MAX_TEXT_BYTES = 512
_REASONS = ("moment", "event", "label")
# The end of year 9999, beyond which no timestamp of an event goes.
_LAST_MS = 253_402_300_799_999


@dataclass(frozen=True, slots=True)
class Sample:
    """`values` are in the order of the model's features, durations in ms, None where missing; all are finite.

    `why`: `moment` (the user's model moment), `event`, or `label`; with a label the values are those of `opened_ms`,
    the moment the sample was opened, and `at_ms` is when the label was known.
    """

    model: str
    user: str
    at_ms: int
    why: str
    values: tuple[float | None, ...]
    label: bool | None = None
    opened_ms: int | None = None
    catalog: str = "catalog"
    catalog_version: int = 1


def parse_sample(data: bytes | str) -> Sample:
    """The sample in a JSON object. Raises LearningError with the place of what is wrong. Infinities become missing."""
    if len(data) > MAX_SAMPLE_BYTES:
        raise LearningError(f"A sample has {len(data):,} bytes; at most {MAX_SAMPLE_BYTES:,} are read.")
    try:
        record = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise LearningError(f"A sample is not JSON: {error}.") from None
    if not isinstance(record, dict):
        raise LearningError("A sample is not a JSON object.")
    why = _text(record, "why")
    if why not in _REASONS:
        raise LearningError(f"expected one of {', '.join(_REASONS)}, found {why!r}", place="why")
    label, opened_ms = _label(record) if why == "label" else (None, None)
    at_ms = _whole(record, "at", _LAST_MS)
    if opened_ms is not None and opened_ms > at_ms:
        raise LearningError("a sample is labelled before it was opened", place="opened")
    return Sample(
        model=_text(record, "model"),
        user=_text(record, "user"),
        at_ms=at_ms,
        why=why,
        values=_values(record.get("values")),
        label=label,
        opened_ms=opened_ms,
        catalog=_text(record, "catalog"),
        catalog_version=_whole(record, "catalog_version", 2**53),
    )


def encode_sample(sample: Sample) -> bytes:
    """The sample as a JSON object, its keys in one order."""
    record: dict[str, Any] = {
        "model": sample.model,
        "catalog": sample.catalog,
        "catalog_version": sample.catalog_version,
        "user": sample.user,
        "at": sample.at_ms,
        "why": sample.why,
        "values": [None if value is None or not math.isfinite(value) else value for value in sample.values],
    }
    if sample.why == "label":
        record |= {"label": sample.label, "opened": sample.opened_ms}
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def _text(record: dict[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value:
        raise LearningError(f"expected a text, found {_found(value)}", place=key)
    if len(value.encode(errors="replace")) > _MAX_TEXT_BYTES:
        raise LearningError(f"expected a text of at most {_MAX_TEXT_BYTES} bytes", place=key)
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise LearningError("half of a surrogate pair is no character", place=key)
    return value


def _whole(record: dict[str, Any], key: str, most: int) -> int:
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise LearningError(f"expected a whole number from 0 to {most}, found {_found(value)}", place=key)
    return value


def _label(record: dict[str, Any]) -> tuple[bool, int]:
    label = record.get("label")
    if not isinstance(label, bool):
        raise LearningError(f"expected true or false, found {_found(label)}", place="label")
    return label, _whole(record, "opened", _LAST_MS)


def _values(values: object) -> tuple[float | None, ...]:
    if not isinstance(values, list) or not values:
        raise LearningError(f"expected a list of numbers and nulls, found {_found(values)}", place="values")
    return tuple(_value(value, number) for number, value in enumerate(values))


def _value(value: object, number: int) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LearningError(f"expected a number or null, found {_found(value)}", place=f"values[{number}]")
    try:
        whole = float(value)
    except OverflowError:
        return None
    return whole if math.isfinite(whole) else None


def _found(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"
