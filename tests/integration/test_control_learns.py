"""`tagstream control` on the embedded stack: samples in; snapshots, switches, reports and states out."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from rules.models import fits
from stream.compacted import publish_record, read_topic
from stream.control.history import read_reports
from stream.control.memory import read_state
from stream.control.reports import ModelReport
from stream.embedded import Stack
from stream.learning import check_snapshot
from stream.settings import Settings
from stream.switches import read_switch
from tests.integration.control_runs import eventually, opened_shop, published_models, running_control, sent_samples
from tests.unit.control.control_shop import catalog, labels, moments

pytestmark = pytest.mark.timeout(240)


def switches(settings: Settings, stack: Stack) -> list[tuple[int, str | None, int]]:
    """Partition, model and version of all switch records."""
    found: list[tuple[int, str | None, int]] = []

    def add(message: Message) -> None:
        switch = read_switch(message, settings.app)
        if switch is not None:
            found.append((message.partition() or 0, switch.model, switch.version))

    read_topic(stack.addresses, settings.events_topic, "test", add)
    return sorted(found)


def test_samples_become_snapshots_switches_and_reports_and_a_restart_goes_on(
    stack: Stack, settings: Settings, tmp_path: Path
) -> None:
    opened_shop(settings, stack.addresses, catalog())
    sent_samples(settings, stack.addresses, "behaviour", [b"nonsense", *moments("behaviour", 1_500)])
    sent_samples(settings, stack.addresses, "rfm", moments("rfm", 1_200))
    sent_samples(settings, stack.addresses, "churn", labels(800))
    folder = tmp_path / "empty"
    with running_control(settings, folder, TAGSTREAM_SNAPSHOT_SAMPLES="2000") as process:

        def learned() -> bool:
            assert process.poll() is None, (folder / "control.err").read_text()
            published = published_models(settings, stack.addresses)
            return all(published.newest(name) for name in ("behaviour", "rfm", "churn"))

        eventually(learned, "a snapshot of each model")
        eventually(lambda: read_reports(settings, stack.addresses).get(""), "the bad sample's report")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, (folder / "control.err").read_text()
    assert [each.name for each in folder.iterdir()] == ["control.err"]
    published = published_models(settings, stack.addresses)
    for name in ("behaviour", "rfm", "churn"):
        snapshot = published.record(name, 1)
        check_snapshot(snapshot)
        assert fits(snapshot, catalog())
    found = switches(settings, stack)
    assert found == [(each, name, 1) for each in range(4) for name in ("behaviour", "churn", "rfm")]
    reports = read_reports(settings, stack.addresses)
    accepted = [each for each in reports["behaviour"] if isinstance(each, ModelReport) and each.accepted]
    assert [each.version for each in accepted] == [1]
    assert 1_000 <= accepted[0].samples <= 1_500  # one model's switch waits for another's
    states = {name: read_state(settings, stack.addresses, name) for name in ("behaviour", "rfm", "churn")}
    assert [None if each is None else each["learned"]["samples"] for each in states.values()] == [1_500, 1_200, 1_600]

    sent_samples(settings, stack.addresses, "behaviour", moments("behaviour", 2_000, 2, start=1_500))
    with running_control(settings, folder, TAGSTREAM_SNAPSHOT_SAMPLES="2000") as process:
        eventually(lambda: published_models(settings, stack.addresses).newest("behaviour") == 2, "the next snapshot")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    snapshot = published_models(settings, stack.addresses).record("behaviour", 2)
    assert snapshot["samples"] == 3_500
    assert snapshot["births"] == []


def test_without_its_topics_control_says_what_to_do_and_leaves_with_2(
    stack: Stack, settings: Settings, tmp_path: Path
) -> None:
    del stack
    with running_control(settings, tmp_path) as process:
        assert process.wait(60) == 2
    said = (tmp_path / "control.err").read_text()
    assert "The topic is not there." in said
    assert "tagstream topics create" in said
    assert "Traceback" not in said


def test_a_crash_while_learning_ends_the_process_with_a_sentence_and_1(
    stack: Stack, settings: Settings, tmp_path: Path
) -> None:
    opened_shop(settings, stack.addresses, catalog())
    sent_samples(settings, stack.addresses, "rfm", moments("rfm", 500))
    crash = (
        "import sys; from stream.learning.clusters import ClusterLearner; from stream.cli import main\n"
        "def learn(*_): raise RuntimeError('the centre is outside')\n"
        "ClusterLearner.learn = learn; sys.argv = ['tagstream', 'control']; main()"
    )
    with running_control(settings, tmp_path, command=(sys.executable, "-c", crash)) as process:
        eventually(lambda: committed(settings, stack) == 500, "the first samples to be learned")
        sent_samples(settings, stack.addresses, "behaviour", moments("behaviour", 10))
        assert process.wait(60) == 1
    said = (tmp_path / "control.err").read_text()
    assert "The control process failed: RuntimeError: the centre is outside." in said
    assert "Traceback" not in said
    # The model that was at work may have half a batch in it; what the other had learned is not lost.
    state = read_state(settings, stack.addresses, "rfm")
    assert state is not None
    assert state["learned"]["samples"] == 500
    assert read_state(settings, stack.addresses, "behaviour") is None


def test_a_catalog_that_can_not_be_read_ends_the_process_with_a_sentence(
    stack: Stack, settings: Settings, tmp_path: Path
) -> None:
    opened_shop(settings, stack.addresses, catalog())
    with running_control(settings, tmp_path) as process:
        # Waiting would not mend it.
        _publish_nonsense(settings, stack)
        sent_samples(settings, stack.addresses, "behaviour", moments("behaviour", 10, version=2))
        assert process.wait(60) == 2
    said = (tmp_path / "control.err").read_text()
    assert "can't be read" in said
    assert "Traceback" not in said


def _publish_nonsense(settings: Settings, stack: Stack) -> None:
    record: dict[str, Any] = {"nonsense": True}
    publish_record(stack.addresses, settings.catalog_topic, "test", b"shop@2", json.dumps(record).encode(), 0)


def test_the_group_reads_on_after_what_it_has_read(stack: Stack, settings: Settings, tmp_path: Path) -> None:
    opened_shop(settings, stack.addresses, catalog())
    sent_samples(settings, stack.addresses, "rfm", moments("rfm", 1_000))
    with running_control(settings, tmp_path) as process:
        eventually(lambda: published_models(settings, stack.addresses).newest("rfm"), "a snapshot")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert committed(settings, stack) == 1_000


def test_when_a_second_process_comes_and_the_first_dies_nothing_learned_is_lost(
    stack: Stack, settings: Settings, tmp_path: Path
) -> None:
    opened_shop(settings, stack.addresses, catalog())
    sent_samples(settings, stack.addresses, "rfm", moments("rfm", 500))
    few = {"TAGSTREAM_SNAPSHOT_SAMPLES": "600"}

    def released() -> bool:
        state = read_state(settings, stack.addresses, "rfm")
        return state is not None and state["learned"]["samples"] == 500

    with running_control(settings, tmp_path / "first", **few) as first:
        eventually(lambda: committed(settings, stack) == 500, "the first to learn")
        with running_control(settings, tmp_path / "second", **few):
            eventually(released, "the first to give its state away")
            first.kill()
            sent_samples(settings, stack.addresses, "rfm", moments("rfm", 600, 2, start=500))
            eventually(lambda: published_models(settings, stack.addresses).newest("rfm"), "the second's snapshot")
    assert published_models(settings, stack.addresses).record("rfm", 1)["samples"] == 1_100


def committed(settings: Settings, stack: Stack) -> int:
    """How many records of samples the group has read."""
    consumer: Any = Consumer({"bootstrap.servers": stack.addresses.kafka, "group.id": f"{settings.app}.control"})
    try:
        asked = [TopicPartition(settings.profile_samples_topic, each) for each in range(4)]
        return sum(max(each.offset, 0) for each in consumer.committed(asked, 10))
    finally:
        consumer.close()
