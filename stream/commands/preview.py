"""`tagstream preview`: what a catalog would change, against a file of events or the workers' live state."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.commands.options import AsJson
from stream.commands.outcome import InputError
from stream.commands.output import (
    counted,
    is_terminal,
    moment,
    note,
    print_json,
    print_line,
    print_table,
    rejected_text,
)
from stream.commands.replay import UNTIL_HELP

if TYPE_CHECKING:
    from rules.catalog import Catalog
    from stream.preview import Count, Tally
    from stream.settings import Settings

__all__ = ["preview"]

LIVE = "live"
_BATCH_LINES = 20_000
_AHEAD_MS = 3_600_000
_FORETOLD = ("then", "enter", "leave", "entering", "leaving")
_NOTHING: Mapping[str, list[str]] = {}


def preview(
    catalog: Annotated[str, typer.Argument(metavar="C", help="The catalog: a file, or the name of a pack.")],
    against: Annotated[
        list[str],
        typer.Option(metavar="FILE|live", help="A file of events (may be given again; they are one log), or live."),
    ],
    old: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="OLD", help="What to compare with; default: the catalog that runs, if one does."
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help=f"With a file: {UNTIL_HELP[0].lower()}{UNTIL_HELP[1:]}")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say for each segment and level how many would be in, and who would enter and leave, with ten examples of each.

    Against live, every user's state is read from Redis, slowly enough for the workers, and brought over on a copy;
    what reads values that this state does not have yet is shown as ?. Against a file, both catalogs are replayed.
    Nothing is written anywhere.
    """
    from rules.catalog import load_catalog
    from stream.commands.given_settings import given_settings

    new = load_catalog(catalog)
    settings = given_settings()
    if LIVE in against:
        if len(against) > 1 or old is not None or until is not None:
            raise typer.BadParameter("live stands alone, without files, --from and --until", param_hint="--against")
        summary = _live(settings, new)
    else:
        summary = _files(settings, new, against, old, until)
    if as_json:
        print_json(summary)
    else:
        _print(new, summary)


def _live(settings: Settings, new: Catalog) -> dict[str, object]:
    from stream.clock import SystemClock
    from stream.commands.logs import quiet_libraries
    from stream.commands.patience import compiling
    from stream.commands.running_catalog import open_reader
    from stream.embedded import resolve_addresses
    from stream.preview import Tally, fresh_expressions, preview_live, unfilled
    from stream.warm import warm_up

    quiet_libraries()
    _give_way()
    reader, running = open_reader(settings, resolve_addresses(settings), None)
    with reader:
        if running.name != new.name:
            raise InputError(
                f"The workers run the catalog {running.name}; this one is called {new.name}.",
                remedy=f"Name it {running.name} to see what it would change; `tagstream apply` asks for that too.",
            )
        newest = max(position.catalog_version for position in reader.positions().values())
        # As rows are brought over only to a newer version, an unchanged number is counted up on the copy.
        candidate = new if new.version > newest else replace(new, version=newest + 1)
        tally = Tally(new, running)
        with compiling():
            warm_up()
        clock = SystemClock()
        start_s = clock.monotonic_s()
        with _progress("preview") as advance:
            preview_live(reader, candidate, tally, clock, app=settings.app, progress=advance)
    summary = _summary(new, running, tally, LIVE, unfilled(new, running))
    summary["starting_from_nothing"] = fresh_expressions(new, running)
    summary["seconds"] = round(clock.monotonic_s() - start_s, 3)
    return summary


def _give_way() -> None:
    """Let the workers of this machine go first."""
    import os

    with_nice = getattr(os, "nice", None)
    if with_nice is not None:
        with_nice(10)


def _files(settings: Settings, new: Catalog, files: list[str], old: str | None, until: str | None) -> dict[str, object]:
    from rules.catalog import load_catalog
    from stream.clock import SystemClock
    from stream.commands.event_files import read_lines, total_bytes
    from stream.commands.patience import compiling
    from stream.commands.replay import end_of, moment_ms
    from stream.preview import Tally, preview_replays
    from stream.replay import Replay
    from stream.warm import warm_up

    until_ms = None if until is None else moment_ms(until, new.timezone)
    before = load_catalog(old) if old is not None else _running(settings, new)
    size = total_bytes(files)
    horizon_ms = SystemClock().now_ms() + _AHEAD_MS
    runs = [
        Replay(each, app=settings.app, horizon_ms=horizon_ms, row_budget_bytes=settings.row_memory_mib * 2**20)
        for each in (new, *([] if before is None else [before]))
    ]
    tally = Tally(new, before)
    rejected: Counter[str] = Counter()  # by the new catalog: one may refuse what another takes
    with compiling():
        warm_up()
    clock = SystemClock()
    start_s = clock.monotonic_s()
    with _progress("preview") as advance:
        done = 0

        def read(more: int) -> None:
            nonlocal done
            done += more
            advance(done, size or done)

        for lines in read_lines(files, batch_lines=_BATCH_LINES, progress=read):
            for run in runs:
                for step in run.feed(lines.values):
                    if run is runs[0]:
                        rejected.update(reject.reason for reject in step.rejects)
    newest = [found for run in runs if (found := run.newest_ms()) is not None]
    end_ms = end_of(max(newest, default=None), until, until_ms)
    if end_ms is not None:
        for run in runs:
            for _ in run.finish(end_ms):
                pass
        preview_replays(runs[0], runs[1] if len(runs) > 1 else None, tally, end_ms)
    summary = _summary(new, before, tally, files)
    summary["until"] = None if end_ms is None else moment(end_ms)
    summary["events"] = runs[0].records
    summary["accepted"] = runs[0].accepted
    summary["rejected"] = reasons = dict(sorted(rejected.items()))
    if reasons:
        note(f"{counted(runs[0].records, 'event')}, {rejected_text(reasons)}")
    summary["seconds"] = round(clock.monotonic_s() - start_s, 3)
    return summary


