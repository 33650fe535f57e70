"""From labelled samples to the text of a catalog: thresholds in the catalog's own words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rules.catalog import Catalog, parse_catalog
from rules.errors import CatalogError
from rules.models import Model
from rules.nodes import Arithmetic, Kind, Negate, Node
from rules.text import duration_text, expression_text
from stream.learning import Sample, Suggestion, suggest_thresholds, suggested_catalog
from stream.learning.scaling import as_matrix

__all__ = ["Proposal", "suggestions_for"]

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is proposed. `rate`: the share of all labelled samples with the label. text: a catalog, whole."""

    model: str
    label: str
    samples: int
    rate: float
    suggestions: tuple[Suggestion, ...]
    text: str

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def suggestions_for(
    catalog: Catalog, model: Model, goal: str, samples: Sequence[Sample], *, depth: int = 3
) -> Proposal:
    """Conditions from samples of a classifier that have labels, each one a segment that the catalog could have.

    Raises LearningError if scikit-learn is not installed, or there are too few samples.
    """
    terms = [_term(catalog, each.name, each.expression) for each in model.features]
    labels = np.array([bool(each.label) for each in samples], dtype=bool)
    found = suggest_thresholds(
        terms,
        [each.kind is Kind.DURATION for each in model.features],
        as_matrix([each.values for each in samples], len(terms)),
        labels,
        depth=depth,
    )
    prefix = _free_prefix(catalog, goal)
    # Rounded numbers may leave the language's bounds, or each other's: what it does not accept is not proposed.
    kept = tuple(each for each in found if _accepted(_document(catalog, model, terms, [each], prefix)))
    rate = float(labels.mean())
    label = _label_text(model)
    head = (
        f"# Proposed from {len(samples):,} labelled samples of the classifier {model.name}.\n"
        f"# Its label: {label}; that is so for {rate:.0%} of them.\n"
    )
    return Proposal(model.name, label, len(samples), rate, kept, head + _document(catalog, model, terms, kept, prefix))


def _term(catalog: Catalog, name: str, expression: Node) -> str:
    """How a feature is called in a condition: by a name that is, or can be, a tag's; else its expression."""
    tag = catalog.tags.get(name)
    taken = name in catalog.segments or name in catalog.tiers or name in catalog.models
    if _NAME.fullmatch(name) and not taken and (tag is None or tag.expression == expression):
        return name
    text = expression_text(expression)
    return f"({text})" if isinstance(expression, Arithmetic | Negate) else text


def _document(
    catalog: Catalog, model: Model, terms: Sequence[str], suggestions: Sequence[Suggestion], prefix: str
) -> str:
    """A whole catalog with the tags that the conditions name."""
    lines = [f"catalog: {catalog.name}", f"version: {catalog.version + 1}", f"timezone: {catalog.timezone}"]
    tags = [
        (term, expression_text(feature.expression))
        for term, feature in zip(terms, model.features, strict=True)
        if _NAME.fullmatch(term) and any(re.search(rf"\b{term}\b", each.condition) for each in suggestions)
    ]
    if tags:
        lines.append("tags:")
        lines += [f"  {name}: {_quoted(text)}" for name, text in tags]
    return "\n".join(lines) + "\n" + suggested_catalog(suggestions, prefix)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _free_prefix(catalog: Catalog, goal: str) -> str:
    """The beginning of names that nothing in the catalog has."""
    taken = (*catalog.tags, *catalog.segments, *catalog.tiers, *catalog.models)
    prefix = f"likely_{goal}"
    while any(name.startswith(f"{prefix}_") for name in taken):
        prefix += "_more"
    return prefix


def _accepted(text: str) -> bool:
    try:
        parse_catalog(text, "suggestion")
    except CatalogError:
        return False
    return True


def _label_text(model: Model) -> str:
    label = model.label
    if label is None:
        return ""
    what = "event at all" if label.event is None else f"event {label.event}"
    within = duration_text(label.within_ms).strip('"')
    return f"no {what} within {within}" if label.kind == "absent" else f"an {what} within {within}"
