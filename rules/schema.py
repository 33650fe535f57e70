"""The keys of a catalog document and what each takes, as pydantic models.

Scalars come in as the text they are in the file (`Text`), so each type here reads its own text, by YAML 1.2's rules.
Errors are raised with a `ProblemCode`, and `rules.catalog` gives them their places.
"""

from __future__ import annotations

import re
import zoneinfo
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

from rules.durations import DurationError, parse_duration
from rules.errors import ProblemCode, clip
from rules.suggest import Suggester

__all__ = [
    "KINDS",
    "MAX_LEVELS",
    "NAME",
    "CatalogDocument",
    "GoalDocument",
    "LevelDocument",
    "SegmentDocument",
    "Text",
    "TierDocument",
    "TitleDocument",
]

KINDS = ("demographic", "behaviour", "value", "interest", "predictive")
NAME = re.compile(r"[a-z][a-z0-9_]{0,127}")
MAX_VERSION = 2**53 - 1
"""Versions stand in JSON messages; this is the largest whole number that every reader keeps."""

MAX_LEVELS = 100
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


def _problem(code: ProblemCode, message: str, expected: str, suggestion: str | None = None) -> PydanticCustomError:
    # The message is given as a value: pydantic reads braces in a template.
    context: dict[str, Any] = {"message": message, "expected": expected, "suggestion": suggestion}
    return PydanticCustomError(str(code), "{message}", context)


def _text(value: object, expected: str) -> Text:
    if value is None:
        message = f"the value is empty, {expected} is expected; or leave the key out"
        raise _problem(ProblemCode.EMPTY_VALUE, message, expected)
    if not isinstance(value, Text):
        found = "a mapping" if isinstance(value, dict) else "a list"
        raise _problem(ProblemCode.WRONG_SHAPE, f"{found} stands where {expected} is expected", expected)
    return value


def _nonempty(value: object) -> str:
    text = _text(value, "a text")
    if not text.strip():
        raise _problem(ProblemCode.EMPTY_VALUE, "the text is empty", "a text")
    if _CONTROL.search(text) is not None:
        raise _problem(ProblemCode.BAD_CHARACTER, "the text has control characters in it", "printable text")
    return str(text)


def _expression(value: object) -> str:
    return str(_text(value, "an expression"))


def _catalog_name(value: object) -> str:
    text = _text(value, "the catalog's name")
    if NAME.fullmatch(text) is None:
        message = f'"{clip(text)}" is no name: a small letter, then small letters, digits and _'
        raise _problem(ProblemCode.BAD_NAME, message, "a name such as retail")
    return str(text)


def _version(value: object) -> int:
    expected = "a whole number from 1 on"
    text = _text(value, expected)
    number = int(text) if not text.is_quoted and _WHOLE_NUMBER.fullmatch(text) else 0
    if not 1 <= number <= MAX_VERSION:
        quotes = ", without quotes" if text.is_quoted else ""
        raise _problem(ProblemCode.BAD_VALUE, f"{expected} is expected{quotes}", expected)
    return number


def _timezone(value: object) -> str:
    expected = "a time zone such as Asia/Shanghai"
    text = _text(value, expected)
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
    raise _problem(ProblemCode.UNKNOWN_TIMEZONE, message, expected, nearest)


def _duration(value: object, least_ms: int) -> int:
    expected = "a duration such as 7d"
    text = _text(value, expected)
    try:
        ms = parse_duration(text)
    except DurationError as error:
        message = f"{clip(text)}: {error}"
        raise _problem(ProblemCode.BAD_DURATION, message, expected, error.suggestion) from error
    if ms < least_ms:
        raise _problem(ProblemCode.BAD_DURATION, f"{clip(text)} is too short: at least 1s", "at least 1s", "1s")
    return ms


def _stay(value: object) -> int:
    return _duration(value, 0)


def _within(value: object) -> int:
    return _duration(value, 1_000)


def _flag(value: object) -> bool:
    expected = "true or false"
    text = _text(value, expected)
    if not text.is_quoted and text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    meant = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
    quotes = ", without quotes" if text.is_quoted else ""
    message = f"{clip(text)} is neither true nor false{quotes}"
    raise _problem(ProblemCode.BAD_VALUE, message, expected, meant.get(text.lower()))


def _share(value: object) -> float:
    expected = "a number above 0, up to 1"
    text = _text(value, expected)
    number = float(text) if not text.is_quoted and _DECIMAL.fullmatch(text) else 0.0
    if not 0 < number <= 1:
        percent = re.fullmatch(r"([0-9]{1,2}) ?%", text)
        suggestion = f"{int(percent[1]) / 100:g}" if percent else None
        message = f"{clip(text)} is no share of the members: {expected}"
        raise _problem(ProblemCode.BAD_VALUE, message, expected, suggestion)
    return number


