"""The demo on screen: a view that lives on a terminal, and plain lines without one."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol, Self

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from stream.demo.labels import Labels, span_text
from stream.demo.learned import NOTHING_LEARNED, LearnedSoFar
from stream.demo.tally import Moves, SeenChange, Snapshot, percentile_ms

__all__ = ["LinesView", "Moment", "TerminalView", "View", "new_view"]

_BARS: Final = " ▁▂▃▄▅▆▇█"
_KIND_STYLES: Final = {"demographic": "magenta", "value": "yellow", "behaviour": "cyan", "interest": "green"}
_LINE_EVERY_S: Final = 5.0
_KEPT_LINES: Final = 100
_WIDE: Final = 130  # columns; below, the Chinese titles are left out
_NARROW: Final = 100  # below, what else can be missed
_CHINESE_CELLS: Final = 20
_BY_TIME: Final = "◷"


@dataclass(frozen=True, slots=True)
class Moment:
    """What a view shows of one moment. `now_s`: a monotonic clock's. `left_s` None: the live part has not begun;
    `speed` None: neither has the shop's clock. `progress`: how far the stage is, where that can be said.
    """

    snapshot: Snapshot
    now_s: float
    shop_ms: int
    speed: float | None
    left_s: float | None
    stage: str
    learned: LearnedSoFar = NOTHING_LEARNED
    progress: str = ""


class View(Protocol):
    """A context manager that is shown one moment after the other."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, moment: Moment) -> None:
        """Show a moment. Quick; called a few times a second."""
        ...


def new_view(labels: Labels, console: Console) -> View:
    """The view that suits the console."""
    return TerminalView(labels, console) if console.is_terminal else LinesView(labels, console)


class LinesView:
    """A line every few seconds, with what has moved since the last one."""

    def __init__(self, labels: Labels, console: Console) -> None:
        self._labels = labels
        self._console = console
        self._stage = ""
        self._shown_s = 0.0
        self._moves: dict[str, Moves] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, moment: Moment) -> None:
        """Print a new stage at once; in the live part, a line every five seconds."""
        snapshot = moment.snapshot
        if moment.stage != self._stage:
            self._stage = moment.stage
            self._print(f"… {moment.stage}")
            self._shown_s = moment.now_s
        if moment.now_s - self._shown_s < _LINE_EVERY_S:
            return
        self._shown_s = moment.now_s
        if moment.left_s is None:
            progress = moment.progress or f"{snapshot.sent:,} events sent"
            self._print(f"    {progress}, {snapshot.changes:,} changes received")
            return
        self._print(
            f"{self._labels.moment(moment.shop_ms)}  {snapshot.event_rate:,.0f} events/s  "
            f"{snapshot.change_rate:,.0f} changes/s ({snapshot.live_by_time:,} by time so far)  "
            f"latency {_latency(snapshot.recent_s)}  dead letters {sum(snapshot.dead_letters.values())}"
        )
        moved = sorted(snapshot.moves, key=lambda name: self._since(name, snapshot.moves[name]), reverse=True)[:3]
        for name in moved:
            before, now = self._moves.get(name, Moves()), snapshot.moves[name]
            self._print(
                f"    {self._labels.english(name)}: {snapshot.sizes.get(name, 0):,} members, "
                f"+{now.entered - before.entered} −{now.exited - before.exited}"
            )
        if snapshot.by_time:
            self._print(f"    by time: {_sentence(self._labels, snapshot.by_time[-1])}")
        if moment.learned.clusters:
            self._print(f"    {_clusters_line(moment.learned)}")
        self._moves = snapshot.moves

    def _since(self, name: str, moves: Moves) -> int:
        return moves.total - self._moves.get(name, Moves()).total

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


