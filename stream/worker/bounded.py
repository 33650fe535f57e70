"""A call that is given up after a while, whatever it does.

librdkafka's `send_offsets_to_transaction` doesn't keep its own timeout when the coordinator is lost midway (its issue
5456; seen with 2.16: it blocks for ever). So it is made by a thread that may be left behind.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

__all__ = ["BoundedCalls", "GivenUpError"]


class GivenUpError(Exception):
    """The call hasn't come back in time. It may still be under way, and may still take effect."""


class _Call:
    def __init__(self, action: Callable[[], object]) -> None:
        self._action = action
        self._error: BaseException | None = None
        self._done = threading.Event()

    def make(self) -> None:
        try:
            self._action()
        except BaseException as error:  # noqa: BLE001  # it is raised where the call was asked for
            self._error = error
        self._done.set()

    def wait(self, timeout_s: float) -> None:
        if not self._done.wait(timeout_s):
            raise GivenUpError
        if self._error is not None:
            raise self._error


class BoundedCalls:
    """Makes calls one by one in a thread of its own, which ends with `close` or, left behind, with the process."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[_Call | None] | None = None
        self._thread: threading.Thread | None = None

    def call(self, action: Callable[[], object], timeout_s: float) -> None:
        """Make the call; raises what it raises, or GivenUpError after `timeout_s`."""
        if self._calls is None:
            self._calls = queue.SimpleQueue()
            self._thread = threading.Thread(target=_work, args=(self._calls,), name=self._name, daemon=True)
            self._thread.start()
        call = _Call(action)
        self._calls.put(call)
        try:
            call.wait(timeout_s)
        except GivenUpError:
            self._calls.put(None)  # should it ever come back, that was its last
            self._calls = self._thread = None
            raise

    def close(self) -> None:
        """End the thread. Idempotent."""
        calls, thread = self._calls, self._thread
        self._calls = self._thread = None
        if calls is not None and thread is not None:
            calls.put(None)
            thread.join()


def _work(calls: queue.SimpleQueue[_Call | None]) -> None:
    while (call := calls.get()) is not None:
        call.make()
