"""The way out: publications to their topics, one after the other, each there before the next begins."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable
from typing import Any, Final

from stream.admin import kafka_admin
from stream.clock import Clock
from stream.compacted import publish_record
from stream.control.gate import SwitchGate
from stream.control.publications import FoundDrifts, NewSnapshot, Publication, SavedState, SwitchAgain
from stream.control.reports import LearningReport, ModelReport, Report, SamplesReport, drifts_text, encode_report
from stream.embedded import Addresses
from stream.errors import ConfigurationError, TagstreamError
from stream.models import publish_snapshot, read_models
from stream.settings import Settings
from stream.switches import write_switches

__all__ = ["Outlet", "SecondLearnerError"]

log = logging.getLogger("tagstream.control")

_AGAIN_S: Final = 1.0
# The topic takes 8 MiB, and a record has more to it than its value.
_STATE_BYTES: Final = 8_000_000


class SecondLearnerError(TagstreamError):
    """Two processes have learned one model at once, which they do while the group changes at the most."""


class Outlet:
    """Publishes. While Kafka is away it waits and tries again, until `stop` is set. gate: told of switches."""

    def __init__(
        self, settings: Settings, addresses: Addresses, clock: Clock, stop: threading.Event, gate: SwitchGate
    ) -> None:
        self._settings = settings
        self._addresses = addresses
        self._clock = clock
        self._stop = stop
        self._gate = gate
        self._hurries = threading.Event()

    def hurry(self) -> None:
        """From now on wait for nothing: what can't be published at once isn't. Any thread."""
        self._hurries.set()

    def publish(self, publications: Iterable[Publication]) -> None:
        """Publish all, in their order. Blocks.

        Raises ConfigurationError, SecondLearnerError, or UnavailableError once `stop` is set or there is no time.
        """
        for each in publications:
            self._until_done(each)

    def _until_done(self, publication: Publication) -> None:
        while True:
            try:
                self._publish(publication)
                return
            except TagstreamError as error:
                if not error.retriable or self._stop.is_set() or self._hurries.is_set():
                    raise
                log.warning("%s", error)
                self._stop.wait(_AGAIN_S)

    def _publish(self, publication: Publication) -> None:
        settings, addresses = self._settings, self._addresses
        if isinstance(publication, NewSnapshot):
            publish_snapshot(settings, addresses, publication.snapshot, self._clock)
            self._check_first(publication)
            self._switch(publication.model, publication.version)
        elif isinstance(publication, SwitchAgain):
            self._switch(publication.model, publication.version)
        elif isinstance(publication, SavedState):
            value = json.dumps(publication.state, separators=(",", ":"), allow_nan=False).encode()
            if len(value) > _STATE_BYTES:
                log.warning(
                    "The state of model %s has %s bytes, more than the topic takes; after a restart it will learn on "
                    "from its last snapshot. Fewer features make it smaller.",
                    publication.model,
                    f"{len(value):,}",
                )
                return
            self._record(settings.learner_state_topic, publication.model, value)
        elif isinstance(publication, FoundDrifts):
            log.info("model %s: %s.", publication.model, drifts_text(publication.reports))
            for report in publication.reports:
                self._report(report)
        else:
            _say(publication)
            self._report(publication)

    def _check_first(self, publication: NewSnapshot) -> None:
        """Of a version the first content counts. Whoever came second must go on from that one."""
        model, version = publication.model, publication.version
        counting = read_models(self._settings, self._addresses)
        ours = json.loads(json.dumps(publication.snapshot))
        if counting.problem(model, version) is not None or counting.record(model, version) != ours:
            raise SecondLearnerError(
                f"Version {version} of the model {model} was published by another control process before.",
                remedy="Nothing is lost: started again, this one goes on from that version.",
            )

    def _switch(self, model: str, version: int) -> None:
        settings, addresses = self._settings, self._addresses
        count = _partition_count(addresses, settings.events_topic)
        write_switches(
            addresses.kafka,
            settings.events_topic,
            app=settings.app,
            version=version,
            partitions=range(count),
            clock=self._clock,
            model=model,
        )
        self._gate.wrote(model, version, count)

    def _report(self, report: Report) -> None:
        self._record(self._settings.ops_metrics_topic, report.model, encode_report(report))

    def _record(self, topic: str, key: str, value: bytes) -> None:
        client = f"tagstream-{self._settings.app}-control"
        publish_record(self._addresses, topic, client, key.encode(), value, self._clock.now_ms())


def _partition_count(addresses: Addresses, topic: str) -> int:
    with kafka_admin(addresses.kafka) as admin:
        found: dict[str, Any] = next(iter(admin.describe_topics([topic])), {"error_code": -1, "partitions": []})
    if found["error_code"] != 0:
        raise ConfigurationError(f"{topic}: The topic is not there.", remedy="Run `tagstream topics create`.")
    return len(found["partitions"])


def _say(report: Report) -> None:
    """In the log too: whoever runs the process sees what comes of it."""
    if isinstance(report, ModelReport):
        what = f"version {report.version} is published" if report.accepted else "no new snapshot"
        log.info("model %s: %s, after %s samples. %s", report.model, what, f"{report.samples:,}", report.reason)
    elif isinstance(report, SamplesReport):
        counts = ", ".join(f"{count:,} {reason}" for reason, count in report.passed_over.items())
        log.warning("model %s: samples passed over: %s. %s", report.model or "–", counts, report.last)
    elif isinstance(report, LearningReport):
        log.debug("model %s: %s of %s samples for a first snapshot.", report.model, report.samples, report.wanted)
