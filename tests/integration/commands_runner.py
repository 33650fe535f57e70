"""Runs the real command in a process of its own, cut off from the user's settings and running stacks."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["COMMAND", "ROOT", "clean_environment", "run", "run_here"]

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "stream.cli")


def clean_environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without settings, and with a runtime folder of the test's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TAGSTREAM_")}
    path = os.pathsep.join(part for part in (str(ROOT), kept.get("PYTHONPATH", "")) if part)
    return {**kept, "PYTHONPATH": path, "TAGSTREAM_RUNTIME_DIR": str(folder / "run"), **(more or {})}


def run(
    *arguments: str | Path,
    folder: Path,
    stdin: bytes = b"",
    settings: Mapping[str, str] | None = None,
    command: Sequence[str] = COMMAND,
) -> subprocess.CompletedProcess[bytes]:
    """Run `tagstream` with these arguments in a folder, and wait for it, for two minutes at most."""
    return subprocess.run(
        [*command, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=folder,
        env=clean_environment(folder, settings),
        timeout=120,
        check=False,
    )


def run_here(
    *arguments: str | Path, folder: Path, stdin: bytes = b"", settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """The same within this process: quicker, as the engine is loaded but once. Not for signals, pipes and speed."""
    import pytest
    from typer.testing import CliRunner

    from stream.cli import app
    from stream.commands.logs import LIBRARIES

    environment: dict[str, str | None] = dict.fromkeys(name for name in os.environ if name.startswith("TAGSTREAM_"))
    environment |= {"TAGSTREAM_RUNTIME_DIR": str(folder / "run"), **(settings or {})}
    words = [*map(str, arguments)]
    levels = {name: logging.getLogger(name).level for name in LIBRARIES}
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.delattr(os, "nice", raising=False)  # a command that gives way would slow down all tests to come
        result = CliRunner().invoke(app, words, input=stdin, env=environment, prog_name="tagstream")
    for name, level in levels.items():  # the command has quieted them for this whole process
        logging.getLogger(name).setLevel(level)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return subprocess.CompletedProcess(words, result.exit_code, result.stdout_bytes, result.stderr_bytes)
