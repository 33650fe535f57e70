"""The snapshots of an app's models: the compacted topic `models`, where every version that was published stays.

A version of a model is published once. Should two learners nevertheless publish one version with two contents, the
first on the topic is it, for everybody who reads it and at any time: each publishing has a key of its own, so
compaction, which keeps the last record of a key, never takes the first one away. Records whose key names model and
version alone, as they were written before, are read too.

A snapshot that can't be applied is no reason to stop: it is passed over, with a sentence that says why.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import threading
from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka import Message

from rules.catalog import Catalog
from rules.models import fits
from rules.snapshots import apply_snapshot
from stream.clock import Clock
from stream.compacted import Follower, publish_record, read_topic
from stream.embedded import Addresses
from stream.errors import ConfigurationError
from stream.learning import LearningError, check_snapshot
from stream.settings import Settings

__all__ = [
    "ModelsFollower",
    "PublishedModels",
    "UnreadableModelError",
    "publish_snapshot",
    "read_models",
    "unfit_reason",
]

_KEY: Final = re.compile(rb"([a-z][a-z0-9_]{0,255})@([0-9]{1,15})(?:#[0-9a-f]{1,64})?")
_OWN_BYTES: Final = 8
_SHOWN_BYTES: Final = 100

log = logging.getLogger("tagstream.models")

_KEPT: Final = 64
"""Snapshots kept decoded. A partition names a few; all versions of some weeks may lie on the topic."""
_BAD: Final = (LearningError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What looking at a document that is no snapshot may raise."""


class UnreadableModelError(ConfigurationError):
    """A snapshot was published that this version of tagstream can't apply."""


class PublishedModels:
    """The snapshots of one app as far as they have been read, by model and version. Safe to share between threads."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._lock = threading.Lock()
        # By model, version and key; those of one version in the order of the topic.
        self._values: dict[str, dict[int, dict[bytes, bytes]]] = {}
        self._fingerprints: dict[tuple[str, int], str | None] = {}
        self._found: dict[tuple[str, int], Mapping[str, Any] | UnreadableModelError] = {}

    @property
    def names(self) -> list[str]:
        """The models that anything was published of, in the order of their first snapshots."""
        with self._lock:
            return [name for name, values in self._values.items() if values]

    def versions(self, name: str) -> list[int]:
        """The versions of a model, ascending; those that can't be applied are among them."""
        with self._lock:
            return sorted(self._values.get(name, ()))

    def newest(self, name: str) -> int | None:
        """The greatest version of a model, whether or not it can be applied; None if there is none."""
        return max(self.versions(name), default=None)

    def add(self, message: Message) -> None:
        """Take a record of the topic in. One whose key doesn't tell what it is, is passed over."""
        key, value = message.key() or b"", message.value()
        found = _KEY.fullmatch(key)
        if found is None:
            shown = key[:_SHOWN_BYTES]
            log.warning(
                "%s: the record with the key %r is passed over: it names no model and version", self._topic, shown
            )
            return
        name, version = found[1].decode(), int(found[2])
        with self._lock:
            versions = self._values.setdefault(name, {})
            if value is not None:
                versions.setdefault(version, {}).setdefault(key, value)
            elif key in versions.get(version, {}):
                del versions[version][key]
                self._found.pop((name, version), None)
                self._fingerprints.pop((name, version), None)
                if not versions[version]:
                    del versions[version]

    def keys(self, name: str, version: int) -> list[bytes]:
        """The keys of a version's records, the one that counts first."""
        with self._lock:
            return list(self._values.get(name, {}).get(version, ()))

    def fingerprint(self, name: str, version: int) -> str | None:
        """Which declaration a snapshot says that it is of; None if that can't be read, or if it wasn't published.

        Quick: nothing else of it is checked.
        """
        with self._lock:
            if (name, version) in self._fingerprints:
                return self._fingerprints[name, version]
            value = next(iter(self._values.get(name, {}).get(version, {}).values()), None)
        if value is None:
            return None
        try:
            found = json.loads(value)["fingerprint"]
        except _BAD:
            found = None
        fingerprint = found if isinstance(found, str) else None
        with self._lock:
            self._fingerprints[name, version] = fingerprint
        return fingerprint

    def record(self, name: str, version: int) -> Mapping[str, Any]:
        """A snapshot, checked. KeyError if it wasn't published; UnreadableModelError if it can't be applied."""
        with self._lock:
            found = self._found.get((name, version))
            value = next(iter(self._values.get(name, {})[version].values())) if found is None else b""
        if found is None:
            found = self._read(name, version, value)
            with self._lock:
                self._found[name, version] = found
                while len(self._found) > _KEPT:
                    del self._found[next(iter(self._found))]
        if isinstance(found, UnreadableModelError):
            raise found
        return found

    def problem(self, name: str, version: int) -> str | None:
        """Why a published snapshot can't be applied, a sentence; None if it can. KeyError if it wasn't published."""
        try:
            self.record(name, version)
        except UnreadableModelError as error:
            return error.message
        return None

    def _read(self, name: str, version: int, value: bytes) -> Mapping[str, Any] | UnreadableModelError:
        try:
            snapshot = json.loads(value)
            if not isinstance(snapshot, dict):
                raise LearningError("it is no JSON object")
            check_snapshot(snapshot)
            if (snapshot["model"], snapshot["version"]) != (name, version):
                raise LearningError(f"it says that it is {snapshot['model']}@{snapshot['version']}")
            if version < 1:
                raise LearningError("versions begin with 1")
            # Checks look at what is there; this looks at whether anything can be done with it.
            for value_of_all in (None, 0.0, 1e9):
                apply_snapshot(snapshot, [value_of_all] * _width(snapshot))
        except _BAD as error:
            why = error.message if isinstance(error, LearningError) else f"{type(error).__name__}: {error}"
            problem = UnreadableModelError(
                f"The snapshot {name}@{version} on the topic {self._topic} can't be applied: {why.rstrip('.')}.",
                remedy="If a newer version of tagstream wrote it, upgrade this one. The next snapshot replaces it.",
            )
            log.warning("%s It is passed over.", problem.message)
            return problem
        return snapshot


