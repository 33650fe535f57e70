"""The store on Redis: two Lua scripts for what must be atomic, pipelines for reading.

Nothing is retried in here. A connection cut leaves the outcome of a script unknown, and the one right way on is to
acquire the partition again, which reads where it stands.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from typing import Any, Final, cast

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

from stream.engine.result import NEVER_MS
from stream.errors import ConfigurationError, TagstreamError, unavailable
from stream.settings import masked_url
from stream.worker.errors import REBUILD, PauseError, WorkerError
from stream.worker.store import (
    BUCKETS,
    StepWrite,
    Taken,
    buckets_of,
    fenced,
    keys_of,
    malformed_position,
    reports_key,
    unpublished_outbox,
    wrong_size,
    wrong_type,
)

__all__ = ["RedisStore"]

_SCAN_COUNT: Final = 1000
_POLICY: Final = "noeviction"
_REPORTS_MS: Final = 3_600_000
"""After so long without any worker their reports are forgotten."""
# Times of reports are Redis's own: the clocks of workers and of those who look may differ.
_NOW: Final = "local t = redis.call('TIME') local now = t[1] .. string.format('%03d', math.floor(t[2] / 1000)) "
_REPORT: Final = f"""{_NOW}
if ARGV[2] == '' then return redis.call('HDEL', KEYS[1], ARGV[1]) end
redis.call('HSET', KEYS[1], ARGV[1], now .. ' ' .. ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[3])"""
_REPORTS: Final = f"{_NOW} local found = redis.call('HGETALL', KEYS[1]) table.insert(found, 1, now) return found"
# What ends by itself or by an operator's hand while the worker waits. The client knows some by class and strips their
# code; within a script's error the code stays in the text.
_PASSING_CODES: Final = ("OOM ", "READONLY ", "MISCONF ", "BUSY ", "NOREPLICAS ", "TRYAGAIN ", "CLUSTERDOWN ")
_PASSING: Final = (
    redis.exceptions.ClusterError,
    redis.exceptions.MasterDownError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.TryAgainError,
)


def _script(name: str) -> bytes:
    return resources.files("stream.worker").joinpath(name).read_bytes()


class RedisStore:
    """A `Store` on one Redis or a Redis Cluster. Safe to share between threads.

    url: `redis://…`.  partition_count: of the events topic; it decides a row's bucket.
    timeout_ms: how long an answer may take before Redis counts as gone.
    """

    def __init__(self, url: str, *, app: str, partition_count: int, timeout_ms: int = 5_000) -> None:
        self._app = app
        self._partition_count = partition_count
        self._url = url
        self._timeout_s = timeout_ms / 1000
        self._client: Any = None
        self._is_cluster = False
        self._acquire: Any = None
        self._commit: Any = None
        self._report: Any = None
        self._reports: Any = None
        self._encode = msgspec.msgpack.Encoder().encode

    def check(self) -> None:
        """Raise ConfigurationError unless Redis refuses writes when full, as opposed to dropping keys."""
        with self._errors():
            try:
                policy = self._connected().config_get("maxmemory-policy").get("maxmemory-policy")
            except redis.ResponseError:  # a managed Redis may have no CONFIG; INFO tells as well
                policy = self._connected().info("memory").get("maxmemory_policy")
        if policy != _POLICY:
            raise ConfigurationError(
                f"Redis at {masked_url(self._url)} has maxmemory-policy {policy}: "
                "when its memory is full it would drop users and their segments without a word.",
                remedy=f"Set it: `redis-cli config set maxmemory-policy {_POLICY}`, and in redis.conf.",
            )

    def acquire(
        self, partition: int, *, committed_step: int | None, mark: bytes, first: bytes | None, first_mark: bytes = b""
    ) -> Taken | None:
        keys = keys_of(self._app, partition)
        with self._errors():
            client = self._connected()
            answer = self._acquire(
                keys=[keys.position, keys.outbox, keys.due],
                args=[_digits(committed_step), mark, first or b"", first_mark],
                client=client,
            )
        match answer:
            case [b"ok", before, position, outbox, due]:
                return Taken(before, position, outbox, _due(due))
            case [b"absent"]:
                return None
            case [b"type", key, found]:
                raise wrong_type(key.decode(), found.decode())
            case _:
                raise malformed_position(partition)

    def commit(self, partition: int, write: StepWrite) -> int | None:
        (outcome,) = self.commit_all([(partition, write)])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def commit_all(self, writes: Sequence[tuple[int, StepWrite]]) -> list[int | Exception | None]:
        scripts = [self._commit_of(partition, write) for partition, write in writes]
        outcomes: list[int | Exception | None] = []
        for (partition, _), (keys, args), answer in zip(writes, scripts, self._answers(scripts), strict=True):
            try:
                with self._errors():
                    if isinstance(answer, redis.exceptions.NoScriptError):  # the server was restarted: load it again
                        answer = self._commit(keys=keys, args=args)  # noqa: PLW2901  # the answer to the same
                    elif isinstance(answer, Exception):
                        raise answer
                outcomes.append(self._outcome(partition, answer))
            except TagstreamError as error:
                outcomes.append(error)
        return outcomes

    def _answers(self, scripts: Sequence[tuple[list[str], list[Any]]]) -> list[Any]:
        """The answers to all scripts, in one round trip where one server has all keys; an error in place of each."""
        try:
            client = self._connected()
            if len(scripts) == 1 or self._is_cluster:
                return [self._commit(keys=keys, args=args) for keys, args in scripts]
            pipeline = client.pipeline(transaction=False)
            for keys, args in scripts:
                pipeline.evalsha(self._commit.sha, len(keys), *keys, *args)
            answers: list[Any] = pipeline.execute(raise_on_error=False)
            return answers
        except (redis.RedisError, OSError) as error:
            return [error] * len(scripts)

    def _commit_of(self, partition: int, write: StepWrite) -> tuple[list[str], list[Any]]:
        """Keys and arguments of the script for one step."""
        keys = keys_of(self._app, partition)
        by_bucket: dict[str, list[tuple[str, bytes]]] = {}
        for written, key in ((write.rows, keys.bucket), (write.filled, keys.filled)):
            buckets = buckets_of([user for user, _ in written], self._partition_count) if written else []
            for bucket, pair in zip(buckets, written, strict=True):
                by_bucket.setdefault(key(bucket), []).append(pair)
        segments = sorted({*write.entered, *write.left})
        work = self._encode(
            (
                [[part for user, row in pairs for part in (user, len(row))] for pairs in by_bucket.values()],
                [part for pair in write.sizes.items() if pair[1] for part in pair],
                [(write.entered.get(segment, ()), write.left.get(segment, ())) for segment in segments],
                [part for user, due_ms in write.due if due_ms < NEVER_MS for part in (due_ms, user)],
                [user for user, due_ms in write.due if due_ms >= NEVER_MS],
                write.gone_sizes,
            )
        )
        rows = b"".join([row for pairs in by_bucket.values() for _, row in pairs])
        return (
            [
                *(keys.position, keys.outbox, keys.due, keys.sizes),
                *by_bucket,
                *map(keys.members, segments),
                *map(keys.filled, write.unfilled),
                *map(keys.members, write.gone_sets),
            ],
            [
                *(_digits(write.expected_step), write.position, _digits(write.published_step), write.outbox),
                *(len(by_bucket), rows, work),
            ],
        )

    @staticmethod
    def _outcome(partition: int, answer: Any) -> int | None:
        """The smallest due time out of the script's answer, or the error that it stands for."""
        match answer:
            case [b"ok", due]:
                return _due(due)
            case [b"type", key, found]:
                raise wrong_type(key.decode(), found.decode())
            case [b"size", segment, found]:
                raise wrong_size(partition, segment.decode(), found.decode(errors="replace"))
            case [b"outbox", _]:
                raise unpublished_outbox(partition)
            case _:
                raise fenced(partition)

    def rows(self, partition: int, users: Sequence[str]) -> list[bytes | None]:
        return self._of_users(users, keys_of(self._app, partition).bucket)

    def filled(self, partition: int, users: Sequence[str]) -> list[bytes | None]:
        return self._of_users(users, keys_of(self._app, partition).filled)

    def _of_users(self, users: Sequence[str], key: Callable[[int], str]) -> list[bytes | None]:
        """By user, what the hash of the user's bucket has."""
        if not users:
            return []
        by_bucket: dict[int, list[int]] = {}
        for place, bucket in enumerate(buckets_of(users, self._partition_count)):
            by_bucket.setdefault(bucket, []).append(place)
        rows: list[bytes | None] = [None] * len(users)
        with self._errors():
            pipeline = self._connected().pipeline(transaction=False)
            for bucket, places in by_bucket.items():
                pipeline.hmget(key(bucket), [users[place] for place in places])
            for places, found in zip(by_bucket.values(), pipeline.execute(), strict=True):
                for place, row in zip(places, found, strict=True):
                    rows[place] = row
        return rows

    def bucket_lengths(self, partition: int) -> list[int]:
        keys = keys_of(self._app, partition)
        with self._errors():
            pipeline = self._connected().pipeline(transaction=False)
            for bucket in range(BUCKETS):
                pipeline.hlen(keys.bucket(bucket))
            return [int(length) for length in pipeline.execute()]

    def buckets(self, partition: int, numbers: Sequence[int]) -> list[list[tuple[str, bytes]]]:
        keys = keys_of(self._app, partition)
        with self._errors():
            pipeline = self._connected().pipeline(transaction=False)
            for bucket in numbers:
                pipeline.hgetall(keys.bucket(bucket))
            found = pipeline.execute()
        return [sorted((user.decode(), row) for user, row in rows.items()) for rows in found]

    def due(self, partition: int, watermark_ms: int, limit: int) -> list[str]:
        key = keys_of(self._app, partition).due
        with self._errors():
            users = self._connected().zrangebyscore(key, "-inf", watermark_ms, start=0, num=limit)
        return [user.decode() for user in users]

    def position(self, partition: int) -> bytes | None:
        with self._errors():
            return cast("bytes | None", self._connected().get(keys_of(self._app, partition).position))

    def has_rows(self, partition: int) -> bool:
        keys = keys_of(self._app, partition)
        with self._errors():
            return bool(self._connected().exists(*(keys.bucket(bucket) for bucket in range(BUCKETS))))

    def sizes(self, partition: int) -> dict[str, int]:
        with self._errors():
            sizes = self._connected().hgetall(keys_of(self._app, partition).sizes)
        return {name.decode(): int(size) for name, size in sizes.items()}

    def members(self, partition: int, segment: str) -> Iterator[str]:
        key = keys_of(self._app, partition).members(segment)
        with self._errors():
            for user in self._connected().sscan_iter(key, count=_SCAN_COUNT):
                yield user.decode()

    def scan(self, partition: int) -> Iterator[tuple[str, bytes]]:
        keys = keys_of(self._app, partition)
        with self._errors():
            for bucket in range(BUCKETS):
                for user, row in self._connected().hscan_iter(keys.bucket(bucket), count=_SCAN_COUNT):
                    yield user.decode(), row

    def report(self, worker: str, text: bytes | None) -> None:
        with self._errors():
            client = self._connected()
            self._report(keys=[reports_key(self._app)], args=[worker, text or b"", _REPORTS_MS], client=client)

    def reports(self) -> dict[str, tuple[int, bytes]]:
        with self._errors():
            client = self._connected()
            now_ms, *pairs = self._reports(keys=[reports_key(self._app)], client=client)
        found = {}
        for worker, report in zip(pairs[::2], pairs[1::2], strict=True):
            said_ms, _, text = report.partition(b" ")
            found[worker.decode(errors="replace")] = (int(now_ms) - int(said_ms), text)
        return found

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connected(self) -> Any:
        """The client; made at first use, as only a server that answers tells whether it is a cluster."""
        if self._client is None:
            options: dict[str, Any] = {
                "protocol": 2,
                "retry": Retry(NoBackoff(), 0),
                "socket_timeout": self._timeout_s,
                "socket_connect_timeout": self._timeout_s,
            }
            client: Any = redis.Redis.from_url(self._url, **options)
            self._is_cluster = bool(client.info("cluster").get("cluster_enabled"))
            if self._is_cluster:
                client.close()
                client = RedisCluster.from_url(self._url, **options)
            self._acquire = client.register_script(_script("acquire.lua"))
            self._commit = client.register_script(_script("commit.lua"))
            self._report = client.register_script(_REPORT)
            self._reports = client.register_script(_REPORTS)
            self._client = client
        return self._client

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the client's errors into ours."""
        shown = masked_url(self._url)
        try:
            yield
        except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as error:
            raise ConfigurationError(
                f"Redis at {shown} refuses: {error}.", remedy="Correct user and password in TAGSTREAM_REDIS."
            ) from error
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            raise unavailable("Redis", shown, str(error)) from error
        except redis.RedisError as error:
            raise self._refused(error, shown) from error

    @staticmethod
    def _refused(error: redis.RedisError, shown: str) -> TagstreamError:
        said = str(error)
        if isinstance(error, _PASSING) or any(code in said for code in _PASSING_CODES):
            return unavailable("Redis", shown, said)
        if "WRONGTYPE" in said:
            return PauseError(
                "wrong_type",
                f"A key of this app in Redis at {shown} is of a type that no worker made: {said}.",
                remedy=f"Delete or rename it if it is another program's; give this app its own database. {REBUILD}",
            )
        return WorkerError(f"Redis at {shown} refuses: {said}.", remedy="See what the message says; then start again.")


def _digits(step: int | None) -> bytes:
    """A step as the scripts compare it."""
    return b"" if step is None else f"{step:016x}".encode()


def _due(score: bytes | None) -> int | None:
    return None if score is None else int(float(score))
