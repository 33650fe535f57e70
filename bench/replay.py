"""(a) `tagstream replay`: the engine alone, on one core.

The command is run as a user runs it, twice: over a thousand events, which tells what starting costs, and over all of
them; the difference is the throughput. Then the engine runs in this process, with a stopwatch at each stage.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bench.events import Traffic
from bench.stages import STAGES, Stopwatch, watch_engine
from rules.catalog import load_catalog
from stream.commands.event_files import read_lines
from stream.replay import Replay

__all__ = ["ReplayFigures", "Stages", "measure_replay", "one_core", "write_events"]

_WARM_UP_EVENTS = 1_000
_BATCH_LINES = 4_096  # as the command has it
_ROW_BUDGET_BYTES = 512 * 2**20
_NEVER_TOO_FAR_MS = 2**60


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the command: wall time, processor time of all its threads, largest memory in use."""

    wall_s: float
    cpu_s: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class ReplayFigures:
    """What `replay` takes. compile_s: what the first run on an installation takes more than the second; start_s: the
    second, start alone; stages: CPU time an event of each, µs.
    """

    events: int
    bytes_an_event: float
    catalog: str
    changes: int
    compile_s: float
    start_s: float
    wall_s: float
    cpu_s: float
    peak_mib: float
    events_per_s: float
    events_per_cpu_s: float
    stages_us: dict[str, float]


@dataclass(frozen=True, slots=True)
class Stages:
    """The engine in this process: how many changes it brought, and the CPU time of each stage, µs an event."""

    changes: int
    micros: dict[str, float]


def write_events(traffic: Traffic, path: Path, count: int | None = None) -> int:
    """Write the events, or the first `count` of them, one a line. How many bytes they are."""
    with path.open("wb") as file:
        return sum(file.write(value + b"\n") - 1 for value in islice(traffic.values(), count))


@contextmanager
def one_core() -> Iterator[None]:
    """Hold this process, and those it starts, to the last of its cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measure_replay(traffic: Traffic, catalog: str, folder: Path) -> ReplayFigures:
    """Measure; needs room for the events in `folder`. Blocks for as long as it takes to make and to replay them."""
    events, few = folder / "events.jsonl", folder / "few.jsonl"
    size = write_events(traffic, events)
    write_events(traffic, few, _WARM_UP_EVENTS)
    with one_core():
        first = _run_command(few, catalog, folder)
        start = _run_command(few, catalog, folder)
        whole = _run_command(events, catalog, folder)
        stages = measure_stages(events, catalog)
    more = traffic.events - _WARM_UP_EVENTS
    return ReplayFigures(
        events=traffic.events,
        bytes_an_event=size / traffic.events,
        catalog=catalog,
        changes=stages.changes,
        compile_s=max(0.0, first.wall_s - start.wall_s),
        start_s=start.wall_s,
        wall_s=whole.wall_s,
        cpu_s=whole.cpu_s,
        peak_mib=whole.peak_mib,
        events_per_s=more / (whole.wall_s - start.wall_s),
        events_per_cpu_s=more / (whole.cpu_s - start.cpu_s),
        stages_us=stages.micros,
    )


def measure_stages(events: Path, catalog: str) -> Stages:
    """Replay a file in this process. Its first batch is not counted: the kernels are loaded then."""
    replay = Replay(
        load_catalog(catalog), app="bench", horizon_ms=_NEVER_TOO_FAR_MS, row_budget_bytes=_ROW_BUDGET_BYTES
    )
    stopwatch = Stopwatch()
    release = watch_engine(replay._engine, stopwatch)  # noqa: SLF001 - a benchmark looks inside
    changes = uncounted = 0
    start_s = 0.0
    try:
        for lines in read_lines([str(events)], batch_lines=_BATCH_LINES):
            for step in replay.feed(lines.values):
                changes += len(step.changes)
            if not uncounted:
                uncounted = replay.records
                stopwatch.seconds.update(dict.fromkeys(STAGES, 0.0))
                start_s = time.thread_time()
        cpu_s = time.thread_time() - start_s
    finally:
        release()
    count = max(1, replay.records - uncounted)
    micros = {stage: seconds / count * 1e6 for stage, seconds in stopwatch.seconds.items()}
    micros["reading the file"] = cpu_s / count * 1e6 - sum(micros.values())
    return Stages(changes, micros)


def _run_command(events: Path, catalog: str, folder: Path) -> Run:
    """Run `tagstream replay` with its changes written to a file."""
    arguments = ["replay", str(events), "--catalog", catalog, "--changes", str(folder / "changes.jsonl")]
    start_s = time.perf_counter()
    command = [sys.executable, "-c", "from stream.cli import main; main()", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with process:
        assert process.stderr is not None
        said = process.stderr.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"tagstream replay ended with {process.returncode}: {said.strip()}")
    return Run(time.perf_counter() - start_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
