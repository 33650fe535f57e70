"""What a snapshot must hold to before it is applied. The learner asks before publishing, a worker may ask again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from stream.learning.errors import LearningError

__all__ = ["check_snapshot"]

_TRANSFORMS = ("identity", "log")
_KINDS = ("clusters", "quantiles", "classifier")
_MAX_NODES = 100_000
_MAX_WHOLE = 2**53
_MAX_CLUSTER_ID = 2**31 - 1


def check_snapshot(snapshot: Mapping[str, Any]) -> None:
    """Raise LearningError with the place of the first thing in `snapshot` that can't be applied; else do nothing."""
    _finite(snapshot, "")
    for key in ("model", "catalog", "fingerprint"):
        if not isinstance(snapshot.get(key), str):
            raise LearningError("expected a text", place=key)
    for key in ("version", "catalog_version", "made_at"):
        if not _is_whole(snapshot.get(key), 0, _MAX_WHOLE):
            raise LearningError(f"expected a whole number from 0 to {_MAX_WHOLE}", place=key)
    kind = snapshot.get("kind")
    if kind not in _KINDS:
        raise LearningError(f"expected one of {', '.join(_KINDS)}, found {kind!r}", place="kind")
    if kind == "quantiles":
        _check_fields(_items(snapshot, "fields"))
        return
    features = _items(snapshot, "features")
    _check_features(features)
    if kind == "clusters":
        _check_clusters(snapshot, len(features))
    elif "logistic" in snapshot:
        logistic = snapshot["logistic"]
        if not isinstance(logistic, Mapping):
            raise LearningError("expected weights and an intercept", place="logistic")
        _check_numbers(logistic.get("weights"), len(features), "logistic.weights")
        _number(logistic, "intercept", "logistic")
    else:
        for number, tree in enumerate(_items(snapshot, "trees")):
            _check_tree(tree["nodes"], len(features), f"trees[{number}]")


def _finite(value: object, place: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise LearningError(f"the number is {value}, and only finite ones are published", place=place or "snapshot")
    if isinstance(value, Mapping):
        for key, each in value.items():
            _finite(each, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            _finite(each, f"{place}[{number}]")


def _items(snapshot: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    items = snapshot.get(key)
    if not isinstance(items, list) or not items or not all(isinstance(each, Mapping) for each in items):
        raise LearningError(f"there are no {key}", place=key)
    return items


def _number(record: Mapping[str, Any], key: str, place: str) -> float:
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LearningError(f"expected a number, found {value!r}", place=f"{place}.{key}")
    return float(value)


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _check_numbers(values: object, count: int, place: str) -> None:
    if not isinstance(values, list) or len(values) != count:
        raise LearningError(f"expected {count} numbers", place=place)
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise LearningError(f"expected a number, found {value!r}", place=place)


def _check_features(features: Sequence[Mapping[str, Any]]) -> None:
    for number, feature in enumerate(features):
        place = f"features[{number}]"
        if feature.get("transform") not in _TRANSFORMS:
            raise LearningError(f"expected one of {', '.join(_TRANSFORMS)}", place=f"{place}.transform")
        for key in ("centre", "missing"):
            _number(feature, key, place)
        for key in ("unit", "scale"):
            if _number(feature, key, place) <= 0:
                raise LearningError("expected a number greater than 0", place=f"{place}.{key}")


def _check_clusters(snapshot: Mapping[str, Any], width: int) -> None:
    if not 0 <= _number(snapshot, "margin", "snapshot") < 1:
        raise LearningError("expected 0 or more and less than 1", place="margin")
    last = -1
    for number, cluster in enumerate(_items(snapshot, "clusters")):
        place = f"clusters[{number}]"
        if not _is_whole(cluster.get("id"), last + 1, _MAX_CLUSTER_ID):
            raise LearningError("ids are whole numbers from 0 on, ascending, each once", place=f"{place}.id")
        last = cluster["id"]
        _check_numbers(cluster.get("centre"), width, f"{place}.centre")


def _check_fields(fields: Sequence[Mapping[str, Any]]) -> None:
    for number, field in enumerate(fields):
        boundaries = field.get("boundaries")
        place = f"fields[{number}].boundaries"
        if not isinstance(boundaries, list) or not boundaries:
            raise LearningError("there are none", place=place)
        _check_numbers(boundaries, len(boundaries), place)
        if any(high < low for low, high in pairwise(boundaries)):
            raise LearningError("they do not ascend", place=place)


def _check_tree(nodes: Sequence[Sequence[float]], width: int, place: str) -> None:
    if not 1 <= len(nodes) <= _MAX_NODES:
        raise LearningError(f"expected 1 to {_MAX_NODES} nodes, found {len(nodes)}", place=f"{place}.nodes")
    for number, (feature, threshold, left, right) in enumerate(nodes):
        here = f"{place}.nodes[{number}]"
        if feature == -1:
            if not 0 <= threshold <= 1:
                raise LearningError("expected a probability", place=here)
        elif not 0 <= feature < width:
            raise LearningError("there is no such feature", place=here)
        # Children come later, so every walk ends.
        elif not (number < left < len(nodes) and number < right < len(nodes)):
            raise LearningError("its children are not further on", place=here)
