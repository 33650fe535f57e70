"""The control process that a worker has beside it is gone in time when all it depends on goes away at once."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from stream.embedded import start_stack
from stream.settings import Settings
from tests.embedded_broker import broker_process
from tests.integration.control_runs import eventually, opened_shop, published_models, sent_samples
from tests.unit.control.control_shop import catalog, moments

REPOSITORY = Path(__file__).resolve().parents[2]
GONE_S = 20.0  # the process's own deadline, and what a busy machine adds
PARENT = """
import signal, sys
from pathlib import Path
from stream.control.child import ControlChild
from stream.embedded import find_stack
from stream.settings import Settings
settings = Settings(app=sys.argv[1], runtime_dir=Path(sys.argv[2]))
addresses = find_stack(settings)
with ControlChild(settings, addresses) as child:
    child.start()
    print(child.pid, flush=True)
    signal.pause()
"""


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def kill_broker(brokers: str) -> None:
    """As when the machine's memory is full: nobody is told. The server dies with its launcher; others' go on."""
    launcher = broker_process(brokers).parent()
    assert launcher is not None
    launcher.kill()


@pytest.mark.timeout(240)
def test_a_child_whose_broker_and_parent_are_gone_ends_within_its_deadline_and_leaves_no_folder(
    fresh_app: str, tmp_path: Path
) -> None:
    settings = Settings(app=fresh_app, runtime_dir=tmp_path)
    with start_stack(settings) as stack:
        opened_shop(settings, stack.addresses, catalog())
        command = [sys.executable, "-c", PARENT, fresh_app, str(tmp_path)]
        with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as parent:
            try:
                assert parent.stdout is not None
                child = int(parent.stdout.readline())
                sent_samples(settings, stack.addresses, "rfm", moments("rfm", 1_200))
                eventually(lambda: published_models(settings, stack.addresses).newest("rfm"), "a first snapshot")
                assert len(list(tmp_path.glob("control-*"))) == 1
                kill_broker(stack.kafka)
            finally:
                parent.kill()
        begun_s = time.monotonic()
        try:
            while not gone(child):
                assert time.monotonic() - begun_s < GONE_S, "the control process is still there"
                time.sleep(0.05)
        finally:
            if not gone(child):
                psutil.Process(child).kill()
    assert list(tmp_path.glob("control-*")) == []
