"""`tagstream demo`: the embedded stack, a worker, a shop and a view, from start to summary.

1. The embedded stack starts, the topics are made.
2. A worker process starts; while it imports, the shop's past is sent as fast as Kafka takes it.
3. The worker gets its orders. It works through the past, as fast as it can, while the shop's clock already runs.
4. Once changes follow their events within a second, the live part begins and lasts for `for_s` seconds.
5. The shop closes, what is on its way arrives, the worker stops after its step, the stack ends; the summary is printed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from types import TracebackType
from typing import IO, Final, Self

from rich.console import Console

from rules.catalog import load_catalog
from stream.clock import ScaledClock
from stream.demo.feed import Feed
from stream.demo.labels import Labels
from stream.demo.live import Moment, View, new_view
from stream.demo.shop import Shop
from stream.demo.summary import Run, print_summary
from stream.demo.tally import Tally
from stream.demo.worker_process import orders
from stream.embedded import Addresses, Stack, start_stack
from stream.errors import TagstreamError
from stream.settings import Settings
from stream.topics import ensure_topics

__all__ = ["DEFAULT_SPEED", "run_demo"]

DEFAULT_SPEED: Final = 21_600.0
"""Six hours of the shop in a second: an abandoned cart's two hours take a third of one, a minute is a fortnight."""

_FRAME_S: Final = 0.25
_CATCH_UP_S: Final = 60.0  # the first start compiles the engine; seen: under a minute on a slow machine
_DRAIN_S: Final = 5.0
_QUIET_S: Final = 0.6
_STOP_S: Final = 15.0
_LOG_TAIL_BYTES: Final = 2_000


class _Worker:
    """The worker's process. A context manager: leaving it stops the worker and waits."""

    def __init__(self) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed in __exit__
        self._process = subprocess.Popen(
            [sys.executable, "-m", "stream.demo.worker_process"],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def start(self, line: bytes) -> None:
        """Give it its orders."""
        if self._process.stdin is None:
            raise TagstreamError("The worker has no standard input.")
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError:
            self.check()

    def check(self) -> None:
        """Raise TagstreamError if it has ended."""
        if self._process.poll() is not None:
            raise TagstreamError(f"The demo's worker has ended. It said last: {self.said() or 'nothing.'}")

    def said(self) -> str:
        """The end of what it printed."""
        self._log.seek(0, 2)
        self._log.seek(max(self._log.tell() - _LOG_TAIL_BYTES, 0))
        return self._log.read().decode("utf-8", "replace").strip()


class _Show:
    """The parts of a running demo, and the view that is kept up to date while it waits for something."""

    def __init__(self, stack: Stack, worker: _Worker, feed: Feed, tally: Tally, clock: ScaledClock, view: View) -> None:
        self._stack = stack
        self._worker = worker
        self._feed = feed
        self._tally = tally
        self._clock = clock
        self._view = view
        self.stage = ""

    def frame(self, stop: threading.Event, left_s: float | None = None) -> None:
        """Show how things stand, then wait a moment. Raises what has gone wrong anywhere."""
        self._stack.check()
        self._worker.check()
        self._feed.check()
        snapshot = self._tally.snapshot(self._clock.monotonic_s())
        shop_ms = self._clock.now_ms() if self._feed.caught_up.is_set() else self._feed.newest_ms
        self._view.show(Moment(snapshot, shop_ms, self._clock.speed, left_s, self.stage))
        stop.wait(_FRAME_S)

    def drain(self) -> None:
        """Wait until no change has come for a moment, but not for ever."""
        start_s = quiet_since_s = self._clock.monotonic_s()
        changes, never = -1, threading.Event()
        while (now_s := self._clock.monotonic_s()) - start_s < _DRAIN_S and now_s - quiet_since_s < _QUIET_S:
            self.frame(never, 0.0)
            seen = self._tally.snapshot(now_s).changes
            if seen != changes:
                changes, quiet_since_s = seen, now_s


def run_demo(
    settings: Settings,
    *,
    for_s: float = 60.0,
    seed: int = 7,
    customers: int = 5_000,
    speed: float = DEFAULT_SPEED,
    catalog: str = "retail",
    console: Console | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Run the demo and print its summary. Blocks for `for_s` seconds and what the start takes.

    for_s: how long the live part lasts.  seed, customers: of the shop.  speed: seconds of the shop in a real one.
    catalog: a file or a pack.  console: where it shows, default standard output.  stop: ends the live part early.
    Raises CatalogError, and TagstreamError if the stack can't be started or something ends midway.
    """
    loaded = load_catalog(catalog)
    labels, console, stop = Labels(loaded), console or Console(), stop or threading.Event()
    shop = Shop(seed=seed, customers=customers)
    with start_stack(settings) as stack, _Worker() as worker:
        # The stack is the embedded one, whatever is configured for other commands.
        addresses: Addresses = stack.addresses
        ensure_topics(settings, addresses)
        clock = ScaledClock(shop.opening_ms, speed)
        tally = Tally()
        with (
            Feed(settings, addresses.kafka, clock, tally, shop.deliveries()) as feed,
            new_view(labels, console) as view,
        ):
            show = _Show(stack, worker, feed, tally, clock, view)
            show.stage = f"sending the past of a shop with {customers:,} customers"
            while not feed.caught_up.is_set() and not stop.is_set():
                show.frame(stop)
            worker.start(orders(settings, addresses, clock, loaded.text))
            show.stage = "the worker starts (the first time it compiles) and works through the past"
            deadline_s = clock.monotonic_s() + _CATCH_UP_S
            while not tally.is_live and not stop.is_set():
                if clock.monotonic_s() > deadline_s:
                    raise TagstreamError(
                        f"The worker has not caught up within {_CATCH_UP_S:.0f} s. It said last: {worker.said()}",
                        remedy="This machine may be too busy; try fewer customers.",
                    )
                show.frame(stop)
            show.stage = "live"
            live_ms, start_s = clock.now_ms(), clock.monotonic_s()
            while not stop.is_set() and (left_s := start_s + for_s - clock.monotonic_s()) > 0:
                show.frame(stop, left_s)
            lasted_s = clock.monotonic_s() - start_s
            end_ms = clock.now_ms()
            feed.close_shop()
            show.drain()
            snapshot = tally.snapshot(clock.monotonic_s())
        run = Run(snapshot, tally.latencies_s(), live_ms, end_ms, lasted_s, seed)
    print_summary(run, labels, console)
