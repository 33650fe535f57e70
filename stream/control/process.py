"""Control in a process of its own beside a worker: `python -m stream.control.process`, started by `ControlChild`.

Its orders come on standard input, as the settings of its parent may be neither in the environment nor in a file:

1. what to work with: settings, addresses, and the pace if it is not that of the settings. What learning needs is
   loaded meanwhile; a line on standard output says that this is done.
2. the clock, a text for `clock_from_text`, or `system`. Models are learned until standard input closes, which the
   kernel sees to however the parent ends, or until SIGTERM.
3. if that clock is held, in its own time: the clock that it becomes.

It is gone `_LEAVE_S` after it was asked to stop, or after its parent's end, whatever it waits for: Faust, or a broker
that is not there any more.
"""

from __future__ import annotations

import faulthandler
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
from stream.leaving import leave_in_time
from stream.orders import Orders
from stream.settings import Settings

__all__ = ["SYSTEM_CLOCK", "main", "work_line"]

SYSTEM_CLOCK: Final = "system"
_NICE: Final = 5  # where processors are few, events go first
_LEAVE_S: Final = 15.0
"""Ten seconds for Faust to stop (`running`), and five to save what was learned."""
_END_S: Final = 5.0
"""Python waits at its end for threads; those of a Faust app that failed may never end."""
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
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    os.nice(_NICE)
    orders = Orders()
    line = orders.next_line()
    if not line:
        return 0
    work: dict[str, Any] = json.loads(line)
    from stream.control.running import remove_folders, run_control

    try:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the parent has gone meanwhile
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python's own flush would complain
        return 0
    clock_text = orders.next_line()
    if not clock_text:
        return 0
    clock: Clock = SystemClock() if clock_text == SYSTEM_CLOCK else clock_from_text(clock_text)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = Settings(**work["settings"])
    leave_in_time(_LEAVE_S, after=stop, last=lambda: remove_folders(settings))
    orders.follow(clock, stop)
    pace = None if work["pace"] is None else Pace(**work["pace"])
    try:
        run_control(settings, Addresses(**work["addresses"]), clock, stop, pace=pace)
    except TagstreamError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        leave_in_time(_END_S)
    return 0


if __name__ == "__main__":
    sys.exit(main())
