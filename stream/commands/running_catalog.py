"""Which catalog the workers run: what `up` and `worker` leave in the runtime folder, for the commands that look.

Redis names the catalog and its version but holds no text. A command in another terminal of the same machine finds the
text here; elsewhere `--catalog` says it. Whatever is found is held against the version that Redis names.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from stream.errors import ConfigurationError

if TYPE_CHECKING:
    from rules.catalog import Catalog
    from stream.embedded import Addresses
    from stream.settings import Settings
    from stream.worker import Reader

__all__ = ["leave_catalog", "open_reader"]


def leave_catalog(settings: Settings, catalog: Catalog) -> None:
    """Write the catalog's text where `open_reader` looks first, beside those of other names and versions."""
    from stream.embedded import runtime_folder

    path = runtime_folder(settings) / f"{_stem(settings)}{catalog.name}-{catalog.version}.yaml"
    draft = path.with_suffix(".partial")
    draft.write_text(catalog.text, encoding="utf-8")
    draft.replace(path)


def open_reader(settings: Settings, addresses: Addresses, named: str | None) -> tuple[Reader, Catalog]:
    """A reader of the workers' state with the catalog that they run.

    named: what `--catalog` says; without it the one left on this machine, or else a pack of that name and version.
    Raises CatalogError for a catalog that is wrong, ConfigurationError if none of them is the one that runs.
    """
    from rules.catalog import load_catalog
    from stream.worker import Reader

    if named is not None:
        catalog = load_catalog(named)
        return Reader(settings, addresses, catalog), catalog
    refused: ConfigurationError | None = None
    for candidate in _candidates(settings):
        try:
            return Reader(settings, addresses, candidate), candidate
        except ConfigurationError as error:
            refused = refused or error
    if refused is None:
        raise ConfigurationError("It is not known which catalog the workers run.", remedy="Name it with --catalog.")
    raise refused


def _candidates(settings: Settings) -> list[Catalog]:
    from rules.catalog import load_catalog, parse_catalog
    from rules.errors import CatalogError
    from rules.packs import pack_names

    found = []
    for path in sorted(settings.runtime_path().glob(f"{_stem(settings)}*.yaml")):
        # Perhaps another version of Tagstream left it.
        with contextlib.suppress(OSError, UnicodeDecodeError, CatalogError):
            found.append(parse_catalog(path.read_text(encoding="utf-8"), str(path)))
    return found + [load_catalog(name) for name in pack_names()]


def _stem(settings: Settings) -> str:
    return f"catalog-{settings.app}-"
