"""Random models in random catalogs, and random snapshots of them, as a learner might have made them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from hypothesis import strategies as st

from rules.catalog import Catalog
from rules.models import CLUSTERS, QUANTILES, Model
from rules.nodes import Kind
from tests.property.random_catalogs import Draft, Part, drafts, parsed, successors
from tests.property.random_expressions import DAYS, DURATIONS, Names, Text, duration, number
from tests.property.random_logs import DAY_MS, HOUR_MS, Fed, ModelSwitch, Switch, fed_records, logs

NUMBERS = (-2.0, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
UNITS = (1.0, 2.0, 0.1, 1_000.0, 86_400_000.0)
BOUNDARIES = (-1.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.5, 2.0, 3.0, 10.0, 0.1)
BOUNDARIES_MS = (-1.0, 0.0, 0.5, 1_000.0, 1_000.5, 2_000.0, 61_000.0, 300_000.25, float(HOUR_MS), float(DAY_MS), 1e17)
NAMES = ("Night owls", "Early 'birds'", "\u5927\u5ba2\u6237")


@dataclass(frozen=True, slots=True)
class ModelDraft:
    """A model as its lines in the file; `fields` are the names of its features."""

    name: str
    kind: str
    fields: tuple[str, ...]
    body: tuple[str, ...]
    label: tuple[str, ...] = ()
    names: tuple[tuple[int, str], ...] = ()
    sample: str = ""

    @property
    def lines(self) -> list[str]:
        lines = [f"  {self.name}:", f"    kind: {self.kind}", *self.body, *self.label]
        if self.names:
            lines += ["    names:", *(f"      {number}: {_scalar(name)}" for number, name in self.names)]
        return [*lines, self.sample] if self.sample else lines

    @property
    def values(self) -> list[str]:
        """What expressions may ask of it."""
        if self.kind == CLUSTERS:
            return [f"cluster({self.name})"]
        if self.kind == QUANTILES:
            return [f"quantile({self.name}, {field})" for field in self.fields]
        return [f"score({self.name})"]


@dataclass(frozen=True, slots=True)
class LearnedDraft:
    """A catalog with models."""

    draft: Draft
    models: tuple[ModelDraft, ...]

    @property
    def text(self) -> str:
        lines = [line for model in self.models for line in model.lines]
        return self.draft.text + ("\n".join(["models:", *lines]) + "\n" if lines else "")


def _scalar(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


FEATURE: Text = st.one_of(number(Names(), 1), number(Names(), 1), DAYS, duration(Names(), 1)).filter(
    lambda text: re.search(r"[a-z]\(", text) is not None  # which reads something
)


@st.composite
def model_drafts(draw: st.DrawFn, name: str) -> ModelDraft:
    """A model of any kind over anything that a model may read."""
    kind = draw(st.sampled_from(("clusters", "quantiles", "classifier")))
    count = draw(st.integers(1, 3))
    fields = tuple(f"f{place}" for place in range(count))
    features = [f"      {field}: {_scalar(draw(FEATURE))}" for field in fields]
    if kind == "quantiles":
        bins = draw(st.sampled_from((2, 3, 5)))
        return ModelDraft(name, kind, fields, ("    fields:", *features, f"    bins: {bins}"), sample=draw(_sample()))
    model = ModelDraft(name, kind, fields, ("    features:", *features), sample=draw(_sample()))
    if kind == "classifier":
        sort, event = (
            draw(st.sampled_from(("absent", "event"))),
            draw(st.sampled_from(("any", "A", "B", "Page Viewed"))),
        )
        label = f'{{{sort}: {event}, within: "{draw(st.sampled_from(DURATIONS))}"}}'
        return replace(model, label=(f"    label: {label}",))
    return replace(model, names=draw(_names()), body=(*model.body, "    clusters: 3"))


@st.composite
def _names(draw: st.DrawFn) -> tuple[tuple[int, str], ...]:
    numbers = draw(st.lists(st.integers(1, 3), max_size=2, unique=True))
    return tuple(zip(sorted(numbers), NAMES, strict=False))


def _sample() -> Text:
    return st.sampled_from(
        ("", "", "    sample: {at: events}", "    sample: {at: events, share: 0.5}", "    sample: {share: 0.7}")
    )


@st.composite
def learned_drafts(draw: st.DrawFn) -> LearnedDraft:
    """A catalog with one to three models, whose values stand in tags that conditions may read."""
    models = tuple(draw(model_drafts(f"m{place}")) for place in range(draw(st.integers(1, 3))))
    values = [value for model in models for value in model.values]
    first = tuple(
        Part(f"t{90 + place}", "numbers", (f"  t{90 + place}: {value}",)) for place, value in enumerate(values)
    )
    return LearnedDraft(draw(drafts(first=first)), models)


@st.composite
def learned_successors(draw: st.DrawFn, before: LearnedDraft) -> LearnedDraft:
    """A newer catalog: models kept, renamed within, learned anew, gone or new; values of new ones are not read."""
    draft = draw(successors(before.draft))
    models = []
    for model in before.models:
        is_read = any(part.reads(model.name) for part in draft.parts)
        fate = draw(st.integers(0, 5))
        if fate == 0 and not is_read:
            continue
        if fate == 1 and not is_read:
            models.append(draw(model_drafts(model.name)))
        elif fate == 2 and model.kind == CLUSTERS:
            models.append(replace(model, names=draw(_names())))
        elif fate == 3:
            models.append(draw(_redrawn(model)))
        else:
            models.append(model)
    if draw(st.booleans()):
        models.append(draw(model_drafts(f"m{3 + before.draft.version + len(models)}")))
    return LearnedDraft(draft, tuple(models[:: draw(st.sampled_from((1, -1)))]))


def _redrawn(model: ModelDraft) -> st.SearchStrategy[ModelDraft]:
    """Another declaration of a model that does for whatever reads it."""
    return model_drafts(model.name).filter(
        lambda drawn: drawn.kind == model.kind and set(drawn.fields) >= set(model.fields)
    )


@st.composite
def snapshots(draw: st.DrawFn, model: Model, version: int) -> dict[str, Any]:
    """A snapshot of a model."""
    found: dict[str, Any] = {"model": model.name, "version": version, "kind": model.kind}
    found["fingerprint"] = model.fingerprint
    numbers = st.sampled_from(NUMBERS)
    if model.kind == QUANTILES:
        found["fields"] = [
            {
                "name": feature.name,
                "boundaries": sorted(
                    draw(
                        st.lists(
                            st.sampled_from(BOUNDARIES_MS if feature.kind is Kind.DURATION else BOUNDARIES),
                            min_size=model.bins - 1,
                            max_size=model.bins - 1,
                        )
                    )
                ),
                "lower_is_better": model.lower_is_better[place],
            }
            for place, feature in enumerate(model.features)
        ]
        return found
    found["features"] = [
        {
            "name": feature.name,
            "transform": draw(st.sampled_from(("identity", "log"))),
            "unit": draw(st.sampled_from(UNITS)),
            "centre": draw(numbers),
            "scale": draw(st.sampled_from(UNITS)),
            "missing": draw(numbers),
        }
        for feature in model.features
    ]
    centres = st.lists(numbers, min_size=len(model.features), max_size=len(model.features))
    if model.kind == CLUSTERS:
        ids = accumulate(draw(st.lists(st.integers(1, 2), min_size=1, max_size=3)))
        found["margin"] = draw(st.sampled_from((0, 0.1, 0.5, 0.99)))
        found["clusters"] = [{"id": each, "centre": draw(centres)} for each in ids]
    elif draw(st.booleans()):
        found["logistic"] = {"intercept": draw(numbers), "weights": draw(centres)}
    else:
        found["trees"] = [{"nodes": draw(_trees(len(model.features)))} for _ in range(draw(st.integers(1, 3)))]
    return found


@st.composite
def _trees(draw: st.DrawFn, width: int) -> list[list[float]]:
    """A tree of up to seven nodes, children behind their parents."""
    branches = draw(st.integers(0, 3))
    nodes: list[list[float]] = []
    for place in range(branches):
        threshold = draw(st.sampled_from(NUMBERS))
        nodes.append([draw(st.integers(0, width - 1)), threshold, 2 * place + 1, 2 * place + 2])
    leaf = st.sampled_from((0.0, 0.1, 1 / 3, 0.5, 1.0))
    return nodes + [[-1, draw(leaf), 0, 0] for _ in range(branches + 1)]


@st.composite
def starting_snapshots(draw: st.DrawFn, catalog: Catalog) -> dict[str, dict[str, Any]]:
    """Snapshots of some of a catalog's models."""
    return {
        name: draw(snapshots(model, draw(st.integers(1, 3))))
        for name, model in catalog.models.items()
        if draw(st.integers(0, 2)) > 0
    }


