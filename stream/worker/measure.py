"""What a worker counts: steps, events, changes, rejects, and how late things were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from stream.clock import Clock
from stream.metrics import Metrics
from stream.worker.errors import PauseError
from stream.worker.outbox import Outgoing
from stream.worker.position import Position
from stream.worker.steps import Step
from stream.worker.store import BUCKETS
from tagstream.contracts.changes import CAUSE_HEADER, CHANGE_HEADER, SEGMENT_HEADER
from tagstream.topics import EVENTS, SEGMENT_CHANGES

__all__ = ["Measure"]


class Measure:
    """Writes into `Metrics` after each step; nothing here has a bearing on results."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._paused: dict[int, str] = {}
        self._lagging: set[int] = set()
        self._catalogs: set[int] = set()
        self._models: dict[int, set[str]] = {}

    def round(self, seconds: float) -> None:
        """A round of steps took so long."""
        self._metrics.step_duration.observe(seconds)

    def committed(self, step: Step) -> None:
        """A step has been committed to the store: that happens once."""
        metrics, result = self._metrics, step.result
        metrics.steps.labels(step.kind).inc()
        metrics.events.inc(result.accepted)
        metrics.duplicates.inc(result.duplicates)
        for reason, count in Counter(reject.reason for reject in result.rejects).items():
            metrics.rejects.labels(reason).inc(count)

    def published(self, step: Step) -> None:
        """A step's messages have been published."""
        metrics, result = self._metrics, step.result
        self.messages(step.publication.messages)
        now_ms = self._clock.now_ms()
        if step.kind == "due":
            for time_ms in result.change_times_ms:
                metrics.flip_delay.observe(max(now_ms - time_ms, 0) / 1000)
        elif step.intake is not None:
            times, places = step.intake.times_ms, step.intake.places
            for event in result.change_events:
                metrics.publish_delay.observe(max(now_ms - int(times[places[event]]), 0) / 1000)

    def messages(self, messages: Sequence[Outgoing]) -> None:
        """These have been published, with their step or later."""
        kinds = Counter(message.kind for message in messages)
        self._metrics.forwards.inc(kinds[EVENTS])
        if kinds[SEGMENT_CHANGES]:
            changes = Counter(message.headers for message in messages if message.kind == SEGMENT_CHANGES)
            for headers, count in changes.items():
                named = dict(headers)
                labels = (named[name].decode() for name in (SEGMENT_HEADER, CHANGE_HEADER, CAUSE_HEADER))
                self._metrics.changes.labels(*labels).inc(count)

    def catalog(self, partition: int, position: Position) -> None:
        """The partition stands there, as far as catalogs and models go."""
        label = str(partition)
        self._catalogs.add(partition)
        self._metrics.catalog_version.labels(label).set(position.catalog_version)
        gone = self._models.get(partition, set()) - set(position.model_versions)
        for model in gone:
            self._metrics.model_version.remove(label, model)
        self._models[partition] = set(position.model_versions)
        for model, version in position.model_versions.items():
            self._metrics.model_version.labels(label, model).set(version)
        walk, backfill = position.walk, position.backfill
        self._metrics.walk_left.labels(label).set(0 if walk is None else BUCKETS - walk.bucket)
        left = 0 if backfill is None or backfill.next_offset is None else position.next_offset - backfill.next_offset
        self._metrics.backfill_left.labels(label).set(max(left, 0))

    def tick(self) -> None:
        """A tick has been written."""
        self._metrics.ticks.inc()

    def error(self, error: Exception) -> None:
        """A partition has to be acquired again because of this."""
        self._metrics.errors.labels(type(error).__name__).inc()

    def lag(self, partition: int, records: int) -> None:
        """So many records lie between the position and the end."""
        self._lagging.add(partition)
        self._metrics.lag.labels(str(partition)).set(records)

    def paused(self, partition: int, pause: PauseError | None) -> None:
        """The partition is paused, or (None) goes on."""
        label = str(partition)
        before = self._paused.pop(partition, None)
        if before is not None:
            self._metrics.paused.remove(label, before)
        if pause is not None:
            self._metrics.paused.labels(label, pause.reason).set(1)
            self._paused[partition] = pause.reason

    def gone(self, partition: int) -> None:
        """The partition isn't this worker's any more."""
        self.paused(partition, None)
        if partition in self._lagging:
            self._lagging.discard(partition)
            self._metrics.lag.remove(str(partition))
        if partition in self._catalogs:
            self._catalogs.discard(partition)
            for gauge in (self._metrics.catalog_version, self._metrics.walk_left, self._metrics.backfill_left):
                gauge.remove(str(partition))
        for model in self._models.pop(partition, set()):
            self._metrics.model_version.remove(str(partition), model)
