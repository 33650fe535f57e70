"""Is everything done, and is it what the log says? A checker that knows nothing of how the workers work."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable

import redis

from rules.catalog import Catalog
from stream.clock import SystemClock
from stream.embedded import Addresses
from stream.settings import Settings
from stream.worker.lookup import Lookup, new_lookup
from stream.worker.outbox import Outgoing, decode_outbox
from stream.worker.position import decode_position
from stream.worker.published import missing, published_topics
from stream.worker.redis_store import RedisStore
from stream.worker.store import keys_of
from tests.faults.log_fold import Fold, fold, headers_of, messages_of_topic, read_topic

FAR_MS = 2**61


def wait_until_drained(
    settings: Settings, addresses: Addresses, *, within_s: float, due_within_ms: int | None = None
) -> None:
    """Wait until every partition stands at its log's end, nobody is due any more and all that came of it is published.

    due_within_ms: or not within this time of the call, for models have everybody due once a day.
    """
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + within_s
    due_ms = FAR_MS if due_within_ms is None else clock.now_ms() + due_within_ms
    lookup = new_lookup(settings, addresses, clock)
    store = RedisStore(addresses.redis, app=settings.app, partition_count=settings.partitions)
    try:
        partitions, embedded = range(settings.partitions), addresses.embedded
        while left := [p for p in partitions if not _is_drained(p, lookup, store, due_ms, embedded=embedded)]:
            states = {p: store.position(p) for p in left}
            assert clock.monotonic_s() < deadline_s, f"not drained: {states}"
            clock.sleep_s(0.2)
        # A worker that is stopped while it must acquire a partition again leaves the outbox to whoever comes next.
        while left := [p for p in partitions if _unpublished(p, settings, addresses, store)]:
            assert clock.monotonic_s() < deadline_s, f"not published: the outboxes of {left}"
            clock.sleep_s(0.2)
    finally:
        store.close()


def _is_drained(partition: int, lookup: Lookup, store: RedisStore, due_ms: int, *, embedded: bool) -> bool:
    stored = store.position(partition)
    if stored is None or store.due(partition, due_ms, 1):
        return False
    low, high = lookup.bounds(partition)
    # On Apache Kafka a transaction's marker takes an offset too, so the end may lie a little further.
    markers = 0 if embedded or high == 0 else 1
    return low <= high and decode_position(stored, partition).next_offset >= high - markers


def _unpublished(partition: int, settings: Settings, addresses: Addresses, store: RedisStore) -> list[Outgoing]:
    """The messages of the last step that are not on their topics."""
    with redis.from_url(addresses.redis) as client:
        outbox = client.get(keys_of(settings.app, partition).outbox)
    stored = store.position(partition)
    if outbox is None or stored is None:
        return []
    topics = published_topics(settings, addresses, SystemClock())
    return missing(topics, decode_position(stored, partition), decode_outbox(outbox, partition).messages)


def expected_folds(catalog: Catalog, settings: Settings, addresses: Addresses, isolation: str) -> dict[int, Fold]:
    """The pure fold of each partition's log as it is now."""
    log = read_topic(addresses.kafka, settings.events_topic, isolation=isolation)
    return {
        partition: fold(
            catalog,
            messages,
            app=settings.app,
            partition=partition,
            partition_count=settings.partitions,
            grace_ms=settings.grace_ms,
        )
        for partition, messages in log.items()
    }


def ids_of(values: Iterable[bytes]) -> list[str]:
    return [json.loads(value)["id"] for value in values]


def assert_equal_to_folds(
    folds: dict[int, Fold], settings: Settings, addresses: Addresses, isolation: str, *, repeats: bool
) -> None:
    """The published changes, repeats dropped by id, are the folds' to the byte, gapless per user; so is the rest."""
    published = messages_of_topic(read_topic(addresses.kafka, settings.segment_changes_topic, isolation=isolation))
    changes: dict[str, bytes] = {}
    versions: dict[tuple[str, int], list[int]] = defaultdict(list)
    for message in published:
        value = message.value() or b""
        change = json.loads(value)
        if change["id"] in changes:
            assert changes[change["id"]] == value  # I3, I8: what comes again is the same to the byte
            continue
        changes[change["id"]] = value
        data = change["data"]
        versions[data["user"], data["incarnation"]].append(data["version"])
    expected = {change_id: value for each in folds.values() for change_id, value in _by_id(each)}
    assert _some(expected, expected.keys() - changes.keys()) == [], "these are missing"
    assert _some(changes, changes.keys() - expected.keys()) == [], "these are too many"
    differing = [(changes[each], value) for each, value in expected.items() if changes[each] != value]
    assert not differing, f"{len(differing)} changes differ, the first: {differing[0]}"
    assert {user: found for user, found in versions.items() if found != list(range(1, len(found) + 1))} == {}
    letters = messages_of_topic(read_topic(addresses.kafka, settings.events_dlq_topic, isolation=isolation))
    found = {letter["id"]: letter["reason"] for letter in (json.loads(m.value() or b"") for m in letters)}
    assert found == {letter_id: reason for each in folds.values() for letter_id, reason in each.dead_letters.items()}
    log = messages_of_topic(read_topic(addresses.kafka, settings.events_topic, isolation=isolation))
    marked = [headers for headers in map(headers_of, log) if headers.get("tagstream") == b"forward"]
    forwards = [headers["tagstream-id"].decode() for headers in marked]
    assert set(forwards) == set().union(*(each.forwards for each in folds.values()))
    if not repeats:
        assert _repeated(ids_of(message.value() or b"" for message in published)) == []
        assert _repeated(ids_of(message.value() or b"" for message in letters)) == []
        assert _repeated(forwards) == []


def assert_state_is_the_folds(folds: dict[int, Fold], settings: Settings, addresses: Addresses) -> None:
    """Redis holds what the fold holds: the same users, the same sizes, the same members."""
    store = RedisStore(addresses.redis, app=settings.app, partition_count=settings.partitions)
    try:
        for partition, each in folds.items():
            assert {name: size for name, size in store.sizes(partition).items() if size} == {
                name: size for name, size in each.sizes.items() if size
            }
            assert {user for user, _ in store.scan(partition)} == set(each.rows)
            assert len(list(store.members(partition, "idle"))) == each.sizes.get("idle", 0)
    finally:
        store.close()


def _some(changes: dict[str, bytes], chosen: set[str]) -> list[bytes]:
    """The first of the chosen ones, in their order."""
    return [value for each, value in changes.items() if each in chosen][:5]


def _by_id(folded: Fold) -> Iterable[tuple[str, bytes]]:
    return zip(ids_of(folded.changes), folded.changes, strict=True)


def _repeated(ids: list[str]) -> list[str]:
    return [each for each, times in Counter(ids).items() if times > 1]
