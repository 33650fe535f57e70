"""`python -m bench.models`: what the models reach, in one table with its seeds; what is going on goes to stderr.

Each target has a line: what was asked, what came, and whether that is enough. scikit-learn and pandas are the judges.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.tree import DecisionTreeClassifier

from bench.events import Traffic
from bench.model_cost import measure_model_cost
from bench.model_samples import CDNOW, DAY_MS, SHOP, Log, churn_samples, groups, histories, moment_samples
from rules.snapshots import scaled_values
from stream.learning import ALGORITHMS, DeclaredLabel, DeclaredModel, Sample, apply_snapshot
from stream.learning.learner import learner_of
from stream.learning.lloyd import nearest
from stream.learning.quality import area_under_roc
from stream.learning.scaling import TRAINING_LIMIT, FeatureScale, as_matrix, scaled_rows

Doubles = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]

_LUCK_SEED = 1
_PARTS = ("clusters", "rfm", "churn", "speed", "firehose")
_FEATURES = ("visits_30d", "orders_90d", "spend_90d", "discount", "returns", "searches")
_NOTES = Console(stderr=True)


@dataclass(frozen=True)
class Figure:
    """A line of the table. `good`: None where nothing was asked."""

    what: str
    asked: str
    came: str
    good: bool | None


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the parts asked for and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.models", description="Measure what the models reach.")
    parser.add_argument("--only", choices=_PARTS, action="append", help="measure this part; may be given again")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds for clusters (default 3)")
    options = parser.parse_args(arguments)
    parts = options.only or list(_PARTS)
    figures: list[Figure] = []
    if "clusters" in parts:
        count = 40_000 if options.quick else 200_000
        for seed in range(1, options.seeds + 1):
            _NOTES.print(f"clusters: {count:,} samples, seed {seed} …")
            figures += clusters_figures(count, seed)
    if "rfm" in parts:
        _NOTES.print("rfm: CDNOW …")
        figures += rfm_figures()
    if "churn" in parts:
        for log in (CDNOW, SHOP):
            _NOTES.print(f"churn: {log.name} …")
            figures += churn_figures(log)
    if "speed" in parts:
        _NOTES.print("speed …")
        figures += speed_figures(5_000 if options.quick else 20_000)
    if "firehose" in parts:
        _NOTES.print("firehose …")
        figures += firehose_figures(60_000 if options.quick else 200_000)
    _print(figures)


def clusters_figures(count: int, seed: int) -> list[Figure]:
    """Agreement with batch k-means, users moved while nothing changes, and recovery after a shift; each of one seed."""
    model = DeclaredModel("behaviour", "clusters", _FEATURES, clusters=8)
    learner = learner_of(model)
    stream = groups(count, seed)
    step = 5_000
    snapshot: dict[str, Any] = {}
    moved: list[float] = []
    for start in range(0, count, step):
        learner.learn(_samples("behaviour", stream.values[start : start + step], start))
        snapshot = _taken(learner.snapshot(start))
        moved.append(snapshot["moved"])
    rows, ours = _assigned(snapshot, stream.values)
    batch = KMeans(8, n_init=10, random_state=seed).fit(rows)
    agreement = float(adjusted_rand_score(batch.labels_, ours))
    truth, batch_truth = (float(adjusted_rand_score(stream.labels, each)) for each in (ours, batch.labels_))
    most = max(moved[10:], default=0.0)
    where = f"clusters, seed {seed}"
    figures = [
        Figure(f"{where}: ARI of batch k-means, {count:,} samples", ">= 0.95", f"{agreement:.3f}", agreement >= 0.95),
        Figure(f"{where}: ARI of the true groups (batch: {batch_truth:.3f})", "", f"{truth:.3f}", None),
        Figure(f"{where}: most users moved by a snapshot after the tenth", "< 1 %", f"{most:.2%}", most < 0.01),
    ]
    shifted = groups(20_000, seed, shifted=True)
    reached = 0
    agreement = 0.0
    for start in range(0, 20_000, 2_000):
        learner.learn(_samples("behaviour", shifted.values[start : start + 2_000], count + start))
        snapshot = _taken(learner.snapshot(start))
        rows, ours = _assigned(snapshot, shifted.values)
        batch = KMeans(8, n_init=10, random_state=seed).fit(rows)
        agreement = float(adjusted_rand_score(batch.labels_, ours))
        if agreement >= 0.95 and not reached:
            reached = start + 2_000
    came = f"after {reached:,}, ARI {agreement:.3f} at 20,000" if reached else f"not yet, ARI {agreement:.3f} at 20,000"
    return [*figures, Figure(f"{where}: shift recovered (ARI 0.95 again)", "<= 20,000", came, bool(reached))]


def rfm_figures() -> list[Figure]:
    """How many users have the scores that pandas' qcut gives, after CDNOW; one day of samples at its end."""
    users = histories(CDNOW)
    end_ms = max(int(each.at_ms[-1]) for each in users) + DAY_MS
    model = DeclaredModel("rfm", "quantiles", ("recency", "frequency", "monetary"), (True, False, False))
    learner = learner_of(model)
    samples = moment_samples(CDNOW, users, "rfm", end_ms - DAY_MS, end_ms)
    samples = [
        Sample("rfm", each.user, each.at_ms, "moment", (each.values[0], each.values[2], each.values[4]))
        for each in samples
    ]
    learner.learn(samples)
    snapshot = _taken(learner.snapshot(end_ms))
    scores = pd.DataFrame([apply_snapshot(snapshot, each.values) for each in samples])
    values = pd.DataFrame([each.values for each in samples], columns=["recency", "frequency", "monetary"])
    figures = []
    for name in values.columns:
        column = values[name].to_numpy()
        edges = np.quantile(column, np.arange(6) / 5)
        if len(np.unique(edges)) == len(edges):
            what, expected = "pandas.qcut", pd.qcut(column, 5, labels=False) + 1
        else:
            # So many are alike that boundaries fall together, which qcut refuses; to drop one would put the least value
            # and the next into one bin. pandas.cut at the same boundaries tells them apart, as a score does.
            what = "pandas.cut, boundaries fall together"
            inner = np.unique(edges[1:-1])
            codes = pd.cut(column, [-np.inf, *inner, np.inf], labels=False)
            expected = 1 + np.searchsorted(edges[1:-1], np.append(inner, np.inf))[codes]
        if name == "recency":
            expected = 6 - expected
        same = float((expected == scores[name].to_numpy()).mean())
        figures.append(Figure(f"rfm: {name} as {what}, {len(column):,} users", ">= 97 %", f"{same:.1%}", same >= 0.97))
    return figures


