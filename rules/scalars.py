"""Scalars that stand for values: YAML 1.2's JSON schema, by which a plain text is a string unless JSON reads it."""

from __future__ import annotations

import re

from rules.document import Scalar
from rules.errors import ProblemCode

__all__ = ["ScalarError", "value_of"]

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
"""What YAML takes for a number, and JSON has no way to write."""

MAX_DIGITS = 308
"""More digits are no double, and slow to read."""


class ScalarError(ValueError):
    """A number that no double holds, or that JSON can't carry."""

    def __init__(self, message: str, code: ProblemCode = ProblemCode.NUMBER_TOO_LARGE) -> None:
        super().__init__(message)
        self.code = code


def value_of(scalar: Scalar) -> str | int | float | bool | None:
    """The string, number, boolean or nothing that a scalar is; in quotes it is a string. Raises ScalarError."""
    text = scalar.text
    if scalar.style:
        return text
    if scalar.is_null:
        return None
    if text in _WORDS:
        return _WORDS[text]
    if _NOT_FINITE.fullmatch(text) is not None:
        message = f"{text} is no number that JSON can carry; write a number, null, or a text in quotes"
        raise ScalarError(message, ProblemCode.BAD_NUMBER)
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
