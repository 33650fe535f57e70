"""The keys of a catalog document and what each takes, as pydantic models; those of models are in `rules.schema_models`.

Scalars come in as the text they are in the file (`Text`), so each key reads its own text (`rules.reading`).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from rules.errors import ProblemCode
from rules.reading import (
    Text,
    TitleDocument,
    problem,
    read_catalog_name,
    read_choice,
    read_expression,
    read_flag,
    read_nonempty,
    read_section,
    read_share,
    read_stay,
    read_timezone,
    read_title,
    read_version,
    read_within,
)
from rules.schema_models import ModelDocument

__all__ = [
    "KINDS",
    "MAX_LEVELS",
    "CatalogDocument",
    "GoalDocument",
    "LevelDocument",
    "SegmentDocument",
    "TierDocument",
]

KINDS = ("demographic", "behaviour", "value", "interest", "predictive")
MAX_LEVELS = 100


def _kind(value: object) -> str:
    return read_choice(value, KINDS, "kind")


def _share_of_members(value: object) -> float:
    return read_share(value, "the members")


def _present_goal(value: object) -> object:
    if value is None:
        raise problem(ProblemCode.EMPTY_VALUE, "the goal is empty; fill it, or leave the key out", "a mapping")
    return value


NonemptyText = Annotated[str, BeforeValidator(read_nonempty)]
Expression = Annotated[str, BeforeValidator(read_expression)]


class GoalDocument(BaseModel):
    """What members are expected to do, how soon, and the share of them hoped for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: NonemptyText
    within: Annotated[int, BeforeValidator(read_within)]
    target: Annotated[float | None, BeforeValidator(_share_of_members)] = None


class SegmentDocument(BaseModel):
    """One segment; `when` and `exit` are the text of expressions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Annotated[TitleDocument | None, BeforeValidator(read_title)] = None
    kind: Annotated[str, BeforeValidator(_kind)] = "behaviour"
    when: Expression
    exit: Annotated[str | None, BeforeValidator(read_expression)] = None
    min_stay: Annotated[int, BeforeValidator(read_stay)] = 0
    indexed: Annotated[bool, BeforeValidator(read_flag)] = False
    goal: Annotated[GoalDocument | None, BeforeValidator(_present_goal)] = None


class LevelDocument(BaseModel):
    """One level of a tier; in the file it may be the condition alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Annotated[TitleDocument | None, BeforeValidator(read_title)] = None
    when: Expression


def _level(value: object) -> object:
    return {"when": value} if isinstance(value, Text) or value is None else value


def _levels(value: object) -> object:
    if isinstance(value, dict) and len(value) > MAX_LEVELS:
        message = f"a tier has at most {MAX_LEVELS} levels, and this one {len(value)}"
        raise problem(ProblemCode.BAD_VALUE, message, f"at most {MAX_LEVELS} levels")
    return value


class TierDocument(BaseModel):
    """One tier; its levels are in the order of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Annotated[TitleDocument | None, BeforeValidator(read_title)] = None
    kind: Annotated[str, BeforeValidator(_kind)] = "behaviour"
    levels: Annotated[dict[str, Annotated[LevelDocument, BeforeValidator(_level)]], BeforeValidator(_levels)]


class CatalogDocument(BaseModel):
    """The whole document. Templates and tests are read by `rules.templates` and `rules.examples`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    catalog: Annotated[str, BeforeValidator(read_catalog_name)]
    version: Annotated[int, BeforeValidator(read_version)]
    timezone: Annotated[str, BeforeValidator(read_timezone)] = "UTC"
    tags: Annotated[dict[str, Expression], BeforeValidator(read_section)] = {}
    templates: Any = None
    models: Annotated[dict[str, ModelDocument], BeforeValidator(read_section)] = {}
    segments: Annotated[dict[str, SegmentDocument], BeforeValidator(read_section)] = {}
    tiers: Annotated[dict[str, TierDocument], BeforeValidator(read_section)] = {}
    tests: Any = None
