"""What the reader shows while a new catalog is on its way: rows as they will be brought over, positions as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rules.catalog import Catalog, parse_catalog
from stream.clock import ManualClock
from stream.embedded import Addresses
from stream.engine import Engine, Records
from stream.errors import ConfigurationError
from stream.preview import Tally, preview_live
from stream.settings import Settings, load_settings
from stream.worker.errors import PauseError
from stream.worker.position import Position, Switch, Walk
from stream.worker.reading import NothingYetError, Reader
from stream.worker.store import buckets_of, keys_of
from tagstream.partitioning import partition_of
from tests.contract.redis_servers import connected, redis_server

NOW = 1_795_334_400_000
PARTITIONS = 2
USERS = [f"user{number}" for number in range(12)]
OLD = parse_catalog("""
catalog: corner
version: 1
segments:
  rich: {when: 'sum("Bought", "price") >= 100', indexed: true}
  gone: {when: count("Bought") >= 1}
tiers:
  size:
    levels:
      big: {when: 'sum("Bought", "price") >= 100'}
      small: always
""")
NEW = parse_catalog("""
catalog: corner
version: 2
segments:
  rich: {when: 'sum("Bought", "price") >= 50', indexed: true}
tiers:
  size:
    levels:
      big: {when: 'sum("Bought", "price") >= 50'}
      small: always