def _kind(value: object) -> str:
    expected = f"one of {', '.join(KINDS)}"
    text = _text(value, expected)
    if text not in KINDS:
        message = f"there is no kind {clip(text)}: {expected}"
        raise _problem(ProblemCode.BAD_VALUE, message, expected, Suggester().nearest(text, KINDS))
    return str(text)


class TitleDocument(BaseModel):
    """A title: one text, or a text for each language."""

    model_config = ConfigDict(frozen=True)

    text: str
    by_language: dict[str, str]


def _title(value: object) -> TitleDocument:
    expected = "a text, or a mapping of languages to texts"
    if not isinstance(value, dict):
        text = _one_title(_text(value, expected))
        return TitleDocument(text=text, by_language={})
    if not value:
        raise _problem(ProblemCode.EMPTY_VALUE, "the title is empty", expected)
    titles: dict[str, str] = {}
    for language, title in value.items():
        if _LANGUAGE.fullmatch(language) is None:
            message = f"{clip(language)} is no language; write it as in zh, en or pt-BR"
            raise _problem(ProblemCode.BAD_VALUE, message, "a language such as zh or en")
        titles[language] = _one_title(title)
    return TitleDocument(text=" / ".join(titles.values()), by_language=titles)


def _one_title(value: object) -> str:
    # A title may be folded over lines in the file; it is shown on one.
    title = " ".join(_text(value, "a text").split())
    _nonempty(Text(title))
    if len(title) > MAX_TITLE_CHARACTERS:
        message = f"the title has {len(title)} characters, at most {MAX_TITLE_CHARACTERS} are allowed"
        raise _problem(ProblemCode.BAD_VALUE, message, f"at most {MAX_TITLE_CHARACTERS} characters")
    return title


def _section(value: object) -> object:
    return {} if value is None else value  # a section of which all lines are comments is an empty one


def _present(value: object) -> object:
    if value is None:
        raise _problem(ProblemCode.EMPTY_VALUE, "the goal is empty; fill it, or leave the key out", "a mapping")
    return value


NonemptyText = Annotated[str, BeforeValidator(_nonempty)]
Expression = Annotated[str, BeforeValidator(_expression)]


class GoalDocument(BaseModel):
    """What members are expected to do, how soon, and the share of them hoped for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: NonemptyText
    within: Annotated[int, BeforeValidator(_within)]
    target: Annotated[float | None, BeforeValidator(_share)] = None


class SegmentDocument(BaseModel):
    """One segment; `when` and `exit` are the text of expressions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Annotated[TitleDocument | None, BeforeValidator(_title)] = None
    kind: Annotated[str, BeforeValidator(_kind)] = "behaviour"
    when: Expression
    exit: Annotated[str | None, BeforeValidator(_expression)] = None
    min_stay: Annotated[int, BeforeValidator(_stay)] = 0
    indexed: Annotated[bool, BeforeValidator(_flag)] = False
    goal: Annotated[GoalDocument | None, BeforeValidator(_present)] = None


class LevelDocument(BaseModel):
    """One level of a tier; in the file it may be the condition alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Annotated[TitleDocument | None, BeforeValidator(_title)] = None
    when: Expression


def _level(value: object) -> object:
    return {"when": value} if isinstance(value, Text) or value is None else value


def _levels(value: object) -> object:
    if isinstance(value, dict) and len(value) > MAX_LEVELS:
        message = f"a tier has at most {MAX_LEVELS} levels, and this one {len(value)}"
        raise _problem(ProblemCode.BAD_VALUE, message, f"at most {MAX_LEVELS} levels")
    return value


class TierDocument(BaseModel):
    """One tier; its levels are in the order of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Annotated[TitleDocument | None, BeforeValidator(_title)] = None
    kind: Annotated[str, BeforeValidator(_kind)] = "behaviour"
    levels: Annotated[dict[str, Annotated[LevelDocument, BeforeValidator(_level)]], BeforeValidator(_levels)]


class CatalogDocument(BaseModel):
    """The whole document. Templates and tests are read by `rules.templates` and `rules.examples`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    catalog: Annotated[str, BeforeValidator(_catalog_name)]
    version: Annotated[int, BeforeValidator(_version)]
    timezone: Annotated[str, BeforeValidator(_timezone)] = "UTC"
    tags: Annotated[dict[str, Expression], BeforeValidator(_section)] = {}
    templates: Any = None
    segments: Annotated[dict[str, SegmentDocument], BeforeValidator(_section)] = {}
    tiers: Annotated[dict[str, TierDocument], BeforeValidator(_section)] = {}
    tests: Any = None
