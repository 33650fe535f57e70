"""The worker: the I/O around the engine, one step at a time, so that nothing is lost and nothing happens twice."""

from __future__ import annotations

from stream.worker.reading import Reader
from stream.worker.worker import Worker, run_worker

__all__ = ["Reader", "Worker", "run_worker"]
