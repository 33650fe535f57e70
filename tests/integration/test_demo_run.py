"""The demo from start to summary, on a small shop."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from stream.demo.run import run_demo
from stream.embedded import find_stack
from stream.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
SMALL_DEMO = """
import sys
from pathlib import Path
from stream.commands.signals import stop_on_signals
from stream.demo.run import run_demo
from stream.settings import Settings
with stop_on_signals() as stop:
    run_demo(Settings(runtime_dir=Path(sys.argv[1])), for_s=float(sys.argv[2]), customers=200, stop=stop)
"""


def children() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


def wait_until_gone(pids: set[int]) -> None:
    deadline_s = time.monotonic() + 20
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
        assert time.monotonic() < deadline_s, f"still there: {pids}"
        time.sleep(0.05)


def started(folder: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SMALL_DEMO, str(folder), str(seconds)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def read_until(process: subprocess.Popen[str], wanted: str) -> str:
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if wanted in line:
            return seen
    raise AssertionError(f"ended without {wanted!r}: {seen}")


@pytest.mark.timeout(300)
def test_the_demo_shows_a_living_shop_sums_it_up_and_leaves_nothing_behind(tmp_path: Path) -> None:
    before = children()
    settings = Settings(runtime_dir=tmp_path)
    out = Console(file=io.StringIO(), width=120)
    run_demo(settings, for_s=6.0, customers=600, console=out)
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    assert "What has just happened" in text
    live, by_time = re.search(r"([\d,]+) of them live, and (\d+)% of these by time alone", text).groups()  # type: ignore[union-attr]  # a failure here is the test's
    assert int(live.replace(",", "")) > 100
    assert int(by_time) > 10
    assert re.search(r"p50 \d+ ms, p99 \d+ ms \(of [\d,]+ changes\)", text)
    assert "Time alone did this" in text
    carts = re.search(
        r"Abandoned carts \(2 hours\)\s+\S.*?\s+([\d,]+)\s+([\d,]+)\s+([\d,]+)\s+([\d,]+)\s*$", text, re.MULTILINE
    )
    assert carts is not None
    assert all(int(number) > 0 for number in carts.groups()[1:])
    assert children() == before
    assert find_stack(settings) is None


@pytest.mark.timeout(300)
def test_ctrl_c_ends_the_demo_early_with_its_summary(tmp_path: Path) -> None:
    with started(tmp_path, 600) as demo:
        family = set()
        try:
            read_until(demo, "… live")
            family = {process.pid for process in psutil.Process(demo.pid).children(recursive=True)}
            demo.send_signal(signal.SIGINT)
            rest, _ = demo.communicate(timeout=60)
        finally:
            demo.kill()
    assert demo.returncode == 0
    assert "What has just happened" in rest
    assert len(family) >= 3  # a broker, Redis, a worker
    wait_until_gone(family)


@pytest.mark.timeout(300)
def test_when_the_demo_is_killed_its_broker_redis_and_worker_end_too(tmp_path: Path) -> None:
    with started(tmp_path, 600) as demo:
        family = set()
        try:
            read_until(demo, "works through the past")
            family = {process.pid for process in psutil.Process(demo.pid).children(recursive=True)}
        finally:
            os.kill(demo.pid, signal.SIGKILL)
    assert len(family) >= 3
    wait_until_gone(family)


@pytest.mark.timeout(300)
def test_when_the_worker_dies_the_demo_says_so_and_ends(tmp_path: Path) -> None:
    with started(tmp_path, 600) as demo:
        family = psutil.Process(demo.pid)
        try:
            read_until(demo, "works through the past")
            (worker,) = (each for each in family.children() if "stream.demo.worker_process" in each.cmdline())
            others = {each.pid for each in family.children(recursive=True)}
            worker.kill()
            rest, _ = demo.communicate(timeout=60)
        finally:
            demo.kill()
    assert demo.returncode == 1
    assert "The demo's worker has ended." in rest
    wait_until_gone(others)


@pytest.mark.timeout(300)
def test_when_its_terminal_goes_away_the_demo_leaves_nothing_in_its_folder(tmp_path: Path) -> None:
    with started(tmp_path, 600) as demo:
        family = set()
        try:
            seen = read_until(demo, "… live")
            family = {process.pid for process in psutil.Process(demo.pid).children(recursive=True)}
            assert (tmp_path / "stack.json").exists()
            demo.send_signal(signal.SIGHUP)
            demo.communicate(timeout=60)
        finally:
            demo.kill()
    assert "the worker works through the past" in seen
    assert seen.index("works through the past") < seen.index("the shop opens")
    assert [each.name for each in tmp_path.iterdir() if each.suffix != ".lock"] == []
    wait_until_gone(family)
