"""What the demo has shown, in words and numbers, when it is over."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream.demo.labels import Labels, span_text
from stream.demo.learned import NOTHING_LEARNED, LearnedSoFar
from stream.demo.tally import Moves, SeenChange, Snapshot, percentile_ms

__all__ = ["Run", "print_summary"]

_STORIES: Final = 5
_EXAMPLE: Final = Path("examples/cdnow")  # there in a checkout, not where only the package is installed


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the demo. `live_ms`, `end_ms`: the shop's time when the live part began and ended."""

    snapshot: Snapshot
    latencies_s: tuple[float, ...]
    live_ms: int
    end_ms: int
    lasted_s: float
    learned: LearnedSoFar = NOTHING_LEARNED


def print_summary(run: Run, labels: Labels, console: Console) -> None:
    """Print it: what happened, the segments, what time alone has done, what to try next."""
    console.print()
    console.print(Text("What has just happened", style="bold"))
    for name, text in _facts(run, labels):
        console.print(Text.assemble((f"  {name:<16}", "dim"), text), soft_wrap=True)
    console.print()
    console.print(Text("Segments", style="bold"), Text("(in and out during the live part)", style="dim"))
    console.print(_segments(run.snapshot, labels))
    if run.learned.models:
        console.print()
        console.print(Text("What the models have learned", style="bold"), Text("(of samples, meanwhile)", style="dim"))
        for title, headline in run.learned.models:
            console.print(Text(f"  {title}: {headline}"), soft_wrap=True)
    if run.learned.clusters:
        console.print(_clusters(run.learned))
    examples = list(_by_time(run.snapshot.by_time))
    if examples:
        console.print()
        console.print(
            Text("Time alone did this", style="bold"), Text("(no event came, and each moment is exact)", style="dim")
        )
        for change in examples:
            console.print(Text(f"  {_story(change, labels)}"), soft_wrap=True)
    console.print()
    console.print(Text("Try next", style="bold"))
    for command, why in _next_steps(run):
        console.print(Text.assemble("  ", (command, "cyan"), f"   {why}"), soft_wrap=True)


def _facts(run: Run, labels: Labels) -> Iterator[tuple[str, str]]:
    seen = run.snapshot
    days = f"{labels.day(run.live_ms)} to {labels.day(run.end_ms)}"
    yield "the shop's time", f"{days}: {span_text(run.end_ms - run.live_ms)} in {run.lasted_s:.0f} s"
    live = seen.sent - seen.past
    rate = live / max(run.lasted_s, 0.001)
    yield "events", f"{seen.sent:,} sent: {seen.past:,} of the shop's past, then {live:,} live, {rate:,.0f} a second"
    share = seen.live_by_time / max(seen.live_changes, 1)
    live_changes = f"{seen.live_changes:,} of them live, and {share:.0%} of these by time alone"
    yield "changes", f"{seen.changes:,} received, {live_changes}"
    middle, worst = percentile_ms(run.latencies_s, 0.5), percentile_ms(run.latencies_s, 0.99)
    if middle is not None and worst is not None:
        measured = f"p50 {middle:.0f} ms, p99 {worst:.0f} ms (of {len(run.latencies_s):,} changes)"
        yield "latency", f"from sending an event to having its change in hand: {measured}"
    letters = ", ".join(f"{count} {reason}" for reason, count in sorted(seen.dead_letters.items()))
    yield "dead letters", letters or "none"


def _segments(snapshot: Snapshot, labels: Labels) -> Table:
    """All segments, the most moved first."""
    table = Table(box=None, padding=(0, 2), header_style="dim")
    table.add_column("")
    table.add_column("")
    for heading in ("members", "in", "out", "by time"):
        table.add_column(heading, justify="right")
    moves = snapshot.moves
    for name in sorted(labels.segments, key=lambda name: -moves.get(name, Moves()).total):
        label, moved = labels.segments[name], moves.get(name, Moves())
        table.add_row(
            Text(label.english),
            Text(label.chinese, style="dim"),
            f"{snapshot.sizes.get(name, 0):,}",
            f"{moved.entered:,}",
            f"{moved.exited:,}",
            f"{moved.entered_by_time + moved.exited_by_time:,}",
        )
    return table


def _clusters(learned: LearnedSoFar) -> Table:
    """All clusters, with who moved during the live part."""
    table = Table(box=None, padding=(0, 2), header_style="dim")
    table.add_column("cluster")
    for heading in ("users", "in", "out"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for each in learned.clusters:
        table.add_row(each.label, f"{each.users:,}", f"{each.came:,}", f"{each.left:,}", Text(each.description))
    return table


def _by_time(changes: tuple[SeenChange, ...]) -> Iterator[SeenChange]:
    """The newest change by time of each segment and direction: exits first, then entries, a few of them."""
    newest = {(change.segment, change.entered): change for change in changes}
    yield from sorted(newest.values(), key=lambda change: (change.entered, -change.at_ms))[:_STORIES]


def _story(change: SeenChange, labels: Labels) -> str:
    what = "entered" if change.entered else "left"
    stayed = "" if change.stayed_ms is None else f" after {span_text(change.stayed_ms)}"
    tags = labels.tags(change)
    return (
        f"{labels.moment(change.at_ms, exact=True)}  {change.user} {what} “{labels.english(change.segment)}”{stayed}"
        + (f": {tags}" if tags else "")
    )


def _next_steps(run: Run) -> Iterator[tuple[str, str]]:
    users = [change.user for change in run.snapshot.by_time] or ["USER"]
    command = _command()
    yield f"{command} demo --for 10m", "and meanwhile, in a second terminal:"
    yield f"{command} watch", "who enters and leaves, line by line"
    yield f"{command} profile {users[-1]}", "all tags and segments of one customer"
    yield f"{command} members vip", "who is in a segment now"
    if run.learned.models:
        yield f"{command} models", "what was learned, and how good it is; `models NAME` for everything about one"
    if _EXAMPLE.joinpath("events.jsonl.gz").exists():
        yield f"{command} replay {_EXAMPLE}/events.jsonl.gz --catalog {_EXAMPLE}/catalog.yaml", "on real purchases"
    yield f"{command} up --catalog my.yaml", "with rules of your own; `check my.yaml` tells what is wrong in them"


def _command() -> str:
    """How this installation's command is called from here: a virtual environment may not be on the path."""
    beside = Path(sys.executable).with_name("tagstream")
    if shutil.which("tagstream") is not None or not beside.exists():
        return "tagstream"
    return os.path.relpath(beside) if beside.is_relative_to(Path.cwd()) else str(beside)
