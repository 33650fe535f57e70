"""`tagstream worker`: one worker process on the configured servers, or on the embedded stack of another terminal."""

from __future__ import annotations

from stream.commands.options import OptionalCatalog
from stream.commands.signals import stop_on_signals

__all__ = ["worker"]


def worker(catalog: OptionalCatalog = None) -> None:
    """Run one worker: events in, changes of segments out. As many as there are partitions share the work.

    SIGTERM and Ctrl-C stop it after the step at hand.
    """
