"""The life of catalogs and models on one partition: preparing what is to come, crossing its switch record, the walk.

1. A version is published that is newer than the partition's: once its program is compiled, a step says in the position
   that it is being prepared. What it reads anew of the past is filled by a second engine from the retained log, whose
   rows lie beside the partition's own. When that has come as far as the partition, the partition is prepared.
2. The switch record is reached. The walk of the switch before is finished, what is missing of the filling is done, and
   everything due at or before W happens under the old catalog. Then one step names the new version in the position.
   A snapshot of a model has nothing to be filled. One that the running catalog can't use is noted, and comes into force
   with a catalog that can, if none that is newer can be used by then.
3. From then on a new engine brings rows over when they are touched, and the walk visits the others, bucket by bucket.

All of it is steps. So whoever takes the partition finds it where it was left, and nothing depends on the pace: a
partition that comes to a switch record unprepared prepares itself there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from rules.program import Program
from stream.clock import Clock
from stream.engine import Engine, StepResult
from stream.switches import SwitchRecord
from stream.worker.errors import PauseError
from stream.worker.filler import NEAR_RECORDS, Filler
from stream.worker.filling import warming_until
from stream.worker.in_force import ModelsInForce, at_a_catalog, at_a_snapshot, why_useless
from stream.worker.past import PastDeletedError, PastReader
from stream.worker.position import CATALOG, MODEL, Backfill, Position, Switch, Walk
from stream.worker.programs import Programs
from stream.worker.row_headers import is_stale
from stream.worker.running import Attempt, Published, Running
from stream.worker.steps import Beside, Step
from stream.worker.store import BUCKETS

__all__ = ["Changeover", "NewEngine"]

log = logging.getLogger("tagstream.worker")

NewEngine = Callable[[int, Program, int | None], Engine]
"""Makes the engine of a partition for a program; stale rows are brought over at the moment (ms) given."""

_KNOWN_WITHIN_S: Final = 10.0
_BUCKETS_AT_ONCE: Final = 128


@dataclass(slots=True)
class Changeover:
    """What a running partition does about catalogs and models. `step` computes; `moved` is told of committed steps.

    ask_low: where the log of a partition begins, asked in another thread.
    """

    running: Running
    programs: Programs
    past: PastReader
    new_engine: NewEngine
    ask_low: Callable[[int], Future[int]]
    clock: Clock
    grace_ms: int
    _filler: Filler | None = None
    _lengths: list[int] = field(default_factory=list)
    _met_s: float | None = None
    _asked: Future[int] | None = None

    @property
    def is_crossing(self) -> bool:
        """Whether a switch record comes next: live events wait until it has been crossed."""
        return self.running.switch is not None

    @property
    def has_work(self) -> bool:
        """Whether `step` may have something to do. Doesn't block."""
        position = self.running.position
        if self.is_crossing or position.walk is not None:
            return True
        newest = self.programs.catalogs.newest
        if newest is None or newest <= position.catalog_version:
            return False
        backfill = position.backfill
        if backfill is None or (backfill.version, backfill.base) != (newest, position.catalog_version):
            return True
        return backfill.next_offset is not None and (
            not backfill.caught_up or position.next_offset - backfill.next_offset > NEAR_RECORDS
        )

    def step(self, limit: int, *, published: Published) -> Step | None:
        """Compute the next step, of at most `limit` users or records; None if it can't be made yet. Blocks.

        Raises PauseError for a version that isn't there, UnreadableCatalogError.
        """
        switch, position = self.running.switch, self.running.position
        if switch is not None:
            return self._cross(switch, limit, published)
        if position.walk is not None:
            return self._walk(position.walk, limit, published)
        newest = self.programs.catalogs.newest
        if newest is None or newest <= position.catalog_version:
            return None
        return self._prepare(newest, limit, position.next_offset, published)

    def moved(self, step: Step) -> None:
        """A step of this partition has been committed."""
        if step.kind in {"switch", "note"}:
            self.running.switch = self._met_s = None
        if step.kind == "switch":
            position = step.position
            program = self.programs.program(position.catalog_version, position.taken_over, position.model_versions)
            switched_ms = None if position.switch is None else position.switch.watermark_ms
            self.running.engine = self.new_engine(self.running.letters.partition, program, switched_ms)
            self._lengths = []
            if position.taken_over is not None:
                self._stop_filling()

    def close(self) -> None:
        """Let go of the reading of the past. Idempotent."""
        self._stop_filling()

    # 1: preparing

    def _prepare(self, version: int, limit: int, until: int, published: Published) -> Step | None:
        """A step towards being prepared for a version, with what lies below the offset `until` filled."""
        position = self.running.position
        base, backfill = position.catalog_version, position.backfill
        plan = self.programs.plan_if_ready(version, base)
        if plan is None or self._program_after(version) is None:
            return None
        if backfill is None or (backfill.version, backfill.base) != (version, base):
            begun = Backfill(version, base, caught_up=True)
            if plan.program is not None:
                low = self._low_if_known()
                if low is None:
                    return None
                begun = Backfill(version, base, next_offset=low, start_offset=low)
            self._stop_filling()
            return self._begun(begun, published)
        if plan.program is None or backfill.next_offset is None:
            return None
        if self._filler is None:
            engine = self.new_engine(self.running.letters.partition, plan.program, None)
            self._filler = Filler(self.running.letters, self.running.store, engine, self.past, self.grace_ms)
        try:
            filled = self._filler.fill(position, backfill, limit, until)
        except PastDeletedError:
            self._stop_filling()
            return self._begun(None, published)
        if filled is None:
            return None
        self.running.attempt = Attempt("fill", backfill.next_offset, filled.records)
        beside = Beside(filled=filled.rows)
        return self.running.built("fill", StepResult(), published, moved={"backfill": filled.backfill}, beside=beside)

    def _low_if_known(self) -> int | None:
        """Where the log begins, None while that is being asked. Raises UnavailableError."""
        if self._asked is None:
            self._asked = self.ask_low(self.running.letters.partition)
        if not self._asked.done():
            return None
        asked, self._asked = self._asked, None
        return asked.result()

    def _begun(self, backfill: Backfill | None, published: Published) -> Step:
        """A step that begins, or gives up, the preparing; what was filled for another version goes."""
        self.running.attempt = Attempt("fill", self.running.position.next_offset, 1)
        before = self.running.position.backfill
        filled = range(BUCKETS) if before is not None and before.next_offset is not None else ()
        return self.running.built(
            "fill", StepResult(), published, moved={"backfill": backfill}, beside=Beside(unfilled=filled)
        )

    def _stop_filling(self) -> None:
        self._filler = None
        self.past.stop(self.running.letters.partition)

    # 2: crossing

    def _cross(self, switch: SwitchRecord, limit: int, published: Published) -> Step | None:
        """The next step towards the other side of a switch record."""
        position = self.running.position
        if not self._is_known(switch):
            return None
        if switch.model is not None:
            return self._cross_to_model(switch, switch.model, limit, published)
        if position.walk is not None:
            return self._walk(position.walk, limit, published)
        version, base, backfill = switch.version, position.catalog_version, position.backfill
        if backfill is None or (backfill.version, backfill.base) != (version, base):
            return self._prepare(version, limit, switch.offset, published)
        if backfill.next_offset is not None and backfill.next_offset < switch.offset:
            return self._prepare(version, limit, switch.offset, published)
        plan = self.programs.plan_if_ready(version, base)
        if plan is None or self._program_after(version) is None:
            return None
        watermark_ms = self._watermark_ms(switch)
        crossed = {
            "catalog_version": version,
            **_named(self._models_after(version)),
            "switch": Switch(base, watermark_ms, kind=CATALOG),
            "walk": Walk(0, filled=backfill.next_offset is not None),
            "backfill": None,
            "warming": self._warming(position, backfill, version, base, watermark_ms),
        }
        return self._crossed(switch, crossed, limit, published)

    def _cross_to_model(self, switch: SwitchRecord, name: str, limit: int, published: Published) -> Step | None:
        """The next step towards the other side of a model's switch record."""
        running, position, programs = self.running, self.running.position, self.programs
        catalog = programs.catalogs.catalog(position.catalog_version)
        before = _in_force(position)
        after = at_a_snapshot(before, programs.models, catalog, name, switch.version)
        useless = why_useless(programs.models, catalog, name, switch.version)
        if programs.models.problem(name, switch.version) is not None:
            log.warning("partition %d: %s It is passed over.", running.letters.partition, useless)
            running.attempt = Attempt("note", switch.offset, 1)
            return self._passed(switch, "note", {}, published)
        if after.versions == before.versions:
            log.info("partition %d: %s It waits for a catalog that it fits.", running.letters.partition, useless)
            running.attempt = Attempt("note", switch.offset, 1)
            return self._passed(switch, "note", _named(after), published)
        if position.walk is not None:
            return self._walk(position.walk, limit, published)
        if programs.program_if_ready(position.catalog_version, None, after.versions) is None:
            return None
        last = position.switch
        crossed = {
            **_named(after),
            "switch": Switch(
                None if last is None else last.previous,
                self._watermark_ms(switch),
                kind=MODEL,
                model=name,
                catalog_changes={} if last is None else last.changes_by_catalog,
            ),
            "walk": Walk(0),
        }
        return self._crossed(switch, crossed, limit, published)

    def _crossed(
        self, switch: SwitchRecord, crossed: Mapping[str, object], limit: int, published: Published
    ) -> Step | None:
        """What is due at the switch record under the old program, or, when nothing is, the step across."""
        running = self.running
        due = running.due_step(
            limit, published=published, watermark_ms=self._watermark_ms(switch), moved=self._time_passed(switch)
        )
        if due is not None:
            return due
        running.attempt = Attempt("switch", switch.offset, 1)
        return self._passed(switch, "switch", crossed, published)

    def _passed(self, switch: SwitchRecord, kind: str, moved: Mapping[str, object], published: Published) -> Step:
        """A step behind a switch record."""
        moved = {**self._time_passed(switch), "next_offset": switch.offset + 1, **moved}
        del self.running.fetched[:1]
        return self.running.built(kind, StepResult(), published, moved=moved)

    def _log_time_ms(self, switch: SwitchRecord) -> int:
        return max(self.running.position.log_time_ms, switch.time_ms)

    def _watermark_ms(self, switch: SwitchRecord) -> int:
        """W at a switch record."""
        return max(self._log_time_ms(switch) - self.grace_ms, self.running.position.watermark_ms)

    def _time_passed(self, switch: SwitchRecord) -> dict[str, object]:
        return {"log_time_ms": self._log_time_ms(switch), "watermark_ms": self._watermark_ms(switch)}

    def _models_after(self, version: int) -> ModelsInForce:
        """The models behind a switch to a version of the catalog, as things stand now."""
        return at_a_catalog(
            _in_force(self.running.position), self.programs.models, self.programs.catalogs.catalog(version)
        )

    def _program_after(self, version: int) -> Program | None:
        """The program behind a switch to a version of the catalog; None while it is being compiled."""
        base = self.running.position.catalog_version
        return self.programs.program_if_ready(version, base, self._models_after(version).versions)

    def _is_known(self, switch: SwitchRecord) -> bool:
        """Whether what it names is there. It was published before the record was written, so it can't take long."""
        catalogs, models = self.programs.catalogs, self.programs.models
        if switch.version in (catalogs.versions if switch.model is None else models.versions(switch.model)):
            return True
        now_s = self.clock.monotonic_s()
        self._met_s = now_s if self._met_s is None else self._met_s
        if now_s - self._met_s > _KNOWN_WITHIN_S:
            what, remedy = (
                (
                    f"of the catalog {catalogs.name}, whose text is not on the topic of catalogs",
                    "Was the topic made anew? Apply the catalog of that version again: `tagstream apply`.",
                )
                if switch.model is None
                else (
                    f"of the model {switch.model}, whose snapshot is not on the topic of models",
                    "Was the topic made anew, or the snapshot deleted? Publish that version again.",
                )
            )
            raise PauseError(
                "unknown_version",
                f"The record at offset {switch.offset} of partition {self.running.letters.partition} switches to "
                f"version {switch.version} {what}.",
                remedy=remedy,
            )
        return False

    def _warming(
        self, position: Position, backfill: Backfill, version: int, base: int, watermark_ms: int
    ) -> dict[str, int]:
        """By new aggregate, from when on it is whole; and what is left of the former ones."""
        plan = self.programs.plan(version, base)
        kept = self.programs.stored(version)
        warming = {
            text: until_ms for text, until_ms in position.warming.items() if text in kept and until_ms > watermark_ms
        }
        if backfill.start_offset > 0:
            start_ms = watermark_ms if backfill.start_ms is None else backfill.start_ms
            found = {text: warming_until(node, start_ms) for text, node in plan.nodes.items()}
            warming |= {text: until_ms for text, until_ms in found.items() if until_ms > watermark_ms}
        return warming

    # 3: the walk

    def _walk(self, walk: Walk, limit: int, published: Published) -> Step:
        """Bring over the next users whose rows are stale."""
        running, position = self.running, self.running.position
        partition = running.letters.partition
        buckets = self._next_buckets(walk, limit)
        stale: list[tuple[int, str, bytes]] = []
        for bucket, rows in zip(buckets, running.store.buckets(partition, buckets), strict=True):
            stale += [(bucket, user, row) for user, row in rows if is_stale(row, position)]
        # A bucket may have more than fit a step; those of it that are done are no longer stale the next time.
        next_bucket = stale[limit][0] if len(stale) > limit else buckets[-1] + 1
        stored = {user: row for _, user, row in stale[:limit]}
        users = list(stored)
        running.attempt = Attempt("walk", users[0] if users else walk.bucket, max(len(users), 1))
        result = StepResult()
        if users:
            cold = running.engine.cold(users)
            running.load(cold, [stored[user] for user in cold])
            result = running.engine.bring_over(users, position.step + 1)
            # Whom only the walk wanted must not displace those who have events; the next piece takes the same memory.
            running.engine.forget(cold)
        passed = range(walk.bucket, next_bucket) if walk.filled else ()
        if next_bucket < BUCKETS:
            moved: dict[str, object] = {"walk": Walk(next_bucket, walk.filled)}
            return running.built("walk", result, published, moved=moved, beside=Beside(unfilled=passed))
        beside = Beside(unfilled=passed, gone_sizes=self._gone_sizes(), gone_sets=self._gone_sets())
        return running.built("walk", result, published, moved={"walk": None}, beside=beside)

    def _next_buckets(self, walk: Walk, limit: int) -> list[int]:
        """The buckets to look into: with some `limit` rows in all, one at least."""
        if not self._lengths:
            self._lengths = self.running.store.bucket_lengths(self.running.letters.partition)
        buckets = [walk.bucket]
        users = self._lengths[walk.bucket]
        for bucket in range(walk.bucket + 1, min(walk.bucket + _BUCKETS_AT_ONCE, BUCKETS)):
            users += self._lengths[bucket]
            if users > limit:
                break
            buckets.append(bucket)
        return buckets

    def _gone_sizes(self) -> list[str]:
        program = self.running.engine.program
        catalog = program.catalog
        levels = [f"{tier.name}={level}" for tier in catalog.tiers.values() for level in tier.levels]
        clusters = [
            f"{name}={cluster['id']}"
            for name, snapshot in program.snapshots.items()
            for cluster in snapshot.get("clusters", ())
        ]
        kept = {*catalog.segments, *levels, *clusters}
        return [name for name in self.running.store.sizes(self.running.letters.partition) if name not in kept]

    def _gone_sets(self) -> list[str]:
        program = self.running.engine.program
        indexed = {segment.name for segment in program.catalog.segments.values() if segment.indexed}
        before = () if program.previous is None else program.previous.segments.values()
        return sorted(segment.name for segment in before if segment.indexed and segment.name not in indexed)


def _in_force(position: Position) -> ModelsInForce:
    return ModelsInForce(position.model_versions, position.models_waiting)


def _named(models: ModelsInForce) -> dict[str, object]:
    """The fields of a position that say which models hold."""
    return {"model_versions": dict(models.versions), "models_waiting": dict(models.waiting)}
