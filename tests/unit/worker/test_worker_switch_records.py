"""Switch records in the log: what takes effect, what is passed over, and where the batch ends."""

from __future__ import annotations

import pytest
from confluent_kafka import Message

from stream.engine.result import Reject
from stream.switches import SwitchRecord, switch_headers
from stream.worker.errors import PauseError
from stream.worker.intake import Intake, take_in
from tests.unit.worker.worker_builders import message, position, tick


def switch(offset: int, version: int, *, app: str = "app", time_ms: int = 1_000, model: str | None = None) -> Message:
    return message(offset, time_ms, None, headers=list(switch_headers(app, version, model)))


def taken(
    *messages: Message,
    version: int = 1,
    models: dict[str, int] | None = None,
    waiting: dict[str, int] | None = None,
    stops: bool = True,
) -> Intake:
    at = position(catalog_version=version, model_versions=models or {}, models_waiting=waiting or {})
    return take_in(messages, at, app="app", grace_ms=0, now_ms=10_000_000, stops=stops)


def test_a_batch_ends_before_a_switch_to_a_newer_version() -> None:
    intake = taken(message(4), tick(5, 2_000), switch(6, 2, time_ms=3_000), message(7))
    assert intake.records.offsets.tolist() == [4]
    assert (len(intake.messages), intake.switch) == (2, SwitchRecord(2, 6, 3_000))
    assert intake.progress(position(), 1).next_offset == 6


def test_a_switch_that_comes_first_is_all_that_is_taken() -> None:
    intake = taken(switch(6, 2), message(7))
    assert (len(intake.messages), len(intake.records)) == (0, 0)
    assert intake.switch == SwitchRecord(2, 6, 1_000)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_switch_that_is_not_newer_is_passed_over_like_a_tick(version: int) -> None:
    intake = taken(message(4), switch(5, version, time_ms=9_000), message(6), version=3)
    assert (intake.records.offsets.tolist(), intake.switch) == ([4, 6], None)
    assert intake.records.watermark_ms.tolist() == [1_000, 9_000]


def test_a_switch_of_another_app_on_the_same_events_is_passed_over() -> None:
    intake = taken(switch(4, 2, app="other"), message(5))
    assert (intake.records.offsets.tolist(), intake.switch) == ([5], None)


def test_of_two_switches_the_first_ends_the_batch() -> None:
    intake = taken(message(1), switch(2, 2), switch(3, 3))
    assert intake.switch == SwitchRecord(2, 2, 1_000)


def test_a_batch_ends_before_a_switch_to_a_newer_version_of_a_model() -> None:
    intake = taken(message(4), switch(5, 3, model="churn", time_ms=2_000), message(6), models={"churn": 2, "rfm": 9})
    assert intake.records.offsets.tolist() == [4]
    assert intake.switch == SwitchRecord(3, 5, 2_000, "churn")


@pytest.mark.parametrize(
    ("in_force", "waiting", "version"), [(3, None, 3), (3, None, 2), (None, 4, 4), (3, 4, 4), (3, 5, 2), (3, 7, 4)]
)
def test_a_switch_to_a_model_that_is_known_is_passed_over(
    in_force: int | None, waiting: int | None, version: int
) -> None:
    models = {} if in_force is None else {"churn": in_force}
    waits = {} if waiting is None else {"churn": waiting}
    intake = taken(message(4), switch(5, version, model="churn"), message(6), models=models, waiting=waits)
    assert (intake.records.offsets.tolist(), intake.switch) == ([4, 6], None)


def test_a_switch_to_a_version_above_all_that_came_before_is_looked_at() -> None:
    intake = taken(switch(5, 8, model="churn"), models={"churn": 3}, waiting={"churn": 7})
    assert intake.switch == SwitchRecord(8, 5, 1_000, "churn")


def test_who_reads_the_past_again_passes_all_switches_over() -> None:
    intake = taken(message(1), switch(2, 9), switch(3, 9, model="churn"), message(4), stops=False)
    assert (intake.records.offsets.tolist(), intake.switch) == ([1, 4], None)


def test_an_event_with_the_headers_of_a_switch_is_an_event() -> None:
    event = message(4, headers=list(switch_headers("app", 2)))
    assert taken(event).records.offsets.tolist() == [4]


CATALOG, MODEL = {"tagstream-kind": b"catalog"}, {"tagstream-kind": b"model"}


@pytest.mark.parametrize(
    ("mark", "headers", "fault"),
    [
        (b"switch", {}, "tagstream-app"),
        (b"switch", {"kind": b"catalog", "version": b"999"}, "tagstream-app"),
        (b"switch", {"tagstream-app": None, **CATALOG, "tagstream-version": b"2"}, "tagstream-app"),
        (b"merge", {"tagstream-version": b"2"}, "tagstream-app"),
        (b"switch", {"tagstream-app": b"app", "tagstream-version": b"2"}, "tagstream-kind"),
        (b"switch", {"tagstream-app": b"app", **MODEL, "tagstream-version": b"2"}, "tagstream-model"),
        (b"switch", {"tagstream-app": b"app", **MODEL, "tagstream-model": b"", "tagstream-version": b"2"}, "-model"),
        (b"switch", {"tagstream-app": b"app", **CATALOG}, "tagstream-version"),
        (b"switch", {"tagstream-app": b"app", **CATALOG, "tagstream-version": b"x"}, "tagstream-version"),
        (b"switch", {"tagstream-app": b"app", **CATALOG, "tagstream-version": b"9" * 5_000}, "tagstream-version"),
    ],
)
@pytest.mark.parametrize("stops", [True, False])
def test_a_malformed_control_record_is_a_reject_and_stops_nobody(
    mark: bytes, headers: dict[str, str | bytes | None], fault: str, stops: bool
) -> None:
    junk = message(7, value=None, headers=[("tagstream", mark), *headers.items()])
    intake = taken(message(4), tick(5, 2_000), junk, message(8), stops=stops)
    assert (intake.records.offsets.tolist(), intake.records.values[1], intake.switch) == ([4, 7, 8], None, None)
    found = [Reject(0, "no_user", "none"), Reject(1, "not_json", "no bytes")]  # by the engine
    first, second = intake.rejects(found)
    assert (first, second.index, second.reason) == (found[0], 1, "bad_control")
    assert fault in second.detail


def test_a_malformed_control_record_behind_a_switch_waits_for_its_turn() -> None:
    intake = taken(message(4), switch(5, 2), message(6, value=None, headers=[("tagstream", b"switch")]))
    assert (intake.records.offsets.tolist(), intake.malformed) == ([4], {})


def test_a_switch_of_a_kind_that_is_not_known_stops_the_partition() -> None:
    headers = {"tagstream-app": b"app", "tagstream-kind": b"banner", "tagstream-version": b"2"}
    record = message(7, value=None, headers=[("tagstream", b"switch"), *headers.items()])
    with pytest.raises(PauseError, match=r"offset 7.*'switch of banner'.*upgrade this worker") as caught:
        taken(record)
    assert caught.value.reason == "unknown_control"


def test_a_control_record_of_a_newer_version_for_another_app_is_passed_over() -> None:
    record = message(4, value=None, headers=[("tagstream", b"merge"), ("tagstream-app", b"other")])
    assert taken(record, message(5)).records.offsets.tolist() == [5]
