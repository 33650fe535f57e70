"""A word to whoever waits: the engine is compiled at the first start of an installation, and that takes a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from stream.commands.output import note

__all__ = ["compiling"]

_PATIENCE_S = 3.0
"""Loading the compiled engine takes about one second; nobody needs a word on a wait of less than three."""

_WORD = "Compiling the engine for this machine, once: the next start finds it ready …"


@contextmanager
def compiling() -> Iterator[None]:
    """Say once what is going on if the block takes long and something is compiled in it, and not merely loaded."""
    from numba.core import event

    word = _Word()
    timer = threading.Timer(_PATIENCE_S, word.waited)
    timer.daemon = True
    timer.start()
    try:
        # Numba tells of this event where it compiles, not where it finds a function in its cache.
        with event.install_listener("numba:compile", _listener(word)):
            yield
    finally:
        timer.cancel()
        timer.join()


class _Word:
    """What is said once somebody has waited and something is compiled, whichever comes first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._has_waited = self._compiles = self._is_said = False

    def waited(self) -> None:
        with self._lock:
            self._has_waited = True
            self._say()

    def compiles(self) -> None:
        with self._lock:
            self._compiles = True
            self._say()

    def _say(self) -> None:
        if self._has_waited and self._compiles and not self._is_said:
            self._is_said = True
            note(_WORD)


def _listener(word: _Word) -> object:
    from numba.core import event

    class Compiles(event.Listener):
        def on_start(self, _: object) -> None:
            word.compiles()

        def on_end(self, _: object) -> None:
            pass

    return Compiles()