""")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[Any]:
    with connected(url) as client:
        client.flushall()
        yield client


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"TAGSTREAM_RUNTIME_DIR": str(tmp_path)}, folder=tmp_path)


def catalog_of(name: str, version: int, _: str) -> Catalog:
    for catalog in (OLD, NEW):
        if (catalog.name, catalog.version) == (name, version):
            return catalog
    raise ConfigurationError(f"no {name} {version}")


def put(client: Any, *, version: int, walk: Walk | None) -> None:
    """Rows evaluated under the old catalog, users with 60, 70 … to spend; positions that run `version`."""
    for partition in range(PARTITIONS):
        engine = Engine(OLD, app="tagstream", partition=partition, partition_count=PARTITIONS, row_budget_bytes=1)
        users = [user for user in USERS if partition_of(user, PARTITIONS) == partition]
        batch = engine.decode(records(users))
        engine.load(batch.cold, [None] * len(batch.cold))
        result = engine.process(batch, 0, 1)
        keys = keys_of("tagstream", partition)
        rows = dict(result.rows)
        for user, bucket in zip(rows, buckets_of(list(rows), PARTITIONS), strict=True):
            client.hset(keys.bucket(bucket), user, rows[user])
        for segment, members in result.entered.items():
            client.sadd(keys.members(segment), *members)
        for name, size in result.sizes.items():
            client.hset(keys.sizes, name, size)
        client.set(keys.position, position(partition, version, walk).encode())


def records(users: list[str]) -> Records:
    values: list[bytes | None] = [
        json.dumps(
            {
                "type": "track",
                "event": "Bought",
                "userId": user,
                "timestamp": "2026-11-22T07:00:00Z",
                "properties": {"price": 10 * (1 + USERS.index(user))},
            }
        ).encode()
        for user in users
    ]
    count = len(values)
    return Records(
        values=values,
        offsets=np.arange(count, dtype=np.int64),
        watermark_ms=np.full(count, NOW - 3_600_000, np.int64),
        horizon_ms=np.full(count, NOW, np.int64),
        forwarded=np.zeros(count, np.bool_),
    )


def position(partition: int, version: int, walk: Walk | None) -> Position:
    return Position(
        step=2,
        next_offset=100,
        log_time_ms=NOW,
        watermark_ms=NOW,
        catalog="corner",
        catalog_version=version,
        model_versions={},
        walk=walk,
        partition_count=PARTITIONS,
        topic_id="",
        origins={},
        published={},
        switch=None if version == 1 else Switch(previous=1, watermark_ms=NOW),
    )


@pytest.fixture
def addresses(url: str) -> Addresses:
    return Addresses(kafka="127.0.0.1:1", redis=url, embedded=False)


def test_a_stale_row_is_shown_as_it_will_be_brought_over(client: Any, settings: Settings, addresses: Addresses) -> None:
    put(client, version=2, walk=Walk(bucket=0))
    with Reader(settings, addresses, catalog_of) as reader:
        found = reader.profile("user6", NOW)
        assert found is not None
        assert (found.segments, found.levels) == (["rich"], {"size": "big"})
        assert found.since_ms == {"rich": NOW}
        standing = reader.standing("user6")
        assert standing is not None
        catalog, _, of_user = standing
        assert (catalog.version, of_user.units["rich"].inside, of_user.units["rich"].cause) == (2, True, "catalog")
        assert "gone" not in of_user.units


def test_members_of_stale_rows_are_those_that_will_be(client: Any, settings: Settings, addresses: Addresses) -> None:
    put(client, version=2, walk=Walk(bucket=0))
    with Reader(settings, addresses, catalog_of) as reader:
        rich = {member.user: member.since_ms for member in reader.members("rich")}
        big = {member.user for member in reader.members("size", "big")}
    assert sorted(rich) == sorted(USERS[4:])
    assert {since_ms for user, since_ms in rich.items() if user in USERS[4:9]} == {NOW}
    assert rich["user11"] < NOW
    assert big == set(USERS[4:])


def test_members_and_sizes_without_a_walk(client: Any, settings: Settings, addresses: Addresses) -> None:
    put(client, version=1, walk=None)
    with Reader(settings, addresses, OLD) as reader:
        assert sorted(member.user for member in reader.members("rich")) == sorted(USERS[9:])
        assert sorted(member.user for member in reader.members("gone")) == sorted(USERS)
        assert sorted(member.user for member in reader.members("size", "small")) == sorted(USERS[:9])
        assert reader.sizes() == {"rich": 3, "gone": 12, "size=big": 3, "size=small": 9}


def test_an_unreadable_position_takes_down_its_own_users_only(
    client: Any, settings: Settings, addresses: Addresses
) -> None:
    put(client, version=1, walk=None)
    client.set(keys_of("tagstream", 0).position, b"nonsense")
    lost = next(user for user in USERS if partition_of(user, PARTITIONS) == 0)
    kept = next(user for user in USERS if partition_of(user, PARTITIONS) == 1)
    with Reader(settings, addresses, catalog_of) as reader:
        assert reader.profile(kept) is not None
        assert list(reader.positions()) == [1]
        with pytest.raises(PauseError, match="partition 0"):
            reader.profile(lost)


def test_nothing_there_says_so(client: Any, settings: Settings, addresses: Addresses) -> None:
    with pytest.raises(NothingYetError, match="No worker has written anything"):
        Reader(settings, addresses, catalog_of)


def test_another_catalog_is_refused(client: Any, settings: Settings, addresses: Addresses) -> None:
    put(client, version=1, walk=None)
    with pytest.raises(ConfigurationError, match="version 1 of the catalog corner, not version 2"):
        Reader(settings, addresses, NEW)


@pytest.mark.parametrize("walk", [None, Walk(bucket=7)])
def test_a_preview_counts_what_rows_would_come_to(
    client: Any, settings: Settings, addresses: Addresses, walk: Walk | None
) -> None:
    put(client, version=1 if walk is None else 2, walk=walk)
    running = OLD if walk is None else NEW
    candidate = replace(parse_catalog(NEW.text.replace(">= 50", ">= 30")), version=3)
    tally = Tally(candidate, running)
    before = {key: client.dump(key) for key in client.keys("*")}
    with Reader(settings, addresses, catalog_of) as reader:
        preview_live(reader, candidate, tally, ManualClock(), app="tagstream", progress=lambda *_: None)
    rich = tally.counts["rich"]
    already = 3 if walk is None else 8
    assert (tally.users, rich.now, rich.then, rich.enter, rich.leave) == (12, already, 10, 10 - already, 0)
    assert tally.counts["size=small"].leave == 10 - already
    assert {key: client.dump(key) for key in client.keys("*")} == before
