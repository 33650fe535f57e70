"""The whole way of a model on Apache Kafka: samples, a learner, a snapshot, switches, and users who move, once each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from rules.catalog import parse_catalog
from stream.embedded import Addresses
from stream.settings import Settings
from tagstream.contracts import ClusterChanged
from tests.apache_kafka import ApacheKafka
from tests.contract.redis_servers import redis_server
from tests.integration.control_runs import eventually, published_models, running_control
from tests.integration.worker_runs import Run, Shop

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

CATALOG = """catalog: shop
version: 1
tags:
  spend: sum("Order Completed", "revenue")
models:
  behaviour: {kind: clusters, clusters: 2, features: [spend], sample: {at: events, share: 1.0}}
segments:
  big: {when: cluster(behaviour) == 1}
"""


@pytest.fixture
def addresses(apache_kafka: ApacheKafka) -> Iterator[Addresses]:
    with redis_server() as redis:
        yield apache_kafka.addresses(redis)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"session_timeout_ms": 6_000, "partitions": 2})


def test_users_move_once_each_by_what_was_learned_from_their_events(
    addresses: Addresses, settings: Settings, tmp_path: Path
) -> None:
    market = Shop(settings, addresses)
    where = {"TAGSTREAM_KAFKA": addresses.kafka, "TAGSTREAM_REDIS": addresses.redis, "TAGSTREAM_PARTITIONS": "2"}
    with (
        Run(settings, addresses, parse_catalog(CATALOG)) as run,
        running_control(settings, tmp_path / "control", **where) as control,
    ):
        for _ in range(2):
            market.send([market.track(f"user-{i}", revenue=10 + i % 7 + 500 * (i % 2)) for i in range(600)])
        run.until("events_total", 1_200)

        def moved() -> list[ClusterChanged]:
            assert control.poll() is None, (tmp_path / "control" / "control.err").read_text()
            assert run.error is None
            found = [change for change in market.changes() if isinstance(change, ClusterChanged)]
            return found if len(found) >= 600 else []

        changes = eventually(moved, "everybody's cluster")
        assert published_models(settings, addresses).newest("behaviour") == 1
    assert {change.cause for change in changes} == {"model"}
    assert set(Counter(change.user for change in changes).values()) == {1}
    found = {number: {c.to_cluster for c in changes if int(c.user[5:]) % 2 == number} for number in (0, 1)}
    assert [len(clusters) for clusters in found.values()] == [1, 1]
    assert found[0] != found[1]
