"""`tagstream apply`: put a new version of the catalog in place of the one that runs, without a seam."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from stream.commands.options import AsJson
from stream.commands.output import colour, counted, is_terminal, moment, note, print_json, print_line, print_table

if TYPE_CHECKING:
    from rules.catalog import Catalog
    from stream.worker.apply_run import ApplyReport
    from stream.worker.applying import Outcome

__all__ = ["apply"]


def apply(
    catalog: Annotated[
        str | None, typer.Argument(metavar="[C]", help="The catalog: a file, or the name of a pack.")
    ] = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Apply the text of the version before, under a new version number.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until every user has been looked at by the new version.")
    ] = True,
    timeout: Annotated[str, typer.Option("--timeout", metavar="TIME", help="Wait no longer than this.")] = "1h",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a new version of the catalog in place of the one that runs.

    The text is published; the workers get ready, and read again from the log what the new version counts anew; then it
    takes effect at one place of each partition's log. Refused, with exit code 2 and nothing changed, if the catalog is
    wrong or its version isn't newer. What was interrupted goes on when it is applied again.
    """
    from rules.catalog import load_catalog
    from stream.clock import SystemClock
    from stream.commands.given_settings import given_settings
    from stream.commands.logs import quiet_libraries
    from stream.commands.outcome import InputError
    from stream.embedded import resolve_addresses
    from stream.errors import TagstreamError
    from stream.settings import parse_duration_ms
    from stream.worker.apply_run import ApplyRun
    from stream.worker.applying import check_applicable, rolled_back
    from stream.worker.overview import open_store

    if (catalog is None) is not rollback:
        raise InputError(
            "Name a catalog, or say --rollback; not both." if rollback else "Name the catalog to apply.",
            remedy="A file, or the name of a pack; --rollback applies the version before again.",
        )
    try:
        timeout_s = parse_duration_ms(timeout) / 1000
    except ValueError as error:
        raise InputError(f"--timeout {timeout} is no length of time: expected {error}.") from error
    quiet_libraries()
    settings = given_settings()
    given = None if catalog is None else load_catalog(catalog)
    addresses = resolve_addresses(settings)
    clock = SystemClock()
    run = ApplyRun(settings, addresses, clock)
    with closing(open_store(settings, addresses, run.partition_count)) as store:
        applied, overview = run.look(store)
        before: int | None = None
        if given is None:
            given, before = rolled_back(applied, overview)
        outcome = check_applicable(given, applied, overview)
        if not (yes or as_json or _agreed(given, outcome, before)):
            raise typer.Abort
        shown = None if as_json else _Progress()
        try:
            report = run.perform(store, given, outcome, wait=wait, timeout_s=timeout_s, progress=shown)
        finally:
            if shown is not None:
                shown.close()
    if as_json:
        print_json(report.as_dict())
    else:
        _print(report)
    if report.problem is not None:
        raise TagstreamError(report.problem.message, remedy=report.problem.remedy)


class _Progress:
    """What goes on: one line that changes on a terminal, else a line for each stage."""

    def __init__(self) -> None:
        self._stage = ""
        self._is_open = False

    def __call__(self, stage: str, detail: str) -> None:
        if is_terminal(sys.stderr):
            sys.stderr.write(f"\r\x1b[K{stage} {detail}".rstrip())
            sys.stderr.flush()
            self._is_open = True
        elif stage != self._stage:
            note(stage)
        self._stage = stage

    def close(self) -> None:
        if self._is_open:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _agreed(catalog: Catalog, outcome: Outcome, before: int | None) -> bool:
    """Ask whoever sits at the terminal; without one there is nobody to ask."""
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        return True
    what = f"version {catalog.version} of {catalog.name}"
    what += f" (the text of version {before})" if before is not None else ""
    place = "as the first" if outcome.previous is None else f"in place of version {outcome.previous}"
    return typer.confirm(f"Apply {what} {place}?", err=True)


def _print(report: ApplyReport) -> None:
    name = f"{report.catalog}, version {report.version}"
    for sentence in report.notes:
        note(sentence)
    if not report.is_done:
        print_line(f"{name}: {'the switch is in the log' if report.is_switched else 'published'}")
        return
    print_line(f"{colour('done', 'green')}  {name}, {report.seconds:.1f} s")
    changes = [(name, counts) for name, counts in report.changes.items() if any(counts.values())]
    if not changes:
        print_line("nobody entered or left anything because of it")
    else:
        print_line()
        print_table(
            {"segment or tier": "<", "entered": ">", "left": ">", "changed level": ">"},
            [
                (name, *(f"{counts[what]:,}" if counts.get(what) else "–" for what in ("entered", "exited", "changed")))
                for name, counts in changes
            ],
        )
    if report.warming:
        print_line()
        print_line(f"{counted(len(report.warming), 'value')} not yet whole, as the log doesn't reach back far enough:")
        print_table(
            {"value": "<", "whole from": "<"},
            [
                (value, "never: it counts what the log still has" if until_ms is None else moment(until_ms))
                for value, until_ms in report.warming.items()
            ],
            indent=2,
        )
