"""Catalogs with models of every kind for the traffic of the fault tests, and snapshots of them, made by hand."""

from __future__ import annotations

from typing import Any

from rules.catalog import Catalog, parse_catalog
from tests.integration.model_runs import snapshot_head, unscaled

FIRST = """
catalog: faults
version: 1
tags:
  orders: count("Order Completed")
  bought: sum("Order Completed", "revenue")
  lately: count("Product Viewed", last="2s")
models:
  worth: {kind: clusters, features: [bought, lately], margin: 0.1, names: {2: Good}}
  rank: {kind: quantiles, bins: 3, fields: {often: orders, silence: since()}}
  leaving: {kind: classifier, features: [orders, lately], label: {absent: any, within: 2s}, sample: {at: events}}
segments:
  good: {when: cluster(worth) == "Good", min_stay: 1s, indexed: true}
  asleep: {when: "quantile(rank, silence) == 1", indexed: true}
  likely: {when: score(leaving) > 0.5, exit: not has(score(leaving)) or score(leaving) < 0.4}
  buyer: {when: orders >= 2}
tiers:
  standing:
    levels: {best: "quantile(rank, often) == 3 and in_segment(good)", some: in_segment(buyer), none: always}
"""
SECOND = FIRST.replace("version: 1", "version: 2").replace("features: [bought, lately]", "features: [bought, orders]")
"""`worth` is declared anew, so it has no cluster until there is a snapshot of that; the others go on."""

LAST_FLIP_MS = 4_000
"""Longer after their newest event nobody is due but at a model moment: the longest time of the catalogs, and a hop."""


def catalogs() -> dict[int, Catalog]:
    """Both versions."""
    return {1: parse_catalog(FIRST), 2: parse_catalog(SECOND)}


def worth(catalog: Catalog, version: int, *centres: tuple[int, float, float]) -> dict[str, Any]:
    """A snapshot of `worth`: by cluster its number and where it lies; what was spent in hundreds."""
    clusters = [{"id": number, "centre": [first, second]} for number, first, second in centres]
    features = [{**each, "scale": 100.0 if each["name"] == "bought" else 1.0} for each in unscaled(catalog, "worth")]
    return {**snapshot_head(catalog, "worth", version), "margin": 0.1, "features": features, "clusters": clusters}


def rank(catalog: Catalog, version: int, often: list[float], silence_ms: list[float]) -> dict[str, Any]:
    """A snapshot of `rank`: the boundaries of both fields."""
    fields = [
        {"name": "often", "boundaries": often, "lower_is_better": False},
        {"name": "silence", "boundaries": silence_ms, "lower_is_better": True},
    ]
    return {**snapshot_head(catalog, "rank", version), "fields": fields}


def leaving(catalog: Catalog, version: int, intercept: float) -> dict[str, Any]:
    """A snapshot of `leaving`: the more looks of late, the less likely."""
    features = unscaled(catalog, "leaving")
    logistic = {"weights": [0.0, -1.0], "intercept": intercept}
    return {**snapshot_head(catalog, "leaving", version), "features": features, "logistic": logistic}
