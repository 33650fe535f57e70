"""`python -m bench`: measure this machine and print a table; what is going on goes to stderr."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.apply import ApplyFigures, measure_apply
from bench.catalogs import CatalogFigures, measure_catalog
from bench.events import Traffic
from bench.latency import LatencyFigures, measure_latency
from bench.replay import ReplayFigures, measure_replay
from bench.report import print_report
from bench.worker import WorkerFigures, measure_worker

_PARTS = ("catalog", "replay", "worker", "latency", "apply")
_QUICK = {"events": 100_000, "worker_events": 60_000, "pairs": 1, "seconds": 5.0, "users": 20_000}
_FULL = {"events": 1_000_000, "worker_events": 300_000, "pairs": 3, "seconds": 20.0, "users": 200_000}
# How much time passes between two events decides how many segments are
# left by time alone. A worker's log is busier, as one that has to hurry would be.
_REPLAY_MS_AN_EVENT = 5_184
_WORKER_MS_AN_EVENT = 1_440
_MS_A_DAY = 86_400_000
_WARM_UP_S = 3.0
_APPLY_BEFORE_S = 15.0
_APPLY_RATE = 500


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tagstream bench", description="Measure the engine, and a worker beside a bare pipeline."
    )
    parser.add_argument("--only", choices=_PARTS, action="append", help="measure this part; may be given again")
    parser.add_argument("--quick", action="store_true", help="small sizes: a minute in all, figures with more noise")
    parser.add_argument("--events", type=_count, help="events that are replayed (default 1000000)")
    parser.add_argument("--worker-events", type=_count, help="events that the worker consumes (default 300000)")
    parser.add_argument("--pairs", type=_count, help="turns of the worker and the bare pipeline (default 3)")
    parser.add_argument("--rate", type=_count, default=2_000, help="events/s while latency is measured (default 2000)")
    parser.add_argument("--seconds", type=float, help="for how long latency is measured (default 20)")
    parser.add_argument("--users", type=_count, help="users over whom a catalog is applied (default 200000)")
    parser.add_argument("--catalog", default="retail", help="a file or the name of a pack (default retail)")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    options = parser.parse_args(arguments)
    for name, value in (_QUICK if options.quick else _FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def _count(text: str) -> int:
    count = int(text.replace(",", "").replace("_", ""))
    if count < 1:
        raise argparse.ArgumentTypeError("expected a whole number from 1 on")
    return count


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the parts asked for, one after the other, in a temporary folder."""
    options = _options(arguments)
    parts = options.only or list(_PARTS)
    notes = Console(stderr=True)
    catalog: CatalogFigures | None = None
    replays: dict[str, ReplayFigures] = {}
    worker: WorkerFigures | None = None
    latency: LatencyFigures | None = None
    applied: ApplyFigures | None = None
    with tempfile.TemporaryDirectory(prefix="tagstream-bench-") as name:
        folder = Path(name)
        if "catalog" in parts:
            notes.print("catalog: 1,000 segments of 5 comparisons …")
            catalog = measure_catalog(folder, turns=3 if options.quick else 7)
        if "replay" in parts:
            for title, clicks in (("visits of 8 events", 8.0), ("single events", 1.0)):
                notes.print(f"replay, {title}: {options.events:,} events …")
                days = options.events * _REPLAY_MS_AN_EVENT / _MS_A_DAY
                traffic = Traffic(options.events, clicks=clicks, days=days)
                replays[title] = measure_replay(traffic, options.catalog, folder)
        if "worker" in parts:
            notes.print(
                f"worker beside a bare pipeline: {options.pairs} × 2 turns of {options.worker_events:,} events …"
            )
            days = options.worker_events * _WORKER_MS_AN_EVENT / _MS_A_DAY
            traffic = Traffic(options.worker_events, days=days)
            worker = measure_worker(traffic, options.catalog, folder, options.pairs)
        if "latency" in parts:
            notes.print(f"latency: {options.rate:,} events/s for {options.seconds:g} s …")
            latency = measure_latency(
                options.catalog, folder, rate=options.rate, seconds=options.seconds, warm_up_s=_WARM_UP_S
            )
        if "apply" in parts:
            notes.print(f"apply: {options.users:,} users, {_APPLY_RATE:,} live events/s …")
            applied = measure_apply(
                options.catalog,
                folder,
                users=options.users,
                rate=_APPLY_RATE,
                before_s=_APPLY_BEFORE_S,
            )
    if options.json:
        figures: dict[str, Any] = {
            "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "platform": platform.platform()},
            "catalog": None if catalog is None else asdict(catalog),
            "replay": {title: asdict(replay) for title, replay in replays.items()},
            "worker": None if worker is None else {**asdict(worker), "ratio": worker.ratio},
            "latency": None if latency is None else asdict(latency),
            "apply": None if applied is None else asdict(applied),
        }
        json.dump(figures, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        print_report(Console(), catalog, replays, worker, latency, applied)


if __name__ == "__main__":
    main()
