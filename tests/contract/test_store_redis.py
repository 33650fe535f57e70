"""What only the store on Redis has to do: refuse a wrong server or a foreign key, outlive a server that goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from stream.errors import ConfigurationError, UnavailableError
from stream.worker.errors import PauseError
from stream.worker.redis_store import RedisStore
from stream.worker.store import BUCKETS, buckets_of
from tagstream.partitioning import murmur2
from tests.contract.redis_servers import connected, redis_server
from tests.contract.test_store_contract import FIRST, stored_position, take, write


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[Any]:
    with connected(url) as client:
        client.flushall()
        yield client
        client.config_set("maxmemory", "0")
        client.config_set("maxmemory-policy", "noeviction")


@pytest.fixture
def store(url: str, client: Any) -> Iterator[RedisStore]:
    store = RedisStore(url, app="app", partition_count=4, timeout_ms=2_000)
    yield store
    store.close()


def test_a_server_that_evicts_is_refused_with_what_to_do(store: RedisStore, client: Any) -> None:
    client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(ConfigurationError, match=r"has maxmemory-policy allkeys-lru: .*config set maxmemory-policy"):
        store.check()


@pytest.mark.parametrize("name", ["position", "outbox", "due"])
def test_a_foreign_key_stops_the_taking(store: RedisStore, client: Any, name: str) -> None:
    key = f"{{app:3}}:{name}"
    client.rpush(key, "foreign")
    with pytest.raises(PauseError, match="is a list, which no worker made"):
        take(store)
    assert client.keys("*") == [key.encode()]


@pytest.mark.parametrize("name", ["outbox", "due", "sizes", "r:{bucket}", "s:vip"])
def test_i2_a_foreign_key_stops_a_step_before_its_first_write(store: RedisStore, client: Any, name: str) -> None:
    position = take(store)
    before = store.position(3)
    key = f"{{app:3}}:{name.format(bucket=buckets_of(['ann'], 4)[0])}"
    client.rpush(key, "foreign")
    step = write(
        position, rows=[("ann", b"row")], sizes={"vip": 1}, entered={"vip": ["ann"]}, due=[("ann", 1)], outbox=b"0" * 16
    )
    with pytest.raises(PauseError, match="is a list, which no worker made"):
        store.commit(3, step)
    assert store.position(3) == before
    assert sorted(client.keys("*")) == sorted([key.encode(), b"{app:3}:position"])


def test_i2_a_size_that_is_no_number_stops_a_step_before_its_first_write(store: RedisStore, client: Any) -> None:
    position = take(store)
    client.hset("{app:3}:sizes", "vip", "many")
    with pytest.raises(PauseError, match="is 'many', not a whole number"):
        store.commit(3, write(position, rows=[("ann", b"row")], sizes={"vip": 1}))
    assert store.rows(3, ["ann"]) == [None]
    assert stored_position(store) == position


def test_i2_a_full_server_refuses_a_step_as_a_whole(store: RedisStore, client: Any) -> None:
    position = take(store)
    store.commit(3, write(position, due=[("ann", 1)], entered={"vip": ["ann"]}))
    position = stored_position(store)
    client.config_set("maxmemory", "1")
    step = write(position, rows=[("ann", b"row")], left={"vip": ["ann"]}, due=[("ann", 2)])
    with pytest.raises(UnavailableError, match="memory"):
        store.commit(3, step)
    client.config_set("maxmemory", "0")
    assert (store.rows(3, ["ann"]), list(store.members(3, "vip")), store.due(3, 1, 9)) == ([None], ["ann"], ["ann"])
    store.commit(3, step)
    assert (store.rows(3, ["ann"]), list(store.members(3, "vip")), store.due(3, 1, 9)) == ([b"row"], [], [])


def test_a_position_that_no_worker_wrote_is_refused(store: RedisStore, client: Any) -> None:
    client.set("{app:3}:position", "hello")
    with pytest.raises(PauseError, match="is none that a worker wrote"):
        take(store)
    assert client.get("{app:3}:position") == b"hello"


def test_scripts_are_loaded_again_after_the_server_forgot_them(store: RedisStore, client: Any) -> None:
    take(store)
    client.script_flush()
    store.acquire(2, committed_step=None, mark=b"", first=FIRST.encode_body())
    client.script_flush()
    step = write(stored_position(store), rows=[("ann", b"row")])
    assert store.commit_all([(2, step), (3, step)]) == [None, None]
    assert store.rows(3, ["ann"]) == [b"row"]


def test_a_server_that_goes_and_comes_back_is_found_again() -> None:
    with redis_server() as url:
        store = RedisStore(url, app="app", partition_count=4, timeout_ms=2_000)
        take(store)
    with pytest.raises(
        UnavailableError, match=r"Redis at redis://127.0.0.1:\d+/0 can't be reached: .* TAGSTREAM_REDIS"
    ):
        store.position(3)
    with redis_server(port=int(url.rsplit(":", 1)[1].split("/")[0])):
        assert store.position(3) is None
        take(store)
    store.close()


def test_a_wrong_password_says_so() -> None:
    with redis_server("--requirepass", "secret") as url:
        store = RedisStore(url.replace("redis://", "redis://:other@"), app="app", partition_count=4)
        with pytest.raises(ConfigurationError, match="Correct user and password in TAGSTREAM_REDIS") as caught:
            store.check()
        assert "other" not in str(caught.value)
        store.close()


def test_rows_lie_in_the_bucket_of_the_quotient_of_kafkas_hash(store: RedisStore, client: Any) -> None:
    store.commit(3, write(take(store), rows=[("ann", b"row"), ("伯", b"row")]))
    expected = {
        f"{{app:3}}:r:{((murmur2(user.encode()) & 0x7FFFFFFF) // 4) % BUCKETS}".encode() for user in ("ann", "伯")
    }
    assert set(client.keys("*:r:*")) == expected
