"""`tagstream doctor`: what is set, what is there, and what to do where something is wrong."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal

import typer

from stream.commands.options import AsJson
from stream.commands.outcome import FAILED
from stream.commands.output import colour, counted, print_json, print_line, print_table
from stream.errors import ConfigurationError, TagstreamError

if TYPE_CHECKING:
    from stream.embedded import Addresses
    from stream.settings import Settings

__all__ = ["doctor"]

_STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}
_PACKAGES = ("tagstream", "kafka-python", "confluent-kafka", "redis", "msgspec", "numpy", "numba", "pydantic")
_OLDEST_REDIS = 7


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `remedy` says what to do unless it is ok."""

    status: Literal["ok", "warn", "fail"]
    name: str
    message: str
    remedy: str = ""


def doctor(as_json: AsJson = False) -> None:
    """Look at everything: settings and where they come from, connections, policies, topics, versions.

    Exit code 1 if something is wrong that a worker can't do with.
    """
    from stream.commands.logs import quiet_libraries
    from stream.settings import load_settings, masked_url

    quiet_libraries()
    settings = load_settings()
    shown = [
        {
            "setting": f"TAGSTREAM_{name.upper()}",
            "value": masked_url(value) if isinstance(value := getattr(settings, name), str) else value,
            "origin": str(settings.origins[name]),
        }
        for name in type(settings).model_fields
    ]
    if not as_json:
        _print_settings(shown, settings)
    checks: list[Check] = []
    for check in _checks(settings):
        checks.append(check)
        if not as_json:
            _print(check)
    if as_json:
        values = [{**each, "value": _plain(each["value"])} for each in shown]
        print_json({"settings": values, "checks": [asdict(check) for check in checks]})
    if any(check.status == "fail" for check in checks):
        raise typer.Exit(FAILED)


def _checks(settings: Settings) -> Iterator[Check]:
    yield _versions()
    for warning in settings.warnings:
        yield Check("warn", "settings", warning, "Correct the name, or take it out.")
    addresses, check = _servers(settings)
    yield check
    if addresses is None:
        return
    kafka = _kafka(addresses)
    yield kafka
    if kafka.status != "fail":
        yield from _guarded("topics", lambda: _topics(settings, addresses))
    yield from _guarded("Redis", lambda: _redis(settings, addresses))
    if kafka.status != "fail":
        yield from _guarded("catalog", lambda: _catalog(settings, addresses))
        yield from _guarded("workers", lambda: _workers(settings, addresses))


def _versions() -> Check:
    versions = []
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:  # a checkout that was never installed, or an extra left out
            versions.append(f"{name} (not installed)")
    python = platform.python_version()
    message = f"Python {python} on {platform.system()} {platform.machine()}; {', '.join(versions)}"
    if not (3, 11) <= sys.version_info < (3, 13):
        return Check("warn", "versions", message, "Tagstream is tested on Python 3.11 and 3.12.")
    return Check("ok", "versions", message)


def _servers(settings: Settings) -> tuple[Addresses | None, Check]:
    """Where Kafka and Redis are, or what keeps anybody from knowing."""
    from stream.embedded import broker_executable, redis_executable, resolve_addresses
    from stream.errors import EmbeddedStackError

    try:
        addresses = resolve_addresses(settings)
    except ConfigurationError as error:
        return None, _failed("servers", error)
    except TagstreamError:
        try:
            programs = f"{broker_executable()} and {redis_executable()}"
        except EmbeddedStackError as error:
            return None, _failed("servers", error)
        return None, Check(
            "warn",
            "servers",
            f"None are configured and no embedded stack is running; one could, from {programs}.",
            "Run `tagstream up` in another terminal, or set TAGSTREAM_KAFKA and TAGSTREAM_REDIS.",
        )
    kind = "a running embedded stack (for trying; in memory)" if addresses.embedded else "configured"
    return addresses, Check("ok", "servers", f"{kind}: Kafka {addresses.kafka}, Redis {addresses.redis_shown}")


def _kafka(addresses: Addresses) -> Check:
    from stream.admin import kafka_admin

    try:
        with kafka_admin(addresses.kafka) as admin:
            brokers = len(admin.describe_cluster()["brokers"])
    except TagstreamError as error:
        return _failed("Kafka", error)
    return Check("ok", "Kafka", f"answers at {addresses.kafka}, {counted(brokers, 'broker')}")


