"""What lies on the topic of models: which content of a version counts, and what may be deleted. And who may publish."""

from __future__ import annotations

from threading import Event

import pytest
from confluent_kafka import Message

from stream.clock import ManualClock, SystemClock
from stream.compacted import publish_record, read_topic
from stream.control.gate import SwitchGate
from stream.control.outlet import Outlet, SecondLearnerError
from stream.control.publications import NewSnapshot
from stream.control.sweep import Sweep, unneeded
from stream.embedded import Stack
from stream.models import PublishedModels, publish_snapshot, read_models
from stream.settings import Settings
from stream.topics import ensure_topics
from tests.integration.apply_runs import overview
from tests.integration.model_runs import catalog, publish, worth
from tests.integration.worker_runs import Run, Shop, wait_for

CLOCK = SystemClock()


def records(stack: Stack, settings: Settings) -> list[Message]:
    found: list[Message] = []
    read_topic(stack.addresses, settings.models_topic, "test", found.append)
    return found


def read(settings: Settings, messages: list[Message]) -> PublishedModels:
    models = PublishedModels(settings.models_topic)
    for message in messages:
        models.add(message)
    return models


def test_of_a_version_that_two_have_published_compaction_leaves_the_content_that_counts(
    stack: Stack, settings: Settings
) -> None:
    ensure_topics(settings, stack.addresses)
    one, other = worth(catalog(), (1.0, 2.0)), worth(catalog(), (3.0, 4.0))
    for snapshot in (one, other, one, other):  # each tries again, as if it had not heard of its success
        publish_snapshot(settings, stack.addresses, snapshot, CLOCK)
    found = records(stack, settings)
    kept = {message.key(): message for message in found}  # the last of each key
    compacted = sorted(kept.values(), key=lambda message: message.offset() or 0)
    assert read(settings, found).record("worth", 1) == one
    assert read(settings, compacted).record("worth", 1) == one


def test_who_publishes_a_version_that_is_there_with_another_content_ends_and_switches_nothing(
    stack: Stack, settings: Settings
) -> None:
    ensure_topics(settings, stack.addresses)
    one, other = worth(catalog(), (1.0, 2.0)), worth(catalog(), (3.0, 4.0))
    publish_snapshot(settings, stack.addresses, one, CLOCK)
    outlet = Outlet(settings, stack.addresses, CLOCK, Event(), SwitchGate(settings, stack.addresses, CLOCK))
    with pytest.raises(SecondLearnerError, match="Version 1 of the model worth was published by another"):
        outlet.publish([NewSnapshot(other)])
    switches: list[Message] = []
    read_topic(stack.addresses, settings.events_topic, "test", switches.append)
    assert switches == []
    outlet.publish([NewSnapshot(one)])
    read_topic(stack.addresses, settings.events_topic, "test", switches.append)
    assert len(switches) == settings.partitions


def test_records_as_they_were_written_before_are_read(stack: Stack, settings: Settings) -> None:
    ensure_topics(settings, stack.addresses)
    publish_snapshot(settings, stack.addresses, worth(catalog()), CLOCK)
    (message,) = records(stack, settings)
    publish_record(stack.addresses, settings.models_topic, "test", b"worth@2", message.value(), CLOCK.now_ms())
    assert read_models(settings, stack.addresses).versions("worth") == [1, 2]


def test_snapshots_that_nothing_needs_any_more_are_deleted_and_workers_go_on(stack: Stack, settings: Settings) -> None:
    settings = settings.model_copy(update={"session_timeout_ms": 1_500, "partitions": 2})
    market, given = Shop(settings, stack.addresses), catalog()
    sweep = Sweep(settings, stack.addresses, CLOCK)

    def has_come(version: int) -> bool:
        found = overview(settings, stack.addresses).positions
        return len(found) == 2 and all(each.model_versions == {"worth": version} and not each.walk for each in found)

    with Run(settings, stack.addresses, given) as run:
        market.send([market.track("ann", revenue=5)])
        run.until("events_total", 1)
        for version in (1, 2, 3):
            publish(settings, stack.addresses, worth(given, (5.0, 60.0 + version), version=version))
        wait_for(lambda: has_come(3))
        # The whole log is there: whoever goes through it again meets all switches.
        assert sweep.sweep() == []
        assert read_models(settings, stack.addresses).versions("worth") == [1, 2, 3]
        # Had it been cut behind the third, the first two would be met by nobody.
        models = read_models(settings, stack.addresses)
        standing = overview(settings, stack.addresses).positions
        assert unneeded(models, [], standing) == [("worth", 2), ("worth", 1)]
        assert unneeded(models, [CLOCK.now_ms()], standing) == []  # made within the hour
        sweep.delete(models, [("worth", 2), ("worth", 1)])
        assert read_models(settings, stack.addresses).versions("worth") == [3]
        publish(settings, stack.addresses, worth(given, (5.0, 70.0), version=4))
        wait_for(lambda: has_come(4))
    with Run(settings, stack.addresses, applied=True) as run:
        market.send([market.track("bob", revenue=500)])
        run.until("changes_total{cause=event,change=entered,segment=big}", 1)
        assert run.paused() == {}


def test_a_turn_to_publish_that_was_not_used_is_given_back(stack: Stack, settings: Settings) -> None:
    clock = ManualClock(1_000)
    gate = SwitchGate(settings, stack.addresses, clock)
    assert (gate.may_pass(), gate.may_pass()) == (True, False)
    clock.advance_ms(4_000)
    assert not gate.may_pass()
    gate.unused()
    assert (gate.may_pass(), gate.may_pass()) == (True, False)
    gate.wrote("worth", 1, 4)
    clock.advance_ms(1_000)
    assert not gate.may_pass()
