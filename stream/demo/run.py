"""`tagstream demo`: the embedded stack, a worker, control, a shop and a view, from start to summary.

1. The embedded stack starts, the topics are made.
2. A worker process starts and loads its engine, and a control process what learning needs; meanwhile the shop's past is
   sent, as fast as Kafka takes it.
3. Both get the shop's clock, which stands still. The worker works through the past as fast as it can, and models learn
   from what it samples.
4. Once it is done with the past the shop opens: its clock starts. When changes follow their events within a second, on
   all partitions, or after a while on a machine too slow for that, the live part begins; it lasts `for_s` seconds.
5. The shop closes, the worker stops after its step, the stack ends; the summary is printed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Final

from rich.console import Console

from rules.catalog import Catalog, load_catalog
from stream.child import Child
from stream.clock import Clock, HeldClock, ScaledClock, SystemClock
from stream.control.child import ControlChild
from stream.demo.catching_up import PATIENCE_S, CatchingUp
from stream.demo.feed import Feed
from stream.demo.labels import Labels
from stream.demo.learned import Learned
from stream.demo.live import Moment, View, new_view
from stream.demo.pace import DEMO_PACE
from stream.demo.shop import Shop
from stream.demo.summary import Run, print_summary
from stream.demo.tally import Tally
from stream.demo.worker_process import LEAVE_S, clock_line, work_line
from stream.embedded import Stack, start_stack
from stream.errors import TagstreamError
from stream.models import ModelsFollower
from stream.settings import Settings
from stream.topics import ensure_topics
from stream.worker.overview import open_store
from stream.worker.store import Store

__all__ = ["DEFAULT_SPEED", "run_demo"]

DEFAULT_SPEED: Final = 21_600.0
"""Six hours of the shop in a second: an abandoned cart's two hours take a third of one, a minute is a fortnight."""

_FRAME_S: Final = 0.25
_SETTLE_S: Final = 15.0
"""What is live counts as such after so long, if it is slow too; seen: one second."""
_PIPE_WIDTH: Final = 120  # columns of the summary's tables where no terminal says how many it has


