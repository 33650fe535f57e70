"""A shop's topics with samples of its models, and `tagstream control` in a process of its own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from rules.catalog import Catalog
from stream.catalogs import publish_catalog
from stream.clock import SystemClock
from stream.embedded import Addresses
from stream.models import PublishedModels, read_models
from stream.settings import Settings
from stream.topics import ensure_topics
from tests.integration.commands_runner import COMMAND, clean_environment

__all__ = ["eventually", "opened_shop", "published_models", "running_control", "sent_samples"]

DEADLINE_S = 90.0


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """What the condition gives once it is true; fails after a deadline."""
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {DEADLINE_S:.0f} s for {what}")


def opened_shop(settings: Settings, addresses: Addresses, *catalogs: Catalog) -> None:
    """The app's topics, and catalogs as if they had been applied."""
    ensure_topics(settings, addresses)
    for catalog in catalogs:
        publish_catalog(settings, addresses, catalog, SystemClock())


def sent_samples(settings: Settings, addresses: Addresses, model: str, values: Sequence[bytes]) -> None:
    """Samples as a worker sends them."""
    producer: Any = Producer({"bootstrap.servers": addresses.kafka})
    for value in values:
        producer.produce(settings.profile_samples_topic, value, model)
    assert producer.flush(30) == 0


def published_models(settings: Settings, addresses: Addresses) -> PublishedModels:
    return read_models(settings, addresses)


@contextmanager
def running_control(
    settings: Settings, folder: Path, *, command: Sequence[str] = (*COMMAND, "control"), **more: str
) -> Iterator[subprocess.Popen[bytes]]:
    """`tagstream control` on the session's stack; its standard error is in `control.err` of the folder."""
    folder.mkdir(exist_ok=True)
    runtime = {"TAGSTREAM_APP": settings.app, "TAGSTREAM_RUNTIME_DIR": str(settings.runtime_path())}
    with (folder / "control.err").open("ab") as err:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=clean_environment(folder, runtime | more),
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
