"""`tagstream up` in a process of its own, with a catalog and some events, for commands that look at it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stream.embedded import find_stack
from stream.settings import load_settings
from tagstream import Producer
from tests.integration.commands_runner import COMMAND, clean_environment, run_here

__all__ = ["running_up", "told", "wait_for"]

DEADLINE_S = 150.0


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """What the condition gives once it is true; fails after a deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {DEADLINE_S:.0f} s for {what}")


@contextmanager
def running_up(folder: Path, catalog: str) -> Iterator[subprocess.Popen[str]]:
    """A stack and a worker that have taken all partitions."""
    with (folder / "up.out").open("w") as out, (folder / "up.err").open("w") as err:
        process = subprocess.Popen(
            [*COMMAND, "up", "--catalog", catalog],
            cwd=folder,
            env=clean_environment(folder),
            stdout=out,
            stderr=err,
            text=True,
        )

        def at_work() -> bool:
            assert process.poll() is None, (folder / "up.err").read_text()
            return _lag(folder) == 0

        try:
            wait_for(at_work, "the worker to take its partitions")
            yield process
        finally:
            process.kill()
            process.wait()


def told(folder: Path, tell: Callable[[Producer], None]) -> None:
    """Send events, and return when all have been read."""
    stack = find_stack(load_settings({"TAGSTREAM_RUNTIME_DIR": str(folder / "run")}, folder=folder))
    assert stack is not None
    with Producer(stack.kafka) as producer:
        tell(producer)
    wait_for(lambda: _lag(folder) == 0, "all to be read")


def _lag(folder: Path) -> int | None:
    done = run_here("lag", "--json", folder=folder)
    if done.returncode != 0:
        return None
    report = json.loads(done.stdout)
    taken = all(each["next_offset"] is not None for each in report["partitions"])
    return report["lag"] if taken else None
