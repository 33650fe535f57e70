"""`tagstream replay`: the engine alone over files of events."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.commands.event_files import Lines, read_lines, total_bytes
from stream.commands.options import AsJson, Catalog
from stream.commands.outcome import InputError
from stream.commands.output import is_terminal, moment, note, print_json, print_line, print_table, rejected_text
from stream.commands.output_files import STANDARD_OUTPUT, OutputFile, refuse_clashes

if TYPE_CHECKING:
    from rules.catalog import Catalog as LoadedCatalog
    from stream.engine import Message, Profile, StepResult
    from stream.replay import Replay

__all__ = ["UNTIL_HELP", "end_of", "moment_ms", "replay"]

UNTIL_HELP = (
    "Let time pass to this moment at the end: 2026-11-01T09:00:00Z, or without Z the time in the catalog's zone; "
    "a bare day is its midnight. Default: newest event."
)

_AHEAD_MS = 3_600_000
_BATCH_LINES = 4_096  # more make the columns fall out of the processor's cache


def replay(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Events, one a line: .jsonl, .jsonl.gz, or - for standard input."),
    ],
    catalog: Catalog,
    until: Annotated[str | None, typer.Option(metavar="TIME", help=UNTIL_HELP)] = None,
    changes: Annotated[str | None, typer.Option(metavar="OUT", help="Write who entered and left, one a line.")] = None,
    profiles: Annotated[str | None, typer.Option(metavar="OUT", help="Write all users at the end, one a line.")] = None,
    rejects: Annotated[str | None, typer.Option(metavar="OUT", help="Write what is no event, one a line.")] = None,
    as_json: AsJson = False,
    batch_lines: Annotated[int, typer.Option("--batch-lines", min=1, hidden=True)] = _BATCH_LINES,
) -> None:
    """Run a catalog over files of events, without Kafka and Redis.

    The files are one log, in the order given. OUT is a file, or - for standard output; a name that ends in .gz is
    compressed. Files appear when everything went well; what goes to standard output goes as it comes. Without
    --changes and --profiles a summary is printed.
    """
    from stream.clock import SystemClock
    from stream.commands.given_settings import given_settings
    from stream.commands.patience import compiling
    from stream.commands.trial_catalog import load_for_trial
    from stream.replay import Replay
    from stream.warm import warm_up

    clock = SystemClock()
    horizon_ms = clock.now_ms() + _AHEAD_MS
    outputs = {"--changes": changes, "--profiles": profiles, "--rejects": rejects}
    to_stdout = [option for option, name in outputs.items() if name == STANDARD_OUTPUT]
    if as_json and to_stdout:
        raise typer.BadParameter(f"the summary would mix with {to_stdout[0]} on standard output", param_hint="--json")
    settings = given_settings()
    loaded = load_for_trial(catalog)
    until_ms = None if until is None else moment_ms(until, loaded.timezone)
    size = total_bytes(files)
    refuse_clashes(outputs, [*files, catalog] if Path(catalog).exists() else files)
    run = Replay(loaded, app=settings.app, horizon_ms=horizon_ms, row_budget_bytes=settings.row_memory_mib * 2**20)
    with ExitStack() as stack:
        opened = {
            option: None if name is None else stack.enter_context(OutputFile(name)) for option, name in outputs.items()
        }
        out = _Outputs(opened["--changes"], opened["--profiles"], opened["--rejects"])
        with compiling():
            warm_up()
        start_s = clock.monotonic_s()
        with _progress(size) as advance:
            for lines in read_lines(files, batch_lines=batch_lines, progress=advance):
                for step in run.feed(lines.values):
                    out.take(lines, step)
        end_ms = end_of(run.newest_ms(), until, until_ms)
        if end_ms is not None:
            for messages in run.finish(end_ms):
                out.take_changes(messages)
            if out.profiles is not None:
                out.take_profiles(run.profiles(end_ms))
        took_s = clock.monotonic_s() - start_s
        out.keep()
    summary = _summary(loaded, run, out, end_ms, took_s)
    if as_json:
        print_json(summary)
    elif to_stdout or changes or profiles:
        note(_one_line(summary))
    else:
        _print(loaded, summary)


def moment_ms(text: str, zone_name: str) -> int:
    """The moment `--until` names, by the same rules as the times of a catalog's tests."""
    from rules.moments import MomentError, parse_moment

    try:
        return parse_moment(text, zone_name)
    except MomentError as error:
        raise typer.BadParameter(f"{text!r} is no moment: {error}", param_hint="--until") from error


def end_of(newest_ms: int | None, until: str | None, until_ms: int | None) -> int | None:
    """The moment up to which time passes; None: there was no event, and none was asked for."""
    if until_ms is not None and newest_ms is not None and until_ms < newest_ms:
        raise InputError(
            f"--until {until} lies before the newest event, which is of {moment(newest_ms)}.",
            remedy="Name that moment or a later one. No file has been written.",
        )
    return newest_ms if until_ms is None else until_ms


