"""The figures as tables for people."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from bench.apply import AFTER_S, ApplyFigures
from bench.catalogs import CatalogFigures
from bench.latency import LatencyFigures
from bench.replay import ReplayFigures
from bench.worker import Turn, WorkerFigures

__all__ = ["print_report"]

_REPLAY_TARGET = 60_000
_LATENCY_TARGET_MS = 50
_APPLY_TARGET_S = 60
_APPLY_TARGET_RATIO = 2.0
_CHECK_TARGET_S = 1.0
_COMPILE_TARGET_S = 2.0


def print_report(
    console: Console,
    catalog: CatalogFigures | None,
    replays: dict[str, ReplayFigures],
    worker: WorkerFigures | None,
    latency: LatencyFigures | None,
    applied: ApplyFigures | None,
) -> None:
    """Print a table for each part that was measured."""
    console.print(
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )
    if catalog is not None:
        console.print(_catalog(catalog))
    if replays:
        console.print(_replay(replays))
        console.print(_stages(replays))
    if worker is not None:
        console.print(_worker(worker))
    if latency is not None:
        console.print(_latency(latency))
    if applied is not None:
        console.print(_apply(applied))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _verdict(reached: bool, target: str) -> str:
    return f"[green]reached[/] ({target})" if reached else f"[red]missed[/] ({target})"


def _catalog(figures: CatalogFigures) -> Table:
    table = _table(f"A catalog of {figures.segments:,} segments with {figures.leaves:,} comparisons", "s", "target")
    table.add_row("check", f"{figures.check_s:.2f}", _verdict(figures.check_s < _CHECK_TARGET_S, "below 1"))
    table.add_row("compile", f"{figures.compile_s:.2f}", _verdict(figures.compile_s < _COMPILE_TARGET_S, "below 2"))
    table.add_row("tagstream check, the whole command", f"{figures.command_s:.2f}", "")
    return table


def _replay(replays: dict[str, ReplayFigures]) -> Table:
    some = next(iter(replays.values()))
    title = f"tagstream replay, {some.events:,} events of {some.bytes_an_event:.0f} B, {some.catalog}, one core"
    table = _table(title, *replays)
    rows: dict[str, Callable[[ReplayFigures], str]] = {
        "events/s": lambda figures: f"{figures.events_per_s:,.0f}",
        "target": lambda figures: _verdict(figures.events_per_s >= _REPLAY_TARGET, f"{_REPLAY_TARGET:,}"),
        "events per CPU second": lambda figures: f"{figures.events_per_cpu_s:,.0f}",
        "changes": lambda figures: f"{figures.changes:,}",
        "wall time, s": lambda figures: f"{figures.wall_s:.1f}",
        "CPU time, s": lambda figures: f"{figures.cpu_s:.1f}",
        "start, s": lambda figures: f"{figures.start_s:.1f}",
        "compilation, once, s": lambda figures: f"{figures.compile_s:.1f}",
        "peak memory, MiB": lambda figures: f"{figures.peak_mib:,.0f}",
    }
    for name, shown in rows.items():
        table.add_row(name, *(shown(figures) for figures in replays.values()))
    return table


def _stages(replays: dict[str, ReplayFigures]) -> Table:
    table = _table("CPU time of the stages, µs an event", *replays)
    for stage in next(iter(replays.values())).stages_us:
        table.add_row(stage, *(f"{figures.stages_us[stage]:.2f}" for figures in replays.values()))
    table.add_section()
    table.add_row("all", *(f"{sum(figures.stages_us.values()):.2f}" for figures in replays.values()))
    return table


def _worker(figures: WorkerFigures) -> Table:
    title = (
        f"A worker on the embedded stack beside a bare pipeline, {figures.events:,} events of {figures.days:g} days, "
        f"{figures.catalog}, median of {len(figures.pairs)}"
    )
    table = _table(title, "worker", "bare pipeline", "ratio")

    def row(name: str, pick: Callable[[Turn], float], form: str) -> None:
        worker = statistics.median(pick(pair.worker) for pair in figures.pairs)
        bare = statistics.median(pick(pair.bare) for pair in figures.pairs)
        ratio = statistics.median(pick(pair.worker) / max(pick(pair.bare), 1e-9) for pair in figures.pairs)
        table.add_row(name, format(worker, form), format(bare, form), f"{ratio:.2f}")

    row("events/s", lambda turn: turn.events_per_s, ",.0f")
    row("CPU time of the process, µs an event", lambda turn: turn.cpu_us_an_event, ".1f")
    row("sent to Redis, bytes an event", lambda turn: turn.redis_bytes_an_event, ",.0f")
    messages = statistics.median(pair.messages for pair in figures.pairs)
    table.add_row("messages produced", f"{messages:,.0f}", f"{messages:,.0f}", "")
    return table


def _latency(figures: LatencyFigures) -> Table:
    title = (
        f"From an event to its change at a subscriber, embedded, {figures.rate:,.0f} events/s for "
        f"{figures.seconds:.0f} s, {figures.changes:,} changes"
    )
    table = _table(title, "ms")
    table.add_row("p50", f"{figures.p50_ms:.1f}")
    table.add_row("target", _verdict(figures.p50_ms < _LATENCY_TARGET_MS, f"p50 below {_LATENCY_TARGET_MS}"))
    table.add_row("p90", f"{figures.p90_ms:.1f}")
    table.add_row("p99", f"{figures.p99_ms:.1f}")
    table.add_row("worst", f"{figures.worst_ms:.1f}")
    return table


def _apply(figures: ApplyFigures) -> Table:
    title = (
        f"A new catalog over {figures.users:,} users, embedded, {figures.rate:,.0f} live events/s, "
        f"{figures.changes:,} changes by it"
    )
    table = _table(title, "p50, ms", "p90, ms", "p99, ms")
    for name, waits_ms in (
        ("live events before", figures.before_ms),
        ("while workers get ready", figures.preparing_ms),
        ("during the walk", figures.during_ms),
        ("in the same seconds without a walk", figures.undisturbed_ms),
    ):
        table.add_row(name, *(f"{wait_ms:.1f}" for wait_ms in waits_ms))
    table.add_row("p99 during the walk over before", "", "", f"{figures.during_ms[2] / figures.before_ms[2]:.2f}")
    ratio = figures.during_ms[2] / figures.undisturbed_ms[2]
    verdict = _verdict(ratio <= _APPLY_TARGET_RATIO, f"at most {_APPLY_TARGET_RATIO:g} times")
    table.add_row("p99 during the walk over without", "", "", f"{ratio:.2f} {verdict}")
    late = f"{figures.late:,} and {figures.undisturbed_late:,}"
    table.add_row(f"changes over {AFTER_S:g} s after the last event, with a walk and without", "", "", late)
    table.add_section()
    table.add_row("getting ready, s", "", "", f"{figures.prepared_s:.1f}")
    verdict = _verdict(figures.changes_s <= _APPLY_TARGET_S, f"within {_APPLY_TARGET_S} s")
    table.add_row("from the switch to the last change, s", "", "", f"{figures.changes_s:.1f} {verdict}")
    table.add_row("from the switch to the end of the walk, s", "", "", f"{figures.done_s:.1f}")
    return table
