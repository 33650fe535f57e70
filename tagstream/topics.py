"""Names of the topics. Each can be set to another name; these are what the parts agree on when nothing is set."""

from __future__ import annotations

import re
from typing import Final

from tagstream.errors import ClientConfigurationError

__all__ = [
    "CATALOG",
    "DEFAULT_APP",
    "EVENTS",
    "EVENTS_DLQ",
    "LEARNER_STATE",
    "MODELS",
    "MODEL_KINDS",
    "OPS_METRICS",
    "PROFILE_SAMPLES",
    "SEGMENT_CHANGES",
    "TOPIC_KINDS",
    "check_app",
    "check_topic",
    "topic_name",
]

DEFAULT_APP: Final = "tagstream"
EVENTS: Final = "events"
SEGMENT_CHANGES: Final = "segment-changes"
EVENTS_DLQ: Final = "events.dlq"
CATALOG: Final = "catalog"
TOPIC_KINDS: Final = (EVENTS, SEGMENT_CHANGES, EVENTS_DLQ, CATALOG)
"""Every kind of topic that other programs may rely on, in the order of the data's way. A new kind is added here and
gets a file in `contracts/`."""
PROFILE_SAMPLES: Final = "profile-samples"
MODELS: Final = "models"
LEARNER_STATE: Final = "learner-state"
OPS_METRICS: Final = "ops-metrics"
MODEL_KINDS: Final = (PROFILE_SAMPLES, MODELS, LEARNER_STATE, OPS_METRICS)
"""Topics between workers, the learner and commands. Their messages are no part of the contract."""

# Kafka's limit on a topic's name is 249 characters; the longest kind must still fit behind the app's name.
_APP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


def check_app(app: str) -> str:
    """The app's name as it came, or `ClientConfigurationError`."""
    if not isinstance(app, str) or _APP.fullmatch(app) is None:
        raise ClientConfigurationError(
            f"app {app!r} cannot start the names of topics; "
            "use 1 to 200 of A-Z a-z 0-9 . _ - with a letter or digit first"
        )
    return app


def check_topic(topic: str) -> str:
    """The topic's name as it came, or `ClientConfigurationError`."""
    if not isinstance(topic, str) or _TOPIC.fullmatch(topic) is None or topic in {".", ".."}:
        raise ClientConfigurationError(
            f"topic {topic!r} is no name that Kafka takes; use 1 to 249 of A-Z a-z 0-9 . _ -"
        )
    return topic


def topic_name(app: str, kind: str) -> str:
    """The topic of a kind (`EVENTS`, `SEGMENT_CHANGES`, …) of an app: `tagstream.events`."""
    return f"{check_app(app)}.{kind}"
