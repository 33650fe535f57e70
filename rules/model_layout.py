"""Models and the snapshots in force laid out as tables: what a user's values are scaled by and compared with.

Each function gives the fields of one kind of thing; `lay_out_models` puts them together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rules.catalog import Catalog
from rules.compiled import Compiled, Numbering
from rules.flat import Fields, keys_of, put_lists, slots_for, starts_of
from rules.models import CLASSIFIER, CLUSTERS, QUANTILES, Model
from rules.nodes import ClusterOf, ScoreOf
from rules.tables import (
    AT_EVENTS,
    AT_MOMENTS,
    CLUSTER,
    LABEL_ABSENT,
    LABEL_EVENT,
    LOGISTIC,
    NEAREST,
    NO_LABEL,
    NOT_SAMPLED,
    TREES,
)
from rules.tables import QUANTILES as BY_QUANTILES
from rules.units import Snapshots

__all__ = ["lay_out_models"]

_SAMPLED_AT = {"moments": AT_MOMENTS, "events": AT_EVENTS}
_LABELS = {"absent": LABEL_ABSENT, "event": LABEL_EVENT}

Snapshot = Mapping[str, Any]


def lay_out_models(compiled: Compiled, catalog: Catalog, snapshots: Snapshots, *, sampled: bool) -> Fields:
    """The fields of models."""
    models = list(catalog.models.values())
    given = [snapshots.get(model.name) for model in models]
    in_force = [model.kind != QUANTILES and snapshot is not None for model, snapshot in zip(models, given, strict=True)]
    sampled_at = [_SAMPLED_AT[model.sampling.at] if sampled else NOT_SAMPLED for model in models]
    return {
        "model_kind": np.array([_kind(*pair) for pair in zip(models, given, strict=True)], np.int8),
        "model_in_force": np.array(in_force, np.uint8),
        "in_force_count": sum(in_force),
        "has_model_moments": int(any(in_force) or AT_MOMENTS in sampled_at),
        **_places(compiled, models),
        **_features(compiled, models, given),
        **_clusters(given),
        **_trees(given),
        **_samples(compiled, models, sampled_at),
    }


def _kind(model: Model, snapshot: Snapshot | None) -> int:
    if model.kind == CLUSTERS:
        return NEAREST
    if model.kind == QUANTILES:
        return BY_QUANTILES
    return TREES if snapshot is not None and "trees" in snapshot else LOGISTIC


def _places(compiled: Compiled, models: Sequence[Model]) -> Fields:
    """Where a user's cluster or score stands."""
    facts = compiled.facts.numbers
    units = {unit.name: number for number, unit in enumerate(compiled.units) if unit.form == CLUSTER}
    held = [
        ClusterOf(model.name) if model.kind == CLUSTERS else ScoreOf(model.name) if model.kind == CLASSIFIER else None
        for model in models
    ]
    clusters = [units[model.name] if model.kind == CLUSTERS else -1 for model in models]
    return {
        "model_fact": np.array([-1 if fact is None else facts[fact] for fact in held], np.int32),
        "model_unit": np.array(clusters, np.int32),
    }


def _features(compiled: Compiled, models: Sequence[Model], given: Sequence[Snapshot | None]) -> Fields:
    """The features of each model, and beside each how it is scaled and weighs; nothing where no snapshot is."""
    scales: list[Snapshot] = []
    weights: list[float] = []
    terms = Numbering[tuple[int, bool, float]]()
    taken: list[int] = []
    for model, snapshot in zip(models, given, strict=True):
        numbers = compiled.model_features[model.name]
        if snapshot is None or model.kind == QUANTILES:
            scales += [_UNSCALED for _ in numbers]
            taken += [-1 for _ in numbers]
        else:
            scales += snapshot["features"]
            taken += [terms(_term(*pair)) for pair in zip(numbers, snapshot["features"], strict=True)]
        logistic = None if snapshot is None else snapshot.get("logistic")
        weights += [0.0 for _ in model.features] if logistic is None else logistic["weights"]
    logistics = [{"intercept": 0.0} if snapshot is None else snapshot.get("logistic") for snapshot in given]
    fields = {
        "model_term": np.array(taken, np.int32),
        "term_feature": np.array([feature for feature, _, _ in terms.numbers], np.int32),
        "term_log": np.array([is_log for _, is_log, _ in terms.numbers], np.uint8),
        "term_unit": np.array([unit for _, _, unit in terms.numbers], np.float64),
        "scale_centre": np.array([scale["centre"] for scale in scales], np.float64),
        "scale_width": np.array([scale["scale"] for scale in scales], np.float64),
        "scale_missing": np.array([scale["missing"] for scale in scales], np.float64),
        "weight": np.array(weights, np.float64),
        "model_intercept": np.array([0.0 if each is None else each["intercept"] for each in logistics], np.float64),
    }
    put_lists(fields, "model_feature", [compiled.model_features[model.name] for model in models])
    return fields


