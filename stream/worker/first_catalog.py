"""A worker's start, as far as catalogs go: what has been applied, and what was named on the command line."""

from __future__ import annotations

import logging

from rules.catalog import Catalog
from stream.catalogs import AppliedCatalogs
from stream.errors import ConfigurationError

__all__ = ["check_given", "is_first"]

log = logging.getLogger("tagstream.worker")


def is_first(catalogs: AppliedCatalogs, given: Catalog | None, app: str) -> bool:
    """Whether nothing has been applied yet, so the given catalog is to be. Raises ConfigurationError as `check_given`.

    Also if nothing has been applied and nothing is given.
    """
    if catalogs.first is not None:
        if given is not None:
            check_given(catalogs, given)
        return False
    if given is None:
        raise ConfigurationError(
            f"No catalog has been applied for the app {app} yet.",
            remedy="Name one with --catalog, a file or a pack, or apply it: `tagstream apply C`.",
        )
    log.info("version %d of the catalog %s is the first of the app %s", given.version, given.name, app)
    return True


def check_given(catalogs: AppliedCatalogs, given: Catalog) -> None:
    """Hold a catalog that was named at the start to what has been applied, and say where they differ.

    Raises ConfigurationError where it can't be meant: another catalog, or another text of the same version.
    """
    name, newest = catalogs.name, catalogs.newest or 0
    if given.name != name:
        raise ConfigurationError(
            f"This app's catalog is {name}, not {given.name}.",
            remedy="One app has one catalog: give the other one an app of its own (TAGSTREAM_APP).",
        )
    if given.version in catalogs.versions and catalogs.record(given.version).text != given.text:
        raise ConfigurationError(
            f"Version {given.version} of the catalog {name} has been applied with another text.",
            remedy=f"Give what you have changed the version {newest + 1} and apply it: `tagstream apply C`.",
        )
    if given.version != newest:
        log.warning(
            "version %d of the catalog %s has been applied and runs, not version %d%s",
            newest,
            name,
            given.version,
            "; `tagstream apply C` applies it" if given.version > newest else "",
        )
