"""`tagstream worker`: one worker process on the configured servers, or on the embedded stack of another terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.commands.options import OptionalCatalog

if TYPE_CHECKING:
    from rules.catalog import Catalog
    from stream.embedded import Addresses
    from stream.settings import Settings

__all__ = ["worker"]


def worker(catalog: OptionalCatalog = None) -> None:
    """Run one worker: events in, changes of segments out. As many as there are partitions share the work.

    Without --catalog it runs the one that the app's workers on this machine run already. SIGTERM and Ctrl-C stop it
    after the step at hand.
    """
    from rules.catalog import load_catalog
    from stream.clock import SystemClock
    from stream.commands.logs import log_to_stderr
    from stream.commands.patience import compiling
    from stream.commands.running_catalog import leave_catalog
    from stream.commands.signals import stop_on_signals
    from stream.embedded import resolve_addresses
    from stream.settings import load_settings

    settings = load_settings()
    named = None if catalog is None else load_catalog(catalog)
    addresses = resolve_addresses(settings)
    log_to_stderr()
    with stop_on_signals() as stop:
        with compiling():
            from stream.replay import warm_up
            from stream.worker import run_worker

            loaded = named or _running(settings, addresses)
            warm_up(loaded)
        leave_catalog(settings, loaded)
        run_worker(settings, addresses, loaded, SystemClock(), stop)


def _running(settings: Settings, addresses: Addresses) -> Catalog:
    """The catalog that the app's workers run. Raises ConfigurationError if none does or it isn't to be had here."""
    from rules.packs import pack_names
    from stream.commands.running_catalog import open_reader
    from stream.errors import ConfigurationError
    from stream.worker.reading import NothingYetError

    try:
        reader, catalog = open_reader(settings, addresses, None)
    except NothingYetError as error:
        raise ConfigurationError(
            f"No worker of the app {settings.app} has run a catalog yet.",
            remedy=f"Name one with --catalog: a file, or a pack ({', '.join(pack_names())}).",
        ) from error
    reader.close()
    return catalog
