"""The demo's worker, in a process of its own: `python -m stream.demo.worker_process`, started by `stream.demo.run`.

1. It imports what is heavy while the shop's past is being sent.
2. It reads its orders from standard input, one line of JSON: settings, addresses, the clock and the catalog's text.
   `tagstream worker` reads its settings itself, but the demo's may be neither in the environment nor in a file.
3. It works until standard input closes, which the kernel sees to however the demo ends, or until SIGTERM.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
from dataclasses import asdict
from typing import Any

from rules.catalog import parse_catalog
from stream.clock import ScaledClock, clock_from_text
from stream.embedded import Addresses
from stream.errors import TagstreamError
from stream.settings import Settings
from stream.worker import run_worker

__all__ = ["main", "orders"]


def orders(settings: Settings, addresses: Addresses, clock: ScaledClock, catalog_text: str) -> bytes:
    """The line that the process reads."""
    document = {
        "settings": settings.model_dump(mode="json"),
        "addresses": asdict(addresses),
        "clock": clock.text,
        "catalog": catalog_text,
    }
    return json.dumps(document).encode() + b"\n"


def main() -> int:
    """0 after a stop that was asked for, 1 after an error, which is said on standard error."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the demo's to answer
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    line = sys.stdin.buffer.readline()
    if not line:
        return 0
    given: dict[str, Any] = json.loads(line)
    threading.Thread(target=_stop_at_end, args=(stop,), daemon=True).start()
    try:
        run_worker(
            Settings(**given["settings"]),
            Addresses(**given["addresses"]),
            parse_catalog(given["catalog"]),
            clock_from_text(given["clock"]),
            stop,
        )
    except TagstreamError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _stop_at_end(stop: threading.Event) -> None:
    sys.stdin.buffer.read()
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