@dataclass(slots=True)
class _Outputs:
    """Where the results go, and how many there were of what."""

    changes: OutputFile | None
    profiles: OutputFile | None
    rejects: OutputFile | None
    change_counts: Counter[tuple[bytes, bytes]] = field(default_factory=Counter)
    reject_counts: Counter[str] = field(default_factory=Counter)

    def take(self, lines: Lines, step: StepResult) -> None:
        """What a step over these lines has brought."""
        self.take_changes(step.changes)
        if not step.rejects:
            return
        self.reject_counts.update(reject.reason for reject in step.rejects)
        if self.rejects is not None:
            self.rejects.write_lines(
                [
                    _line({"file": lines.file, "line": lines.numbers[reject.index], "reason": reject.reason})
                    for reject in step.rejects
                ]
            )

    def take_changes(self, messages: list[Message]) -> None:
        """Changes in their order."""
        for message in messages:
            headers = dict(message.headers)
            self.change_counts[headers["segment"], headers["change"]] += 1
        if self.changes is not None:
            self.changes.write_lines([message.value for message in messages])

    def take_profiles(self, profiles: Iterator[Profile]) -> None:
        """All users."""
        if self.profiles is None:
            return
        lines: list[bytes] = []
        for profile in profiles:
            lines.append(
                _line(
                    {
                        "user": profile.user,
                        "version": profile.version,
                        "tags": profile.tags,
                        "segments": profile.segments,
                        "levels": profile.levels,
                        "clusters": profile.clusters,
                    }
                )
            )
            if len(lines) == _BATCH_LINES:
                self.profiles.write_lines(lines)
                lines = []
        self.profiles.write_lines(lines)

    def keep(self) -> None:
        """All went well: let the files appear."""
        for output in (self.changes, self.profiles, self.rejects):
            if output is not None:
                output.keep()


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@contextmanager
def _progress(size: int | None) -> Iterator[Callable[[int], None] | None]:
    """A bar on stderr where a person looks; told how many bytes have been read."""
    if size is None or size < 2**23 or not is_terminal(sys.stderr):  # less than 8 MiB is read at once
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("replay"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replay", total=size)
        yield lambda more: bar.advance(task, more)


def _summary(
    catalog: LoadedCatalog, run: Replay, out: _Outputs, end_ms: int | None, took_s: float
) -> dict[str, object]:
    def changes(segment: str, change: bytes) -> int:
        return out.change_counts[segment.encode(), change]

    return {
        "catalog": catalog.name,
        "version": catalog.version,
        "events": run.records,
        "accepted": run.accepted,
        "duplicates": run.duplicates,
        "rejected": dict(sorted(out.reject_counts.items())),
        "users": len(run.users()),
        "until": None if end_ms is None else moment(end_ms),
        "changes": out.change_counts.total(),
        "segments": {
            name: {
                "entered": changes(name, b"entered"),
                "exited": changes(name, b"exited"),
                "members": run.sizes[name],
            }
            for name in catalog.segments
        },
        "tiers": {
            tier.name: {
                "changed": changes(tier.name, b"changed"),
                "levels": {level: run.sizes[f"{tier.name}={level}"] for level in tier.levels},
            }
            for tier in catalog.tiers.values()
        },
        "seconds": round(took_s, 3),
        "events_per_second": round(run.records / took_s) if took_s > 0 else None,
    }


def _one_line(summary: dict[str, object]) -> str:
    rejected: dict[str, int] = summary["rejected"]  # type: ignore[assignment]  # a summary's values are of many types
    return (
        f"{_counted(summary['events'], 'event')} of {_counted(summary['users'], 'user')}, "
        f"{_counted(summary['changes'], 'change')}, "
        f"{rejected_text(rejected)}, "
        f"{_counted(summary['duplicates'], 'duplicate')}; {summary['seconds']} s, "
        f"{summary['events_per_second'] or 0:,} events/s"
    )


def _counted(number: object, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _print(catalog: LoadedCatalog, summary: dict[str, object]) -> None:
    print_line(f"{catalog.name}, version {catalog.version}: {_one_line(summary)}")
    if summary["until"] is None:
        return
    print_line(f"as of {summary['until']}")
    print_line()
    counts: dict[str, dict[str, int]] = summary["segments"]  # type: ignore[assignment]  # see _one_line
    print_table(
        {"segment": "<", "entered": ">", "exited": ">", "members": ">", "title": "<"},
        [
            (name, *(f"{count[what]:,}" for what in ("entered", "exited", "members")), catalog.segments[name].title)
            for name, count in counts.items()
        ],
    )
    tiers: dict[str, dict[str, Any]] = summary["tiers"]  # type: ignore[assignment]  # see _one_line
    if tiers:
        print_line()
        print_table(
            {"tier": "<", "level": "<", "users": ">", "title": "<"},
            [
                (name, level, f"{size:,}", catalog.tiers[name].levels[level].title)
                for name, tier in tiers.items()
                for level, size in tier["levels"].items()
            ],
        )
