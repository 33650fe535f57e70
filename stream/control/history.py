"""What happened to the models so far: the reports on `ops-metrics`, by model."""

from __future__ import annotations

from confluent_kafka import Message

from stream.compacted import read_topic
from stream.control.reports import Report, parse_report
from stream.embedded import Addresses
from stream.settings import Settings

__all__ = ["read_reports"]


def read_reports(settings: Settings, addresses: Addresses) -> dict[str, list[Report]]:
    """All reports that are still there, by model, the oldest first; the same one is there once.

    Blocks. Raises UnavailableError; ConfigurationError if the topic isn't there.
    """
    found: dict[str, list[Report]] = {}

    def add(message: Message) -> None:
        report = parse_report(message.value() or b"")
        if report is not None:
            reports = found.setdefault(report.model, [])
            if report not in reports[-1:]:
                reports.append(report)

    read_topic(addresses, settings.ops_metrics_topic, f"tagstream-{settings.app}-reports", add)
    return found
