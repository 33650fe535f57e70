"""How the values of a catalog's keys are read, each from the text that it is in the file, by YAML 1.2's rules.

Readers raise what `problem` makes, with a `ProblemCode`; `rules.shape` gives that its place.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

from rules.durations import DurationError, parse_duration
from rules.errors import ProblemCode, clip
from rules.suggest import Suggester

__all__ = [
    "MAX_TITLE_CHARACTERS",
    "MAX_VERSION",
    "NAME",
    "Text",
    "TitleDocument",
    "decimal_of",
    "problem",
    "read_catalog_name",
    "read_choice",
    "read_expression",
    "read_flag",
    "read_line",
    "read_nonempty",
    "read_section",
    "read_share",
    "read_stay",
    "read_text",
    "read_timezone",
    "read_title",
    "read_version",
    "read_within",
    "whole_of",
]

NAME = re.compile(r"[a-z][a-z0-9_]{0,127}")
MAX_VERSION = 2**53 - 1
"""Versions stand in JSON messages; this is the largest whole number that every reader keeps."""

MAX_TITLE_CHARACTERS = 200
_WHOLE_NUMBER = re.compile(r"[-+]?[0-9]{1,20}")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]{1,20}\.?[0-9]{0,20}|\.[0-9]{1,20})(?:[eE][-+]?[0-9]{1,3})?")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")
# Names that differ between machines, or count leap seconds.
_LOCAL_ZONES = re.compile(r"localtime|posixrules|Factory|posix/.*|right/.*")


class Text(str):
    """A scalar's text; `is_quoted` tells whether it stood in quotes or a block, and so is a text and nothing else."""

    __slots__ = ("is_quoted",)
    is_quoted: bool

    def __new__(cls, text: str, *, is_quoted: bool = False) -> Self:
        made = super().__new__(cls, text)
        made.is_quoted = is_quoted
        return made


def problem(code: ProblemCode, message: str, expected: str, suggestion: str | None = None) -> PydanticCustomError:
    """A problem with the value at hand, to be raised; its place is known to who catches it (`rules.shape`)."""
    # The message is given as a value: pydantic reads braces in a template.
    context: dict[str, Any] = {"message": message, "expected": expected, "suggestion": suggestion}
    return PydanticCustomError(str(code), "{message}", context)


def read_text(value: object, expected: str) -> Text:
    """The text of a scalar. Raises what `problem` makes, as all readers do, where there is none."""
    if value is None:
        message = f"the value is empty, {expected} is expected; or leave the key out"
        raise problem(ProblemCode.EMPTY_VALUE, message, expected)
    if not isinstance(value, Text):
        found = "a mapping" if isinstance(value, dict) else "a list"
        raise problem(ProblemCode.WRONG_SHAPE, f"{found} stands where {expected} is expected", expected)
    return value


def read_nonempty(value: object) -> str:
    """A text with something in it."""
    text = read_text(value, "a text")
    if not text.strip():
        raise problem(ProblemCode.EMPTY_VALUE, "the text is empty", "a text")
    if _CONTROL.search(text) is not None:
        raise problem(ProblemCode.BAD_CHARACTER, "the text has control characters in it", "printable text")
    return str(text)


def read_expression(value: object) -> str:
    """The text of an expression."""
    return str(read_text(value, "an expression"))


def read_catalog_name(value: object) -> str:
    """A name as tags and segments have."""
    text = read_text(value, "the catalog's name")
    if NAME.fullmatch(text) is None:
        message = f'"{clip(text)}" is no name: a small letter, then small letters, digits and _'
        raise problem(ProblemCode.BAD_NAME, message, "a name such as retail")
    return str(text)


def read_version(value: object) -> int:
    """A catalog's version."""
    expected = "a whole number from 1 on"
    text = read_text(value, expected)
    number = whole_of(text)
    if number is None or not 1 <= number <= MAX_VERSION:
        quotes = ", without quotes" if text.is_quoted else ""
        raise problem(ProblemCode.BAD_VALUE, f"{expected} is expected{quotes}", expected)
    return number


