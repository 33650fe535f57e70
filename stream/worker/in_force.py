"""Which snapshots a partition evaluates with.

A snapshot belongs to a declaration of its model, not to a version of the catalog. So all that a partition has to know
of its past is the newest version of each model that its log has switched to: in force is the newest one up to that
which the catalog that runs can use. However many switches of catalogs and models came before, and wherever the log was
cut, this says the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rules.catalog import Catalog
from stream.models import PublishedModels, UnreadableModelError, unfit_reason

__all__ = [
    "ModelsInForce",
    "at_a_catalog",
    "at_a_snapshot",
    "at_the_start",
    "newest_of_use",
    "reached_at_the_start",
    "why_useless",
]


@dataclass(frozen=True, slots=True)
class ModelsInForce:
    """versions: by model, the version that users are evaluated with.  waiting: by model, the newest version that was
    switched to, where it isn't the one in force.
    """

    versions: Mapping[str, int] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)

    def reached(self, name: str) -> int:
        """The newest version of a model that was switched to; 0 if none was."""
        return max(self.versions.get(name, 0), self.waiting.get(name, 0))


def why_useless(models: PublishedModels, catalog: Catalog, name: str, version: int) -> str | None:
    """Why a catalog can't use a snapshot, a sentence; None if it can."""
    try:
        return unfit_reason(models.record(name, version), catalog)
    except UnreadableModelError as error:
        return error.message
    except KeyError:
        return f"The snapshot {name}@{version} is not on the topic of models."


def at_a_snapshot(
    before: ModelsInForce, models: PublishedModels, catalog: Catalog, name: str, version: int
) -> ModelsInForce:
    """What holds once a partition has come to a switch of a model. One that isn't newer changes nothing."""
    if version <= before.reached(name):
        return before
    others = {model for model in (*before.versions, *before.waiting) if model != name}
    versions = {model: before.versions[model] for model in others if model in before.versions}
    waiting = {model: before.waiting[model] for model in others if model in before.waiting}
    found = _of_reached(models, catalog, {name: version})
    return ModelsInForce(_sorted({**versions, **found.versions}), _sorted({**waiting, **found.waiting}))


def at_a_catalog(before: ModelsInForce, models: PublishedModels, catalog: Catalog) -> ModelsInForce:
    """What holds once a partition has crossed a switch of the catalog."""
    return _of_reached(models, catalog, {name: before.reached(name) for name in (*before.versions, *before.waiting)})


def at_the_start(
    models: PublishedModels, catalog: Catalog, begins_ms: int | None, known: Mapping[str, int]
) -> ModelsInForce:
    """What holds where a log begins that was cut: the switches that are gone have taken effect.

    begins_ms: the log time of its first record (None: it has none).  known: versions that are known to have been in
    force at or before that record.
    """
    return _of_reached(models, catalog, {name: _reached(models, name, begins_ms, known) for name in models.names})


def reached_at_the_start(models: PublishedModels, name: str, begins_ms: int | None) -> int:
    """The newest version of a model that counts as switched to where a log begins that was cut; 0: none does."""
    return _reached(models, name, begins_ms, {})


def newest_of_use(models: PublishedModels, catalog: Catalog, name: str, at_most: int) -> int | None:
    """The newest version of a model, up to one, that the catalog can use."""
    model = catalog.models.get(name)
    if model is None:
        return None
    return next(
        (
            version
            for version in reversed(models.versions(name))
            if version <= at_most
            and models.fingerprint(name, version) == model.fingerprint
            and why_useless(models, catalog, name, version) is None
        ),
        None,
    )


def _of_reached(models: PublishedModels, catalog: Catalog, reached: Mapping[str, int]) -> ModelsInForce:
    """What holds under a catalog where these versions are the newest that were switched to."""
    found = {name: newest_of_use(models, catalog, name, version) for name, version in reached.items()}
    return ModelsInForce(
        _sorted({name: version for name, version in found.items() if version is not None}),
        _sorted({name: version for name, version in reached.items() if version and version != found[name]}),
    )


def _reached(models: PublishedModels, name: str, begins_ms: int | None, known: Mapping[str, int]) -> int:
    return next(
        (
            version
            for version in reversed(models.versions(name))
            if version <= known.get(name, 0) or _was_made_before(models, name, version, begins_ms)
        ),
        0,
    )


def _was_made_before(models: PublishedModels, name: str, version: int, begins_ms: int | None) -> bool:
    try:
        return begins_ms is None or int(models.record(name, version)["made_at"]) <= begins_ms
    except UnreadableModelError:
        return False


def _sorted(versions: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(versions.items()))
