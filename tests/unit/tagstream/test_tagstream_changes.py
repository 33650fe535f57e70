from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tagstream.contracts import (
    CHANGE_KINDS,
    ClusterChanged,
    LevelChanged,
    OtherChange,
    SegmentEntered,
    SegmentExited,
    change_headers,
    encode_change,
    parse_change,
)
from tagstream.contracts.changes import skim_change
from tagstream.errors import InvalidMessageError
from tests.unit.tagstream.change_messages import cluster_change, level_change, segment_change, unknown_change


def changed(**data: Any) -> bytes:
    """An entry with some of its data set to other values; one set to `...` is taken out."""
    message = json.loads(encode_change(segment_change("ada", 1)))
    message["data"] = {name: value for name, value in {**message["data"], **data}.items() if value is not ...}
    return json.dumps(message).encode()


def test_an_entry_tells_who_what_when_and_why() -> None:
    change = parse_change(encode_change(segment_change("李雷", 4)))
    assert isinstance(change, SegmentEntered)
    assert (change.user, change.segment, change.entered, change.exited) == ("李雷", "vip", True, False)
    assert (change.version, change.incarnation, change.cause) == (4, 7, "event")
    assert change.time == datetime(2026, 11, 22, 8, 30, 0, 125_000, tzinfo=UTC)
    assert change.tags == {"spend_90d": 3120.5, "orders": 4, "gender": "F", "is_new": False, "last_visit": None}
    assert change.record is not None
    assert (change.record.partition, change.record.offset) == (1, 41)
    assert (change.title, change.kind) == ("贵宾 / VIP", "value")


def test_an_exit_tells_how_long_the_user_stayed() -> None:
    change = parse_change(encode_change(segment_change("ada", 5, exited=True)))
    assert isinstance(change, SegmentExited)
    assert (change.entered, change.exited, change.stayed_ms) == (False, True, 90_000)


def test_a_move_between_levels_tells_both() -> None:
    change = parse_change(encode_change(level_change("ada", 6)))
    assert isinstance(change, LevelChanged)
    assert (change.tier, change.from_level, change.to_level) == ("lifecycle", "active", "lost")
    assert (change.name, change.segment, change.entered, change.exited) == ("lifecycle", None, False, False)
    assert json.loads(encode_change(change))["data"]["from"] == "active"
    assert dict(change_headers(change))["segment"] == b"lifecycle"
    assert dict(change_headers(change))["change"] == b"changed"


@pytest.mark.parametrize(("before", "after"), [(None, "new"), ("lost", None)])
def test_there_is_no_level_before_the_first_and_after_the_tier_is_gone(before: str | None, after: str | None) -> None:
    change = parse_change(encode_change(level_change("ada", 6, before=before, after=after)))
    assert isinstance(change, LevelChanged)
    assert (change.from_level, change.to_level) == (before, after)


def test_a_move_between_clusters_tells_both_by_number_and_by_name() -> None:
    change = parse_change(encode_change(cluster_change("ada", 6)))
    assert isinstance(change, ClusterChanged)
    assert (change.model, change.from_cluster, change.to_cluster) == ("behaviour", 2, 3)
    assert (change.from_name, change.to_name) == (None, "Night owls")
    assert (change.name, change.segment, change.tier, change.entered) == ("behaviour", None, None, False)
    assert level_change("ada", 6).model is None
    assert json.loads(encode_change(change))["data"]["to"] == 3
    assert dict(change_headers(change))["segment"] == b"behaviour"
    assert dict(change_headers(change))["change"] == b"changed"


@pytest.mark.parametrize(("before", "after"), [(None, 1), (2, None)])
def test_there_is_no_cluster_before_the_first_and_after_the_model_is_gone(
    before: int | None, after: int | None
) -> None:
    change = parse_change(encode_change(cluster_change("ada", 6, before=before, after=after)))
    assert isinstance(change, ClusterChanged)
    assert (change.from_cluster, change.to_cluster) == (before, after)


