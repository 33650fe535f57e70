"""`tagstream worker`: one worker process on the configured servers, or on the embedded stack of another terminal."""

from __future__ import annotations

from stream.commands.options import OptionalCatalog

__all__ = ["worker"]


def worker(catalog: OptionalCatalog = None) -> None:
    """Run one worker: events in, changes of segments out. As many as there are partitions share the work.

    --catalog is for the app's first start: it is applied if no catalog has been; later `tagstream apply` replaces it.
    SIGTERM and Ctrl-C stop the worker after the step at hand.
    """
    from rules.catalog import load_catalog
    from stream.clock import SystemClock
    from stream.commands.given_settings import given_settings
    from stream.commands.logs import log_to_stderr
    from stream.commands.patience import compiling
    from stream.commands.signals import stop_on_signals
    from stream.embedded import resolve_addresses

    settings = given_settings()
    named = None if catalog is None else load_catalog(catalog)
    addresses = resolve_addresses(settings)
    log_to_stderr()
    with stop_on_signals() as stop:
        from stream.worker import run_worker

        run_worker(settings, addresses, named, SystemClock(), stop, patience=compiling)
