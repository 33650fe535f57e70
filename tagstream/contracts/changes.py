"""Messages of `segment-changes`: CloudEvents 1.0 in JSON, keyed by the user's UTF-8 bytes.

A new kind of change is one class here (a `Change` with its `type` and its `data`) and its name in `CHANGE_KINDS`.
Readers that are older than a kind get an `OtherChange` for it: user, version, cause and tags are there in every kind.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError

from tagstream.contracts.events import User
from tagstream.contracts.problems import problems_of
from tagstream.contracts.timestamps import Timestamp
from tagstream.errors import InvalidMessageError, Problem

__all__ = [
    "CAUSES",
    "CAUSE_HEADER",
    "CHANGE_HEADER",
    "CHANGE_KINDS",
    "CONTENT_TYPE",
    "CONTENT_TYPE_HEADER",
    "SEGMENT_HEADER",
    "Change",
    "ChangeData",
    "ClusterChanged",
    "ClusterData",
    "LevelChanged",
    "LevelData",
    "OtherChange",
    "RecordPlace",
    "SegmentData",
    "SegmentEntered",
    "SegmentExited",
    "SegmentExitedData",
    "TagValue",
    "change_headers",
    "change_json_schema",
    "encode_change",
    "parse_change",
    "skim_change",
]

CONTENT_TYPE: Final = "application/cloudevents+json"
CONTENT_TYPE_HEADER: Final = "content-type"
SEGMENT_HEADER: Final = "segment"
CHANGE_HEADER: Final = "change"
CAUSE_HEADER: Final = "cause"

CAUSES: Final = ("event", "time", "catalog", "model", "merge", "backfill")
"""Why a change came about. Readers must bear with a cause that is not among these."""

TagValue = bool | int | float | str | None
"""A tag in a message: durations in whole milliseconds, missing is null."""

_MODEL = ConfigDict(extra="allow", frozen=True, strict=True)


class RecordPlace(BaseModel):
    """The record of `events` that brought a change about."""

    model_config = _MODEL

    partition: int = Field(ge=0)
    offset: int = Field(ge=0)


class ChangeData(BaseModel):
    """What the data of every kind of change has."""

    model_config = _MODEL

    user: User
    incarnation: int = Field(ge=0, description="Which life of the user: a user erased and seen again has a new one.")
    version: int = Field(ge=1, description="Grows by one per user and incarnation, over all kinds of change.")
    cause: str = Field(description="Why it came about.", examples=list(CAUSES))
    catalog_version: int = Field(ge=0)
    model_versions: dict[str, int] = Field(description="The versions of the models that the user was evaluated under.")
    tags: dict[str, TagValue] = Field(
        description="The tags that the condition names, at that moment; durations in ms, missing null."
    )
    record: RecordPlace | None = Field(description="The event's place; null unless the cause is an event.")


class SegmentData(ChangeData):
    """Data of a change of one segment."""

    segment: str = Field(min_length=1)
    kind: str = Field(examples=["demographic", "behaviour", "value", "interest", "predictive"])
    title: str


class SegmentExitedData(SegmentData):
    """Data of a user's leaving a segment."""

    stayed_ms: int = Field(ge=0, description="How long the user was a member.")


class LevelData(ChangeData):
    """Data of a user's moving from one level of a tier to another."""

    tier: str = Field(min_length=1)
    kind: str = Field(examples=["demographic", "behaviour", "value", "interest", "predictive"])
    title: str
    from_level: str | None = Field(alias="from", description="The level before; null the first time.")
    to_level: str | None = Field(alias="to", description="The level from now on; null when the tier is gone.")


class ClusterData(ChangeData):
    """Data of a user's moving from one cluster of a model to another. Numbers stay with clusters, names need not."""

    model: str = Field(min_length=1)
    from_cluster: int | None = Field(alias="from", ge=0, description="The cluster before; null if there was none.")
    to_cluster: int | None = Field(
        alias="to", ge=0, description="The cluster from now on; null when the catalog has the model no more, or anew."
    )
    from_name: str | None = Field(description="What somebody has called the cluster; null if nobody has.")
    to_name: str | None = Field(description="What somebody has called the cluster; null if nobody has.")


