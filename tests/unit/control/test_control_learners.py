from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rules.catalog import parse_catalog
from rules.models import fits
from stream.clock import ManualClock
from stream.control.learners import Learners, Remembered
from stream.control.pace import Pace
from stream.control.publications import NewSnapshot, Publication, SavedState, SwitchAgain
from stream.control.reports import LearningReport, ModelReport, SamplesReport, encode_report, parse_report
from stream.learning import Refusal, check_snapshot
from stream.learning.clusters import ClusterLearner
from tests.unit.control.control_shop import CATALOG, PlainMemory, catalog, labels, moments, snapshots

NOW_MS = 1_000_000_000_000
PACE = Pace(snapshot_samples=2_000, snapshot_every_s=600.0, state_every_s=300.0)


def learners(memory: PlainMemory | None = None, clock: ManualClock | None = None, pace: Pace = PACE) -> Learners:
    return Learners(memory or PlainMemory(catalog()), clock or ManualClock(NOW_MS), pace)


def test_a_first_snapshot_comes_after_a_thousand_samples_and_further_ones_as_often_as_set() -> None:
    at_work = learners()
    found = [snapshots(at_work.learn(moments("behaviour", 500, start=500 * turn))) for turn in range(10)]
    assert [len(each) for each in found] == [0, 1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert [each["version"] for part in found for each in part] == [1, 2, 3]


def test_a_snapshot_is_sound_fits_its_catalog_and_comes_before_its_report() -> None:
    found = learners().learn(moments("behaviour", 1_000))
    assert [type(each) for each in found] == [NewSnapshot, ModelReport]
    snapshot = snapshots(found)[0]
    check_snapshot(snapshot)
    assert fits(snapshot, catalog())
    report = found[1]
    assert isinstance(report, ModelReport)
    assert (report.version, report.accepted, report.code, report.samples) == (1, True, "published", 1_000)
    assert report.quality["silhouette"] > 0.5
    assert report.quality["moved"] == 0.0


def test_snapshots_do_not_depend_on_how_records_are_batched() -> None:
    values = moments("behaviour", 5_000)
    whole, parts = learners(), learners()
    cut = [each for start in range(0, 5_000, 333) for each in parts.learn(values[start : start + 333])]
    assert snapshots(whole.learn(values)) == snapshots(cut)


def test_time_brings_a_snapshot_of_what_has_come_and_none_of_what_has_not() -> None:
    clock = ManualClock(NOW_MS)
    at_work = learners(clock=clock)
    at_work.learn(moments("rfm", 400))
    assert at_work.tick() == []
    clock.advance_ms(600_000)
    assert [each["model"] for each in snapshots(at_work.tick())] == ["rfm"]
    clock.advance_ms(600_000)
    assert snapshots(at_work.tick()) == []


def test_too_few_samples_are_said_once_in_a_while() -> None:
    clock = ManualClock(NOW_MS)
    at_work = learners(clock=clock, pace=Pace(snapshot_samples=10, snapshot_every_s=600.0))
    found = [each for turn in range(4) for each in at_work.learn(moments("behaviour", 10, start=10 * turn))]
    assert [each.code for each in found if isinstance(each, ModelReport)] == ["waiting"]
    assert isinstance(found[0], ModelReport)
    assert (found[0].version, found[0].accepted) == (None, False)
    assert "users have been sampled" in found[0].reason


def test_a_bad_sample_is_counted_with_its_reason_and_passed_over() -> None:
    clock = ManualClock(NOW_MS)
    at_work = learners(clock=clock)
    good = moments("rfm", 3)
    other = moments("nothing", 2)
    wide = json.dumps(json.loads(good[0]) | {"values": [1, 2, 3]}).encode()
    newer = moments("rfm", 1, version=9)
    at_work.learn([b"nonsense", None, *good, *other, wide, *newer, b'{"why": "label"}'])
    assert at_work.models == {"rfm": 3}
    clock.advance_ms(10_000)
    reports = {each.model: each for each in at_work.tick() if isinstance(each, SamplesReport)}
    assert {name: dict(each.passed_over) for name, each in reports.items()} == {
        "": {"unreadable": 3},
        "nothing": {"unknown_model": 2},
        "rfm": {"wrong_width": 1, "unknown_catalog": 1},
    }
    assert reports[""].last == "label: expected true or false, found null"
    clock.advance_ms(10_000)
    assert at_work.tick() == []


def test_a_newer_catalog_that_declares_the_same_keeps_the_learner() -> None:
    memory = PlainMemory(catalog(), catalog(2, names="{1: Many}"))
    at_work = learners(memory)
    memory.keep(at_work.learn(moments("behaviour", 1_000)))
    found = at_work.learn(moments("behaviour", 2_000, version=2, start=1_000))
    snapshot = snapshots(found)[0]
    assert at_work.models == {"behaviour": 3_000}
    assert (snapshot["version"], snapshot["catalog_version"], snapshot["samples"]) == (2, 2, 3_000)
    assert {each["id"]: each["name"] for each in snapshot["clusters"]}[1] == "Many"


def test_samples_under_an_older_catalog_that_declared_the_same_are_learned_too() -> None:
    memory = PlainMemory(catalog(), catalog(2))
    at_work = learners(memory)
    at_work.learn([*moments("behaviour", 10, version=2), *moments("behaviour", 10, version=1, start=10)])
    assert at_work.models == {"behaviour": 20}


def test_another_declaration_begins_anew_with_numbers_that_go_on() -> None:
    memory = PlainMemory(catalog(), catalog(2, clusters=2))
    at_work = learners(memory)
    first = at_work.learn(moments("behaviour", 1_000))
    memory.keep(first)
    late = moments("behaviour", 5, version=1, start=9_000)
    second = at_work.learn([*moments("behaviour", 1_000, version=2), *late])
    before, after = snapshots(first)[0], snapshots(second)[0]
    assert (after["version"], after["samples"]) == (2, 1_000)
    assert before["fingerprint"] != after["fingerprint"]
    assert {each["id"] for each in before["clusters"]} == {1, 2, 3}
    assert {each["id"] for each in after["clusters"]} == {4, 5}
    assert not [each for each in second if isinstance(each, SwitchAgain)]
    released = [each for each in at_work.release() if isinstance(each, SamplesReport)]
    assert [dict(each.passed_over) for each in released] == [{"declared_otherwise": 5}]


def test_a_restart_goes_on_as_if_nothing_had_happened_and_switches_again() -> None:
    memory, values = PlainMemory(catalog()), moments("behaviour", 6_000)
    unbroken = learners().learn(values)
    first = learners(memory)
    found = first.learn(values[:3_000])
    saved = first.release()
    assert [type(each) for each in saved] == [SavedState]
    memory.keep([*found, *json_round(saved)])
    again = learners(memory).learn(values[3_000:])
    assert again[0] == SwitchAgain("behaviour", 2)
    # The count to the next snapshot begins anew; what is learned does not.
    assert [each["samples"] for each in snapshots(again)] == [5_000]
    assert snapshots(again)[0]["clusters"] == snapshots(unbroken)[2]["clusters"]
    assert snapshots(again)[0]["version"] == 3


def json_round(publications: list[Publication]) -> list[SavedState]:
    return [
        replace(each, state=json.loads(json.dumps(each.state, allow_nan=False)))
        for each in publications
        if isinstance(each, SavedState)
    ]


def test_a_state_that_does_not_hold_together_is_reported_and_learning_begins_anew() -> None:
    memory = PlainMemory(catalog())
    first = learners(memory)
    memory.keep(first.learn(moments("behaviour", 1_000)))
    saved = json_round(first.release())[0]
    kept = memory.kept["behaviour"]
    memory.kept["behaviour"] = replace(kept, state=dict(saved.state) | {"learned": {}})
    found = learners(memory).learn(moments("behaviour", 2_000, start=5_000))
    assert isinstance(found[0], ModelReport)
    assert (found[0].code, found[0].accepted) == ("unsound", False)
    assert [each["version"] for each in snapshots(found)] == [2]


def test_a_published_version_that_can_not_be_read_still_has_its_number() -> None:
    memory = PlainMemory(catalog())
    memory.kept["behaviour"] = Remembered(last_version=7)
    found = learners(memory).learn(moments("behaviour", 1_000))
    assert [each["version"] for each in snapshots(found)] == [8]
    assert not [each for each in found if isinstance(each, SwitchAgain)]


def test_a_snapshot_that_is_refused_is_reported_in_words_and_not_published(monkeypatch: pytest.MonkeyPatch) -> None:
    at_work = learners()
    first = snapshots(at_work.learn(moments("behaviour", 1_000)))[0]
    worse = first | {"version": 2, "accepted": False}
    refusal = Refusal("behaviour", "worse", "It is worse than the published one, which stays.", {"auc": 0.5}, worse)
    monkeypatch.setattr(ClusterLearner, "snapshot", lambda *_: refusal)
    found = at_work.learn(moments("behaviour", 2_000, start=1_000))
    assert [type(each) for each in found] == [ModelReport]
    assert isinstance(found[0], ModelReport)
    assert (found[0].version, found[0].accepted, found[0].code) == (2, False, "worse")
    assert (found[0].reason, found[0].quality) == (refusal.reason, {"auc": 0.5})


def test_a_classifier_is_reported_with_its_quality_and_the_rules_it_must_beat() -> None:
    found = learners().learn(labels(2_500))
    first, second, *_ = [each.quality for each in found if isinstance(each, ModelReport) and each.accepted]
    assert "auc" not in first  # nothing was foretold yet
    assert {"auc", "log_loss", "accuracy", "calibration_error", "base_rate", "last_value"} <= second.keys()
    assert second["auc"] > 0.75


def test_reports_are_read_as_they_were_written() -> None:
    for each in learners().learn(moments("rfm", 1_000)):
        if isinstance(each, ModelReport):
            assert parse_report(encode_report(each)) == each
    assert parse_report(b'{"kind": "another"}') is None
    assert parse_report(b"[]") is None
    assert parse_report(b"\xff") is None


def test_states_are_saved_now_and_then() -> None:
    clock = ManualClock(NOW_MS)
    at_work = learners(clock=clock)
    at_work.learn(moments("rfm", 100))
    clock.advance_ms(299_000)
    assert [each for each in at_work.tick() if isinstance(each, SavedState)] == []
    clock.advance_ms(1_000)
    assert [each.model for each in at_work.tick() if isinstance(each, SavedState)] == ["rfm"]
    clock.advance_ms(300_000)
    assert [each for each in at_work.tick() if isinstance(each, SavedState)] == []


def test_a_snapshot_waits_until_the_last_switch_is_done_and_nothing_is_forgotten_meanwhile() -> None:
    may_switch = False
    at_work = Learners(PlainMemory(catalog()), ManualClock(NOW_MS), PACE, lambda: may_switch)
    assert snapshots(at_work.learn(moments("behaviour", 1_500))) == []
    assert snapshots(at_work.tick()) == []
    may_switch = True
    (snapshot,) = snapshots(at_work.tick())
    assert (snapshot["version"], snapshot["samples"]) == (1, 1_500)
    assert snapshots(at_work.tick()) == []


def test_a_sample_of_a_time_to_come_is_passed_over_and_counted() -> None:
    clock = ManualClock(NOW_MS)
    at_work = learners(clock=clock)
    (far,) = moments("rfm", 1)
    record = json.loads(far) | {"at": NOW_MS + 2 * 3_600_000}
    assert at_work.learn([json.dumps(record).encode()]) == []
    clock.advance_ms(10_000)
    (report,) = at_work.tick()
    assert isinstance(report, SamplesReport)
    assert (report.model, report.passed_over) == ("rfm", {"too_far_ahead": 1})


def test_a_snapshot_that_is_refused_gives_its_turn_to_the_next_model(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []
    at_work = Learners(
        PlainMemory(catalog()),
        ManualClock(NOW_MS),
        PACE,
        lambda: not turns.append("asked"),  # type: ignore[func-returns-value]  # it is for the list
        lambda: turns.append("given back"),
    )
    monkeypatch.setattr(ClusterLearner, "snapshot", lambda *_: Refusal("behaviour", "worse", "It is worse."))
    at_work.learn(moments("behaviour", 1_000))
    assert turns == ["asked", "given back"]
    at_work.learn(moments("rfm", 1_000))
    assert turns == ["asked", "given back", "asked"]


def test_how_far_a_model_is_is_told_until_it_has_a_snapshot() -> None:
    clock = ManualClock(NOW_MS)
    at_work = learners(clock=clock)

    def told() -> list[tuple[str, int, int]]:
        clock.advance_ms(10_000)
        found = [each for each in at_work.tick() if isinstance(each, LearningReport)]
        assert all(parse_report(encode_report(each)) == each for each in found)
        return [(each.model, each.samples, each.wanted) for each in found]

    at_work.learn([*moments("behaviour", 312), *moments("rfm", 20)])
    assert told() == [("behaviour", 312, 1_000), ("rfm", 20, 1_000)]
    assert told() == []
    at_work.learn(moments("rfm", 30, start=20))
    assert told() == [("rfm", 50, 1_000)]
    at_work.learn([*moments("behaviour", 700, start=312), *moments("rfm", 5, start=50)])
    assert [(each.model, each.samples) for each in at_work.release() if isinstance(each, LearningReport)] == [
        ("rfm", 55)
    ]


def test_of_quantiles_that_sample_at_events_values_are_counted_and_no_users() -> None:
    text = CATALOG.replace("kind: quantiles\n", "kind: quantiles\n    sample: {{at: events, share: 1.0}}\n")
    at_events = parse_catalog(text.format(version=1, clusters=3, names="{}"))
    (snapshot,) = snapshots(learners(PlainMemory(at_events)).learn(moments("rfm", 1_000)))
    assert snapshot["quality"] == {"values": [1_000, 1_000]}
    (snapshot,) = snapshots(learners().learn(moments("rfm", 1_000)))
    assert snapshot["quality"] == {"users": 1_000, "values": [1_000, 1_000]}
