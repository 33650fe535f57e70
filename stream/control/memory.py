"""Where the learners find what was before: catalogs that were applied, snapshots and states that were published."""

from __future__ import annotations

import json
import logging
from typing import Any, Final, Self

from confluent_kafka import Message

from rules.catalog import Catalog
from stream.catalogs import AppliedCatalogs, CatalogFollower
from stream.clock import Clock
from stream.compacted import read_topic
from stream.control.learners import Remembered
from stream.embedded import Addresses
from stream.models import read_models
from stream.settings import Settings

__all__ = ["TopicMemory", "read_state"]

log = logging.getLogger("tagstream.control")

_CATALOG_WAIT_S: Final = 10.0
_WAIT_AGAIN_S: Final = 300.0
"""Samples that name catalogs which are not there must not keep the others waiting."""
_LOOK_S: Final = 0.05


class TopicMemory:
    """`Memory` over the app's topics. A context manager: catalogs are followed while it is open."""

    def __init__(self, settings: Settings, addresses: Addresses, clock: Clock) -> None:
        self._settings = settings
        self._addresses = addresses
        self._clock = clock
        self._follower = CatalogFollower(settings, addresses)
        self._wait_again_s = float("-inf")

    def __enter__(self) -> Self:
        self._follower.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._follower.close()

    def catalog(self, version: int) -> Catalog | None:
        """The catalog; once in a while it is waited for up to 10 s, as a sample may be here before it.

        Raises what reading it raises.
        """
        now_s = self._clock.monotonic_s()
        deadline_s = now_s + _CATALOG_WAIT_S if now_s >= self._wait_again_s else now_s
        catalogs: AppliedCatalogs = self._follower.catalogs
        while True:
            if self._follower.problem is not None:
                raise self._follower.problem
            if version in catalogs.versions:
                return catalogs.catalog(version)
            if self._clock.monotonic_s() >= deadline_s:
                if deadline_s > now_s:
                    self._wait_again_s = self._clock.monotonic_s() + _WAIT_AGAIN_S
                return None
            self._clock.sleep_s(_LOOK_S)

    def remembered(self, model: str) -> Remembered:
        """Read off the topics. Raises UnavailableError or ConfigurationError."""
        published = read_models(self._settings, self._addresses)
        versions = published.versions(model)
        readable = (each for each in reversed(versions) if published.problem(model, each) is None)
        newest = next(readable, None)
        return Remembered(
            snapshot=None if newest is None else published.record(model, newest),
            state=read_state(self._settings, self._addresses, model),
            last_version=versions[-1] if versions else 0,
        )


def read_state(settings: Settings, addresses: Addresses, model: str) -> dict[str, Any] | None:
    """The newest state of a model on the topic; None without one that can be read. Blocks."""
    newest: list[bytes | None] = [None]

    def add(message: Message) -> None:
        if message.key() == model.encode():
            newest[0] = message.value()

    read_topic(addresses, settings.learner_state_topic, f"tagstream-{settings.app}-learner-state", add)
    if newest[0] is None:
        return None
    try:
        state = json.loads(newest[0])
    except ValueError as error:
        log.warning("The state of model %s can't be read, learning goes on from its last snapshot: %s", model, error)
        return None
    return state if isinstance(state, dict) else None
