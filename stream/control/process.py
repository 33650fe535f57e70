"""Control in a process of its own beside a worker: `python -m stream.control.process`, started by `ControlChild`.

Its orders come on standard input, as the settings of its parent may be neither in the environment nor in a file:

1. what to work with: settings, addresses, and the pace if it is not that of the settings. What learning needs is
   loaded meanwhile; a line on standard output says that this is done.
2. the clock, a text for `clock_from_text`, or `system`. Models are learned until standard input closes, which the
   kernel sees to however the parent ends, or until SIGTERM.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from dataclasses import asdict
from typing import Any, Final

from stream.clock import Clock, SystemClock, clock_from_text
from stream.control.pace import Pace
from stream.embedded import Addresses
from stream.errors import TagstreamError
from stream.settings import Settings

__all__ = ["SYSTEM_CLOCK", "main", "work_line"]

SYSTEM_CLOCK: Final = "system"
_NICE: Final = 5  # where processors are few, events go first
_LEAVE_S: Final = 5.0
_LIBRARIES: Final = ("aiokafka", "asyncio", "faust", "kafka", "mode")


def work_line(settings: Settings, addresses: Addresses, pace: Pace | None) -> bytes:
    """The first line that the process reads."""
    document = {
        "settings": settings.model_dump(mode="json"),
        "addresses": asdict(addresses),
        "pace": None if pace is None else asdict(pace),
    }
    return json.dumps(document).encode() + b"\n"


def main() -> int:
    """0 after a stop that was asked for, 1 after an error, which is said on standard error."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr
    )
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    os.nice(_NICE)
    line = sys.stdin.buffer.readline()
    if not line:
        return 0
    work: dict[str, Any] = json.loads(line)
    from stream.control.running import run_control

    try:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the parent has gone meanwhile
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python's own flush would complain
        return 0
    clock_text = sys.stdin.buffer.readline().decode().strip()
    if not clock_text:
        return 0
    clock: Clock = SystemClock() if clock_text == SYSTEM_CLOCK else clock_from_text(clock_text)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=_stop_at_end, args=(stop,), daemon=True).start()
    pace = None if work["pace"] is None else Pace(**work["pace"])
    try:
        run_control(Settings(**work["settings"]), Addresses(**work["addresses"]), clock, stop, pace=pace)
    except TagstreamError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        _leave_in_time()
    return 0


def _stop_at_end(stop: threading.Event) -> None:
    # Not by `sys.stdin`: Python can't end while a thread waits inside it.
    while os.read(sys.stdin.fileno(), 4_096):
        pass
    stop.set()


def _leave_in_time() -> None:
    """Python waits at its end for threads; those of a Faust app that failed may never end."""
    timer = threading.Timer(_LEAVE_S, lambda: os._exit(1))
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    sys.exit(main())