class TerminalView:
    """A full-screen picture, drawn anew a few times a second."""

    def __init__(self, labels: Labels, console: Console) -> None:
        self._labels = labels
        self._console = console
        self._live = Live(console=console, screen=True, auto_refresh=False, transient=True)
        self._shown: deque[SeenChange] = deque(maxlen=_KEPT_LINES)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def show(self, moment: Moment) -> None:
        """Draw the moment."""
        self._pick(moment.snapshot)
        self._live.update(self.picture(moment), refresh=True)

    def _pick(self, snapshot: Snapshot) -> None:
        """Of hundreds of changes a second take those that a reader can follow: the newest by an event, and by time."""
        for by_time in (False, True):
            newest = next((change for change in reversed(snapshot.last) if change.by_time is by_time), None)
            if newest is not None and newest not in self._shown:
                self._shown.append(newest)

    def picture(self, moment: Moment) -> RenderableType:
        """The whole screen."""
        rows = max(self._console.height - 8, 4)
        narrow = self._console.width < _NARROW
        body = Layout()
        segments = Panel(self._segments(moment.snapshot, rows - 1), title="Segments", border_style="dim")
        title = f"Changes ({_BY_TIME} by time alone)"
        changes = Panel(self._changes(rows, narrow=narrow), title=title, border_style="dim")
        right = Layout(changes, ratio=5)
        clusters = moment.learned.clusters
        if clusters and rows > 2 * len(clusters) + 4:
            right = Layout(ratio=5)
            panel = Panel(_clusters(moment.learned), title=_clusters_title(moment.learned), border_style="dim")
            right.split_column(Layout(changes), Layout(panel, size=len(clusters) + 3))
        body.split_row(Layout(segments, ratio=6 if narrow else 7), right)
        picture = Layout()
        picture.split_column(Layout(self._head(moment), size=6), body)
        return picture

    def _head(self, moment: Moment) -> RenderableType:
        snapshot = moment.snapshot
        title = Text.assemble(
            ("Tagstream ", "bold"),
            (f" {self._labels.moment(moment.shop_ms)} in the shop ", "bold reverse"),
            f"  1 s here is {span_text(int(moment.speed * 1000))} there" if moment.speed else "",
        )
        if moment.left_s is None:
            title.append(f"   {moment.stage}{': ' if moment.progress else ' …'}{moment.progress}", "yellow")
        else:
            title.append(f"   {moment.left_s:.0f} s left", "dim")
        numbers = Table.grid(padding=(0, 3))
        numbers.add_row(
            Text.assemble(("events/s ", "dim"), (f"{snapshot.event_rate:>6,.0f} ", "bold"), self._curve(snapshot)),
            Text.assemble(("event to change ", "dim"), (_latency(snapshot.recent_s), "bold green")),
        )
        by_time = f"{snapshot.live_by_time:,} of {snapshot.live_changes:,} by time"
        numbers.add_row(
            Text.assemble(("events ", "dim"), f"{snapshot.sent:,} ", (f"({snapshot.past:,} past)", "dim")),
            Text.assemble(("changes/s ", "dim"), f"{snapshot.change_rate:,.0f}  ", (by_time, "yellow")),
        )
        letters = ", ".join(f"{reason} {count}" for reason, count in sorted(snapshot.dead_letters.items()))
        return Panel(
            Group(title, numbers, Text.assemble(("dead letters ", "dim"), (letters or "none", "red"))),
            border_style="dim",
        )

    def _curve(self, snapshot: Snapshot) -> Text:
        """The rate of the last seconds as little bars: night and day of the shop."""
        rates = snapshot.event_rates[-24 if self._console.width >= _NARROW else -8 :]
        top = max(rates, default=0.0) or 1.0
        return Text("".join(_BARS[round(rate / top * (len(_BARS) - 1))] for rate in rates), style="blue")

    def _segments(self, snapshot: Snapshot, rows: int) -> Table:
        wide, narrow = self._console.width >= _WIDE, self._console.width < _NARROW
        names = list(self._labels.segments)
        if len(names) > rows:  # the ones that move, in catalog order
            kept = sorted(names, key=lambda name: snapshot.moves.get(name, Moves()).total, reverse=True)[:rows]
            names = [name for name in names if name in kept]
        table = Table(box=None, expand=True, padding=(0, 1, 0, 0), show_edge=False, header_style="dim")
        if wide:
            table.add_column("", no_wrap=True, max_width=_CHINESE_CELLS)
        table.add_column("", no_wrap=True, ratio=1)
        for heading in ("members", "in", "out") if narrow else ("members", "in", "out", f"{_BY_TIME} time"):
            table.add_column(heading, justify="right", no_wrap=True)
        for name in names:
            label, moves = self._labels.segments[name], snapshot.moves.get(name, Moves())
            by_time = moves.entered_by_time + moves.exited_by_time
            cells: list[RenderableType] = [Text(label.chinese, style="dim")] if wide else []
            cells += [
                Text(label.english, style=_KIND_STYLES.get(label.kind, "white")),
                Text(f"{snapshot.sizes.get(name, 0):,}", style="bold"),
                _count(moves.entered, "green"),
                _count(moves.exited, "red"),
                _count(by_time, "yellow"),
            ]
            table.add_row(*(cells[:-1] if narrow else cells))
        return table

    def _changes(self, rows: int, *, narrow: bool) -> Table:
        table = Table(box=None, expand=True, padding=(0, 1, 0, 0), show_edge=False, show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, ratio=1)
        for change in itertools.islice(reversed(self._shown), rows):
            style = "bold yellow" if change.by_time else ""
            table.add_row(
                Text("" if narrow else self._labels.moment(change.at_ms)[-5:], style=style or "dim"),
                Text(_BY_TIME if change.by_time else " ", style=style),
                Text(_fitted(change.user, 10 if narrow else 16), style=style),
                Text("→" if change.entered else "←", style="green" if change.entered else "red"),
                Text(self._labels.english(change.segment), style=style),
            )
        return table


def _clusters_title(learned: LearnedSoFar) -> str:
    return f"{learned.title}: clusters, version {learned.version}"


def _clusters(learned: LearnedSoFar) -> Table:
    """Users, who came and who left, and what each cluster is like."""
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), show_edge=False, header_style="dim")
    for heading in ("", "users", "in", "out"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, ratio=1)
    for each in learned.clusters:
        came, left = _count(each.came, "green"), _count(each.left, "red")
        table.add_row(Text(each.label), Text(f"{each.users:,}", style="bold"), came, left, Text(each.description))
    return table


def _clusters_line(learned: LearnedSoFar) -> str:
    parts = [f"{each.label} ({each.description}) {each.users:,}" for each in learned.clusters]
    return f"clusters, version {learned.version}, {learned.moved:,} moved so far: {'; '.join(parts)}"


def _count(count: int, style: str) -> Text:
    return Text(f"{count:,}" if count else "", style=style)


def _fitted(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


def _latency(latencies_s: tuple[float, ...]) -> str:
    middle, worst = percentile_ms(latencies_s, 0.5), percentile_ms(latencies_s, 0.99)
    return "–" if middle is None or worst is None else f"p50 {middle:.0f} ms  p99 {worst:.0f} ms"


def _sentence(labels: Labels, change: SeenChange) -> str:
    what = "entered" if change.entered else "left"
    stayed = "" if change.stayed_ms is None else f" after {span_text(change.stayed_ms)}"
    tags = labels.tags(change)
    return f"{change.user} {what} “{labels.english(change.segment)}”{stayed}" + (f" ({tags})" if tags else "")
