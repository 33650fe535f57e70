from __future__ import annotations

import pytest
from kafka import KafkaAdminClient

from stream.settings import Settings
from stream.topics import describe_topics, ensure_topics, verify_topics
from tests.apache_kafka import ApacheKafka

pytestmark = pytest.mark.kafka


def test_missing_topics_are_made_right_and_a_second_time_nothing_is_done(
    apache_kafka: ApacheKafka, settings: Settings
) -> None:
    addresses = apache_kafka.addresses("")
    made = ensure_topics(settings, addresses)
    assert made == (
        *(settings.events_topic, settings.segment_changes_topic, settings.events_dlq_topic),
        *(settings.catalog_topic, settings.profile_samples_topic, settings.models_topic),
        *(settings.learner_state_topic, settings.ops_metrics_topic),
    )
    assert ensure_topics(settings, addresses) == ()
    assert verify_topics(settings, addresses) == ()
    for state in describe_topics(settings, addresses):
        assert (state.partitions, state.replicas, state.settings) == (state.plan.partitions, 1, state.plan.settings)


def test_a_topic_with_the_wrong_settings_is_left_alone_and_named(apache_kafka: ApacheKafka, settings: Settings) -> None:
    addresses = apache_kafka.addresses("")
    wrong = {"cleanup.policy": "compact", "max.message.bytes": "1000", "retention.ms": "1000"}
    admin = KafkaAdminClient(bootstrap_servers=apache_kafka.brokers)
    admin.create_topics({settings.events_topic: {"num_partitions": 2, "configs": wrong}}, wait_for_metadata=True)
    admin.close()
    assert settings.events_topic not in ensure_topics(settings, addresses)
    findings = verify_topics(settings, addresses)
    assert [(finding.severity, finding.topic, finding.message.split(":")[0]) for finding in findings] == [
        ("error", settings.events_topic, "cleanup.policy is compact"),
        ("error", settings.events_topic, "message.timestamp.type is CreateTime"),
        ("warning", settings.events_topic, "max.message.bytes is 1000"),
        ("warning", settings.events_topic, "retention.ms is 1000"),
    ]
    assert findings[1].remedy.endswith(
        f"--topic {settings.events_topic} --add-config message.timestamp.type=LogAppendTime"
    )


def test_a_broker_that_was_killed_comes_back_with_its_topics(apache_kafka: ApacheKafka, settings: Settings) -> None:
    addresses = apache_kafka.addresses("")
    ensure_topics(settings, addresses)
    apache_kafka.kill()
    apache_kafka.start()
    assert apache_kafka.addresses("") == addresses
    assert ensure_topics(settings, addresses) == ()
