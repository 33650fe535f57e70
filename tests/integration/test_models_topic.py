"""What lies on the topic of models: one content of a version counts, for everybody and at any time."""

from __future__ import annotations

from confluent_kafka import Message

from stream.clock import SystemClock
from stream.compacted import publish_record, read_topic
from stream.embedded import Stack
from stream.models import PublishedModels, publish_snapshot, read_models
from stream.settings import Settings
from stream.topics import ensure_topics
from tests.integration.model_runs import catalog, worth

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


def test_records_as_they_were_written_before_are_read(stack: Stack, settings: Settings) -> None:
    ensure_topics(settings, stack.addresses)
    publish_snapshot(settings, stack.addresses, worth(catalog()), CLOCK)
    (message,) = records(stack, settings)
    publish_record(stack.addresses, settings.models_topic, "test", b"worth@2", message.value(), CLOCK.now_ms())
    assert read_models(settings, stack.addresses).versions("worth") == [1, 2]
