"""The language of catalogs: tags and segments over users' events, from text to what an engine runs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rules.catalog import Catalog, Example, Goal, Segment, Tag, Tier, TierLevel, load_catalog, parse_catalog
    from rules.durations import format_duration, parse_duration
    from rules.errors import CatalogError, CatalogProblem, ProblemCode
    from rules.nodes import Kind

__all__ = [
    "Catalog",
    "CatalogError",
    "CatalogProblem",
    "Example",
    "Goal",
    "Kind",
    "ProblemCode",
    "Segment",
    "Tag",
    "Tier",
    "TierLevel",
    "format_duration",
    "load_catalog",
    "parse_catalog",
    "parse_duration",
]

# Looked up at first use: a program that only wants `rules.nodes` does not wait for pydantic and YAML.
_HOMES = {
    "Catalog": "rules.catalog",
    "CatalogError": "rules.errors",
    "CatalogProblem": "rules.errors",
    "Example": "rules.catalog",
    "Goal": "rules.catalog",
    "Kind": "rules.nodes",
    "ProblemCode": "rules.errors",
    "Segment": "rules.catalog",
    "Tag": "rules.catalog",
    "Tier": "rules.catalog",
    "TierLevel": "rules.catalog",
    "format_duration": "rules.durations",
    "load_catalog": "rules.catalog",
    "parse_catalog": "rules.catalog",
    "parse_duration": "rules.durations",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
