"""The learners of all models: samples in, publications out. Plain Python, driven by the Faust agent. Not thread-safe.

1. A sample names the catalog it was taken under. What that catalog says of the model decides who learns from it: the
   learner at work, if the declaration is still the same; else a new one, if the catalog is newer; else nobody.
2. A new learner goes on from the state and the snapshot that were published last, and has that snapshot switched to
   once more: its publisher may have died before the switches were written, and a switch too many does no harm.
3. Each learner is asked for a snapshot every so many samples or seconds; sooner while nothing of it is published, and
   not while partitions are still busy with the last one of any model.
4. States are published now and then, sooner after many samples, at the end, and when the partitions of the samples go
   to another process; always between batches. After an error in the middle of one, the learner that was at work on it
   may have learned half of it: its state is not published, those of the others are.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from rules.catalog import Catalog
from stream.clock import Clock
from stream.control.pace import Pace
from stream.control.publications import FoundDrifts, NewSnapshot, Publication, SavedState, SwitchAgain
from stream.control.reports import DriftReport, LearningReport, ModelReport, SamplesReport
from stream.learning import DeclaredModel, LearningError, Refusal, Sample, parse_sample
from stream.learning.declared import declared_of
from stream.learning.learner import Learner, learner_of

__all__ = ["Learners", "Memory", "Remembered"]

_FIRST_SAMPLES: Final = 1_000
"""While nothing is published a snapshot is tried after so many samples: a scaling is chosen from as many."""
_AHEAD_MS: Final = 3_600_000
"""No event lies further ahead of the clock, and so no sample."""
_REPORT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of a model from before.

    snapshot: the newest published that can be read, whatever it was declared like.  last_version: the greatest that was
    published, 0 if none was.
    """

    snapshot: Mapping[str, Any] | None = None
    state: Mapping[str, Any] | None = None
    last_version: int = 0


class Memory(Protocol):
    """Where catalogs, snapshots and states are found. Both calls may block."""

    def catalog(self, version: int) -> Catalog | None:
        """The app's catalog of that version; None if there is none."""
        ...

    def remembered(self, model: str) -> Remembered:
        """What was published of a model, as of now."""
        ...


@dataclass(slots=True)
class _AtWork:
    """A learner and how far it is. Seconds are of the monotonic clock."""

    learner: Learner
    asked_s: float
    saved_s: float
    published: bool
    since_asked: int = 0
    since_saved: int = 0
    waiting_said_s: float | None = None
    told: int = 0


@dataclass(slots=True)
class _PassedOver:
    counts: Counter[str] = field(default_factory=Counter)
    last: str = ""


