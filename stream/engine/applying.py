"""Kernel, lower layer: what a snapshot says of one user, as `rules.snapshots` has it, to the last bit.

Sums go in the order of the features, in doubles; `log1p` and `exp` are those of the C library.
"""

from __future__ import annotations

import math

from rules.tables import TREES
from stream.engine import fields
from stream.engine.jit import inlined, inner
from stream.engine.packed import PackedTables, entry, number, size, span
from stream.engine.state import Scratch

__all__ = ["find_terms", "nearest_cluster", "scale_features", "score_of"]


@inlined
def find_terms(tables: PackedTables, scratch: Scratch) -> None:
    """Take the logarithms that the models in force ask for, each once for all models."""
    for term in range(size(tables, fields.TERM_FEATURE)):
        value = scratch.features[entry(tables, fields.TERM_FEATURE, term)]
        if entry(tables, fields.TERM_LOG, term) == 1:
            value = math.copysign(math.log1p(abs(value) / number(tables, fields.TERM_UNIT, term)), value)
        scratch.terms[term] = value


@inlined
def scale_features(tables: PackedTables, scratch: Scratch, model: int) -> None:
    """Scale the terms of a model as its snapshot says; what is missing, or comes to no finite number, is set."""
    first = entry(tables, fields.MODEL_FEATURE_START, model)
    for position in span(tables, fields.MODEL_FEATURE_START, model):
        value = scratch.terms[entry(tables, fields.MODEL_TERM, position)]
        value = (value - number(tables, fields.SCALE_CENTRE, position)) / number(tables, fields.SCALE_WIDTH, position)
        scratch.scaled[position - first] = (
            value if math.isfinite(value) else number(tables, fields.SCALE_MISSING, position)
        )


@inlined
def nearest_cluster(tables: PackedTables, scratch: Scratch, model: int, old: int) -> int:
    """The cluster of a user with these scaled features, who comes from `old` (-1: from none)."""
    features = len(span(tables, fields.MODEL_FEATURE_START, model))
    at = entry(tables, fields.CENTRE_FIRST, model)
    best, best_distance, old_distance = -1, math.inf, math.inf
    for position in span(tables, fields.MODEL_CLUSTER_START, model):
        cluster, total = entry(tables, fields.MODEL_CLUSTER, position), 0.0
        for index in range(features):
            difference = scratch.scaled[index] - number(tables, fields.CENTRE, at + index)
            total += difference * difference
        at += features
        distance = math.sqrt(total)
        if distance < best_distance or best < 0:
            best, best_distance = cluster, distance
        if cluster == old:
            old_distance = distance
    if old_distance == math.inf or best_distance < number(tables, fields.MODEL_MARGIN, model) * old_distance:
        return best
    return old


@inlined
def score_of(tables: PackedTables, scratch: Scratch, model: int) -> float:
    """How likely a classifier's label is, from 0 to 1, of a user with these scaled features."""
    if entry(tables, fields.MODEL_KIND, model) == TREES:
        total, trees = 0.0, span(tables, fields.MODEL_TREE_START, model)
        for position in trees:
            total += leaf_value(tables, scratch, entry(tables, fields.MODEL_TREE, position))
        return total / len(trees)
    first, exponent = entry(tables, fields.MODEL_FEATURE_START, model), number(tables, fields.MODEL_INTERCEPT, model)
    for position in span(tables, fields.MODEL_FEATURE_START, model):
        exponent += number(tables, fields.WEIGHT, position) * scratch.scaled[position - first]
    if exponent >= 0:
        return 1 / (1 + math.exp(-exponent))
    power = math.exp(exponent)
    return power / (1 + power)


@inner
def leaf_value(tables: PackedTables, scratch: Scratch, node: int) -> float:
    """What the leaf says that a tree leads to."""
    feature = entry(tables, fields.NODE_FEATURE, node)
    while feature >= 0:
        goes_left = scratch.scaled[feature] <= number(tables, fields.NODE_VALUE, node)
        node = entry(tables, fields.NODE_LEFT, node) if goes_left else entry(tables, fields.NODE_RIGHT, node)
        feature = entry(tables, fields.NODE_FEATURE, node)
    return number(tables, fields.NODE_VALUE, node)