class Change(BaseModel):
    """A change of one user: the CloudEvents envelope, and shortcuts to what readers ask for most.

    Ask `change.entered` and `change.exited`, each: a change that is not the one need not be the other.
    """

    model_config = _MODEL

    specversion: Literal["1.0"]
    id: str = Field(min_length=1, description="The same however often the change is sent.")
    source: str = Field(min_length=1, examples=["/tagstream/tagstream/3"])
    type: str = Field(min_length=1)
    subject: User = Field(description="The user.")
    time: Timestamp = Field(description="When the change took effect, to the millisecond; not when it was noticed.")
    datacontenttype: Literal["application/json"]
    data: ChangeData

    @property
    def user(self) -> str:
        """Whose change it is."""
        return self.data.user

    @property
    def incarnation(self) -> int:
        """Which life of the user."""
        return self.data.incarnation

    @property
    def version(self) -> int:
        """Number of the change within the user's incarnation, over all kinds of change."""
        return self.data.version

    @property
    def cause(self) -> str:
        """One of `CAUSES`, or a later one."""
        return self.data.cause

    @property
    def tags(self) -> dict[str, TagValue]:
        """The tags that the condition names, with their values at the moment of the change."""
        return self.data.tags

    @property
    def record(self) -> RecordPlace | None:
        """The event's place in `events`, where an event was the cause."""
        return self.data.record

    @property
    def name(self) -> str | None:
        """The name of what changed, a segment's, a tier's or a model's; None in an `OtherChange`."""
        return None

    @property
    def segment(self) -> str | None:
        """The segment's name; None in a change that is not of a segment."""
        return None

    @property
    def tier(self) -> str | None:
        """The tier's name; None in a change that is not of a tier."""
        return None

    @property
    def model(self) -> str | None:
        """The model's name; None in a change that is not of a cluster."""
        return None

    @property
    def entered(self) -> bool:
        """True if the user entered `segment`."""
        return False

    @property
    def exited(self) -> bool:
        """True if the user left `segment`."""
        return False


class _SegmentChange(Change):
    data: SegmentData

    @property
    def name(self) -> str:
        """The segment's name."""
        return self.data.segment

    @property
    def segment(self) -> str:
        """The segment's name."""
        return self.data.segment

    @property
    def title(self) -> str:
        """The segment's title, for people."""
        return self.data.title

    @property
    def kind(self) -> str:
        """The segment's kind: demographic, behaviour, value, interest or predictive."""
        return self.data.kind


class SegmentEntered(_SegmentChange):
    """A user entered a segment."""

    type: Literal["tagstream.segment.entered"]

    @property
    def entered(self) -> bool:
        """True."""
        return True


class SegmentExited(_SegmentChange):
    """A user left a segment."""

    type: Literal["tagstream.segment.exited"]
    data: SegmentExitedData

    @property
    def exited(self) -> bool:
        """True."""
        return True

    @property
    def stayed_ms(self) -> int:
        """How long the user was a member, in milliseconds."""
        return self.data.stayed_ms


class LevelChanged(Change):
    """A user moved from one level of a tier to another."""

    type: Literal["tagstream.level.changed"]
    data: LevelData

    @property
    def name(self) -> str:
        """The tier's name."""
        return self.data.tier

    @property
    def tier(self) -> str:
        """The tier's name."""
        return self.data.tier

    @property
    def title(self) -> str:
        """The tier's title, for people."""
        return self.data.title

    @property
    def kind(self) -> str:
        """The tier's kind: demographic, behaviour, value, interest or predictive."""
        return self.data.kind

    @property
    def from_level(self) -> str | None:
        """The level before; None the first time."""
        return self.data.from_level

    @property
    def to_level(self) -> str | None:
        """The level from now on; None when the catalog has the tier no more."""
        return self.data.to_level