def unfit_reason(snapshot: Mapping[str, Any], catalog: Catalog) -> str | None:
    """Why a catalog can't use a snapshot, a sentence; None if it can. The snapshot has been checked."""
    name, version = snapshot["model"], snapshot["version"]
    what = f"The snapshot {name}@{version}"
    model = catalog.models.get(name)
    if model is None:
        return f"{what} is of a model that version {catalog.version} of the catalog {catalog.name} does not have."
    if not fits(snapshot, catalog):
        return (
            f"{what} was learned for a model {name} that is declared otherwise than in version {catalog.version} of "
            f"the catalog {catalog.name}."
        )
    found = [each.get("name") for each in _parts(snapshot)]
    if snapshot["kind"] != model.kind or found != [feature.name for feature in model.features]:
        return f"{what} has other features than the model {name}, though it says that it was learned for it."
    return None


def publish_snapshot(settings: Settings, addresses: Addresses, snapshot: Mapping[str, Any], clock: Clock) -> None:
    """Publish a snapshot under its model's name and version. Blocks until it is there.

    Once more is no harm: of one version the first counts.
    Raises LearningError if it can't be applied; UnavailableError, or ConfigurationError if Kafka refuses.
    """
    check_snapshot(snapshot)
    # Were a key written twice, compaction would keep the later record, and another learner's might come before that.
    key = f"{snapshot['model']}@{snapshot['version']}#{secrets.token_hex(_OWN_BYTES)}".encode()
    value = json.dumps(snapshot, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    publish_record(
        addresses,
        settings.models_topic,
        _client_id(settings),
        key,
        value,
        clock.now_ms(),
        idempotent=not addresses.embedded,  # which compacts nothing
    )


def read_models(settings: Settings, addresses: Addresses) -> PublishedModels:
    """Everything that has been published, as of now. Blocks.

    Raises UnavailableError; ConfigurationError if the topic isn't there.
    """
    models = PublishedModels(settings.models_topic)
    read_topic(addresses, settings.models_topic, _client_id(settings), models.add)
    return models


class ModelsFollower(Follower):
    """Reads the topic by a thread of its own for as long as it is open. models: what has been read."""

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self.models = PublishedModels(settings.models_topic)
        super().__init__(addresses, settings.models_topic, _client_id(settings), self.models.add)


def _parts(snapshot: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(snapshot["fields" if snapshot["kind"] == "quantiles" else "features"])


def _width(snapshot: Mapping[str, Any]) -> int:
    return len(_parts(snapshot))


def _client_id(settings: Settings) -> str:
    return f"tagstream-{settings.app}-models"
