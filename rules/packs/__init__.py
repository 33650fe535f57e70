"""Ready catalogs. A command that takes a catalog file takes the name of a pack as well."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable

__all__ = ["pack_file", "pack_names", "pack_text"]


def pack_names() -> tuple[str, ...]:
    """The names of all packs, sorted."""
    files = resources.files(__name__).iterdir()
    return tuple(sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")))


def pack_file(name: str) -> Traversable:
    """The file of a pack, to be opened or named in messages. KeyError if there is no such pack."""
    if name not in pack_names():
        raise KeyError(name)
    return resources.files(__name__) / f"{name}.yaml"


def pack_text(name: str) -> str:
    """The YAML text of a pack. KeyError if there is no such pack."""
    return pack_file(name).read_text(encoding="utf-8")
