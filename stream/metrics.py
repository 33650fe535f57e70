"""What a process counts about itself: all metrics in one place, on a registry of the process's own.

Names follow Prometheus: a base unit in the name, `_total` for counters. `prometheus_client` keeps the values and is
safe to use from several threads; nothing here opens a port.
"""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

__all__ = ["DURATION_BUCKETS_S", "Metrics", "quantile_s"]

DURATION_BUCKETS_S = tuple(round(0.0001 * 2 ** (step / 2), 9) for step in range(41))
"""Bounds of all histograms: 0.1 ms to 105 s, each √2 times the one before, so a quantile is right to within ±19 %."""


class Metrics:
    """All metrics of a process. One instance a process; tests make their own.

    Reading a quantile of a histogram: `quantile_s`.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.events = self._counter("events", "Events accepted and evaluated.")
        self.duplicates = self._counter("duplicates", "Events dropped because their id was seen before.")
        self.rejects = self._counter("rejects", "Records that went to the dead-letter topic.", "reason")
        self.forwards = self._counter("forwards", "Events sent on to the partition of their user.")
        self.ticks = self._counter("ticks", "Tick records written to move a quiet partition's watermark.")
        self.changes = self._counter("changes", "Changes published.", "segment", "change", "cause")
        self.samples = self._counter("samples", "Samples published for models to learn from.", "model")
        self.samples_dropped = self._counter("samples_dropped", "Samples not published, by why.", "reason")
        self.steps = self._counter("steps", "Steps committed.", "kind")
        self.resends = self._counter("resends", "Outboxes published again after a crash or an error.")
        self.lost_tails = self._counter("redis_lost_tail", "Times that Redis was found behind what was published.")
        self.errors = self._counter("errors", "Errors after which a partition was acquired again.", "kind")
        self.step_duration = self._histogram("step_duration", "From the first record of a step to its end.")
        self.publish_delay = self._histogram("publish_delay", "From an event's log time to its changes' publication.")
        self.flip_delay = self._histogram("flip_delay", "How late a flip was published after its effective time.")
        self.lag = self._gauge("lag_records", "Records between a partition's position and its end.", "partition")
        self.paused = self._gauge("partition_paused", "1 while a partition is paused, by why.", "partition", "reason")
        self.catalog_version = self._gauge("catalog_version", "Version of the catalog that runs.", "partition")
        self.model_version = self._gauge(
            "model_version", "Version of the snapshot that users are evaluated with.", "partition", "model"
        )
        self.walk_left = self._gauge("walk_left_buckets", "Of 1,024, still to be visited after a switch.", "partition")
        self.backfill_left = self._gauge(
            "backfill_left_records", "Still to be read again for a catalog that is to come.", "partition"
        )
        self.cached_users = self._gauge("cached_users", "Users whose rows are in memory.", "partition")

    def snapshot(self) -> Mapping[str, float]:
        """Every sample by `name{label=value,…}`, as it stands now; `_created` samples are left out."""
        result: dict[str, float] = {}
        for family in self.registry.collect():
            for sample in family.samples:
                if sample.name.endswith("_created"):
                    continue
                labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
                result[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return result

    def exposition(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace="tagstream", registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace="tagstream", registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(
            name,
            text,
            labels,
            namespace="tagstream",
            unit="seconds",
            registry=self.registry,
            buckets=DURATION_BUCKETS_S,
        )


def quantile_s(histogram: Histogram, fraction: float) -> float | None:
    """The value that `fraction` (0..1) of a histogram's observations lie at or below, or None without observations.

    Within a bucket the observations are taken to be spread evenly, as Prometheus's `histogram_quantile` does; past the
    last bound that bound is given. The histogram must have no labels (or be a labelled child).
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"a quantile's fraction lies in 0..1, not {fraction}")
    counts = [
        (float(sample.labels["le"]), sample.value)
        for family in histogram.collect()
        for sample in family.samples
        if sample.name.endswith("_bucket")
    ]
    if not counts or counts[-1][1] == 0:
        return None
    rank = fraction * counts[-1][1]
    lower_bound = lower_count = 0.0
    for bound, count in counts:
        if count >= rank and count > lower_count:
            if bound == float("inf"):
                return lower_bound
            return lower_bound + (bound - lower_bound) * (rank - lower_count) / (count - lower_count)
        lower_bound, lower_count = bound if bound != float("inf") else lower_bound, count
    return lower_bound
