from __future__ import annotations

import socket
import threading

import pytest

from stream.embedded import Addresses, Stack
from stream.embedded.server import free_ports
from stream.errors import UnavailableError
from stream.settings import Settings
from stream.topics import describe_topics, ensure_topics, planned_topics, verify_topics


def test_missing_topics_are_made_once(stack: Stack, settings: Settings) -> None:
    names = tuple(plan.name for plan in planned_topics(settings))
    assert names == (
        *(settings.events_topic, settings.segment_changes_topic, settings.events_dlq_topic),
        *(settings.catalog_topic, settings.profile_samples_topic, settings.models_topic),
        *(settings.learner_state_topic, settings.ops_metrics_topic),
    )
    assert [finding.topic for finding in verify_topics(settings, stack.addresses)] == list(names)
    assert ensure_topics(settings, stack.addresses) == names
    assert ensure_topics(settings, stack.addresses) == ()
    assert verify_topics(settings, stack.addresses) == ()
    partitions = [state.partitions for state in describe_topics(settings, stack.addresses)]
    assert partitions == [4, 4, 4, 1, 4, 1, 1, 1]


def test_a_missing_topic_is_named_with_the_command_that_makes_it(stack: Stack, settings: Settings) -> None:
    finding = verify_topics(settings, stack.addresses)[0]
    assert (finding.severity, finding.message) == ("error", "The topic is not there.")
    assert finding.remedy == "Run `tagstream topics create`."


def test_where_nothing_listens_a_sentence_names_the_address_at_once(settings: Settings) -> None:
    nowhere = f"127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(UnavailableError, match=f"No Kafka broker answers at {nowhere}"):
        ensure_topics(settings, Addresses(nowhere, "", embedded=False))


def test_where_something_else_listens_the_same_is_said_and_no_thread_is_left(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.admin.BOOTSTRAP_MS", 300)
    before = threading.active_count()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        nowhere = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UnavailableError, match=f"No Kafka broker answers at {nowhere}"):
            ensure_topics(settings, Addresses(nowhere, "", embedded=False))
    assert threading.active_count() == before
