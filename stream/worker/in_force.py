"""Which snapshots a partition evaluates with: those in force, and those that wait for a catalog that they fit.

All of it follows from the log, the catalogs and the snapshots alone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from rules.catalog import Catalog
from stream.models import PublishedModels, UnreadableModelError, unfit_reason

__all__ = ["ModelsInForce", "at_a_catalog", "at_a_snapshot", "at_the_start", "why_useless"]

log = logging.getLogger("tagstream.worker")


@dataclass(frozen=True, slots=True)
class ModelsInForce:
    """versions: by model, the version that users are evaluated with.  waiting: by model, one for another catalog."""

    versions: Mapping[str, int] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)


def why_useless(models: PublishedModels, catalog: Catalog, name: str, version: int) -> str | None:
    """Why a catalog can't use a snapshot, a sentence; None if it can."""
    try:
        return unfit_reason(models.record(name, version), catalog)
    except UnreadableModelError as error:
        return error.message
    except KeyError:
        return f"The snapshot {name}@{version} is not on the topic of models."


def at_a_snapshot(before: ModelsInForce, name: str, version: int, *, is_useful: bool) -> ModelsInForce:
    """What holds once a partition has come to a switch to a version of a model that is newer than the one in force."""
    if not is_useful:
        waiting = {**before.waiting, name: max(version, before.waiting.get(name, 0))}
        return ModelsInForce(before.versions, _sorted(waiting))
    left = {model: newer for model, newer in before.waiting.items() if model != name or newer > version}
    return ModelsInForce(_sorted({**before.versions, name: version}), left)


def at_a_catalog(before: ModelsInForce, models: PublishedModels, catalog: Catalog) -> ModelsInForce:
    """What holds once a partition has crossed a switch of the catalog.

    Of each model the version that waited if the catalog can use it, else the one in force if it can, else none. What is
    of no use now waits: when the catalog before comes back, so does its model, if no other snapshot came meanwhile.
    """
    versions: dict[str, int] = {}
    waiting: dict[str, int] = {}
    for name in sorted({*before.versions, *before.waiting}):
        known = [each[name] for each in (before.waiting, before.versions) if name in each]
        useful = next((version for version in known if why_useless(models, catalog, name, version) is None), None)
        if useful is not None:
            versions[name] = useful
        left = [version for version in known if version != useful]
        if left:
            waiting[name] = max(left)
    return ModelsInForce(versions, waiting)


def at_the_start(
    models: PublishedModels, catalog: Catalog, begins_ms: int | None, known: Mapping[str, int]
) -> ModelsInForce:
    """What holds where a log begins that was cut: the switches that are gone have taken effect.

    begins_ms: the log time of its first record (None: it has none).  known: versions that are known to have been in
    force at or before that record.
    """
    versions: dict[str, int] = {}
    waiting: dict[str, int] = {}
    for name in sorted(models.names):
        for version in reversed(models.versions(name)):
            if version > known.get(name, 0) and not _was_made_before(models, name, version, begins_ms):
                continue
            if why_useless(models, catalog, name, version) is None:
                versions[name] = version
                break
            waiting.setdefault(name, version)
    return ModelsInForce(versions, waiting)


def _was_made_before(models: PublishedModels, name: str, version: int, begins_ms: int | None) -> bool:
    try:
        return begins_ms is None or int(models.record(name, version)["made_at"]) <= begins_ms
    except UnreadableModelError:
        return False


def _sorted(versions: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(versions.items()))
