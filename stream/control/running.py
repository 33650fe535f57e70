"""One control process: the Faust app and its agents, from start to stop.

1. The topics are looked at, so that what is missing is a sentence and not a wait.
2. The app starts: its agent takes the partitions of `profile-samples` that the group gives it.
3. Batches of samples go to the learners, in a thread of their own, so that the app stays in touch with Kafka; what they
   want published is published there too, before the batch counts as read. Once a second they are asked what is due.
4. When partitions go away, the learners are released: their states are published, and whoever has the partitions next
   takes them up.
5. At the stop the app is stopped, within a deadline, and the learners are released: the batch under way is learned to
   its end first. At an error they are released at once, while nobody else has the partitions yet; a learner that was in
   the middle of a batch is left out.

Faust restarts an agent that fails and goes on; here the first failure ends the process, for somebody to see to it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

import faust

from stream.clock import Clock
from stream.control.gate import SwitchGate
from stream.control.learners import Learners
from stream.control.memory import TopicMemory
from stream.control.outlet import Outlet
from stream.control.pace import Pace
from stream.control.publications import Publication
from stream.control.sweep import Sweep
from stream.embedded import Addresses, runtime_folder
from stream.errors import ConfigurationError, TagstreamError
from stream.settings import Settings
from stream.topics import verify_topics

__all__ = ["ControlStuckError", "remove_folders", "run_control"]

log = logging.getLogger("tagstream.control")

_BATCH: Final = 2_000
_BATCH_WITHIN_S: Final = 0.2
_TICK_S: Final = 1.0
_LOOK_S: Final = 0.05
_STOP_S: Final = 10.0
_HEARTBEATS: Final = 4
"""A session lasts so many heartbeats."""


class ControlStuckError(TagstreamError):
    """The Faust app did not stop within its deadline; its threads may keep the process from ending."""


def run_control(
    settings: Settings,
    addresses: Addresses,
    clock: Clock,
    stop: threading.Event,
    *,
    pace: Pace | None = None,
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Run until `stop` is set. Blocks. on_ready: called once, when the app has its partitions.

    pace: default that of the settings.
    Raises ConfigurationError, UnavailableError; TagstreamError with a sentence on whatever else failed.
    """
    needed = {
        settings.catalog_topic,
        settings.events_topic,
        settings.profile_samples_topic,
        settings.models_topic,
        settings.learner_state_topic,
        settings.ops_metrics_topic,
    }
    for finding in verify_topics(settings, addresses):
        if finding.severity == "error" and finding.topic in needed:
            raise ConfigurationError(f"{finding.topic}: {finding.message}", remedy=finding.remedy)
    pace = pace or Pace(settings.snapshot_samples, settings.snapshot_every_ms / 1000)
    if addresses.embedded:
        pace = replace(pace, state_samples=None)  # it compacts nothing, and keeps everything in memory
    with TopicMemory(settings, addresses, clock) as memory:
        gate = SwitchGate(settings, addresses, clock)
        learners = Learners(memory, clock, pace, gate.may_pass, gate.unused)
        outlet, sweep = Outlet(settings, addresses, clock, stop, gate), Sweep(settings, addresses, clock)
        plane = _Plane(learners, outlet, sweep)
        # Faust wants a folder; with tables in memory it leaves nothing in it.
        with tempfile.TemporaryDirectory(prefix=_folder_prefix(), dir=runtime_folder(settings)) as folder:
            asyncio.run(_run(_options(settings, addresses, folder), settings, plane, stop, on_ready))


def remove_folders(settings: Settings) -> None:
    """Remove what `run_control` of this process has in the runtime folder: for a process that can't wait for it."""
    for folder in runtime_folder(settings).glob(f"{_folder_prefix()}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _folder_prefix() -> str:
    return f"control-{os.getpid()}-"


class _Plane:
    """The learners and their way out, in one thread. The first error is kept, and ends everything."""

    def __init__(self, learners: Learners, outlet: Outlet, sweep: Sweep) -> None:
        self._learners = learners
        self._outlet = outlet
        self._sweep = sweep
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tagstream-learners")
        self._leaving = asyncio.Event()
        self.failure: Exception | None = None

    async def learn(self, values: Sequence[bytes | None]) -> None:
        """Learn from records and publish what comes of it.

        After an error it waits until the app is stopped: what nobody learns from must not count as read meanwhile.
        """
        await self._do(lambda: self._learners.learn(values))
        if self.failure is not None:
            await self._leaving.wait()

    async def tick(self) -> None:
        """Publish what is due by time; delete what has become too old."""
        await self._do(self._tick)

    async def release(self) -> None:
        """Publish all states and forget the learners."""
        await self._do(self._learners.release)

    async def end(self) -> None:
        """The same for the last time, after an error too. What can't be published is said in the log."""
        self._outlet.hurry()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._end)
        self._leaving.set()

    def close(self) -> None:
        """Wait for what is under way."""
        self._thread.shutdown()

    async def _do(self, work: Callable[[], Iterable[Publication]]) -> None:
        if self.failure is None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work)

    def _work(self, work: Callable[[], Iterable[Publication]]) -> None:
        try:
            self._outlet.publish(work())
        except Exception as error:  # noqa: BLE001  # the outer loop of this thread: kept, and raised at the end
            self.failure = self.failure or error

    def _tick(self) -> list[Publication]:
        self._sweep.tick()
        return self._learners.tick()

    def _end(self) -> None:
        for each in self._learners.release():
            try:
                self._outlet.publish([each])
            except Exception as error:  # noqa: BLE001  # as above; the next one may still be published
                log.warning("what was learned last can't be published: %s", error)
                self.failure = self.failure or error


