"""One application of a catalog, from the look at what runs to the end of the walk.

1. The text is published on the topic of catalogs, if it isn't there.
2. Every partition that a worker has is waited for until its position says that it is prepared. One that is paused, or
   has no worker, prepares itself where it meets the switch.
3. A switch record is written into every partition of the log.
4. Every such partition is waited for until it has crossed the switch and visited all rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Final

from rules.catalog import Catalog
from stream.catalogs import AppliedCatalogs, publish_catalog, read_catalogs
from stream.clock import Clock
from stream.embedded import Addresses
from stream.engine import NEVER_MS
from stream.errors import ConfigurationError, TagstreamError
from stream.settings import Settings
from stream.switches import write_switches
from stream.topics import describe_topics, verify_topics
from stream.worker.applying import Outcome, RefusedCatalogError, count_changes
from stream.worker.overview import Overview, PartitionStanding, look_over
from stream.worker.redis_store import RedisStore
from stream.worker.store import BUCKETS

__all__ = ["ApplyReport", "ApplyRun", "Progress", "warming_values"]

Progress = Callable[[str, str], None]
"""Told what is waited for, and how far that is."""

_LOOK_EVERY_S: Final = 0.2
_NO_WORKER_S: Final = 20.0
"""So long no worker may be seen, as when one is started again, before nobody is waited for."""


@dataclass(slots=True)
class ApplyReport:
    """What came of it.

    is_switched: the switch records are in the log.  is_done: every partition that could has visited all rows.
    switched_s, seconds: how long it took until the switch records were in the log, and until the end.
    changes: by segment or tier, how many `entered`, `exited`, `changed`.
    warming: by value, from when it is whole (ms of log time; None: never).  notes: sentences for people.
    problem: why it isn't done, if it was waited for in vain.
    """

    catalog: str
    version: int
    previous: int | None
    partitions: int
    is_switched: bool = False
    is_done: bool = False
    switched_s: float = 0.0
    seconds: float = 0.0
    changes: dict[str, dict[str, int]] = field(default_factory=dict)
    warming: dict[str, int | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problem: TagstreamError | None = None

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        values = asdict(self)
        values |= {"switched_s": round(self.switched_s, 3), "seconds": round(self.seconds, 3)}
        return {**values, "problem": None if self.problem is None else str(self.problem)}


class ApplyRun:
    """Applies catalogs to one app. All calls block; they raise UnavailableError and ConfigurationError."""

    def __init__(self, settings: Settings, addresses: Addresses, clock: Clock) -> None:
        self._settings = settings
        self._addresses = addresses
        self._clock = clock
        missing = [finding for finding in verify_topics(settings, addresses) if finding.severity == "error"]
        if missing:
            raise ConfigurationError(
                " ".join(f"{finding.topic}: {finding.message}" for finding in missing),
                remedy=" ".join(dict.fromkeys(finding.remedy for finding in missing)),
            )
        self.partition_count = next(
            state.partitions
            for state in describe_topics(settings, addresses)
            if state.plan.name == settings.events_topic
        )

    def look(self, store: RedisStore) -> tuple[AppliedCatalogs, Overview]:
        """What has been applied, and what runs."""
        return read_catalogs(self._settings, self._addresses), look_over(store, self.partition_count)

    def perform(
        self,
        store: RedisStore,
        catalog: Catalog,
        outcome: Outcome,
        *,
        wait: bool,
        timeout_s: float,
        progress: Progress | None = None,
    ) -> ApplyReport:
        """Apply a catalog that was found applicable. wait: for the walk too; the switch is written in any case.

        Raises RefusedCatalogError if somebody else has published the same version at the same moment.
        """
        report = ApplyReport(catalog.name, catalog.version, outcome.previous, self.partition_count)
        started_s = self._clock.monotonic_s()
        deadline_s = started_s + timeout_s
        say = progress or _say_nothing
        # 1
        if outcome.publish:
            publish_catalog(self._settings, self._addresses, catalog, self._clock)
            self._check_published(catalog)
        overview = look_over(store, self.partition_count)
        if outcome.previous is None or outcome.previous == catalog.version:
            report.is_done = True
            report.notes.append("It is the app's first catalog: workers start with it.")
            return report
        # 2
        if overview.workers:
            overview = self._wait(
                store,
                lambda each: each.is_prepared(catalog.version),
                deadline_s,
                lambda now: say("Getting the workers ready …", _prepared_share(now, catalog.version)),
            )
            self._judge(report, overview, lambda each: each.is_prepared(catalog.version), "is not prepared")
            if report.problem is not None:
                report.problem.remedy = "Nothing has been switched. Apply the same catalog again to go on."
                return report
        # 3
        write_switches(
            self._addresses.kafka,
            self._settings.events_topic,
            app=self._settings.app,
            version=catalog.version,
            partitions=range(self.partition_count),
            clock=self._clock,
        )
        report.is_switched, report.switched_s = True, self._clock.monotonic_s() - started_s
        if not overview.workers:
            report.notes.append("No worker is running: the catalog takes effect when one has come so far in the log.")
            return report
        if not wait:
            return report
        # 4
        overview = self._wait(
            store,
            lambda each: each.has_switched(catalog.version),
            deadline_s,
            lambda now: say("Looking at every user …", _walked_share(now, catalog.version)),
        )
        self._judge(report, overview, lambda each: each.has_switched(catalog.version), "has not visited all users yet")
        report.is_done = report.problem is None
        report.seconds = self._clock.monotonic_s() - started_s
        report.changes = count_changes(overview, catalog.version)
        report.warming = warming_values(overview)
        if report.problem is not None:
            report.problem.remedy = "It goes on by itself: `tagstream status` shows how far it is."
        return report

    def _check_published(self, catalog: Catalog) -> None:
        there = read_catalogs(self._settings, self._addresses)
        if catalog.version not in there.versions or there.record(catalog.version).text != catalog.text:
            raise RefusedCatalogError(
                f"Somebody else applied another version {catalog.version} of {there.name} at the same moment.",
                remedy=f"See `tagstream status`; then write `version: {(there.newest or 0) + 1}`.",
            )

    def _wait(
        self,
        store: RedisStore,
        holds: Callable[[PartitionStanding], bool],
        deadline_s: float,
        show: Callable[[Overview], None],
    ) -> Overview:
        """Look until it holds for every partition that isn't paused, no worker is left, or the time is up."""
        seen_s = self._clock.monotonic_s()
        while True:
            overview, now_s = look_over(store, self.partition_count), self._clock.monotonic_s()
            show(overview)
            seen_s = now_s if overview.workers else seen_s
            waited_for = [each for each in overview.partitions if each.pause is None and not holds(each)]
            if not waited_for or now_s >= deadline_s or now_s - seen_s > _NO_WORKER_S:
                return overview
            self._clock.sleep_s(min(_LOOK_EVERY_S, deadline_s - now_s))

    @staticmethod
    def _judge(report: ApplyReport, overview: Overview, holds: Callable[[PartitionStanding], bool], what: str) -> None:
        """Say what was waited for in vain, and what wasn't waited for."""
        for each in overview.partitions:
            if each.pause is not None and not holds(each):
                report.notes.append(
                    f"Partition {each.partition} is paused and was not waited for: {each.pause.message} "
                    f"{each.pause.remedy}"
                )
            elif not holds(each) and report.problem is None:
                why = "the time is up" if overview.workers else "no worker is left"
                report.problem = TagstreamError(f"Partition {each.partition} {what}, and {why}.")