@st.composite
def learned_logs(draw: st.DrawFn, chain: Sequence[LearnedDraft]) -> list[Fed | Switch | ModelSwitch | int]:
    """A log with a switch to each further catalog of the chain, and switches to snapshots of any of their models.

    A snapshot may come before the catalog that it fits, after the last that it fits, or not be newer.
    """
    texts = "\n".join(draft.text for draft in chain)
    fed: list[Fed | Switch | ModelSwitch | int] = [*fed_records(draw(logs(texts, tame=True)))]
    catalogs = [parsed(draft.text) for draft in chain]
    models = [model for catalog in catalogs for model in catalog.models.values()]
    switches = [
        ModelSwitch(draw(snapshots(draw(st.sampled_from(models)), draw(st.integers(1, 6)))), 0)
        for _ in range(draw(st.integers(0, 4)) if models else 0)
    ]
    for switch in switches:
        fed.insert(draw(st.integers(0, len(fed))), switch)
    places = sorted(draw(st.lists(st.integers(0, len(fed)), min_size=len(chain) - 1, max_size=len(chain) - 1)))
    for catalog, place in reversed([*zip(catalogs[1:], places, strict=True)]):
        fed.insert(place, Switch(catalog, 0))
    watermark_ms = 0
    for place, record in enumerate(fed):
        if isinstance(record, Switch | ModelSwitch):
            fed[place] = replace(record, watermark_ms=watermark_ms)
        else:
            watermark_ms = record if isinstance(record, int) else record.watermark_ms
    return fed
