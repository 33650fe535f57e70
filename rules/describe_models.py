"""What changed of a catalog's models, in words; above all whether what was learned can still be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rules.describe_conditions import Names
from rules.models import CLUSTERS, QUANTILES, Model
from rules.text import duration_text, expression_text

__all__ = ["Aspect", "describe_model", "model_text"]

Aspect = tuple[str, str, str]
"""What of a model changed, and the old and the new value."""


def model_text(model: Model, names: Names) -> str:
    """A model in one line: its kind, what it foretells and what it looks at."""
    label = "" if model.label is None else f" of {_label(model)}"
    return f"{model.kind}{label} over {_features(model, names)}"


def describe_model(old: Model, new: Model, old_names: Names, new_names: Names) -> Iterator[Aspect]:
    """All that changed, what makes it learn anew first."""
    pairs: list[tuple[str, str, str]] = [
        ("kind", old.kind, new.kind),
        ("algorithm", old.algorithm, new.algorithm),
        ("fields" if new.kind == QUANTILES else "features", _features(old, old_names), _features(new, new_names)),
        ("label", _label(old), _label(new)),
        ("timezone", old.timezone or "none", new.timezone or "none"),
    ]
    if old.kind == new.kind == CLUSTERS:
        pairs.append(("clusters", str(old.clusters), str(new.clusters)))
    if old.kind == new.kind == QUANTILES:
        pairs.append(("bins", str(old.bins), str(new.bins)))
        pairs.append(("lower is better", _lower(old), _lower(new)))
    found = [pair for pair in pairs if pair[1] != pair[2]]
    if old.fingerprint != new.fingerprint and not found:
        found.append(("meaning", "as before", "another, through the tags that it reads"))
    yield from found
    for aspect, before, after in (
        ("title", old.title, new.title),
        ("margin", f"{old.margin:g}", f"{new.margin:g}"),
        ("names", _names(old.names), _names(new.names)),
        ("sample", _sample(old), _sample(new)),
    ):
        if before != after:
            yield aspect, before, after


def _features(model: Model, names: Names) -> str:
    """The features: those named by their own text once, others with their names."""
    shown = []
    for each in model.features:
        text = expression_text(each.expression, names)
        shown.append(text if each.name == text else f"{each.name}: {text}")
    return ", ".join(shown)


def _label(model: Model) -> str:
    label = model.label
    if label is None:
        return "none"
    how = "no " if label.kind == "absent" else ""
    return f"{how}{label.event or 'event'} within {duration_text(label.within_ms)}"


def _lower(model: Model) -> str:
    pairs = zip(model.fields, model.lower_is_better, strict=True)
    return ", ".join(name for name, is_better in pairs if is_better) or "none"


def _names(names: Mapping[int, str]) -> str:
    return ", ".join(f"{number}: {name}" for number, name in sorted(names.items())) or "none"


def _sample(model: Model) -> str:
    return f"{model.sampling.share:g} of the {model.sampling.at}"
