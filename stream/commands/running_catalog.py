"""Which catalog the workers run, for commands that look: Redis names it, the topic `catalog` has its text.

A text that has been read is kept in the runtime folder, so that looking again need not ask Kafka: a version is
published once, and the file's name tells the installation by the id of its events topic.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

from stream.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from rules.catalog import Catalog
    from stream.embedded import Addresses
    from stream.settings import Settings
    from stream.worker import Reader

__all__ = ["CatalogFinder", "open_reader"]


def open_reader(settings: Settings, addresses: Addresses, named: str | None) -> tuple[Reader, Catalog]:
    """A reader of the workers' state, with the catalog that they run (of the first partition, should they differ).

    named: what `--catalog` says.
    Raises CatalogError for a catalog that is wrong, ConfigurationError if the one that runs is not to be had.
    """
    from rules.catalog import load_catalog
    from stream.worker.reading import Reader

    given = None if named is None else load_catalog(named)
    reader = Reader(settings, addresses, CatalogFinder(settings, addresses, given))
    return reader, reader.catalog


class CatalogFinder:
    """Finds the text of a catalog by name and version, each once.

    given: one that the user has named. It must be the one that runs, which is asked for first.
    """

    def __init__(self, settings: Settings, addresses: Addresses, given: Catalog | None = None) -> None:
        self._settings = settings
        self._addresses = addresses
        self._given = given
        self._found: dict[tuple[str, int], Catalog] = {}

    def __call__(self, name: str, version: int, topic_id: str) -> Catalog:
        """The catalog; topic_id is that of the events topic. Raises ConfigurationError if it is not to be had."""
        catalog = self._found.get((name, version))
        if catalog is None:
            catalog = self._found[name, version] = self._find(name, version, topic_id)
        return catalog

    def _find(self, name: str, version: int, topic_id: str) -> Catalog:
        given = self._given
        if given is not None and (given.name, given.version) == (name, version):
            return given
        if given is not None and not self._found:
            raise ConfigurationError(
                f"The workers run version {version} of the catalog {name}, "
                f"not version {given.version} of {given.name}.",
                remedy="Leave --catalog out, or name the catalog that they run.",
            )
        return self._kept(name, version, topic_id) or self._applied(name, version, topic_id)

    def _kept(self, name: str, version: int, topic_id: str) -> Catalog | None:
        """What was read before on this machine."""
        from rules.catalog import parse_catalog
        from rules.errors import CatalogError

        path = self._path(name, version, topic_id)
        # Perhaps nobody has read it yet, perhaps another version of Tagstream has.
        with contextlib.suppress(OSError, UnicodeDecodeError, CatalogError):
            if path is not None:
                catalog = parse_catalog(path.read_text(encoding="utf-8"), path.name, with_lint=False)
                if (catalog.name, catalog.version) == (name, version):
                    return catalog
        return None

    def _applied(self, name: str, version: int, topic_id: str) -> Catalog:
        """What the topic has."""
        from stream.catalogs import read_catalogs

        catalogs = read_catalogs(self._settings, self._addresses)
        if catalogs.name != name or version not in catalogs.versions:
            raise ConfigurationError(
                f"The workers run version {version} of the catalog {name}, "
                f"and the topic {self._settings.catalog_topic} does not have its text.",
                remedy="Name the catalog that they run with --catalog.",
            )
        catalog = catalogs.catalog(version)
        path = self._path(name, version, topic_id)
        with contextlib.suppress(OSError):  # a disk that is full is no reason not to look
            if path is not None:
                draft = path.with_suffix(".partial")
                draft.write_text(catalog.text, encoding="utf-8")
                draft.replace(path)
        return catalog

    def _path(self, name: str, version: int, topic_id: str) -> Path | None:
        """Where the text is kept on this machine; nowhere if nothing tells one installation from another."""
        from stream.embedded import runtime_folder

        if not topic_id:
            return None
        place = hashlib.sha256(f"{self._addresses.kafka} {topic_id}".encode()).hexdigest()[:16]
        with contextlib.suppress(ConfigurationError):  # others may write to it: nothing from there is trusted
            return runtime_folder(self._settings) / f"catalog-{self._settings.app}-{place}-{name}-{version}.yaml"
        return None
