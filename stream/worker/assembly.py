"""Puts a worker's parts together, once it is known where the servers are and what the events topic is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from rules.program import Program
from stream.clock import Clock
from stream.embedded import Addresses
from stream.engine import Engine
from stream.metrics import Metrics
from stream.settings import Settings
from stream.worker.lookup import Lookup, TopicFacts
from stream.worker.measure import Measure
from stream.worker.past import PastReader
from stream.worker.programs import Programs
from stream.worker.protocol import Acquirer
from stream.worker.published import published_topics
from stream.worker.redis_store import RedisStore
from stream.worker.rounds import Rounds
from stream.worker.sample_writer import SampleWriter
from stream.worker.sink import PlainSink, Sink, SinkOptions, TransactionalSink
from stream.worker.source import Source
from stream.worker.store import Store
from stream.worker.ticks import TickWriter

__all__ = ["Parts", "assemble"]

_ACQUIRERS: Final = 2


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything between the loop and the servers. threads: for taking partitions."""

    settings: Settings
    programs: Programs
    facts: TopicFacts
    store: Store
    sink: Sink
    rounds: Rounds
    acquirer: Acquirer
    ticks: TickWriter
    past: PastReader
    threads: ThreadPoolExecutor

    def new_engine(self, partition: int, program: Program, switched_ms: int | None = None) -> Engine:
        """An engine that knows no user. switched_ms: when stale rows are brought over."""
        return Engine(
            program,
            app=self.settings.app,
            partition=partition,
            partition_count=self.facts.partition_count,
            row_budget_bytes=self.settings.row_memory_mib * 2**20,
            switched_ms=switched_ms,
            models_stamp=program.models_stamp,
        )

    def close(self) -> None:
        """Let go of everything but the source."""
        self.threads.shutdown(wait=True, cancel_futures=True)
        self.past.close()
        self.ticks.close()
        self.rounds.samples.close()
        self.sink.close()
        self.store.close()


def assemble(
    settings: Settings,
    addresses: Addresses,
    programs: Programs,
    clock: Clock,
    *,
    name: str,
    source: Source,
    lookup: Lookup,
    facts: TopicFacts,
    measure: Measure,
    metrics: Metrics,
) -> Parts:
    """The parts of the worker of this name. Connects to nothing yet."""
    published = published_topics(settings, addresses, clock)
    store = RedisStore(
        addresses.redis,
        app=settings.app,
        partition_count=facts.partition_count,
        timeout_ms=settings.redis_timeout_ms,
    )
    delivery = settings.delivery_on(embedded=addresses.embedded)
    options = SinkOptions(addresses.kafka, settings.app, name, published.topics, settings.transaction_timeout_ms / 1000)
    sink: Sink
    if delivery == "at_least_once":
        sink = PlainSink(options, clock, source.commit)
    else:
        timeout_ms = settings.transaction_timeout_ms
        sink = TransactionalSink(options, clock, source.places, transaction_timeout_ms=timeout_ms)
    samples = SampleWriter(
        addresses.kafka,
        settings.profile_samples_topic,
        f"tagstream-{settings.app}-{name}-samples",
        per_s=settings.samples_per_s,
        clock=clock,
        metrics=metrics,
    )
    return Parts(
        settings=settings,
        programs=programs,
        facts=facts,
        store=store,
        sink=sink,
        rounds=Rounds(store, source, sink, measure, samples, clock.monotonic_s),
        acquirer=Acquirer(
            store=store,
            lookup=lookup,
            sink=sink,
            topics=published,
            facts=facts,
            delivery=delivery,
            programs=programs,
            metrics=metrics,
        ),
        ticks=TickWriter(addresses.kafka, settings.events_topic, f"tagstream-{settings.app}-ticks", clock),
        past=PastReader(
            addresses.kafka,
            settings.events_topic,
            app=settings.app,
            client_id=f"tagstream-{settings.app}-{name}-past",
            embedded=addresses.embedded,
        ),
        threads=ThreadPoolExecutor(_ACQUIRERS, thread_name_prefix="tagstream-acquire"),
    )