def _running(settings: Settings, new: Catalog) -> Catalog | None:
    """The catalog that the workers run, if any do and it is this one in another version."""
    from stream.commands.logs import quiet_libraries
    from stream.commands.running_catalog import open_reader
    from stream.embedded import resolve_addresses
    from stream.errors import TagstreamError

    quiet_libraries()
    try:
        reader, running = open_reader(settings, resolve_addresses(settings), None)
    except TagstreamError:
        return None
    reader.close()
    if running.name != new.name:
        note(f"The workers run the catalog {running.name}, another one: this is compared with nothing.")
        return None
    return running


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr where a person looks; told how much of how much is done."""
    if not is_terminal(sys.stderr):
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _summary(
    new: Catalog,
    old: Catalog | None,
    tally: Tally,
    against: str | list[str],
    lacking: Mapping[str, list[str]] = _NOTHING,
) -> dict[str, object]:
    """What is reported. lacking: by segment and level, the values without which nothing can be said of it."""

    def report(name: str, count: Count) -> dict[str, object]:
        if name in lacking:
            reason = f"Not in the live state before `tagstream apply` fills it: {', '.join(lacking[name])}."
            return {"now": count.now, **dict.fromkeys(_FORETOLD), "reason": reason}
        return {"now": count.now, **{key: getattr(count, key) for key in _FORETOLD}, "reason": None}

    return {
        "catalog": new.name,
        "version": new.version,
        "against": against,
        "compared_with": None if old is None else {"catalog": old.name, "version": old.version},
        "users": tally.users,
        "segments": {name: report(name, count) for name, count in tally.counts.items() if "=" not in name},
        "levels": {name: report(name, count) for name, count in tally.counts.items() if "=" in name},
    }


def _print(new: Catalog, summary: dict[str, object]) -> None:
    compared: dict[str, object] | None = summary["compared_with"]  # type: ignore[assignment]  # of many types
    before = "nothing" if compared is None else f"version {compared['version']}"
    users: int = summary["users"]  # type: ignore[assignment]  # see above
    print_line(
        f"{new.name}, version {new.version}, compared with {before}: {counted(users, 'user')}; {summary['seconds']} s"
    )
    if summary.get("until") is not None:
        print_line(f"as of {summary['until']}")
    for what, heading in (("segments", "segment"), ("levels", "level")):
        counts: dict[str, dict[str, Any]] = summary[what]  # type: ignore[assignment]  # see above
        if counts:
            print_line()
            print_table(
                {heading: "<", "now": ">", "then": ">", "enter": ">", "leave": ">"},
                [
                    (name, *(_number(count[key]) for key in ("now", "then", "enter", "leave")))
                    for name, count in counts.items()
                ],
            )
        for name, count in counts.items():
            for key, word in (("entering", "enter"), ("leaving", "leave")):
                if count[key]:
                    print_line(f"{name}, {word}: {', '.join(count[key])}{_more(count, word, len(count[key]))}")
    _print_unfilled(summary)


def _print_unfilled(summary: dict[str, Any]) -> None:
    """What the ? stand for, and where they can be had."""
    fresh: list[str] = summary.get("starting_from_nothing", [])
    if not fresh:
        return
    print_line()
    print_line("New in this catalog, and not in the live state before `tagstream apply` fills them from the log:")
    for text in fresh:
        print_line(f"  {text}")
    unknown = [name for what in ("segments", "levels") for name, count in summary[what].items() if count["reason"]]
    if unknown:
        print_line(f"So it can't be told for {', '.join(unknown)}.")
        print_line("A file of past events can: `tagstream preview C --against FILE`.")


def _number(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def _more(count: dict[str, Any], word: str, shown: int) -> str:
    total: int = count[word]
    return f" and {total - shown:,} more" if total > shown else ""