def read_timezone(value: object) -> str:
    """A time zone of the machine's own data."""
    expected = "a time zone such as Asia/Shanghai"
    text = read_text(value, expected)
    if text == "UTC":  # known without the machine's time zone data
        return "UTC"
    try:
        if _LOCAL_ZONES.fullmatch(text) is None:
            zoneinfo.ZoneInfo(text)
            return str(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        pass
    nearest = Suggester().nearest(text, ["UTC", *sorted(zoneinfo.available_timezones())])
    message = f"there is no time zone {clip(text)}; write it as in Asia/Shanghai, or UTC"
    raise problem(ProblemCode.UNKNOWN_TIMEZONE, message, expected, nearest)


def _duration(value: object, least_ms: int) -> int:
    expected = "a duration such as 7d"
    text = read_text(value, expected)
    try:
        ms = parse_duration(text)
    except DurationError as error:
        message = f"{clip(text)}: {error}"
        raise problem(ProblemCode.BAD_DURATION, message, expected, error.suggestion) from error
    if ms < least_ms:
        raise problem(ProblemCode.BAD_DURATION, f"{clip(text)} is too short: at least 1s", "at least 1s", "1s")
    return ms


def read_stay(value: object) -> int:
    """A duration in ms, from 0 on."""
    return _duration(value, 0)


def read_within(value: object) -> int:
    """A duration in ms, from 1 s on."""
    return _duration(value, 1_000)


def read_flag(value: object) -> bool:
    """True or false."""
    expected = "true or false"
    text = read_text(value, expected)
    if not text.is_quoted and text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    meant = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
    quotes = ", without quotes" if text.is_quoted else ""
    message = f"{clip(text)} is neither true nor false{quotes}"
    raise problem(ProblemCode.BAD_VALUE, message, expected, meant.get(text.lower()))


def read_share(value: object, of: str) -> float:
    """A number above 0, up to 1. `of` is what it is a share of."""
    expected = "a number above 0, up to 1"
    text = read_text(value, expected)
    number = decimal_of(text)
    if number is None or not 0 < number <= 1:
        percent = re.fullmatch(r"([0-9]{1,2}) ?%", text)
        suggestion = f"{int(percent[1]) / 100:g}" if percent else None
        message = f"{clip(text)} is no share of {of}: {expected}"
        raise problem(ProblemCode.BAD_VALUE, message, expected, suggestion)
    return number


def decimal_of(text: Text) -> float | None:
    """The number that a scalar is; None if it is none."""
    return float(text) if not text.is_quoted and _DECIMAL.fullmatch(text) else None


def whole_of(text: Text) -> int | None:
    """The whole number that a scalar is; None if it is none."""
    return int(text) if not text.is_quoted and _WHOLE_NUMBER.fullmatch(text) else None


def read_choice(value: object, choices: Sequence[str], what: str) -> str:
    """One of some words. `what` they are is for the message."""
    expected = f"one of {', '.join(choices)}"
    text = read_text(value, expected)
    if text not in choices:
        message = f"there is no {what} {clip(text)}: {expected}"
        raise problem(ProblemCode.BAD_VALUE, message, expected, Suggester().nearest(text, choices))
    return str(text)


class TitleDocument(BaseModel):
    """A title: one text, or a text for each language."""

    model_config = ConfigDict(frozen=True)

    text: str
    by_language: dict[str, str]


def read_title(value: object) -> TitleDocument:
    """A title, or one a language."""
    expected = "a text, or a mapping of languages to texts"
    if not isinstance(value, dict):
        text = read_line(read_text(value, expected))
        return TitleDocument(text=text, by_language={})
    if not value:
        raise problem(ProblemCode.EMPTY_VALUE, "the title is empty", expected)
    titles: dict[str, str] = {}
    for language, each in value.items():
        if _LANGUAGE.fullmatch(language) is None:
            message = f"{clip(language)} is no language; write it as in zh, en or pt-BR"
            raise problem(ProblemCode.BAD_VALUE, message, "a language such as zh or en")
        titles[language] = read_line(each)
    return TitleDocument(text=" / ".join(titles.values()), by_language=titles)


def read_line(value: object) -> str:
    """A text for people, on one line."""
    # A title may be folded over lines in the file; it is shown on one.
    text = " ".join(read_text(value, "a text").split())
    read_nonempty(Text(text))
    if len(text) > MAX_TITLE_CHARACTERS:
        message = f"the title has {len(text)} characters, at most {MAX_TITLE_CHARACTERS} are allowed"
        raise problem(ProblemCode.BAD_VALUE, message, f"at most {MAX_TITLE_CHARACTERS} characters")
    return text


def read_section(value: object) -> object:
    """A section, which may be empty."""
    return {} if value is None else value  # a section of which all lines are comments is an empty one