async def _run(
    options: Mapping[str, Any],
    settings: Settings,
    plane: _Plane,
    stop: threading.Event,
    on_ready: Callable[[], None] | None,
) -> None:
    app = _app(options, settings, plane)
    starting = asyncio.ensure_future(app.start())
    try:
        said = False
        while not (stop.is_set() or plane.failure or app.crashed):
            if starting.done():
                starting.result()
                if not said and on_ready is not None:
                    on_ready()
                said = True
            await asyncio.sleep(_LOOK_S)
    finally:
        # The reason is taken now: stopping clears it.
        reason = plane.failure or app.crash_reason
        if reason:
            await plane.end()
        stopped = await _stop(app, starting)
        await plane.end()
        plane.close()
    if plane.failure or reason:
        raise _sentence(plane.failure or reason)
    if not stopped:
        raise ControlStuckError(
            f"The Faust app did not stop within {_STOP_S:.0f} s.", remedy="What was learned has been published."
        )


async def _stop(app: Any, starting: asyncio.Future[Any]) -> bool:
    """Whether it stopped within the deadline. A Faust app whose agent has failed may wait for ever."""
    if not starting.done():
        starting.cancel()
    stopping = asyncio.ensure_future(app.stop())
    done, _ = await asyncio.wait({stopping, starting}, timeout=_STOP_S)
    for each in (stopping, starting):
        if each not in done:
            each.cancel()
        elif not each.cancelled() and (error := each.exception()) is not None:
            log.debug("the app's end: %r", error)
    return stopping in done


def _options(settings: Settings, addresses: Addresses, folder: str) -> dict[str, Any]:
    session_s = settings.session_timeout_on(embedded=addresses.embedded) / 1000
    return {
        "broker": ";".join(f"kafka://{each}" for each in addresses.kafka.split(",")),
        "autodiscover": False,
        "web_enabled": False,
        "store": "memory://",
        "datadir": folder,
        "topic_disable_leader": True,  # it would make a topic of its own; nothing here needs to know the leader
        "topic_allow_declare": False,  # topics are made by `topics create`
        "consumer_auto_offset_reset": "earliest",
        "broker_session_timeout": session_s,
        "broker_heartbeat_interval": session_s / _HEARTBEATS,
        "key_serializer": "raw",
        "value_serializer": "raw",
    }


def _app(options: Mapping[str, Any], settings: Settings, plane: _Plane) -> Any:
    """The Faust app, with its agents and timers."""
    app: Any = faust.App(f"{settings.app}.control", **options, loop=asyncio.get_running_loop())
    samples = app.topic(settings.profile_samples_topic, key_type=bytes, value_type=bytes)

    async def learner(stream: Any) -> None:
        async for values in stream.take(_BATCH, within=_BATCH_WITHIN_S):
            await plane.learn(values)

    async def tick() -> None:
        await plane.tick()

    async def release(_: Any, revoked: Any, **__: Any) -> None:
        if revoked:
            await plane.release()

    # Called, not put above their functions: they have no types.
    app.agent(samples, name="learner")(learner)
    app.timer(_TICK_S)(tick)
    app.on_partitions_revoked.connect(release)
    return app


def _sentence(error: BaseException | None) -> BaseException:
    """Errors of ours as they are; of anything else what it is, in words."""
    if isinstance(error, TagstreamError):
        return error
    log.debug("the control process failed", exc_info=error)
    failure = TagstreamError(
        f"The control process failed: {type(error).__name__}: {error}".rstrip(": ") + ".",
        remedy="It is a bug, or something that Kafka sent. Start it again: the model that it was at work on goes on "
        "from what was saved of it last, within five minutes, the others from where they were.",
    )
    failure.__cause__ = error
    return failure