def churn_figures(log: Log) -> list[Figure]:
    """AUC on the future of a snapshot taken at 60 % of the log, beside scikit-learn trained on the same past."""
    users = histories(log)
    end_ms = max(int(each.at_ms[-1]) for each in users)
    start_ms = min(int(each.at_ms[0]) for each in users)
    cut_ms = start_ms + int((end_ms - start_ms) * 0.6)
    samples = churn_samples(log, users, "churn", end_ms)
    past = [each for each in samples if each.at_ms <= cut_ms]
    # Past a deadline both labels are known; before it only the early ones are, and they are all of one kind.
    train = [each for each in past if each.opened_ms is not None and each.opened_ms <= cut_ms - log.within_ms]
    future = [
        each for each in samples if each.opened_ms is not None and cut_ms < each.opened_ms <= end_ms - log.within_ms
    ]
    known, came = (np.array([bool(each.label) for each in part]) for part in (train, future))
    last: dict[str, float] = {each.user: float(bool(each.label)) for each in train}
    rule = area_under_roc(came, np.array([last.get(each.user, float(known.mean())) for each in future])) or 0.5
    figures = []
    for algorithm in ALGORITHMS["classifier"]:
        label = DeclaredLabel("absent", log.churn_event, log.within_ms)
        durations = tuple(log.features.values())
        learner = learner_of(
            DeclaredModel("churn", "classifier", tuple(log.features), durations, algorithm, label=label)
        )
        published: dict[str, Any] | None = None
        refused = 0
        for start in range(0, len(past), 500):
            learner.learn(past[start : start + 500])
            result = learner.snapshot(start)
            published = result if isinstance(result, dict) else published
            refused += not isinstance(result, dict) and result.code == "worse"
        if published is None:
            figures.append(Figure(f"churn, {log.name}, {algorithm}", "a snapshot", "none", good=False))
            continue
        scales = [FeatureScale(**each) for each in published["features"]]
        width = len(log.features)
        rows, later = (
            scaled_rows(scales, as_matrix([each.values for each in part], width), TRAINING_LIMIT)
            for part in (train, future)
        )
        batch = area_under_roc(came, _batch(algorithm).fit(rows, known).predict_proba(later)[:, 1]) or 0.5
        scores = np.array([apply_snapshot(published, each.values) for each in future], dtype=np.float64)
        ours = area_under_roc(came, scores) or 0.5
        where = f"churn, {log.name}, {algorithm} ({len(train):,} labels, then {len(future):,}; {refused} refused)"
        figures += [
            Figure(where, f">= {batch - 0.02:.3f}", f"{ours:.3f}", ours >= batch - 0.02),
            Figure("  beside the last-value rule", f">= {rule:.3f}", f"{ours:.3f}", ours >= rule),
        ]
        if algorithm == "hoeffding_tree":
            figures += _luck_figures(rows, known, later, came)
    return figures