def _topics(settings: Settings, addresses: Addresses) -> Iterator[Check]:
    from stream.topics import describe_topics, verify_topics

    findings = verify_topics(settings, addresses)
    for finding in findings:
        status: Literal["warn", "fail"] = "fail" if finding.severity == "error" else "warn"
        yield Check(status, "topics", f"{finding.topic}: {finding.message}", finding.remedy)
    wrong = {finding.topic for finding in findings}
    for state in describe_topics(settings, addresses):
        if state.exists and state.plan.name not in wrong:
            size = f"{counted(state.partitions, 'partition')}, {counted(state.replicas, 'replica')}"
            yield Check("ok", "topics", f"{state.plan.name}: {size}")


def _catalog(settings: Settings, addresses: Addresses) -> Iterator[Check]:
    from stream.catalogs import read_catalogs

    applied = read_catalogs(settings, addresses)
    if applied.newest is None:
        yield Check("warn", "catalog", "None has been applied yet.", "Start a worker with --catalog, or apply one.")
        return
    catalog = applied.catalog(applied.newest)
    size = f"{counted(len(catalog.segments), 'segment')}, {counted(len(catalog.tiers), 'tier')}"
    yield Check("ok", "catalog", f"{catalog.name}, version {catalog.version}, {size}")


def _workers(settings: Settings, addresses: Addresses) -> Iterator[Check]:
    from stream.topics import describe_topics
    from stream.worker.overview import look_over, open_store

    states = describe_topics(settings, addresses)
    count = next(state.partitions for state in states if state.plan.name == settings.events_topic)
    with closing(open_store(settings, addresses, count)) as store:
        overview = look_over(store, count)
    paused = list(overview.paused())
    for each in paused:
        if each.pause is not None:
            message = f"partition {each.partition} is paused ({each.pause.reason}): {each.pause.message}"
            yield Check("fail", "workers", message, each.pause.remedy)
    if not overview.workers:
        yield Check("warn", "workers", "None is running.", "Start one: `tagstream worker`.")
        return
    message = f"{counted(len(overview.workers), 'worker')} alive"
    unowned = [each.partition for each in overview.partitions if each.owner is None]
    if unowned:
        yield Check("warn", "workers", f"{message}; nobody has partitions {unowned}.", "Wait a moment, and look again.")
    elif not paused:
        yield Check("ok", "workers", f"{message}, all {counted(count, 'partition')} at work")


def _redis(settings: Settings, addresses: Addresses) -> Iterator[Check]:
    import redis

    from stream.worker.redis_store import RedisStore

    store = RedisStore(
        addresses.redis, app=settings.app, partition_count=settings.partitions, timeout_ms=settings.redis_timeout_ms
    )
    with closing(store):
        store.check()  # answers, lets us in, and never drops keys
    client: Any = redis.Redis.from_url(addresses.redis, socket_timeout=settings.redis_timeout_ms / 1000)
    try:
        with closing(client):
            facts = {**client.info("server"), **client.info("persistence"), **client.info("memory")}
    except redis.RedisError as error:
        yield Check("warn", "Redis", f"doesn't say what it is: {error}", "Allow the command INFO.")
        return
    version = str(facts.get("redis_version", "?"))
    message = f"{version} answers at {addresses.redis_shown}, maxmemory-policy noeviction, "
    message += f"{facts.get('used_memory_human', '?')} used"
    major, _, _ = version.partition(".")
    if major.isdecimal() and int(major) < _OLDEST_REDIS and not addresses.embedded:
        yield Check("warn", "Redis", message, f"Tagstream is tested on Redis {_OLDEST_REDIS} and newer.")
    else:
        yield Check("ok", "Redis", message)
    if not addresses.embedded and not facts.get("aof_enabled"):
        yield Check(
            "warn",
            "Redis",
            "It keeps no append-only file: a crash loses what it has not saved, and workers then recompute it.",
            "Set `appendonly yes`.",
        )


def _guarded(name: str, look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """What a look brings; an error ends it as one more check that failed."""
    try:
        yield from look()
    except TagstreamError as error:
        yield _failed(name, error)


def _failed(name: str, error: TagstreamError) -> Check:
    return Check("fail", name, error.message, error.remedy)


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _print_settings(shown: list[dict[str, Any]], settings: Settings) -> None:
    rows = [("" if each["value"] is None else each["value"], each["setting"], each["origin"]) for each in shown]
    print_table({"setting": "<", "value": "<", "from": "<"}, [(name, value, origin) for value, name, origin in rows])
    print_line(f"file: {settings.file or 'none'}")
    print_line()


def _print(check: Check) -> None:
    print_line(f"{colour(f'{check.status:<4}', _STYLES[check.status])}  {check.name}: {check.message}")
    if check.remedy and check.status != "ok":
        print_line(f"      {check.remedy}")
    sys.stdout.flush()