def _say_nothing(stage: str, detail: str) -> None:
    del stage, detail


def _prepared_share(overview: Overview, version: int) -> str:
    """How much of the log has been read again."""
    done = total = 0
    for position in overview.positions:
        backfill = position.backfill
        if backfill is not None and backfill.version == version and backfill.next_offset is not None:
            done += backfill.next_offset - backfill.start_offset
            total += max(position.next_offset, backfill.next_offset) - backfill.start_offset
    prepared = sum(each.is_prepared(version) for each in overview.partitions)
    read = f", {done:,} of {total:,} records read again" if total else ""
    return f"{prepared} of {len(overview.partitions)} partitions{read}"


def _walked_share(overview: Overview, version: int) -> str:
    buckets = 0
    for each in overview.positions:
        if each.catalog_version >= version:
            buckets += BUCKETS if each.walk is None else each.walk.bucket
    return f"{100 * buckets // (BUCKETS * len(overview.partitions))} %"


def warming_values(overview: Overview) -> dict[str, int | None]:
    """By value, from when it is whole on all partitions."""
    found: dict[str, int] = {}
    for position in overview.positions:
        for text, until_ms in position.warming.items():
            if until_ms > position.watermark_ms:
                found[text] = max(until_ms, found.get(text, 0))
    return {readable(text): None if until_ms >= NEVER_MS else until_ms for text, until_ms in sorted(found.items())}


def readable(text: str) -> str:
    """A `key_text` for people: `sum(Order Completed, revenue, 7776000000)`."""
    function, *parts = text.split("\x1f")
    shown = ", ".join(part.removeprefix("=") for part in parts if part)
    return f"{function}({shown})" if parts else function
