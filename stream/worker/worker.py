"""The worker's loop: poll, one round of batches, one round of due users, and what comes up now and then.

One thread does all of it but the taking of partitions. A lost Kafka or Redis is waited for; a partition that can't go
on is paused with a reason, and the others go on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Final

from rules.catalog import Catalog
from stream.catalogs import CatalogFollower, publish_catalog
from stream.clock import Clock
from stream.compacted import written_by
from stream.embedded import Addresses, runtime_folder
from stream.errors import ConfigurationError, TagstreamError, UnavailableError
from stream.metrics import Metrics
from stream.models import ModelsFollower
from stream.settings import Settings
from stream.topics import verify_topics
from stream.warm import warm_up
from stream.worker.assembly import assemble
from stream.worker.background import Background
from stream.worker.changeover import Changeover
from stream.worker.errors import DoubtError, FencedError, PauseError, SharedNameError, StepTooLargeError
from stream.worker.first_catalog import is_first
from stream.worker.letters import Letters
from stream.worker.lookup import TopicFacts, new_lookup
from stream.worker.measure import Measure
from stream.worker.partition import Owned, Stage
from stream.worker.programs import Programs
from stream.worker.protocol import Acquired
from stream.worker.reports import EVERY_S, Pause, encode_report
from stream.worker.rounds import Failure
from stream.worker.running import Running
from stream.worker.sink import RefusedMessageError
from stream.worker.slots import WorkerName, claim_name
from stream.worker.source import Source, SourceOptions
from stream.worker.steps import Step

__all__ = ["Worker", "run_worker"]

log = logging.getLogger("tagstream.worker")

_IDLE_POLL_S: Final = 0.05
_WAIT_S: Final = 1.0
_PAUSE_RETRY_S: Final = 30.0
_LONGEST_BACKOFF_S: Final = 5.0
_QUIET_S: Final = 0.1
_TICK_AGAIN_S: Final = 1.0
_DUE_EVERY_S: Final = 0.05
_LAG_S: Final = 1.0
_POLL_LIMIT: Final = 8_192
_REPORT_CHANGE_S: Final = 0.2


def run_worker(
    settings: Settings,
    addresses: Addresses,
    catalog: Catalog | None,
    clock: Clock,
    stop: threading.Event,
    *,
    metrics: Metrics | None = None,
    on_ready: Callable[[Catalog], None] | None = None,
    patience: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> None:
    """Run a worker until `stop` is set; then it ends after the step at hand. Blocks.

    catalog: applied first if none has been; where another version has been, that one runs.
    on_ready: called with the newest catalog before the worker joins its group, when everything has been checked.
    patience: entered while the engine is loaded, which the first time on an installation takes a minute.
    Waits for a Kafka or Redis that isn't there. Raises ConfigurationError (a missing topic, a Redis that evicts, a
    setting that can't work, a catalog that can't be read) and SharedNameError.
    """
    with claim_name(settings.app, runtime_folder(settings), settings.worker) as name:
        worker = Worker(settings, addresses, catalog, clock, stop, name=name, metrics=metrics or Metrics())
        worker.run(on_ready, patience)


class Worker:
    """One worker. `run` may be called once."""

    def __init__(
        self,
        settings: Settings,
        addresses: Addresses,
        catalog: Catalog | None,
        clock: Clock,
        stop: threading.Event,
        *,
        name: WorkerName,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._addresses = addresses
        self._clock = clock
        self._stop = stop
        self._name = name.name
        self._measure = Measure(metrics, clock)
        self._metrics = metrics
        self._catalog = catalog
        self._follower = CatalogFollower(settings, addresses)
        self._models = ModelsFollower(settings, addresses)
        self._owned: dict[int, Owned] = {}
        self._said: str | None = None
        self._measured_s = self._due_s = self._reported_s = 0.0
        self._reported: dict[int, str] = {}

    def paused(self) -> dict[int, PauseError]:
        """The partitions that are paused, and why."""
        return {p: owned.pause for p, owned in self._owned.items() if owned.pause is not None}

    def run(
        self,
        on_ready: Callable[[Catalog], None] | None = None,
        patience: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Run until stopped; arguments and errors as of `run_worker`."""
        if not self._wait_until(self._check_topics):
            return
        source = Source(
            SourceOptions(
                brokers=self._addresses.kafka,
                topic=self._settings.events_topic,
                app=self._settings.app,
                client_id=f"tagstream-{self._settings.app}-{self._name}",
                embedded=self._addresses.embedded,
                session_timeout_ms=self._settings.session_timeout_on(embedded=self._addresses.embedded),
            ),
            on_assigned=self._assigned,
            on_revoked=self._revoked,
        )
        programs = Programs(self._follower.catalogs, self._models.models)
        try:
            self._run(source, programs, on_ready, patience)
        finally:
            source.close()
            programs.close()
            self._follower.close()
            self._models.close()

    def _check_topics(self) -> None:
        errors = [f for f in verify_topics(self._settings, self._addresses) if f.severity == "error"]
        if errors:
            raise ConfigurationError(
                " ".join(f"{finding.topic}: {finding.message}" for finding in errors),
                remedy=" ".join(dict.fromkeys(finding.remedy for finding in errors)),
            )

    def _wait_until(self, action: Callable[[], object]) -> bool:
        """Do it as soon as Kafka and Redis are there; False if the worker is stopped before."""
        while not self._stop.is_set():
            try:
                action()
            except UnavailableError as error:
                self._say(error)
                self._stop.wait(_WAIT_S)
            else:
                return True
        return False

    def _begin_catalogs(self) -> bool:
        """Read what has been applied and published; apply the catalog that was given if nothing has been.

        False: stopped before.  Raises ConfigurationError, UnreadableCatalogError.
        """
        self._follower.start()
        self._models.start()
        if not self._wait_for(lambda: self._follower.caught_up.is_set() and self._models.caught_up.is_set()):
            return False
        catalogs, given = self._follower.catalogs, self._catalog
        if not is_first(catalogs, given, self._settings.app) or given is None:
            return True
        published = self._wait_until(lambda: publish_catalog(self._settings, self._addresses, given, self._clock))
        return published and self._wait_for(lambda: catalogs.first is not None)

    def _wait_for(self, holds: Callable[[], bool]) -> bool:
        """Wait for what the followers of catalogs and models bring; False if the worker is stopped before."""
        while not holds():
            self._check_follower()
            if self._stop.wait(_IDLE_POLL_S):
                return False
        self._check_follower()
        return True

    def _check_follower(self) -> None:
        for follower in (self._follower, self._models):
            if follower.problem is not None:
                raise follower.problem

    def _run(
        self,
        source: Source,
        programs: Programs,
        on_ready: Callable[[Catalog], None] | None,
        patience: Callable[[], AbstractContextManager[None]],
    ) -> None:
        if not self._begin_catalogs():
            return
        lookup = new_lookup(self._settings, self._addresses, self._clock)
        facts: list[TopicFacts] = []
        if not self._wait_until(lambda: facts.append(lookup.facts())):
            return
        self._parts = parts = assemble(
            self._settings,
            self._addresses,
            programs,
            self._clock,
            name=self._name,
            source=source,
            lookup=lookup,
            facts=facts[0],
            measure=self._measure,
            metrics=self._metrics,
        )
        self._source, self._sink, self._rounds = source, parts.sink, parts.rounds
        self._background = Background(self._clock, source)
        try:
            if self._wait_until(parts.store.check):
                newest = self._follower.catalogs.newest
                with patience():
                    warm_up()
                    program = programs.program(newest or 0)
                if on_ready is not None:
                    on_ready(program.catalog)
                log.info("worker %s of app %s: joining (%s)", self._name, self._settings.app, parts.acquirer.delivery)
                source.subscribe()
                while not self._stop.is_set():
                    self._turn()
                self._rounds.publish_behind(self._owned.values())
        finally:
            for owned in self._owned.values():
                owned.drop()
            with suppress(TagstreamError):
                parts.store.report(self._name, None)
            parts.close()

    # One turn of the loop

    def _turn(self) -> None:
        now_s = self._clock.monotonic_s()
        wait_s = self._wait_s(now_s)
        limit = min(self._settings.batch_max_records, _POLL_LIMIT)
        linger_s = min(wait_s, self._settings.batch_linger_ms / 1000)
        fetched = self._source.poll(limit, wait_s, linger_s)
        if fetched.messages:
            self._background.heard(now_s)
        for partition, messages in fetched.messages.items():
            owned = self._owned.get(partition)
            if owned is not None and owned.running is not None:
                owned.running.accept(messages, now_s)
        for partition, problem in fetched.problems.items():
            owned = self._owned.get(partition)
            if owned is not None and owned.running is not None:
                self._pause(owned, problem)
        self._take_up()
        while not self._stop.is_set() and any(r.has_records for r in self._running()):
            self._round(self._batch_step)
        # Between batches, due users wait a little to come in steps of more than one: a step has a cost of its own.
        if (not fetched.messages or now_s - self._due_s >= _DUE_EVERY_S) and any(r.has_due for r in self._running()):
            self._due_s = now_s
            self._round(self._due_step)
        self._background.perform(list(self._owned.values()), self._round, self._sink.published)
        self._now_and_then()

    def _wait_s(self, now_s: float) -> float:
        """How long to wait for a record: not at all while something else can be done."""
        if any(running.has_due for running in self._running()):
            return 0.0
        return self._background.wait_s(self._owned.values(), now_s, _IDLE_POLL_S)

    def _running(self) -> list[Running]:
        return [owned.running for owned in self._owned.values() if owned.running is not None]

    def _round(
        self, compute: Callable[[Owned, Running], Step | None], partitions: Sequence[Owned] | None = None
    ) -> int:
        """One step of each partition that has one; how many went through."""
        chosen = self._owned.values() if partitions is None else partitions
        owned = [each for each in chosen if each.running is not None]
        done, failures = self._rounds.perform(owned, compute)
        for failure in failures:
            self._failed(failure)
        if done and not failures:
            self._said_all_well()
        self._after_publication_failure()
        return done

    def _batch_step(self, owned: Owned, running: Running) -> Step | None:
        return running.batch_step(
            owned.limits.get("batch"),
            grace_ms=self._settings.grace_ms,
            now_ms=self._clock.now_ms(),
            published=self._sink.published,
        )

    def _due_step(self, owned: Owned, running: Running) -> Step | None:
        limit = min(owned.limits.get("due", self._settings.due_step_users), self._settings.due_step_users)
        return running.due_step(limit, published=self._sink.published)

    # Partitions come, go, are taken and given up

    def _assigned(self, partitions: list[int]) -> None:
        for partition in partitions:
            self._owned[partition] = Owned(partition)

    def _revoked(self, partitions: list[int]) -> None:
        # Called while polling, so no transaction is open and no step is under way.
        for partition in partitions:
            owned = self._owned.pop(partition, None)
            if owned is not None:
                owned.drop()
                self._measure.gone(partition)

    def _take_up(self) -> None:
        """Start taking the partitions that wait for it, and let those run that have been taken."""
        now_s = self._clock.monotonic_s()
        for owned in list(self._owned.values()):
            if owned.task is not None and owned.task.done():
                self._settle(owned)
            if owned.task is None and owned.running is None and now_s >= owned.retry_s:
                owned.task = self._parts.threads.submit(self._parts.acquirer.acquire, owned.partition)
                owned.stage = Stage.ACQUIRING

    def _settle(self, owned: Owned) -> None:
        task, owned.task = owned.task, None
        try:
            if task is None:
                return
            acquired = task.result()
            if acquired.outstanding is not None:
                if not self._sink.standing:
                    raise DoubtError("The producer has gone since.")
                self._rounds.publish(acquired.outstanding)
            self._let_run(owned, acquired)
        except (SharedNameError, ConfigurationError):
            raise
        except RefusedMessageError as error:
            self._pause(owned, PauseError("messages_refused", error.message, remedy=error.remedy))
        except (TagstreamError, OSError) as error:
            self._failed(Failure(owned, error))
        self._after_publication_failure()

    def _let_run(self, owned: Owned, acquired: Acquired) -> None:
        partition, position = owned.partition, acquired.position
        running = Running(
            position=position,
            engine=self._parts.new_engine(
                partition, acquired.program, None if position.switch is None else position.switch.watermark_ms
            ),
            letters=Letters(self._settings.app, self._settings.events_topic, partition),
            store=self._parts.store,
            guard=acquired.guard,
            published_step=position.step,
            due_ms=acquired.due_ms,
            heard_s=self._clock.monotonic_s(),
        )
        self._source.start(partition, position.next_offset)
        owned.running, owned.stage, owned.pause = running, Stage.RUNNING, None
        owned.changeover = Changeover(
            running=running,
            programs=self._parts.programs,
            past=self._parts.past,
            new_engine=self._parts.new_engine,
            ask_low=lambda each: self._parts.threads.submit(self._parts.acquirer.lookup.low, each),
            clock=self._clock,
            grace_ms=self._settings.grace_ms,
        )
        self._measure.paused(partition, None)
        log.info("partition %d goes on from offset %d", partition, position.next_offset)

    def _failed(self, failure: Failure) -> None:
        owned, error = failure.owned, failure.error
        self._measure.error(error)
        if isinstance(error, PauseError):
            self._pause(owned, error)
            return
        if isinstance(error, SharedNameError | ConfigurationError):
            raise error
        if isinstance(error, UnavailableError | DoubtError):
            if not isinstance(error, FencedError):
                self._say(error)
        else:
            pause = None
            if failure.computing and owned.running is not None:
                large = isinstance(error, StepTooLargeError)
                pause = owned.note_failure(owned.running.attempt, error, halve_at_once=large)
            log.error("partition %d: a step failed", owned.partition, exc_info=error)
            if pause is not None:
                self._pause(owned, pause)
                return
        self._acquire_again(owned)

    def _acquire_again(self, owned: Owned, *, blamed: bool = True) -> None:
        """Drop rows and records; take the partition anew: at once, then, if it is to blame, less and less often."""
        self._drop(owned)
        owned.stage, owned.attempts = Stage.WAITING, owned.attempts + blamed
        backoff_s = 0.0 if owned.attempts <= 1 else min(0.1 * 2**owned.attempts, _LONGEST_BACKOFF_S)
        owned.retry_s = self._clock.monotonic_s() + backoff_s

    def _pause(self, owned: Owned, pause: PauseError) -> None:
        self._drop(owned)
        if owned.pause is None or str(owned.pause) != str(pause):
            log.error("partition %d is paused (%s): %s", owned.partition, pause.reason, pause)
        owned.stage, owned.pause = Stage.PAUSED, pause
        owned.retry_s = self._clock.monotonic_s() + _PAUSE_RETRY_S
        self._measure.paused(owned.partition, pause)

    def _drop(self, owned: Owned) -> None:
        if owned.drop():
            self._source.pause(owned.partition)

    def _after_publication_failure(self) -> None:
        """Without a producer nothing can run: its maker is whoever acquires a partition."""
        if not self._sink.standing:
            for owned in self._owned.values():
                if owned.running is not None:
                    self._acquire_again(owned, blamed=False)

    # What comes up now and then

    def _now_and_then(self) -> None:
        now_s, now_ms = self._clock.monotonic_s(), self._clock.now_ms()
        wait_s = self._settings.offset_commit_ms / 1000
        if any(r.uncommitted_s is not None and now_s - r.uncommitted_s >= wait_s for r in self._running()):
            for failure in self._rounds.publish_behind(self._owned.values()):
                self._failed(failure)
            self._after_publication_failure()
        for owned in self._owned.values():
            if owned.running is not None and self._wants_tick(owned.running, now_s, now_ms):
                owned.running.ticked_s = now_s
                self._parts.ticks.write(owned.partition)
                self._measure.tick()
        self._check_follower()
        self._rounds.samples.serve()
        self._report(now_s)
        if now_s - self._measured_s >= _LAG_S:
            self._measured_s = now_s
            for owned in self._owned.values():
                end = self._source.end(owned.partition) if owned.running is not None else None
                if owned.running is not None and end is not None:
                    self._measure.lag(owned.partition, max(end - owned.running.position.next_offset, 0))
                if owned.running is not None:
                    self._measure.catalog(owned.partition, owned.running.position)

    def _report(self, now_s: float) -> None:
        """Say how things stand, now and then and when a partition has come to another stage."""
        stages = {owned.partition: owned.stage.value for owned in self._owned.values()}
        wait_s = EVERY_S if stages == self._reported else _REPORT_CHANGE_S
        if now_s - self._reported_s < wait_s:
            return
        self._reported, self._reported_s = stages, now_s
        paused = {p: Pause(pause.reason, pause.message, pause.remedy) for p, pause in self.paused().items()}
        with suppress(TagstreamError):  # whoever looks sees that nothing is said
            self._parts.store.report(self._name, encode_report(written_by(), stages, paused, self._said))

    def _wants_tick(self, running: Running, now_s: float, now_ms: int) -> bool:
        """Somebody is due by the clock, the log hasn't come so far, and nothing else moves it."""
        due_ms = running.due_ms
        return (
            due_ms is not None
            and running.position.watermark_ms < due_ms <= now_ms - self._settings.grace_ms
            and now_s - running.heard_s >= _QUIET_S
            and (running.ticked_s is None or now_s - running.ticked_s >= _TICK_AGAIN_S)
        )

    def _say(self, error: TagstreamError) -> None:
        """Log what is waited for, once."""
        if self._said != str(error):
            self._said = str(error)
            log.warning("%s", error)

    def _said_all_well(self) -> None:
        if self._said is not None:
            self._said = None
            log.info("it works again: going on where it was")
