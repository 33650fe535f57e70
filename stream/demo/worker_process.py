"""The demo's worker, in a process of its own: `python -m stream.demo.worker_process`, started by `stream.demo.run`.

`tagstream worker` reads its settings itself; the demo's may be neither in the environment nor in a file, so its orders
come on standard input, three lines:

1. what to work with: settings, addresses and the catalog's text. The engine is loaded, and compiled if need be; a line
   on standard output says that this is done. (Meanwhile the shop's past is being sent.)
2. the shop's clock, which stands still. The worker works until standard input closes, which the kernel sees to however
   the demo ends, or until SIGTERM.
3. when the shop opens: the clock that it becomes.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import signal
import sys
import threading
from dataclasses import asdict
from typing import Any, Final

from rules.catalog import parse_catalog
from stream.clock import HeldClock, ScaledClock, clock_from_text
from stream.embedded import Addresses
from stream.errors import TagstreamError
from stream.leaving import leave_in_time
from stream.orders import Orders
from stream.settings import Settings
from stream.warm import warm_up
from stream.worker import run_worker

__all__ = ["LEAVE_S", "clock_line", "main", "work_line"]

LEAVE_S: Final = 15.0
"""As long as the demo waits for its end, too; without the demo nobody else would end it where the broker is gone."""


def work_line(settings: Settings, addresses: Addresses, catalog_text: str) -> bytes:
    """The first line that the process reads."""
    document = {
        "settings": settings.model_dump(mode="json"),
        "addresses": asdict(addresses),
        "catalog": catalog_text,
    }
    return json.dumps(document).encode() + b"\n"


def clock_line(clock: ScaledClock | HeldClock) -> bytes:
    """The second one, and the third."""
    return clock.text.encode() + b"\n"


def main() -> int:
    """0 after a stop that was asked for, 1 after an error, which is said on standard error."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    faulthandler.enable()
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the demo's to answer
    orders = Orders()
    line = orders.next_line()
    if not line:
        return 0
    work: dict[str, Any] = json.loads(line)
    catalog = parse_catalog(work["catalog"])
    warm_up()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    clock_text = orders.next_line()
    if not clock_text:
        return 0
    clock = clock_from_text(clock_text)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    leave_in_time(LEAVE_S, after=stop)
    orders.follow(clock, stop)
    try:
        run_worker(Settings(**work["settings"]), Addresses(**work["addresses"]), catalog, clock, stop)
    except TagstreamError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
