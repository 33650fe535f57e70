"""Compiled catalogs with the models in force, as partitions need them: alone, or taking over from another catalog.

Compiling a large catalog takes a second or two, so it is done by a thread beside the loop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from rules.program import Program, compile_catalog
from stream.catalogs import AppliedCatalogs
from stream.models import PublishedModels
from stream.worker.filling import FillPlan, plan_filling, stored_nodes

__all__ = ["Programs"]

_KEPT: Final = 8
_NO_MODELS: Final[Mapping[str, int]] = {}

Key = TypeVar("Key")
Made = TypeVar("Made")


class Programs:
    """Programs of the catalogs that were applied, which give samples. Any thread.

    models: by name, the version of each snapshot in force; the catalog must fit them all.
    All calls raise KeyError for a version that was not applied or published, UnreadableCatalogError and
    UnreadableModelError.
    """

    def __init__(self, catalogs: AppliedCatalogs, models: PublishedModels) -> None:
        self.catalogs = catalogs
        self.models = models
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tagstream-compile")
        self._programs: dict[tuple[int, int | None, tuple[tuple[str, int], ...]], Future[Program]] = {}
        self._plans: dict[tuple[int, int], Future[FillPlan]] = {}

    def program(self, version: int, previous: int | None = None, models: Mapping[str, int] = _NO_MODELS) -> Program:
        """The program of a version, taking over from `previous`. Blocks while it is compiled."""
        return self._program(version, previous, models).result()

    def program_if_ready(
        self, version: int, previous: int | None = None, models: Mapping[str, int] = _NO_MODELS
    ) -> Program | None:
        """The same, or None while it is being compiled. Doesn't block."""
        future = self._program(version, previous, models)
        return future.result() if future.done() else None

    def plan(self, version: int, base: int) -> FillPlan:
        """What has to be filled when a version takes over from `base`. Blocks."""
        return self._plan(version, base).result()

    def plan_if_ready(self, version: int, base: int) -> FillPlan | None:
        """The same, or None while it is being made. Doesn't block."""
        future = self._plan(version, base)
        return future.result() if future.done() else None

    def stored(self, version: int) -> Collection[str]:
        """What rows keep for a version, by `key_text`."""
        return stored_nodes(self.catalogs.catalog(version))

    def close(self) -> None:
        """End the thread. Idempotent."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _program(self, version: int, previous: int | None, models: Mapping[str, int]) -> Future[Program]:
        chosen = tuple(sorted(models.items()))

        def compiled() -> Program:
            before = None if previous is None else self.catalogs.catalog(previous)
            snapshots = {name: self.models.record(name, number) for name, number in chosen}
            return compile_catalog(self.catalogs.catalog(version), before, snapshots, sampled=True)

        return self._made(self._programs, (version, previous, chosen), compiled)

    def _plan(self, version: int, base: int) -> Future[FillPlan]:
        def planned() -> FillPlan:
            return plan_filling(self.catalogs.catalog(version), self.catalogs.catalog(base))

        return self._made(self._plans, (version, base), planned)

    def _made(self, kept: dict[Key, Future[Made]], key: Key, make: Callable[[], Made]) -> Future[Made]:
        with self._lock:
            future = kept.get(key)
            if future is None:
                future = kept[key] = self._thread.submit(make)
            elif future.done() and future.exception() is not None:
                del kept[key]  # told once; asked again, it is tried again
            while len(kept) > _KEPT:
                del kept[next(iter(kept))]
            return future