class _Show:
    """The parts of a running demo, and the view that is kept up to date while it waits for something."""

    def __init__(
        self,
        stack: Stack,
        worker: Child,
        control: Child | None,
        feed: Feed,
        tally: Tally,
        learned: Learned,
        view: View,
        clock: Clock,
    ) -> None:
        self._stack = stack
        self._worker = worker
        self._children = [worker] if control is None else [worker, control]
        self._learned = learned
        self._feed = feed
        self._tally = tally
        self._view = view
        self._clock = clock
        self.shop_clock: ScaledClock | None = None
        self.stage = ""
        self.progress = ""

    def frame(self, stop: threading.Event, left_s: float | None = None) -> None:
        """Show how things stand, then wait a moment. Raises what has gone wrong anywhere."""
        self._stack.check()
        for child in self._children:
            child.check()
        self._feed.check()
        now_s, shop_clock = self._clock.monotonic_s(), self.shop_clock
        shop_ms, speed = (shop_clock.now_ms(), shop_clock.speed) if shop_clock else (self._feed.newest_ms, None)
        moment = Moment(
            snapshot=self._tally.snapshot(now_s),
            now_s=now_s,
            shop_ms=shop_ms,
            speed=speed,
            left_s=left_s,
            stage=self.stage,
            progress=self.progress,
            learned=self._learned.so_far(),
        )
        self._view.show(moment)
        stop.wait(_FRAME_S)

    def set_clock(self, clock: ScaledClock | HeldClock) -> None:
        """Let worker and control work by this clock from now on."""
        for child in self._children:
            child.tell(clock_line(clock))

    def catch_up(self, store: Store, stop: threading.Event) -> None:
        """Wait until the worker is done with the past. Raises TagstreamError if it comes no further."""
        self.stage = "the worker works through the past"
        past = CatchingUp(store, self._feed.past_ends, self._clock)
        while not past.is_done and not stop.is_set():
            if past.is_stuck:
                raise TagstreamError(
                    f"The worker has come no further for {PATIENCE_S:.0f} s, at {past.text} of the shop's past. "
                    f"It said last: {self._worker.said() or 'nothing.'}",
                    remedy="This machine may be too busy: end what else runs on it, and start the demo again.",
                )
            self.progress = past.text
            self.frame(stop)
            past.look()
        self.progress = ""

    def settle(self, stop: threading.Event) -> None:
        """Wait until changes follow their events at once, or for as long as that may take."""
        self.stage = "the shop opens"
        deadline_s = self._clock.monotonic_s() + _SETTLE_S
        while not self._tally.is_live and not stop.is_set() and self._clock.monotonic_s() < deadline_s:
            self.frame(stop)
        self._tally.go_live(self._clock.monotonic_s())


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
    catalog: a file or a pack.  console: where it shows, default standard output.  stop: ends it early, with a summary.
    Raises CatalogError, and TagstreamError if the stack can't be started or something ends midway.
    """
    loaded, clock = load_catalog(catalog), SystemClock()
    labels, console, stop = Labels(loaded), console or _console(), stop or threading.Event()
    shop, tally = Shop(seed=seed, customers=customers), Tally()
    with start_stack(settings) as stack:
        # The embedded stack, whatever is configured for other commands.
        ensure_topics(settings, stack.addresses)
        with ExitStack() as parts:
            worker = parts.enter_context(_worker(settings, stack, loaded))
            learned = parts.enter_context(_followed(settings, stack, loaded))
            control = parts.enter_context(_control(settings, stack)) if loaded.models else None
            opening_ms, traffic = shop.opening_ms, shop.deliveries()
            feed = parts.enter_context(
                Feed(settings, stack.kafka, tally, learned, traffic, opening_ms=opening_ms, clock=clock)
            )
            view = parts.enter_context(new_view(labels, console))
            show = _Show(stack, worker, control, feed, tally, learned, view, clock)
            show.stage = f"sending the past of a shop with {customers:,} customers"
            while not feed.past_sent.is_set() and not stop.is_set():
                show.frame(stop)
            show.stage = "loading the engine (the first time it is compiled, which takes a minute)"
            while not worker.ready.is_set() and not stop.is_set():
                show.frame(stop)
            show.set_clock(HeldClock(shop.opening_ms))
            with closing(open_store(settings, stack.addresses, settings.partitions)) as store:
                show.catch_up(store, stop)
            show.shop_clock = shop_clock = ScaledClock(shop.opening_ms, speed)
            show.set_clock(shop_clock)
            feed.open(shop_clock)
            show.settle(stop)
            show.stage = "live"
            live_ms, start_s = shop_clock.now_ms(), clock.monotonic_s()
            while not stop.is_set() and (left_s := start_s + for_s - clock.monotonic_s()) > 0:
                show.frame(stop, left_s)
            # As it stands now: in a shop that has closed, time would go on and empty one segment after the other.
            end_s, end_ms = clock.monotonic_s(), shop_clock.now_ms()
            lasted_s = end_s - start_s
            run = Run(tally.snapshot(end_s), tally.latencies_s(), live_ms, end_ms, lasted_s, learned.so_far())
    print_summary(run, labels, console)


@contextmanager
def _followed(settings: Settings, stack: Stack, catalog: Catalog) -> Iterator[Learned]:
    """What is learned, read as it is published."""
    follower = ModelsFollower(settings, stack.addresses)
    follower.start()
    try:
        yield Learned(catalog, follower.models)
    finally:
        follower.close()


def _worker(settings: Settings, stack: Stack, catalog: Catalog) -> Child:
    first = work_line(settings, stack.addresses, catalog.text)
    return Child("stream.demo.worker_process", first, name="The demo's worker", stop_s=LEAVE_S, keeps_log=True)


def _control(settings: Settings, stack: Stack) -> Child:
    return ControlChild(settings, stack.addresses, pace=DEMO_PACE, keeps_log=True)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=_PIPE_WIDTH)
