"""`tagstream up`: everything on this machine: the stack, a worker, and control beside it where there are models."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from stream.commands.options import OptionalCatalog
from stream.commands.output import colour, note, print_line

if TYPE_CHECKING:
    from rules.catalog import Catalog
    from stream.embedded import Addresses, Stack
    from stream.settings import Settings

__all__ = ["DEFAULT_CATALOG", "up"]

DEFAULT_CATALOG = "retail"
_LOOK_EVERY_S = 1.0


def up(catalog: OptionalCatalog = None) -> None:
    """Run everything on this machine: the embedded stack, or the configured servers, and a worker. Ctrl-C ends it.

    Without --catalog the pack retail is run, unless a catalog has been applied already; `tagstream apply` replaces it.
    The catalog's models, if it has any, are learned in a process beside the worker.
    On the embedded stack the topics are made, and all is gone at the end.
    """
    from rules.catalog import load_catalog
    from stream.clock import SystemClock
    from stream.commands.given_settings import given_settings
    from stream.commands.logs import log_to_stderr
    from stream.commands.patience import compiling
    from stream.commands.signals import stop_on_signals
    from stream.embedded import resolve_addresses, start_stack
    from stream.topics import ensure_topics

    settings = given_settings()
    named = None if catalog is None else load_catalog(catalog)
    log_to_stderr()
    clock = SystemClock()
    with ExitStack() as cleanup:
        stop = cleanup.enter_context(stop_on_signals())
        if settings.kafka or settings.redis:
            addresses = resolve_addresses(settings)
        else:
            note("Starting a broker and Redis …")
            embedded = cleanup.enter_context(start_stack(settings, clock=clock))
            addresses = embedded.addresses
            ensure_topics(settings, addresses)
            cleanup.enter_context(_watched(embedded, stop))
        from stream.control.keeper import control_beside
        from stream.worker import run_worker

        cleanup.enter_context(control_beside(settings, addresses))
        if named is None and not _has_catalog(settings, addresses):
            named = load_catalog(DEFAULT_CATALOG)
        run_worker(
            settings,
            addresses,
            named,
            clock,
            stop,
            on_ready=lambda running: _print_next(settings, addresses, running),
            patience=compiling,
        )


def _has_catalog(settings: Settings, addresses: Addresses) -> bool:
    """Whether one has been applied; if that can't be found out now, the worker finds out."""
    from stream.catalogs import read_catalogs
    from stream.errors import TagstreamError

    try:
        return read_catalogs(settings, addresses).first is not None
    except TagstreamError:
        return False


@contextmanager
def _watched(embedded: Stack, stop: threading.Event) -> Iterator[None]:
    """Look after the stack's servers meanwhile: when one ends, stop the work and raise what it said last."""
    from stream.errors import EmbeddedStackError

    failures: list[EmbeddedStackError] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(_LOOK_EVERY_S):
            try:
                embedded.check()
            except EmbeddedStackError as error:
                failures.append(error)
                stop.set()
                return

    watcher = threading.Thread(target=look, name="stack-watch")
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    if failures:
        raise failures[0]


def _print_next(settings: Settings, addresses: Addresses, catalog: Catalog) -> None:
    where = "on a stack of its own, in memory: all is gone when it ends" if addresses.embedded else "as configured"
    print_line(f"{colour('Tagstream is up', 'green')}, {where}.")
    print_line(f"  Kafka    {addresses.kafka}  (topics {settings.events_topic}, {settings.segment_changes_topic})")
    print_line(f"  Redis    {addresses.redis_shown}")
    print_line(f"  catalog  {catalog.name}, version {catalog.version}: {len(catalog.segments)} segments")
    print_line()
    print_line("In a second terminal:")
    print_line("  tagstream watch              # who enters and leaves, live")
    print_line("  tagstream doctor             # is everything right")
    topic = f", topic={settings.topic_events!r}" if settings.topic_events else ""
    app = topic or ("" if settings.app == "tagstream" else f", app={settings.app!r}")
    print_line("and send an event from Python:")
    print_line("  from tagstream import Producer")
    print_line(f"  with Producer({addresses.kafka!r}{app}) as producer:")
    print_line("      producer.track('ada', 'Order Completed', {'revenue': 99.5})")
    print_line()
    sys.stdout.flush()
