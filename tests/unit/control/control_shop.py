"""A shop's catalog with one model of each kind, samples of it, and a memory without topics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rules.catalog import Catalog, parse_catalog
from stream.control.learners import Remembered
from stream.control.publications import NewSnapshot, Publication, SavedState
from stream.learning import Sample, encode_sample

HOUR_MS = 3_600_000

CATALOG = """catalog: shop
version: {version}
tags:
  orders: count("Order", last="90d")
  spend: sum("Order", "revenue", last="90d")
segments:
  often: {{when: orders > 3}}
models:
  behaviour:
    kind: clusters
    clusters: {clusters}
    features: [orders, spend]
    names: {names}
  rfm:
    kind: quantiles
    fields: {{frequency: orders, monetary: spend}}
  churn:
    kind: classifier
    features: [orders, spend]
    label: {{absent: any, within: 1h}}
"""


def catalog(version: int = 1, *, clusters: int = 3, names: str = "{}") -> Catalog:
    return parse_catalog(CATALOG.format(version=version, clusters=clusters, names=names))


class PlainMemory:
    """`Memory` without topics: what is published is remembered if it is handed to `keep`."""

    def __init__(self, *catalogs: Catalog) -> None:
        self.catalogs = {each.version: each for each in catalogs}
        self.kept: dict[str, Remembered] = {}

    def catalog(self, version: int) -> Catalog | None:
        return self.catalogs.get(version)

    def remembered(self, model: str) -> Remembered:
        return self.kept.get(model, Remembered())

    def keep(self, publications: list[Publication]) -> None:
        for each in publications:
            if isinstance(each, NewSnapshot):
                before = self.remembered(each.model)
                self.kept[each.model] = replace(before, snapshot=each.snapshot, last_version=each.version)
            elif isinstance(each, SavedState):
                self.kept[each.model] = replace(self.remembered(each.model), state=each.state)


def moments(
    model: str, count: int, seed: int = 1, *, version: int = 1, start: int = 0, add: float = 0.0
) -> list[bytes]:
    """Samples of three groups of users, each at a model moment of their own. add: so much more of everything."""
    generator = np.random.default_rng(seed)
    middles = np.array([[2.0, 50.0], [9.0, 50.0], [2.0, 400.0]])[generator.choice(3, count, p=(0.5, 0.3, 0.2))]
    rows = middles + add + generator.normal(0, (0.4, 5.0), (count, 2))
    return [
        encode_sample(
            Sample(
                model,
                f"user-{start + number}",
                (start + number) * 1_000,
                "moment",
                tuple(row),
                None,
                None,
                "shop",
                version,
            )
        )
        for number, row in enumerate(rows.tolist())
    ]


def labels(count: int, seed: int = 1, *, slope: float = 2.0, start: int = 0) -> list[bytes]:
    """Churn, the likelier the fewer the orders: each opened and labelled, in the order of their moments."""
    generator = np.random.default_rng(seed)
    found: list[tuple[int, dict[str, Any]]] = []
    for number in range(start, start + count):
        hidden = generator.normal()
        values, opened_ms = (5.0 - 2 * hidden, float(generator.normal())), number * 60_000
        churned = bool(generator.random() < 1 / (1 + np.exp(-slope * hidden)))
        at_ms = opened_ms + (HOUR_MS if churned else int(generator.integers(1, HOUR_MS)))
        head: dict[str, Any] = {"model": "churn", "user": f"user-{number}", "values": values, "catalog": "shop"}
        found.append((opened_ms, head | {"at_ms": opened_ms, "why": "moment"}))
        found.append((at_ms, head | {"at_ms": at_ms, "why": "label", "label": churned, "opened_ms": opened_ms}))
    found.sort(key=lambda each: each[0])
    return [encode_sample(Sample(**fields)) for _, fields in found]


def snapshots(publications: list[Publication]) -> list[dict[str, Any]]:
    return [dict(each.snapshot) for each in publications if isinstance(each, NewSnapshot)]
