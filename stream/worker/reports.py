"""What workers say of themselves, for `status` and `apply`: kept in Redis beside the partitions' keys.

A partition's keys say where it stands; that its worker lives, or that it is paused and why, they can't. So each worker
leaves a report every few seconds. Nothing but what people are shown depends on it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Final

import msgspec

from stream.worker.store import Store

__all__ = ["EVERY_S", "Pause", "Report", "encode_report", "read_reports"]

EVERY_S: Final = 2.0
"""How often a worker reports; when something changes, at once."""
SILENT_MS: Final = 15_000
"""After so long without a word a worker counts as gone."""


class Pause(msgspec.Struct, frozen=True):
    """Why a partition can't go on, and what to do."""

    reason: str
    message: str
    remedy: str


class Report(msgspec.Struct, frozen=True):
    """partitions: the stage of each that the worker owns.  paused: those that are.  waits_for: what it waits for."""

    host: str
    process: int
    tagstream: str
    partitions: dict[int, str]
    paused: dict[int, Pause]
    waits_for: str | None = None


_decode_report: Final = msgspec.json.Decoder(Report).decode


def encode_report(
    tagstream: str, partitions: Mapping[int, str], paused: Mapping[int, Pause], waits_for: str | None
) -> bytes:
    """The report of this process."""
    report = Report(socket.gethostname(), os.getpid(), tagstream, dict(partitions), dict(paused), waits_for)
    return msgspec.json.encode(report)


def read_reports(store: Store) -> dict[str, Report]:
    """The reports of the workers that are alive, by name. Raises UnavailableError."""
    found = {}
    for worker, (age_ms, text) in sorted(store.reports().items()):
        if age_ms > SILENT_MS:
            continue
        try:
            found[worker] = _decode_report(text)
        except msgspec.DecodeError:  # of another version
            found[worker] = Report("?", 0, "?", {}, {})
    return found
