"""The app's topics: what each should be, making those that are missing, and finding what is wrong with the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from stream.admin import kafka_admin
from stream.embedded import Addresses
from stream.errors import ConfigurationError
from stream.settings import Settings

__all__ = ["Finding", "TopicPlan", "TopicState", "describe_topics", "ensure_topics", "planned_topics", "verify_topics"]

_REPLICAS = 3
_CATALOG_BYTES = 4_194_304
"""A catalog has up to 1 MiB of text; as JSON each line end and quotation mark takes two bytes, rare ones six."""
_MODEL_BYTES = 8_388_608
"""A snapshot of a forest, or a learner's state with its reservoirs, has some MiB at most."""
_SAMPLES_KEPT_MS = 7 * 86_400_000
"""Samples teach once: who proposes thresholds from them looks back a few days. There may be thousands a second."""
_MESSAGE_BYTES = 1_048_576
"""What a topic must take at least: a dead letter carries up to 512 KiB of the original, a third more in Base64."""


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """What a topic should be. `settings`: Kafka's names and values; those left out stay as the broker has them."""

    name: str
    partitions: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TopicState:
    """What a topic is, beside its plan. `settings` has the planned ones only; a topic that is missing has none."""

    plan: TopicPlan
    exists: bool
    partitions: int = 0
    replicas: int = 0
    wanted_replicas: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a topic that stops the worker (`error`) or may hurt later (`warning`), and what to do."""

    severity: Literal["error", "warning"]
    topic: str
    message: str
    remedy: str


def planned_topics(settings: Settings) -> tuple[TopicPlan, ...]:
    """The app's topics, in the order of the data's way."""
    kept = {"cleanup.policy": "delete", "max.message.bytes": str(_MESSAGE_BYTES)}
    kept["retention.ms"] = str(settings.retention_ms)
    samples = {**kept, "retention.ms": str(min(settings.retention_ms, _SAMPLES_KEPT_MS))}
    models = {"cleanup.policy": "compact", "max.message.bytes": str(_MODEL_BYTES)}
    return (
        # Time passes with the log, so the log's time must be the broker's: a producer's clock may be wrong.
        TopicPlan(settings.events_topic, settings.partitions, {**kept, "message.timestamp.type": "LogAppendTime"}),
        TopicPlan(settings.segment_changes_topic, settings.partitions, kept),
        TopicPlan(settings.events_dlq_topic, settings.partitions, kept),
        # One partition: catalogs have an order. Compacted: the text of a version that rows name must stay for ever.
        TopicPlan(settings.catalog_topic, 1, {"cleanup.policy": "compact", "max.message.bytes": str(_CATALOG_BYTES)}),
        # By model, so that whoever learns a model has all of its samples.
        TopicPlan(settings.profile_samples_topic, settings.partitions, samples),
        # Compacted: a snapshot that rows name, and what a learner has learned, must stay for ever.
        TopicPlan(settings.models_topic, 1, models),
        TopicPlan(settings.learner_state_topic, 1, models),
        TopicPlan(settings.ops_metrics_topic, 1, kept),
    )


def describe_topics(settings: Settings, addresses: Addresses) -> tuple[TopicState, ...]:
    """What is there of each planned topic. Raises UnavailableError or ConfigurationError."""
    with kafka_admin(addresses.kafka) as admin:
        return _states(admin, planned_topics(settings))


def ensure_topics(settings: Settings, addresses: Addresses) -> tuple[str, ...]:
    """Make the topics that are missing and touch no other; the names of those made. Idempotent.

    Blocks until every partition has a leader. Raises UnavailableError, or ConfigurationError if Kafka refuses.
    """
    with kafka_admin(addresses.kafka) as admin:
        missing = [state.plan for state in _states(admin, planned_topics(settings)) if not state.exists]
        if not missing:
            return ()
        replicas = _wanted_replicas(admin)
        answer = admin.create_topics(
            {
                plan.name: {
                    "num_partitions": plan.partitions,
                    "replication_factor": replicas,
                    "configs": {**plan.settings, "min.insync.replicas": str(max(1, replicas - 1))},
                }
                for plan in missing
            },
            raise_errors=False,
        )
        made = tuple(topic["name"] for topic in answer["topics"] if _was_made(topic, addresses))
        admin.wait_for_topics([plan.name for plan in missing])
        return made


def verify_topics(settings: Settings, addresses: Addresses) -> tuple[Finding, ...]:
    """What is wrong with the topics, errors first. Raises UnavailableError or ConfigurationError.

    The embedded broker keeps no settings that could be relied on, so there only what exists is looked at.
    """
    findings: list[Finding] = []
    for state in describe_topics(settings, addresses):
        if not state.exists:
            findings.append(
                Finding("error", state.plan.name, "The topic is not there.", "Run `tagstream topics create`.")
            )
        elif not addresses.embedded:
            findings.extend(_findings(state, settings))
    return tuple(sorted(findings, key=lambda finding: finding.severity))


def _was_made(topic: Mapping[str, Any], addresses: Addresses) -> bool:
    if topic["error_code"] == 0:
        return True
    kind = for_code(topic["error_code"])
    if kind is TopicAlreadyExistsError:  # somebody else was faster
        return False
    why = (topic["error_message"] or kind.__name__).rstrip(".")
    raise ConfigurationError(
        f"Kafka at {addresses.kafka} refused to make the topic {topic['name']}: {why}.",
        remedy="Make it by hand, or give the client's user the right to.",
    )


def _wanted_replicas(admin: KafkaAdminClient) -> int:
    return min(_REPLICAS, len(admin.describe_cluster()["brokers"]))


def _states(admin: KafkaAdminClient, plans: tuple[TopicPlan, ...]) -> tuple[TopicState, ...]:
    found: dict[str, list[dict[str, Any]]] = {}
    for topic in admin.describe_topics([plan.name for plan in plans]):
        if topic["error_code"] == 0:
            found[topic["name"]] = topic["partitions"]
        elif (kind := for_code(topic["error_code"])) is not UnknownTopicOrPartitionError:
            raise kind(topic["name"])
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in found]
    settings = admin.describe_configs(resources, config_filter="all").get("topic", {}) if resources else {}
    wanted = _wanted_replicas(admin)
    return tuple(_state(plan, found.get(plan.name), settings.get(plan.name, {}), wanted) for plan in plans)


def _state(
    plan: TopicPlan, partitions: list[dict[str, Any]] | None, settings: Mapping[str, Any], wanted_replicas: int
) -> TopicState:
    if partitions is None:
        return TopicState(plan, exists=False)
    return TopicState(
        plan,
        exists=True,
        partitions=len(partitions),
        replicas=min((len(partition["replica_nodes"]) for partition in partitions), default=0),
        wanted_replicas=wanted_replicas,
        settings={name: str(settings[name]["value"]) for name in plan.settings if name in settings},
    )


def _findings(state: TopicState, settings: Settings) -> list[Finding]:
    name, planned, actual = state.plan.name, state.plan.settings, state.settings
    is_events, is_letters = name == settings.events_topic, name == settings.events_dlq_topic
    compacted = {
        settings.catalog_topic: "the text of the catalog that runs would be deleted after a while",
        settings.models_topic: "the snapshots that users are evaluated with would be deleted after a while",
        settings.learner_state_topic: "what the models have learned would be deleted after a while",
    }
    findings: list[Finding] = []

    def differs(setting: str, severity: Literal["error", "warning"], why: str) -> None:
        remedy = f"Set it: kafka-configs.sh --alter --topic {name} --add-config {setting}={planned[setting]}"
        findings.append(Finding(severity, name, f"{setting} is {actual[setting]}: {why}.", remedy))

    for setting in planned.keys() & actual.keys():
        value = actual[setting]
        if setting == "message.timestamp.type" and value != planned[setting]:
            differs(setting, "error", "time would pass by the producers' clocks, and a wrong one would end segments")
        elif setting == "cleanup.policy" and name in compacted:
            if value != planned[setting]:
                differs(setting, "error", compacted[name])
        elif setting == "cleanup.policy" and "compact" in value.split(","):
            differs(setting, "error" if is_events else "warning", "compaction drops all but a user's newest record")
        elif setting == "max.message.bytes" and int(value) < int(planned[setting]):
            differs(setting, "error" if is_letters else "warning", "the largest message would not fit")
        elif setting == "retention.ms" and 0 <= int(value) < int(planned[setting]):
            differs(setting, "warning", "less is kept than was planned for by TAGSTREAM_RETENTION")
    if state.replicas < state.wanted_replicas:
        findings.append(
            Finding(
                "warning",
                name,
                f"{state.replicas} of {state.wanted_replicas} replicas a partition: one broker lost may lose data.",
                "Add replicas with kafka-reassign-partitions.sh.",
            )
        )
    return sorted(findings, key=lambda finding: finding.message)
