"""Workers as processes of their own, to be killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from rules.catalog import load_catalog
from stream.clock import SystemClock
from stream.embedded import Addresses
from stream.settings import Settings, load_settings
from stream.worker import run_worker

ROOT = Path(__file__).parent.parent.parent
END_S = 30.0


class Fleet:
    """Some workers. Worker i writes its log to `worker-i.log` in the folder."""

    def __init__(self, folder: Path, settings: Settings, addresses: Addresses, catalog: Path) -> None:
        self.folder = folder
        self._job = json.dumps(
            {
                "settings": settings.model_dump(mode="json"),
                "addresses": [addresses.kafka, addresses.redis, addresses.embedded],
                "catalog": str(catalog),
            }
        )
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, worker: int) -> None:
        """Start a worker; the same number gives the same process's place, not the same name."""
        with (self.folder / f"worker-{worker}.log").open("ab") as log:
            self._processes[worker] = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.fleet", self._job], cwd=ROOT, stdout=log, stderr=log
            )

    def kill(self, worker: int) -> None:
        """SIGKILL, and wait until it is gone."""
        self._processes[worker].kill()
        self._processes[worker].wait(END_S)

    def freeze(self, worker: int) -> None:
        self._processes[worker].send_signal(signal.SIGSTOP)

    def thaw(self, worker: int) -> None:
        self._processes[worker].send_signal(signal.SIGCONT)

    def running(self) -> list[int]:
        return [worker for worker, process in self._processes.items() if process.poll() is None]

    def stop(self) -> list[int]:
        """SIGTERM to all; the exit codes once they have ended."""
        for process in self._processes.values():
            process.terminate()
        return [process.wait(END_S) for process in self._processes.values()]

    def logs(self) -> str:
        """What all of them said."""
        return "\n".join(path.read_text(errors="replace")[-4_000:] for path in sorted(self.folder.glob("worker-*.log")))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait(END_S)


def main(job: str) -> None:
    """One worker, until SIGTERM."""
    import faulthandler
    import logging

    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {os.getpid()} %(name)s %(message)s")
    logging.getLogger("kafka").setLevel(logging.WARNING)
    work = json.loads(job)
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    settings = load_settings({}, folder=Path("/nonexistent"), **work["settings"])
    kafka, redis, embedded = work["addresses"]
    run_worker(settings, Addresses(kafka, redis, embedded), load_catalog(Path(work["catalog"])), SystemClock(), stop)


if __name__ == "__main__":
    main(sys.argv[1])