@pytest.mark.parametrize("exited", [False, True])
def test_a_change_comes_back_byte_for_byte(exited: bool) -> None:
    value = encode_change(segment_change("李雷", 4, exited=exited))
    assert encode_change(parse_change(value)) == value


def test_a_change_on_the_wire_is_a_cloud_event() -> None:
    assert json.loads(encode_change(segment_change("ada", 1, exited=True))) == {
        "specversion": "1.0",
        "id": "8d8dd60743691188432718a128a12383",
        "source": "/tagstream/shop/1",
        "type": "tagstream.segment.exited",
        "subject": "ada",
        "time": "2026-11-22T08:30:00.125Z",
        "datacontenttype": "application/json",
        "data": {
            "user": "ada",
            "incarnation": 7,
            "version": 1,
            "cause": "event",
            "catalog_version": 3,
            "model_versions": {},
            "tags": {"spend_90d": 3120.5, "orders": 4, "gender": "F", "is_new": False, "last_visit": None},
            "record": {"partition": 1, "offset": 41},
            "segment": "vip",
            "kind": "value",
            "title": "贵宾 / VIP",
            "stayed_ms": 90_000,
        },
    }


def test_the_headers_tell_segment_change_and_cause() -> None:
    assert dict(change_headers(segment_change("ada", 1, exited=True, cause="time"))) == {
        "content-type": b"application/cloudevents+json",
        "segment": b"vip",
        "change": b"exited",
        "cause": b"time",
    }


def test_a_change_of_an_unknown_kind_is_read_as_far_as_all_kinds_agree() -> None:
    change = parse_change(unknown_change("ada", 9).value)
    assert isinstance(change, OtherChange)
    assert (change.type, change.user, change.version, change.segment) == ("tagstream.mood.changed", "ada", 9, None)
    assert (change.entered, change.exited) == (False, False)
    assert change.data.model_extra is not None
    assert change.data.model_extra["title"] == "贵宾 / VIP"


def test_unknown_causes_and_fields_are_borne_with() -> None:
    change = parse_change(changed(cause="weather", forecast={"rain": True}))
    assert change.cause == "weather"
    assert json.loads(encode_change(change))["data"]["forecast"] == {"rain": True}


def test_an_unknown_kind_has_no_headers_here() -> None:
    with pytest.raises(InvalidMessageError, match=r"tagstream\.mood\.changed is of no known kind"):
        change_headers(parse_change(unknown_change("ada", 9).value))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"version": 0}, "data.version: "),
        ({"version": "1"}, "data.version: must be a whole number, not text"),
        ({"version": ...}, "data.version: is missing; it must be there"),
        ({"user": ""}, "data.user: is empty"),
        ({"segment": ...}, "data.segment: is missing; it must be there"),
        ({"record": {"partition": 1}}, "data.record.offset: is missing; it must be there"),
        ({"tags": [1]}, "data.tags: must be an object, not a list"),
    ],
)
def test_what_is_wrong_with_a_change_is_said_with_its_place(data: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidMessageError) as caught:
        parse_change(changed(**data))
    assert str(caught.value.problems[0]).startswith(problem)


@pytest.mark.parametrize("value", [None, b"", b"nope", b"[]", b"{}", b"\xff", b'{"type": 5}', b'{"type": {}}', b'"x"'])
def test_what_is_no_change_is_refused(value: bytes | None) -> None:
    with pytest.raises(InvalidMessageError, match="the message is no change"):
        parse_change(value)
    with pytest.raises(InvalidMessageError, match="the message is no change"):
        skim_change(value)


def test_skimming_reads_the_version_only() -> None:
    assert skim_change(encode_change(segment_change("李雷", 4))) == ("李雷", 7, 4)
    assert skim_change(unknown_change("ada", 9).value) == ("ada", 7, 9)


def test_each_known_kind_is_parsed_as_its_own_class() -> None:
    changes = (
        *(segment_change("ada", 1), segment_change("ada", 2, exited=True)),
        *(level_change("ada", 3), cluster_change("ada", 4)),
    )
    assert [type(parse_change(encode_change(change))) for change in changes] == list(CHANGE_KINDS)
