"""A catalog with models, snapshots made by hand, and switching running workers to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rules.catalog import Catalog, parse_catalog
from stream.clock import SystemClock
from stream.embedded import Addresses
from stream.learning import Sample, parse_sample
from stream.models import publish_snapshot
from stream.settings import Settings
from stream.switches import write_switches
from tests.faults.log_fold import messages_of_topic, read_topic

MODELS = """
catalog: shop
version: 1
tags:
  orders: count("Order Completed")
  spent: sum("Order Completed", "revenue")
models:
  worth:
    kind: clusters
    algorithm: kmeans
    clusters: 2
    features: [spent]
    sample: {at: events, share: 1.0}
  rfm:
    kind: quantiles
    bins: 3
    fields: {often: orders}
  leaving:
    kind: classifier
    algorithm: logistic
    features: [orders]
    label: {event: Order Completed, within: 7d}
    sample: {at: events, share: 1.0}
segments:
  buyer: {when: orders >= 1, indexed: true}
  big: {when: cluster(worth) == 2}
  often: {when: 'quantile(rfm, often) == 3'}
  likely: {when: score(leaving) > 0.5}
"""
"""A catalog with a model of each kind. `worth` and `leaving` learn from every event."""


def catalog(text: str = MODELS, version: int = 1) -> Catalog:
    """The catalog under a version."""
    return parse_catalog(text.replace("version: 1", f"version: {version}"))


def worth(given: Catalog, centres: Sequence[float] = (10.0, 100.0), version: int = 1) -> dict[str, Any]:
    """A snapshot of `worth`: a cluster at each sum spent, numbered from 1."""
    clusters = [{"id": number, "centre": [centre]} for number, centre in enumerate(centres, start=1)]
    features = unscaled(given, "worth")
    return {**snapshot_head(given, "worth", version), "margin": 0.0, "features": features, "clusters": clusters}


def rfm(given: Catalog, boundaries: Sequence[float] = (1.0, 2.0), version: int = 1) -> dict[str, Any]:
    """A snapshot of `rfm`."""
    fields = [{"name": "often", "boundaries": list(boundaries), "lower_is_better": False}]
    return {**snapshot_head(given, "rfm", version), "fields": fields}


def leaving(given: Catalog, intercept: float, version: int = 1) -> dict[str, Any]:
    """A snapshot of `leaving` that says the same of everybody."""
    features = unscaled(given, "leaving")
    logistic = {"weights": [0.0], "intercept": intercept}
    return {**snapshot_head(given, "leaving", version), "features": features, "logistic": logistic}


def unscaled(given: Catalog, name: str) -> list[dict[str, Any]]:
    plain = {"transform": "identity", "unit": 1.0, "centre": 0.0, "scale": 1.0, "missing": 0.0}
    return [{"name": feature.name, **plain} for feature in given.models[name].features]


def snapshot_head(given: Catalog, name: str, version: int) -> dict[str, Any]:
    model = given.models[name]
    return {
        "model": name,
        "fingerprint": model.fingerprint,
        "version": version,
        "catalog": given.name,
        "catalog_version": given.version,
        "kind": model.kind,
        "algorithm": model.algorithm,
        "made_at": SystemClock().now_ms(),
    }


def publish(settings: Settings, addresses: Addresses, snapshot: Mapping[str, Any]) -> None:
    """Publish a snapshot and switch every partition to it, as the learner does."""
    publish_snapshot(settings, addresses, snapshot, SystemClock())
    switch(settings, addresses, str(snapshot["model"]), int(snapshot["version"]))


def switch(settings: Settings, addresses: Addresses, model: str, version: int) -> None:
    """Write the switch records alone."""
    write_switches(
        addresses.kafka,
        settings.events_topic,
        app=settings.app,
        version=version,
        partitions=range(settings.partitions),
        clock=SystemClock(),
        model=model,
    )


def samples(settings: Settings, addresses: Addresses) -> list[Sample]:
    """All samples on their topic, by partition and in log order."""
    isolation = "read_uncommitted" if addresses.embedded else "read_committed"
    found = messages_of_topic(read_topic(addresses.kafka, settings.profile_samples_topic, isolation=isolation))
    assert {message.key() for message in found} <= {
        parse_sample(message.value() or b"").model.encode() for message in found
    }
    return [parse_sample(message.value() or b"") for message in found]


def moves(
    values: Sequence[bytes], model: str = "worth"
) -> list[tuple[str, int | None, int | None, str, dict[str, int]]]:
    """Of changes as they were published, a model's: user, from, to, cause and the versions of models."""
    found = []
    for value in values:
        data = json.loads(value)["data"]
        if data.get("model") == model:
            found.append((data["user"], data["from"], data["to"], data["cause"], data["model_versions"]))
    return found
