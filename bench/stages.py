"""Where the time goes: the engine's stages, measured from outside around its own calls.

A stage is timed once a batch or step, never once an event, so measuring costs nothing that could be seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import stream.engine.engine as engine_module
from stream.engine import Engine

__all__ = ["STAGES", "Stopwatch", "watch_engine"]

STAGES = ("decode", "table", "kernel", "encode", "rest")
"""The engine's stages in the order of the data, and what is between them."""


class Stopwatch:
    """Adds up the CPU time of stages, so that what else the machine does leaves the figures alone.

    Time in a stage that another one calls counts for the inner one only.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self._running: list[str] = []
        self._since = 0.0

    def within(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, its time counted for `stage`."""

        def timed(*arguments: Any, **named: Any) -> Any:
            self._enter(stage)
            try:
                return function(*arguments, **named)
            finally:
                self._leave()

        return timed

    def _enter(self, stage: str) -> None:
        self._count()
        self._running.append(stage)

    def _leave(self) -> None:
        self._count()
        self._running.pop()

    def _count(self) -> None:
        now = time.thread_time()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now


def watch_engine(engine: Engine, stopwatch: Stopwatch) -> Callable[[], None]:
    """Have the stopwatch time the stages of one engine. Returns what takes its hands off the module again."""
    inner: Any = engine
    table, encoder = inner._table, inner._encoder  # noqa: SLF001 - a benchmark looks inside
    inner._decoder.decode = stopwatch.within("decode", inner._decoder.decode)  # noqa: SLF001
    for name in ("cold", "touch", "load", "tidy_strings", "begin_turn"):
        setattr(table, name, stopwatch.within("table", getattr(table, name)))
    table.encode = stopwatch.within("encode", table.encode)
    encoder.encode = stopwatch.within("encode", encoder.encode)
    inner.decode = stopwatch.within("rest", inner.decode)
    inner.process = stopwatch.within("rest", inner.process)
    inner.process_due = stopwatch.within("rest", inner.process_due)

    module: Any = engine_module
    kernels = {name: getattr(module, name) for name in ("process_events", "process_due")}
    for name, kernel in kernels.items():
        setattr(module, name, stopwatch.within("kernel", kernel))

    def release() -> None:
        for name, kernel in kernels.items():
            setattr(module, name, kernel)

    return release
