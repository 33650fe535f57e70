"""`tagstream bench`: run the benchmarks of the source checkout."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from stream.commands.outcome import FAILED
from stream.errors import TagstreamError

__all__ = ["bench"]


def bench(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[ARGUMENT]...", help="Passed on to the benchmarks.")
    ] = None,
) -> None:
    """Measure this machine: the engine over a million events, and a worker beside a bare pipeline."""
    folder = Path(__file__).parents[2]
    if importlib.util.find_spec("bench", None) is None or not (folder / "bench").is_dir():
        raise TagstreamError(
            "The benchmarks are not part of the installed package.",
            remedy="Run `make bench` in a checkout of the sources.",
        )
    ended = subprocess.run([sys.executable, "-m", "bench", *(arguments or [])], cwd=folder, check=False)
    if ended.returncode:
        raise typer.Exit(FAILED)
