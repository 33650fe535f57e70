"""What models cost the firehose: the same events with and without snapshots in force, in turns, in one process."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from bench.events import Traffic
from bench.stages import STAGES, Stopwatch, watch_engine
from rules.catalog import Catalog, load_catalog
from rules.models import CLASSIFIER, CLUSTERS, Model
from rules.program import compile_catalog
from stream.engine import Engine, Records

__all__ = ["ModelCost", "made_up_snapshots", "measure_model_cost"]

_BATCH = 4_096
_NEVER_TOO_FAR_MS = 2**60


@dataclass(frozen=True, slots=True)
class ModelCost:
    """Medians over turns, in events a second of processor time; stages in µs an event, without models and with.

    moments: how many model moments passed in a turn; moment_us: what one takes, with models.
    """

    events: int
    plain_per_s: float
    learned_per_s: float
    sampled_per_s: float
    loss: float
    sampled_loss: float
    stages_us: dict[str, tuple[float, float]]


def made_up_snapshots(catalog: Catalog, seed: int = 1) -> dict[str, dict[str, Any]]:
    """Snapshots such as a learner makes, of numbers drawn."""
    draw = random.Random(seed)
    return {name: _snapshot(model, draw) for name, model in catalog.models.items()}


def _snapshot(model: Model, draw: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {"model": model.name, "version": 1, "kind": model.kind, "fingerprint": model.fingerprint}
    count = len(model.features)
    features = [
        {"name": name, "transform": "log", "unit": 1.0, "centre": 1.0, "scale": 2.0, "missing": 0.0}
        for name in model.fields
    ]
    if model.kind == CLUSTERS:
        centres = [[draw.gauss(0, 1) for _ in range(count)] for _ in range(model.clusters)]
        clusters = [{"id": number, "centre": centre} for number, centre in enumerate(centres, 1)]
        return found | {"features": features, "margin": model.margin, "clusters": clusters}
    if model.kind == CLASSIFIER:
        weights = [draw.gauss(0, 1) for _ in range(count)]
        return found | {"features": features, "logistic": {"intercept": 0.1, "weights": weights}}
    boundaries = {
        "recency": [86_400_000.0 * days for days in (3, 10, 20, 40)],
        "frequency": [0.0, 1.0, 2.0, 4.0],
        "monetary": [100.0, 300.0, 900.0, 2_500.0],
    }
    fields = [
        {"name": name, "boundaries": boundaries[name], "lower_is_better": lower}
        for name, lower in zip(model.fields, model.lower_is_better, strict=True)
    ]
    return found | {"fields": fields}


def measure_model_cost(traffic: Traffic, turns: int = 5) -> ModelCost:
    """Feed the same events to an engine without models, with, and with samples too, in turns. Blocks."""
    values = list(islice(traffic.values(), traffic.events))
    catalog = load_catalog("retail")
    snapshots = made_up_snapshots(catalog)
    programs = {
        "plain": compile_catalog(catalog),
        "learned": compile_catalog(catalog, None, snapshots),
        "sampled": compile_catalog(catalog, None, snapshots, sampled=True),
    }
    rates: dict[str, list[float]] = {name: [] for name in programs}
    stages: dict[str, dict[str, list[float]]] = {name: {stage: [] for stage in STAGES} for name in programs}
    for turn in range(turns + 1):
        for name, program in programs.items():
            engine = Engine(program, app="bench", partition=0, partition_count=1)
            stopwatch = Stopwatch()
            release = watch_engine(engine, stopwatch)
            start_s = time.process_time()
            _feed(engine, values)
            took_s = time.process_time() - start_s
            release()
            if turn:
                rates[name].append(len(values) / took_s)
                for stage, seconds in stopwatch.seconds.items():
                    stages[name][stage].append(seconds / len(values) * 1e6)
    rate = {name: statistics.median(found) for name, found in rates.items()}
    return ModelCost(
        len(values),
        rate["plain"],
        rate["learned"],
        rate["sampled"],
        1 - rate["learned"] / rate["plain"],
        1 - rate["sampled"] / rate["plain"],
        {
            stage: (statistics.median(stages["plain"][stage]), statistics.median(stages["learned"][stage]))
            for stage in STAGES
        },
    )


def _feed(engine: Engine, values: Sequence[bytes]) -> None:
    for start in range(0, len(values), _BATCH):
        some = values[start : start + _BATCH]
        count = len(some)
        batch = engine.decode(
            Records(
                values=list(some),
                offsets=np.arange(start, start + count, dtype=np.int64),
                watermark_ms=np.full(count, -(2**62), np.int64),
                horizon_ms=np.full(count, _NEVER_TOO_FAR_MS, np.int64),
                forwarded=np.zeros(count, np.bool_),
            )
        )
        engine.load(batch.cold, [None] * len(batch.cold))
        place = 0
        while place < count:
            place = engine.process(batch, place, start + 1).end
