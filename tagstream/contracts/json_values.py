"""What may stand in the free parts of a message: JSON, finite, and not nested absurdly."""

from __future__ import annotations

import math
from typing import Annotated, Any, Final

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

__all__ = ["MAX_DEPTH", "AnyJson", "JsonObject"]

MAX_DEPTH: Final = 64
"""Levels of objects and arrays in an event, the event's own object being the first."""

_DOUBLE_BITS: Final = 1_023
"""A whole number of more bits may not fit into a double, and readers of JSON keep numbers in doubles."""
_ADVICE: Final = {
    "Decimal": "pass float(…)",
    "date": "pass its text, date.isoformat()",
    "datetime": "pass its text, datetime.isoformat()",
    "set": "pass a list",
    "UUID": "pass str(…)",
    "bytes": "pass text",
}


def _refuse(path: str, sentence: str) -> PydanticCustomError:
    return PydanticCustomError("json_value", "{sentence}", {"path": path, "sentence": sentence})


def _check(value: Any, path: str, levels_left: int) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, int):
        if value.bit_length() > _DOUBLE_BITS:
            raise _refuse(path, "is too large for a double; pass it as text")
        return
    if isinstance(value, str):
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise _refuse(path, "holds half a surrogate pair, which UTF-8 cannot write; repair the text") from None
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _refuse(path, f"is {value}, which JSON has no word for; leave it out")
        return
    if not isinstance(value, dict | list | tuple):
        advice = _ADVICE.get(type(value).__name__, "pass text, a number, true/false, None, a list or a dict")
        raise _refuse(path, f"is of type {type(value).__name__}, which is no JSON; {advice}")
    if levels_left <= 0:
        raise _refuse("", f"is nested deeper than {MAX_DEPTH} levels; flatten it")
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise _refuse(path, f"has a key of type {type(key).__name__}; keys are text")
            _check(key, path, levels_left)
            _check(inner, f"{path}.{key}" if path else key, levels_left - 1)
    else:
        for index, inner in enumerate(value):
            _check(inner, f"{path}[{index}]", levels_left - 1)


def _check_inside_event(value: Any) -> Any:
    # The event's own object is the first level, so what lies in it may have one less.
    _check(value, "", MAX_DEPTH - 1)
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(_check_inside_event)]
"""An object of an event: `properties`, `traits`, `context`."""

AnyJson = Annotated[Any, AfterValidator(_check_inside_event), WithJsonSchema({})]
"""Any JSON: fields of the Segment spec, or of the sender's own, that the engine does not read."""
