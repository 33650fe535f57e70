"""Applying a catalog: what is refused, what is published, and how far the partitions have come with it.

Whoever applies changes two things only: the topic of catalogs, and the switch records in the log. Both may be done
again: a version lies on its topic once, and a switch that isn't newer is passed over. So what was interrupted goes on
when the same text is applied again.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import yaml

from rules.catalog import Catalog, parse_catalog
from stream.catalogs import AppliedCatalogs
from stream.errors import ConfigurationError
from stream.worker.overview import Overview

__all__ = ["Outcome", "RefusedCatalogError", "check_applicable", "count_changes", "rolled_back", "with_version"]

_VERSION: Final = re.compile(r"^version[ \t]*:[ \t]*([0-9]+)", re.MULTILINE)


class RefusedCatalogError(ConfigurationError):
    """The catalog can't be applied. Nothing has been changed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to be done: publish the text (or only write the switches again), in place of which version.

    previous: the version that runs now; None if none does.
    """

    publish: bool
    previous: int | None


def check_applicable(catalog: Catalog, applied: AppliedCatalogs, overview: Overview) -> Outcome:
    """Hold a catalog to what has been applied and what runs. Raises RefusedCatalogError."""
    newest, running = applied.newest, overview.running_version
    names = {position.catalog for position in overview.positions} | ({applied.name} if applied.name else set())
    others = sorted(names - {catalog.name})
    if others:
        raise RefusedCatalogError(
            f"This app's catalog is {others[0]}, not {catalog.name}.",
            remedy="One app has one catalog: give the other one an app of its own (TAGSTREAM_APP).",
        )
    if newest is None:
        _check_lost(catalog, overview)
        return Outcome(publish=True, previous=running)
    if catalog.version > newest:
        return Outcome(publish=True, previous=newest if running is None else running)
    same = catalog.version == newest and applied.record(newest).text == catalog.text
    waiting = [each for each in overview.partitions if each.position and each.position.catalog_version < newest]
    if same and waiting:
        return Outcome(publish=False, previous=min(each.catalog_version for each in overview.positions))
    if same:
        raise RefusedCatalogError(
            f"Version {newest} of the catalog {catalog.name} has been applied already, with the same text.",
            remedy=f"There is nothing to do. When you change it, write `version: {newest + 1}`.",
        )
    raise RefusedCatalogError(
        f"Version {catalog.version} of the catalog {catalog.name} is not newer than version {newest}, "
        "which has been applied.",
        remedy=f"Write `version: {newest + 1}`.",
    )


def _check_lost(catalog: Catalog, overview: Overview) -> None:
    """Where partitions stand, but the topic of catalogs is empty, it has lost what they run."""
    versions = sorted({position.catalog_version for position in overview.positions})
    if versions and catalog.version != versions[0]:
        raise RefusedCatalogError(
            f"The partitions run version {versions[0]} of the catalog {catalog.name}, whose text is not on the topic "
            "of catalogs any more.",
            remedy="Apply that version first, with the text that it had.",
        )


def rolled_back(applied: AppliedCatalogs, overview: Overview) -> tuple[Catalog, int]:
    """The catalog that ran before, under a new version; and the version it had.

    Raises RefusedCatalogError if none ran before, CatalogError, UnreadableCatalogError.
    """
    newest = applied.newest
    running = overview.running_version or newest
    before = overview.previous_version
    if before is None:
        before = max((version for version in applied.versions if running and version < running), default=None)
    if newest is None or before is None or before not in applied.versions:
        raise RefusedCatalogError(
            "There is no version before the one that runs.", remedy="`tagstream status` shows what has been applied."
        )
    text = with_version(applied.record(before).text, newest + 1)
    return parse_catalog(text, f"{applied.name}@{newest + 1}"), before


def with_version(text: str, version: int) -> str:
    """A catalog's text with another version number; nothing else of it changes. The text must be a valid catalog."""
    found = list(_VERSION.finditer(text))
    if len(found) == 1:
        start, end = found[0].span(1)
    else:  # in braces, or the key in quotation marks
        text = text.removeprefix("\ufeff")
        root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
        node = next(value for key, value in root.value if key.value == "version")
        start, end = node.start_mark.index, node.end_mark.index
    return f"{text[:start]}{version}{text[end:]}"


def count_changes(overview: Overview, version: int) -> dict[str, dict[str, int]]:
    """By segment or tier, how many entered, exited or changed because of the switch to a version, so far."""
    counts: dict[str, Counter[str]] = {}
    for position in overview.positions:
        if position.switch is not None and position.catalog_version == version:
            for name, changes in position.switch.changes_by_catalog.items():
                counts.setdefault(name, Counter()).update(changes)
    return {name: dict(changes) for name, changes in sorted(counts.items())}
