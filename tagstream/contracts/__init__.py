"""The messages: one file a topic, and the only place where their shapes are defined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tagstream.contracts.catalogs import (
    AppliedCatalog,
    applied_catalog_json_schema,
    encode_applied_catalog,
    parse_applied_catalog,
)
from tagstream.contracts.changes import (
    CAUSES,
    CHANGE_KINDS,
    Change,
    ChangeData,
    ClusterChanged,
    ClusterData,
    LevelChanged,
    LevelData,
    OtherChange,
    RecordPlace,
    SegmentData,
    SegmentEntered,
    SegmentExited,
    SegmentExitedData,
    change_headers,
    change_json_schema,
    encode_change,
    parse_change,
)
from tagstream.contracts.deadletters import (
    MAX_ORIGINAL_BYTES,
    REASONS,
    DeadLetter,
    build_dead_letter,
    dead_letter_headers,
    dead_letter_json_schema,
    encode_dead_letter,
    parse_dead_letter,
)
from tagstream.contracts.events import (
    EVENT_TYPES,
    MAX_EVENT_BYTES,
    MAX_USER_BYTES,
    Alias,
    Event,
    Group,
    Identify,
    Page,
    Screen,
    Track,
    encode_event,
    event_json_schema,
    parse_event,
)
from tagstream.contracts.positions import Position
from tagstream.topics import CATALOG, EVENTS, EVENTS_DLQ, SEGMENT_CHANGES

__all__ = [
    "CAUSES",
    "CHANGE_KINDS",
    "EVENT_TYPES",
    "JSON_SCHEMAS",
    "MAX_EVENT_BYTES",
    "MAX_ORIGINAL_BYTES",
    "MAX_USER_BYTES",
    "REASONS",
    "Alias",
    "AppliedCatalog",
    "Change",
    "ChangeData",
    "ClusterChanged",
    "ClusterData",
    "DeadLetter",
    "Event",
    "Group",
    "Identify",
    "LevelChanged",
    "LevelData",
    "OtherChange",
    "Page",
    "Position",
    "RecordPlace",
    "Screen",
    "SegmentData",
    "SegmentEntered",
    "SegmentExited",
    "SegmentExitedData",
    "Track",
    "applied_catalog_json_schema",
    "build_dead_letter",
    "change_headers",
    "change_json_schema",
    "dead_letter_headers",
    "dead_letter_json_schema",
    "encode_applied_catalog",
    "encode_change",
    "encode_dead_letter",
    "encode_event",
    "event_json_schema",
    "parse_applied_catalog",
    "parse_change",
    "parse_dead_letter",
    "parse_event",
]

JSON_SCHEMAS: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    EVENTS: event_json_schema,
    SEGMENT_CHANGES: change_json_schema,
    EVENTS_DLQ: dead_letter_json_schema,
    CATALOG: applied_catalog_json_schema,
}
"""By kind of topic: what gives the JSON Schema of its messages."""
