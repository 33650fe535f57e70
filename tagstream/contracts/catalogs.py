"""Messages of `catalog`: every catalog that was ever applied, its text as it was written, in JSON.

The topic is compacted and the key names catalog and version, so the text of each version stays. A version is written
once and never again with another text.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tagstream.contracts.problems import problems_of
from tagstream.contracts.timestamps import Timestamp
from tagstream.errors import InvalidMessageError

__all__ = [
    "CATALOG_FORMAT",
    "AppliedCatalog",
    "applied_catalog_json_schema",
    "encode_applied_catalog",
    "parse_applied_catalog",
]

CATALOG_FORMAT: Final = 1
"""The format of these messages that this version writes, and the newest that it reads."""


class AppliedCatalog(BaseModel):
    """A catalog that was applied. Whoever reads a `format` above its own must not go on with it."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    format: int = Field(ge=1, description="Of this message; grows when an older reader would misread it.")
    name: str = Field(min_length=1, description="The catalog's name.")
    version: int = Field(ge=1, description="The catalog's version; of one name it only grows.")
    text: str = Field(description="The YAML text.")
    applied_at: Timestamp = Field(description="When it was applied.")
    written_by: str = Field(description="The version of tagstream that wrote the message.")

    @property
    def key(self) -> bytes:
        """The record's key: `retail@3`."""
        return f"{self.name}@{self.version}".encode()


@cache
def _adapter() -> TypeAdapter[AppliedCatalog]:
    return TypeAdapter(AppliedCatalog)


def encode_applied_catalog(applied: AppliedCatalog) -> bytes:
    """The bytes of the message: compact UTF-8 JSON, the fields in the order of the model."""
    return applied.model_dump_json().encode()


def parse_applied_catalog(value: bytes) -> AppliedCatalog:
    """A record's value as an applied catalog. Raises `InvalidMessageError` with everything that is wrong."""
    try:
        return _adapter().validate_json(value)
    except ValidationError as error:
        raise InvalidMessageError("the message is no applied catalog", problems_of(error)) from error


def applied_catalog_json_schema() -> dict[str, Any]:
    """JSON Schema of an applied catalog, as it is on the wire."""
    return _adapter().json_schema(by_alias=True)