class ClusterChanged(Change):
    """A user moved from one cluster of a model to another."""

    type: Literal["tagstream.cluster.changed"]
    data: ClusterData

    @property
    def name(self) -> str:
        """The model's name."""
        return self.data.model

    @property
    def model(self) -> str:
        """The model's name."""
        return self.data.model

    @property
    def from_cluster(self) -> int | None:
        """The number of the cluster before; None if there was none."""
        return self.data.from_cluster

    @property
    def to_cluster(self) -> int | None:
        """The number of the cluster from now on; None when the catalog has the model no more, or anew."""
        return self.data.to_cluster

    @property
    def from_name(self) -> str | None:
        """What somebody has called the cluster before; None if nobody has."""
        return self.data.from_name

    @property
    def to_name(self) -> str | None:
        """What somebody has called the cluster from now on; None if nobody has."""
        return self.data.to_name


class OtherChange(Change):
    """A change of a kind that this version of `tagstream` does not know; `data` has its fields all the same."""


CHANGE_KINDS: Final[tuple[type[Change], ...]] = (SegmentEntered, SegmentExited, LevelChanged, ClusterChanged)
"""Every kind of change that is known, by its class."""

_OTHER: Final = "other"
_CHANGE_NAMES: Final = {
    "tagstream.segment.entered": "entered",
    "tagstream.segment.exited": "exited",
    "tagstream.level.changed": "changed",
    "tagstream.cluster.changed": "changed",
}


def _type_of(kind: type[Change]) -> str:
    name: str = get_args(kind.model_fields["type"].annotation)[0]
    return name


_TYPES: Final = frozenset(_type_of(kind) for kind in CHANGE_KINDS)


def _tag_of(value: Any) -> str:
    name = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return name if isinstance(name, str) and name in _TYPES else _OTHER


@cache
def _adapter() -> TypeAdapter[Change]:
    members: Any = Annotated[OtherChange, Tag(_OTHER)]
    for kind in CHANGE_KINDS:
        members |= Annotated[kind, Tag(_type_of(kind))]
    return TypeAdapter(Annotated[members, Discriminator(_tag_of)])


@cache
def _known_kinds() -> TypeAdapter[Change]:
    members: Any = CHANGE_KINDS[0]
    for kind in CHANGE_KINDS[1:]:
        members |= kind
    return TypeAdapter(Annotated[members, Field(discriminator="type")])


class _SkimmedData(BaseModel):
    model_config = ConfigDict(strict=True)

    user: User
    incarnation: int = Field(ge=0)
    version: int = Field(ge=1)


class _Skimmed(BaseModel):
    model_config = ConfigDict(strict=True)

    data: _SkimmedData


def _no_change(error: ValidationError) -> InvalidMessageError:
    return InvalidMessageError("the message is no change", problems_of(error, tags=(*_TYPES, _OTHER)))


def parse_change(value: bytes | None) -> Change:
    """A record's value as a change, of a known kind or an `OtherChange`. Raises `InvalidMessageError`."""
    try:
        return _adapter().validate_json(b"" if value is None else value)
    except ValidationError as error:
        raise _no_change(error) from error


def skim_change(value: bytes | None) -> tuple[str, int, int]:
    """User, incarnation and version of a change of any kind, the rest unread. Raises `InvalidMessageError`."""
    try:
        data = _Skimmed.model_validate_json(b"" if value is None else value).data
    except ValidationError as error:
        raise _no_change(error) from error
    return data.user, data.incarnation, data.version


def encode_change(change: Change) -> bytes:
    """The bytes of a change: compact UTF-8 JSON, the fields in the order of the models."""
    return change.model_dump_json(by_alias=True).encode()


def change_headers(change: Change) -> tuple[tuple[str, bytes], ...]:
    """Kafka headers of a change, for readers that choose without parsing; `segment` has a tier's or model's name too.

    Raises `InvalidMessageError` for a change of an unknown kind.
    """
    if change.name is None:
        problem = Problem("type", f"{change.type} is of no known kind, so its headers are not known either")
        raise InvalidMessageError("the change has no headers", (problem,))
    return (
        (CONTENT_TYPE_HEADER, CONTENT_TYPE.encode()),
        (SEGMENT_HEADER, change.name.encode()),
        (CHANGE_HEADER, _CHANGE_NAMES[change.type].encode()),
        (CAUSE_HEADER, change.cause.encode()),
    )


def change_json_schema() -> dict[str, Any]:
    """JSON Schema of a change of a known kind, as it is on the wire."""
    return _known_kinds().json_schema(by_alias=True)