def _luck_figures(rows: Doubles, known: Labels, later: Doubles, came: Labels) -> list[Figure]:
    """How much of a batch tree's AUC is luck: 200 trees that lack a tenth of the labels, 200 that learned nonsense."""
    generator = np.random.default_rng(_LUCK_SEED)
    lacking: list[float] = []
    nonsense: list[float] = []
    for _ in range(200):
        kept = generator.permutation(len(known))[: len(known) * 9 // 10]
        for areas, part, labels in ((lacking, rows[kept], known[kept]), (nonsense, rows, generator.permutation(known))):
            tree = _batch("hoeffding_tree").fit(part, labels)
            areas.append(area_under_roc(came, tree.predict_proba(later)[:, 1]) or 0.5)
    return [
        Figure(f"  {what}, seed {_LUCK_SEED}: 95 % of them", "", f"{ends[0]:.3f} to {ends[1]:.3f}", None)
        for what, ends in (
            ("scikit-learn's trees without a tenth of the past", np.quantile(lacking, (0.025, 0.975))),
            ("scikit-learn's trees on the past's labels shuffled", np.quantile(nonsense, (0.025, 0.975))),
        )
    ]


def speed_figures(count: int) -> list[Figure]:
    """Samples a second of one core, by the processor's time, with a snapshot every 5,000."""
    stream = groups(count, 1)
    figures = []
    for algorithm in ALGORITHMS["clusters"]:
        model = DeclaredModel("behaviour", "clusters", _FEATURES, algorithm=algorithm, clusters=8)
        figures.append(_speed(model, _samples("behaviour", stream.values, 0)))
    model = DeclaredModel("rfm", "quantiles", _FEATURES)
    figures.append(_speed(model, _samples("rfm", stream.values, 0)))
    users = histories(CDNOW)
    churn = churn_samples(CDNOW, users, "churn", max(int(each.at_ms[-1]) for each in users))[:count]
    for algorithm in ALGORITHMS["classifier"]:
        label = DeclaredLabel("absent", CDNOW.churn_event, CDNOW.within_ms)
        features = tuple(CDNOW.features)
        figures.append(_speed(DeclaredModel("churn", "classifier", features, (), algorithm, label=label), churn))
    return figures


def firehose_figures(events: int) -> list[Figure]:
    """What assigning costs the engine, with the models of the retail pack and made-up snapshots of them."""
    cost = measure_model_cost(Traffic(events=events, users=20_000, days=0.2))
    before_us = sum(plain for plain, _ in cost.stages_us.values())
    plain_us, learned_us = cost.stages_us["kernel"]
    share = (learned_us - plain_us) / (before_us + learned_us - plain_us)
    where = "firehose: retail's four models cost"
    return [
        Figure(f"{where}, of events/s, deciding alone", "< 15 %", f"{share:.1%}", share < 0.15),
        Figure(f"{where}, with the moves that centres drawn at random bring", "", f"{cost.loss:.1%}", None),
    ]


def _speed(model: DeclaredModel, samples: list[Sample]) -> Figure:
    learner = learner_of(model)
    begun = time.process_time()
    for start in range(0, len(samples), 5_000):
        learner.learn(samples[start : start + 5_000])
        learner.snapshot(start)
    rate = len(samples) / (time.process_time() - begun)
    what = f"speed, {model.algorithm}" + (", half of the samples labels" if model.kind == "classifier" else "")
    return Figure(what, ">= 2,000/s", f"{rate:,.0f}/s", rate >= 2_000)


def _batch(algorithm: str) -> Any:
    if algorithm == "logistic":
        return LogisticRegression(max_iter=2_000)
    if algorithm == "hoeffding_tree":
        return DecisionTreeClassifier(max_depth=6, min_samples_leaf=50, random_state=0)
    return RandomForestClassifier(100, max_depth=8, min_samples_leaf=10, random_state=0)


def _samples(model: str, values: np.ndarray[Any, np.dtype[np.float64]], first: int) -> list[Sample]:
    return [
        Sample(model, f"user-{first + number}", (first + number) * 400, "moment", tuple(row))
        for number, row in enumerate(values.tolist())
    ]


def _assigned(snapshot: dict[str, Any], values: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[Any, Any]:
    """The rows as the snapshot scales them, and the place of each one's nearest cluster, checked on the reference."""
    scales = [FeatureScale(**each) for each in snapshot["features"]]
    rows = scaled_rows(scales, values)
    labels = nearest(rows, np.array([each["centre"] for each in snapshot["clusters"]]))
    first = values[0].tolist()
    assert snapshot["clusters"][int(labels[0])]["id"] == apply_snapshot(snapshot, first)
    assert np.allclose(scaled_values(snapshot["features"], first), rows[0])
    return rows, labels


def _taken(result: object) -> dict[str, Any]:
    if not isinstance(result, dict):
        sys.exit(f"no snapshot: {result}")
    return result


def _print(figures: Sequence[Figure]) -> None:
    table = Table("what", "asked", "came", "")
    for each in figures:
        table.add_row(each.what, each.asked, each.came, "" if each.good is None else "yes" if each.good else "NO")
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
