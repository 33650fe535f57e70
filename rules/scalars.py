"""Scalars that stand for values: YAML 1.2's JSON schema, by which a plain text is a string unless JSON reads it."""

from __future__ import annotations

import re

from rules.document import Scalar

__all__ = ["ScalarError", "value_of"]

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
MAX_DIGITS = 308
"""More digits are no double, and slow to read."""


class ScalarError(ValueError):
    """A number that no double holds."""


def value_of(scalar: Scalar) -> str | int | float | bool | None:
    """The string, number, boolean or nothing that a scalar is; in quotes it is a string. Raises ScalarError."""
    text = scalar.text
    if scalar.style:
        return text
    if scalar.is_null:
        return None
    if text in _WORDS:
        return _WORDS[text]
    match = _NUMBER.fullmatch(text)
    if match is None:
        return text
    if len(text) > MAX_DIGITS:
        raise ScalarError(f"a number has at most {MAX_DIGITS} characters")
    if match[1] is None and match[2] is None:
        return int(text)
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ScalarError("the number is too large")
    return number