_UNSCALED: Snapshot = {"centre": 0.0, "scale": 1.0, "missing": 0.0}


def _term(feature: int, scale: Snapshot) -> tuple[int, bool, float]:
    is_log = scale["transform"] == "log"
    return feature, is_log, float(scale["unit"]) if is_log else 1.0


def _clusters(given: Sequence[Snapshot | None]) -> Fields:
    found = [[] if snapshot is None else snapshot.get("clusters", []) for snapshot in given]
    centres = [[value for cluster in clusters for value in cluster["centre"]] for clusters in found]
    margins = [0 if snapshot is None else snapshot.get("margin", 0) for snapshot in given]
    return {
        "model_margin": np.array([1 - margin for margin in margins], np.float64),
        "model_cluster_start": starts_of(map(len, found)),
        "model_cluster": np.array([cluster["id"] for clusters in found for cluster in clusters], np.int64),
        "centre": np.array([value for values in centres for value in values], np.float64),
        "centre_first": starts_of(map(len, centres))[:-1],
    }


def _trees(given: Sequence[Snapshot | None]) -> Fields:
    roots: list[list[int]] = []
    nodes: list[tuple[int, float, int, int]] = []
    for snapshot in given:
        roots.append([])
        for tree in () if snapshot is None else snapshot.get("trees", ()):
            first = len(nodes)
            roots[-1].append(first)
            nodes += [
                (int(feature), float(value), first + int(left), first + int(right))
                for feature, value, left, right in tree["nodes"]
            ]
    fields: Fields = {
        "node_feature": np.array([node[0] for node in nodes], np.int32),
        "node_value": np.array([node[1] for node in nodes], np.float64),
        "node_left": np.array([node[2] for node in nodes], np.int32),
        "node_right": np.array([node[3] for node in nodes], np.int32),
    }
    put_lists(fields, "model_tree", roots)
    return fields


def _samples(compiled: Compiled, models: Sequence[Model], sampled_at: Sequence[int]) -> Fields:
    """When users give samples, and what becomes of those that wait for a label."""
    events = compiled.event_names.numbers
    labels = [model.label if model.kind == CLASSIFIER else None for model in models]
    slots = slots_for([label is not None and at != NOT_SAMPLED for label, at in zip(labels, sampled_at, strict=True)])
    opened = [model for model, slot in zip(models, slots, strict=True) if slot >= 0]
    firsts = starts_of(len(model.features) for model in opened)
    return {
        "model_sampled": np.array(sampled_at, np.int8),
        "model_share": np.array([model.sampling.share for model in models], np.float64),
        "model_label": np.array([NO_LABEL if label is None else _LABELS[label.kind] for label in labels], np.int8),
        "model_label_event": np.array(
            [-1 if label is None or label.event is None else events[label.event] for label in labels], np.int32
        ),
        "model_within_ms": np.array([0 if label is None else label.within_ms for label in labels], np.int64),
        "model_open": np.array(slots, np.int32),
        "model_key": keys_of(f"{model.name}\x1f{model.fingerprint}" for model in models),
        "open_model": np.array([number for number, slot in enumerate(slots) if slot >= 0], np.int32),
        "open_first": firsts[:-1],
        "open_width": int(firsts[-1]),
        "sampled_count": np.array([sampled_at.count(at) for at in (NOT_SAMPLED, AT_MOMENTS, AT_EVENTS)], np.int32),
    }