class Learners:
    """See the module.

    may_switch: asked before each snapshot; what it says yes to is one of them.  no_switch: told when none came of it.
    """

    def __init__(
        self,
        memory: Memory,
        clock: Clock,
        pace: Pace | None = None,
        may_switch: Callable[[], bool] = lambda: True,
        no_switch: Callable[[], None] = lambda: None,
    ) -> None:
        self._memory = memory
        self._clock = clock
        self._pace = pace or Pace()
        self._may_switch = may_switch
        self._no_switch = no_switch
        self._busy: str | None = None
        self._at_work: dict[str, _AtWork] = {}
        self._passed_over: dict[str, _PassedOver] = {}
        self._reported_s = clock.monotonic_s()

    @property
    def models(self) -> dict[str, int]:
        """The models that are learned here, each with how many samples it has learned from."""
        return {name: each.learner.samples for name, each in self._at_work.items()}

    def learn(self, values: Sequence[bytes | None]) -> list[Publication]:
        """Learn from the values of records, in their order."""
        latest_ms = self._clock.now_ms() + _AHEAD_MS
        found: list[Publication] = []
        by_model: dict[str, list[Sample]] = {}
        for value in values:
            try:
                sample = parse_sample(value or b"")
            except LearningError as error:
                self._pass_over("", "unreadable", 1, str(error))
                continue
            if sample.at_ms > latest_ms:
                self._pass_over(sample.model, "too_far_ahead", 1, f"Its time, {sample.at_ms}, has not come yet.")
                continue
            by_model.setdefault(sample.model, []).append(sample)
        for name, samples in by_model.items():
            self._busy = name
            for (catalog, version), group in itertools.groupby(
                samples, lambda each: (each.catalog, each.catalog_version)
            ):
                part = list(group)
                found += self._learn(name, catalog, version, part)
        self._busy = None
        return found

    def tick(self) -> list[Publication]:
        """What is due by time. Call it once a second or so."""
        now_s = self._clock.monotonic_s()
        found: list[Publication] = []
        for name, each in self._at_work.items():
            self._busy = name
            is_late = now_s - each.asked_s >= self._pace.snapshot_every_s
            is_due = is_late or each.since_asked >= self._snapshot_samples(each)
            if each.since_asked and is_due and self._may_switch():
                found += self._ask(name, each)
            if each.since_saved and now_s - each.saved_s >= self._state_pause_s(each):
                found.append(self._saved(name, each))
        self._busy = None
        if now_s - self._reported_s >= _REPORT_S:
            found += self._report(now_s)
        return found

    def release(self) -> list[Publication]:
        """Publish all states and forget all learners: another process may have them now, or this one ends.

        May be called after `learn` or `tick` has raised, too.
        """
        found: list[Publication] = [
            self._saved(name, each) for name, each in self._at_work.items() if each.since_saved and name != self._busy
        ]
        found += self._report(self._clock.monotonic_s())
        self._at_work.clear()
        self._busy = None
        return found

    def _learn(self, name: str, catalog: str, version: int, samples: list[Sample]) -> Iterator[Publication]:
        declared = self._declared(name, catalog, version)
        if isinstance(declared, str):
            reason, _, sentence = declared.partition(": ")
            self._pass_over(name, reason, len(samples), sentence)
            return
        each = self._at_work.get(name)
        if each is None or each.learner.model.fingerprint != declared.fingerprint:
            if each is not None and version < each.learner.model.catalog_version:
                sentence = f"The catalog's version {version} declares {name} otherwise than the one that runs."
                self._pass_over(name, "declared_otherwise", len(samples), sentence)
                return
            each = yield from self._begin(declared)
        elif version > each.learner.model.catalog_version:
            each.learner.redeclare(declared)
        wrong = [sample for sample in samples if len(sample.values) != len(declared.features)]
        if wrong:
            sentence = f"{len(wrong[-1].values)} values, where {name} has {len(declared.features)} features."
            self._pass_over(name, "wrong_width", len(wrong), sentence)
            samples = [sample for sample in samples if len(sample.values) == len(declared.features)]
        while samples:
            # Cut where a snapshot is due, so that it doesn't depend on how records are batched.
            room = max(self._snapshot_samples(each) - each.since_asked, 1)
            part, samples = samples[:room], samples[room:]
            each.learner.learn(part)
            each.since_asked += len(part)
            each.since_saved += len(part)
            if each.since_asked < self._snapshot_samples(each):
                continue
            if self._may_switch():
                yield from self._ask(name, each)
            else:
                each.learner.learn(samples)
                each.since_asked += len(samples)
                each.since_saved += len(samples)
                return

    def _snapshot_samples(self, each: _AtWork) -> int:
        wanted = self._pace.snapshot_samples
        return wanted if each.published else min(wanted, _FIRST_SAMPLES)

    def _state_pause_s(self, each: _AtWork) -> float:
        """How long after a state the next one may be published."""
        pace = self._pace
        is_much = pace.state_samples is not None and each.since_saved >= pace.state_samples
        return min(pace.state_pause_s, pace.state_every_s) if is_much else pace.state_every_s

    def _declared(self, name: str, catalog: str, version: int) -> DeclaredModel | str:
        """What a catalog declares; or `reason: sentence` if nothing can be learned under it."""
        each = self._at_work.get(name)
        if each is not None and (each.learner.model.catalog, each.learner.model.catalog_version) == (catalog, version):
            return each.learner.model
        found = self._memory.catalog(version)
        if found is None or found.name != catalog:
            return f"unknown_catalog: There is no version {version} of the catalog {catalog}."
        model = found.models.get(name)
        if model is None:
            return f"unknown_model: The catalog's version {version} has no model {name}."
        try:
            return declared_of(found, model)
        except LearningError as error:
            return f"not_learnable: {error}"

    def _begin(self, declared: DeclaredModel) -> Generator[Publication, None, _AtWork]:
        """A new learner. A generator of what is to be published; returns the learner."""
        name = declared.name
        remembered = self._memory.remembered(name)
        snapshot, last_version = remembered.snapshot, remembered.last_version
        try:
            learner = learner_of(declared, snapshot, remembered.state)
        except LearningError as error:
            now_ms = self._clock.now_ms()
            yield ModelReport(
                at=now_ms,
                model=name,
                version=None,
                accepted=False,
                code="unsound",
                reason=f"What was remembered can't be used, and learning begins anew: {error}",
                catalog_version=declared.catalog_version,
            )
            learner = learner_of(declared)
        if learner.version < last_version:
            # What can't be read, or followed, has its number and its ids all the same.
            learner.adopt({"next_id": 1, **(learner.last or snapshot or {}), "version": last_version})
        now_s = self._clock.monotonic_s()
        published = snapshot is not None and declared.can_follow(snapshot)
        each = self._at_work[name] = _AtWork(learner, now_s, now_s, published)
        if snapshot is not None and published and int(snapshot["version"]) == last_version:
            yield SwitchAgain(name, last_version)
        return each

    def _ask(self, name: str, each: _AtWork) -> Iterator[Publication]:
        """Ask for a snapshot, and report what came."""
        learner, pace = each.learner, self._pace
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic_s()
        result = learner.snapshot(now_ms)
        each.asked_s, each.since_asked = now_s, 0
        drifts = [
            DriftReport(found.at_ms, name, found.feature, found.before, found.after) for found in learner.drifts()
        ]
        if drifts:
            yield FoundDrifts(name, drifts)
        head: dict[str, Any] = {
            "at": now_ms,
            "model": name,
            "samples": learner.samples,
            "catalog_version": learner.model.catalog_version,
        }
        if not isinstance(result, Refusal):
            each.published, each.waiting_said_s = True, None
            yield NewSnapshot(result)
            quality = dict(result["quality"]) | ({"moved": result["moved"]} if "moved" in result else {})
            yield ModelReport(
                version=int(result["version"]),
                accepted=True,
                code="published",
                reason=result["reason"],
                quality=quality,
                **head,
            )
            return
        self._no_switch()
        if result.code == "waiting":
            # Said once in a while: it is asked for often.
            if each.waiting_said_s is not None and now_s - each.waiting_said_s < pace.snapshot_every_s:
                return
            each.waiting_said_s = now_s
        version = None if result.snapshot is None else int(result.snapshot["version"])
        yield ModelReport(
            version=version, accepted=False, code=result.code, reason=result.reason, quality=result.quality, **head
        )

    def _saved(self, name: str, each: _AtWork) -> SavedState:
        each.saved_s, each.since_saved = self._clock.monotonic_s(), 0
        return SavedState(name, each.learner.state())

    def _pass_over(self, model: str, reason: str, count: int, sentence: str) -> None:
        passed = self._passed_over.setdefault(model, _PassedOver())
        passed.counts[reason] += count
        passed.last = sentence

    def _report(self, now_s: float) -> list[Publication]:
        """Samples passed over, and how far those models are of which nothing is published yet."""
        self._reported_s = now_s
        now_ms = self._clock.now_ms()
        reports: list[Publication] = [
            SamplesReport(now_ms, model, dict(passed.counts), passed.last)
            for model, passed in self._passed_over.items()
        ]
        self._passed_over.clear()
        for name, each in self._at_work.items():
            samples = each.learner.samples
            if each.published or samples == each.told:
                continue
            each.told = samples
            wanted = samples - each.since_asked + self._snapshot_samples(each)
            reports.append(LearningReport(now_ms, name, samples, wanted, each.learner.model.catalog_version))
        return reports
