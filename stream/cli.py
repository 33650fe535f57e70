"""`tagstream`, the command line: every command, in the order in which a newcomer needs them.

Each command lives in `stream/commands/`, which imports what is heavy only when the command runs.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stream.commands import (
    apply,
    bench,
    check,
    control,
    demo,
    diff,
    doctor,
    explain,
    lag,
    members,
    models,
    preview,
    profile,
    replay,
    schema,
    status,
    suggest,
    test,
    topics,
    up,
    watch,
    worker,
)
from stream.commands.outcome import FAILED, INTERRUPTED, one_outcome, say_error
from stream.commands.streams import STDERR, ClosedOutputError, stand_in_for_closed_streams

__all__ = ["app", "main"]

_PANELS: dict[str, dict[str, Callable[..., None]]] = {
    "Start": {"demo": demo.demo, "up": up.up, "worker": worker.worker, "control": control.control},
    "Rules": {
        "check": check.check,
        "test": test.run_tests,
        "diff": diff.diff,
        "preview": preview.preview,
        "apply": apply.apply,
        "replay": replay.replay,
        "schema": schema.schema,
    },
    "Look": {
        "profile": profile.profile,
        "explain": explain.explain,
        "members": members.members,
        "watch": watch.watch,
        "models": models.models,
        "suggest": suggest.suggest,
    },
    "Operate": {"status": status.status, "lag": lag.lag, "doctor": doctor.doctor, "bench": bench.bench},
}


class _Group(TyperGroup):
    """All commands under one way of ending: expected errors become a sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        with one_outcome():
            return super().invoke(ctx)


app = typer.Typer(
    name="tagstream",
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Keeps every user's tags and segments true, event by event, and tells who entered and who left.\n\n"
    "Start with [bold]tagstream demo[/bold]. While it or [bold]tagstream up[/bold] runs, the other commands work "
    "in a second terminal without any setting.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        try:
            version = metadata.version("tagstream")
        except metadata.PackageNotFoundError:
            version = "(a checkout that is not installed)"
        sys.stdout.write(f"tagstream {version}\n")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Options before the command."""


for _panel, _commands in _PANELS.items():
    for _name, _command in _commands.items():
        app.command(_name, rich_help_panel=_panel)(_command)
app.add_typer(topics.app, name="topics", rich_help_panel="Operate")


def _terminate(number: int, frame: FrameType | None) -> None:
    """End as SIGTERM does by itself, but let half-written files be removed. `up`, `worker`, `demo` have their own."""
    del frame
    sys.exit(128 + number)


def main() -> None:
    """What the script `tagstream` runs. Ends the process with the command's exit code."""
    stand_in_for_closed_streams()
    faulthandler.enable(STDERR)  # what native code ends says where it was
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app(prog_name="tagstream")
    except (ClosedOutputError, OSError) as error:  # of the help and the version, which come before any command
        say_error(error)
        sys.exit(FAILED)
    except KeyboardInterrupt:  # between the parts that handle it themselves
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
