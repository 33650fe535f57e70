"""A round: one step of each partition that has one, committed to the store and published together.

The second half of the step protocol; the first, taking a partition, is in `protocol`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from stream.worker.errors import DoubtError
from stream.worker.measure import Measure
from stream.worker.partition import Owned
from stream.worker.running import Running
from stream.worker.sample_writer import SampleWriter
from stream.worker.sink import Publication, Sink
from stream.worker.source import Source
from stream.worker.steps import Step, committed_of
from stream.worker.store import Store

__all__ = ["Failure", "Rounds"]


@dataclass(frozen=True, slots=True)
class Failure:
    """A partition whose step didn't go through. computing: whether it failed on what it was computed from."""

    owned: Owned
    error: Exception
    computing: bool = False


@dataclass(frozen=True, slots=True)
class Rounds:
    """Performs rounds. All in the loop's thread, which is the one that serves rebalances."""

    store: Store
    source: Source
    sink: Sink
    measure: Measure
    samples: SampleWriter
    now_s: Callable[[], float]

    def perform(
        self, partitions: Sequence[Owned], compute: Callable[[Owned, Running], Step | None]
    ) -> tuple[int, list[Failure]]:
        """One step of each partition that `compute` gives one for; how many went through, and which did not.

        1. The group's metadata is read; then each step is computed from rows, records and versions.
        2. Each is committed to the store, compare-and-set on the step number.
        3. The outboxes are published with the offsets of these partitions, and of those whose K is behind.
        4. A partition for which anything failed, or isn't certain, is left to the caller: to acquire it again.
        """
        failures: list[Failure] = []
        started_s = self.now_s()
        # 1
        try:
            membership = self.source.membership()
        except DoubtError as error:
            return 0, [Failure(owned, error) for owned in partitions]
        steps: list[tuple[Owned, Running, Step]] = []
        for owned in partitions:
            running = owned.running
            if running is None:
                continue
            try:
                step = compute(owned, running)
            except Exception as error:  # noqa: BLE001  # one partition's bad input must not stop the others: the caller counts and logs it
                failures.append(Failure(owned, error, computing=True))
            else:
                if step is not None:
                    steps.append((owned, running, step))
        # 2
        outcomes = self.store.commit_all([(step.partition, step.write) for _, _, step in steps])
        committed = []
        for entry, outcome in zip(steps, outcomes, strict=True):
            if isinstance(outcome, Exception):
                failures.append(Failure(entry[0], outcome))  # the store says no to whom, or to when, not to what
            else:
                self._moved(*entry, outcome)
                committed.append(entry)
        # 3
        if any(step.publication.messages for _, _, step in committed):
            publications = [step.publication for _, _, step in committed if step.publication.messages]
            publishing = {publication.partition for publication in publications}
            publications += self._behind(owned for owned in partitions if owned.partition not in publishing)
            failure = self._publish(publications, membership)
            if failure is not None:
                # 4
                failures += [Failure(owned, failure) for owned, _, step in committed if step.publication.messages]
                done = [entry for entry in committed if not entry[2].publication.messages]
                return self._finished(done, started_s), failures
            self._caught_up(partitions, publications)
        return self._finished(committed, started_s), failures

    def publish_behind(self, partitions: Iterable[Owned]) -> list[Failure]:
        """Commit the offsets of the partitions whose K is behind their position."""
        owned = [each for each in partitions if each.running is not None and each.running.uncommitted_s is not None]
        publications = self._behind(owned)
        if not publications:
            return []
        try:
            failure = self._publish(publications, self.source.membership())
        except DoubtError as error:
            failure = error
        if failure is not None:
            return [Failure(each, failure) for each in owned]
        self._caught_up(owned, publications)
        return []

    def publish(self, publication: Publication) -> None:
        """Publish what a partition that was just taken has outstanding. Raises DoubtError."""
        self.sink.publish([publication], self.source.membership())
        self.measure.messages(publication.messages)

    def _moved(self, owned: Owned, running: Running, step: Step, due_ms: int | None) -> None:
        """The partition stands where the step took it."""
        running.due_ms = due_ms
        if owned.changeover is not None:
            owned.changeover.moved(step)
        running.position = step.position
        self.measure.committed(step)
        if not step.publication.messages:
            running.published_step = step.position.step  # nothing to publish, so nothing outstanding
            if running.uncommitted_s is None:
                running.uncommitted_s = self.now_s()

    def _behind(self, partitions: Iterable[Owned]) -> list[Publication]:
        return [
            Publication(owned.partition, (), committed_of(owned.running.position))
            for owned in partitions
            if owned.running is not None and owned.running.uncommitted_s is not None
        ]

    def _publish(self, publications: Sequence[Publication], membership: bytes) -> DoubtError | None:
        try:
            self.sink.publish(publications, membership)
        except DoubtError as error:
            return error
        return None

    @staticmethod
    def _caught_up(partitions: Iterable[Owned], publications: Sequence[Publication]) -> None:
        """K of these stands where their position does."""
        published = {publication.partition for publication in publications}
        for owned in partitions:
            if owned.running is not None and owned.partition in published:
                owned.running.uncommitted_s = None

    def _finished(self, steps: Sequence[tuple[Owned, Running, Step]], started_s: float) -> int:
        for owned, running, step in steps:
            if step.publication.messages:
                running.published_step = step.position.step
            if running.guard is None:  # what is processed a second time has been learned from
                self.samples.write(step)
            elif step.position.replay_to is None:
                running.guard = None
            owned.note_success(step.kind)
            self.measure.published(step)
        if steps:
            self.measure.round(self.now_s() - started_s)
        return len(steps)
