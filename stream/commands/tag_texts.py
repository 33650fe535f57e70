"""Values of tags for people. Which of them are durations the catalog says; a change names its version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.commands.output import note, span, value_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.catalog import Catalog, Tag
    from stream.embedded import Addresses
    from stream.settings import Settings
    from tagstream import Change

__all__ = ["TagTexts", "tag_text"]


def tag_text(tag: Tag | None, value: object) -> str:
    """A tag's value: durations in their two largest units, the rest as `value_text`. None: nobody knows the tag."""
    from rules.nodes import Kind

    if tag is not None and tag.kind is Kind.DURATION and isinstance(value, int):
        return span(value)
    return value_text(value)


class TagTexts:
    """Writes the tags of changes, each by the catalog that the change names, read when it is first wanted."""

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._settings = settings
        self._addresses = addresses
        self._catalogs: dict[int, Catalog | None] = {}

    def of(self, change: Change) -> str:
        """The tags that the condition read, on one line. Durations are in ms where the catalog is not to be had.

        That is told once a version on stderr. Blocks while a catalog is read.
        """
        # Only whole numbers may be durations: without one the catalog says nothing new.
        is_asked = any(isinstance(value, int) and not isinstance(value, bool) for value in change.tags.values())
        catalog = self._catalog(change.data.catalog_version) if is_asked else None
        tags: Mapping[str, Tag] = {} if catalog is None else catalog.tags
        return ", ".join(f"{name}={tag_text(tags.get(name), value)}" for name, value in change.tags.items())

    def _catalog(self, version: int) -> Catalog | None:
        if version not in self._catalogs:
            self._catalogs[version] = self._read(version)
        return self._catalogs[version]

    def _read(self, version: int) -> Catalog | None:
        from stream.catalogs import read_catalogs
        from stream.errors import TagstreamError

        try:
            return read_catalogs(self._settings, self._addresses).catalog(version)
        except (KeyError, TagstreamError) as error:
            why = error.message if isinstance(error, TagstreamError) else "its topic does not have it."
            note(f"Version {version} of the catalog can't be read, so durations are in milliseconds: {why}")
            return None
