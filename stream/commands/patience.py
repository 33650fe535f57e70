"""A word to whoever waits: the engine is compiled at the first start of an installation, and that takes a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from stream.commands.output import note

__all__ = ["compiling"]

_PATIENCE_S = 3.0
"""Loading the compiled engine takes about one second; what takes longer is compiled anew."""


@contextmanager
def compiling() -> Iterator[None]:
    """Say what is going on if the block takes long."""
    timer = threading.Timer(
        _PATIENCE_S, note, ["Compiling the engine for this machine, once: the next start finds it ready …"]
    )
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
