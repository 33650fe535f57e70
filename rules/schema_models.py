"""The keys of a model in a catalog document. Which of them a kind of model has is looked at in `rules.shape_models`."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from rules.errors import ProblemCode, clip
from rules.models import CLASSIFIER, CLUSTERS, MODEL_KINDS, QUANTILES
from rules.reading import (
    Text,
    TitleDocument,
    decimal_of,
    problem,
    read_choice,
    read_expression,
    read_flag,
    read_line,
    read_nonempty,
    read_share,
    read_text,
    read_title,
    read_within,
    whole_of,
)

__all__ = [
    "ANY_EVENT",
    "KEYS_OF_KIND",
    "MAX_BINS",
    "MAX_CLUSTERS",
    "MAX_CLUSTER_ID",
    "MAX_FEATURES",
    "SAMPLE_MOMENTS",
    "FieldDocument",
    "LabelDocument",
    "ModelDocument",
    "SampleDocument",
]

ANY_EVENT = "any"
"""What stands for every track, page and screen in a label."""

KEYS_OF_KIND: dict[str, tuple[str, ...]] = {
    CLUSTERS: ("title", "kind", "algorithm", "clusters", "features", "margin", "names", "sample"),
    QUANTILES: ("title", "kind", "algorithm", "bins", "fields", "sample"),
    CLASSIFIER: ("title", "kind", "algorithm", "features", "label", "sample"),
}
SAMPLE_MOMENTS = ("moments", "events")
MAX_CLUSTERS = 100
MAX_BINS = 100
MAX_FEATURES = 100
MAX_CLUSTER_ID = 2**31 - 1


def _kind(value: object) -> str:
    return read_choice(value, MODEL_KINDS, "kind of model")


def _algorithm(value: object) -> str:
    return str(read_text(value, "an algorithm"))


def _number_from_2(value: object, most: int) -> int:
    expected = f"a whole number from 2 to {most}"
    number = whole_of(read_text(value, expected))
    if number is None or not 2 <= number <= most:
        raise problem(ProblemCode.BAD_VALUE, f"{expected} is expected", expected)
    return number


def _clusters(value: object) -> int:
    return _number_from_2(value, MAX_CLUSTERS)


def _bins(value: object) -> int:
    return _number_from_2(value, MAX_BINS)


def _margin(value: object) -> float:
    expected = "a number from 0 on, below 1"
    text = read_text(value, expected)
    number = decimal_of(text)
    if number is None or not 0 <= number < 1:
        message = f"{clip(text)} is no margin: {expected}, such as 0.1 to move users who come 10 % nearer"
        raise problem(ProblemCode.BAD_VALUE, message, expected)
    return number


def _names(value: object) -> dict[int, str]:
    """Names by cluster. Keys that are no ids have been reported, with their places."""
    expected = "a mapping of clusters to names"
    if not isinstance(value, dict):
        read_text(value, expected)
        raise problem(ProblemCode.WRONG_SHAPE, f"{expected} is expected, as in {{3: Night owls}}", expected)
    numbers = {whole_of(Text(key)): read_line(name) for key, name in value.items()}
    return {number: name for number, name in numbers.items() if number is not None}


def _sampling_moments(value: object) -> str:
    return read_choice(value, SAMPLE_MOMENTS, "such time for samples:")


def _share_of_samples(value: object) -> float:
    return read_share(value, "the users or events")


def _field(value: object) -> object:
    return {"value": value} if isinstance(value, Text) or value is None else value


NonemptyText = Annotated[str, BeforeValidator(read_nonempty)]
Expression = Annotated[str, BeforeValidator(read_expression)]


class LabelDocument(BaseModel):
    """What a classifier foretells: an event that comes, or stays out, within a time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    absent: NonemptyText | None = None
    event: NonemptyText | None = None
    within: Annotated[int, BeforeValidator(read_within)]

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.absent is None) is (self.event is None):
            how = "and has neither" if self.absent is None else "not both"
            message = f"a label has one of absent and event, {how}: {{absent: any, within: 14d}}"
            code = ProblemCode.MISSING_KEY if self.absent is None else ProblemCode.BAD_VALUE
            raise problem(code, message, "absent or event")
        return self


class SampleDocument(BaseModel):
    """When users give samples to a model, and the share of those moments that is taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Annotated[str, BeforeValidator(_sampling_moments)] = SAMPLE_MOMENTS[0]
    share: Annotated[float, BeforeValidator(_share_of_samples)] = 1.0


class FieldDocument(BaseModel):
    """One field of quantiles; in the file it may be the expression alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Expression
    lower_is_better: Annotated[bool | None, BeforeValidator(read_flag)] = None


class ModelDocument(BaseModel):
    """One model; features and fields are the text of expressions, by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Annotated[TitleDocument | None, BeforeValidator(read_title)] = None
    kind: Annotated[str, BeforeValidator(_kind)]
    algorithm: Annotated[str | None, BeforeValidator(_algorithm)] = None
    clusters: Annotated[int, BeforeValidator(_clusters)] = 6
    bins: Annotated[int, BeforeValidator(_bins)] = 5
    margin: Annotated[float, BeforeValidator(_margin)] = 0.1
    features: dict[str, Expression] = {}
    fields: dict[str, Annotated[FieldDocument, BeforeValidator(_field)]] = {}
    label: LabelDocument | None = None
    names: Annotated[dict[int, str], BeforeValidator(_names)] = {}
    sample: SampleDocument = SampleDocument()
