"""Keeps a control process at work beside a worker, from when a catalog with models has been applied."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from stream.catalogs import AppliedCatalogs, CatalogFollower
from stream.control.child import ControlChild
from stream.embedded import Addresses
from stream.errors import ConfigurationError
from stream.settings import Settings

__all__ = ["control_beside"]

log = logging.getLogger("tagstream.control")

_LOOK_S: Final = 0.5
_AGAIN_S: Final = 10.0


@contextmanager
def control_beside(settings: Settings, addresses: Addresses) -> Iterator[None]:
    """A control process while the block runs, once there is something to learn. One that ends is started again.

    Most catalogs have no models, and what learning needs takes some hundred MiB: it waits for the first that has.
    """
    done = threading.Event()
    follower = CatalogFollower(settings, addresses)
    keeper = threading.Thread(target=_keep, args=(settings, addresses, follower, done), name="control-keeper")
    follower.start()
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()
        follower.close()


def _keep(settings: Settings, addresses: Addresses, follower: CatalogFollower, done: threading.Event) -> None:
    while not _has_models(follower.catalogs):
        if done.wait(_LOOK_S):
            return
    while not done.is_set():
        with ControlChild(settings, addresses) as child:
            child.start()
            while child.ended is None and not done.wait(_LOOK_S):
                pass
            if child.ended is not None and not done.is_set():
                log.error("The control process has ended with %s; another starts in %.0f s.", child.ended, _AGAIN_S)
        done.wait(_AGAIN_S)


def _has_models(catalogs: AppliedCatalogs) -> bool:
    newest = catalogs.newest
    try:
        return newest is not None and bool(catalogs.catalog(newest).models)
    except ConfigurationError:  # the worker says what is wrong with it
        return False
