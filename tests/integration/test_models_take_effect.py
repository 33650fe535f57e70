"""Snapshots of models take effect in running workers: who moves and why, what waits, what is passed over."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rules.catalog import Catalog
from stream.clock import SystemClock
from stream.compacted import publish_record
from stream.embedded import Stack
from stream.settings import Settings
from stream.worker import Reader
from stream.worker.position import Position
from stream.worker.redis_store import RedisStore
from stream.worker.row_headers import is_stale
from tests.contract.redis_servers import connected
from tests.faults.log_fold import messages_of_topic, read_topic
from tests.integration.apply_runs import apply, overview
from tests.integration.model_runs import MODELS, catalog, leaving, moves, publish, rfm, samples, switch, worth
from tests.integration.worker_runs import Run, Shop, wait_for


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"session_timeout_ms": 1_500, "partitions": 2})


def positions(stack: Stack, settings: Settings) -> list[Position]:
    return overview(settings, stack.addresses).positions


def settled(stack: Stack, settings: Settings, run: Run, **versions: int) -> None:
    """Wait until all partitions evaluate with these versions, and have visited all rows."""

    def has_come() -> bool:
        found = positions(stack, settings)
        here = len(found) == settings.partitions
        return here and all(each.model_versions == versions and each.walk is None for each in found)

    wait_for(lambda: run.error is not None or has_come())
    assert run.error is None


def published(stack: Stack, settings: Settings) -> list[bytes]:
    found = messages_of_topic(
        read_topic(stack.addresses.kafka, settings.segment_changes_topic, isolation="read_uncommitted")
    )
    return [message.value() or b"" for message in found]


def shoppers(market: Shop, *spent: float, each: int = 5) -> list[dict[str, Any]]:
    """An order each of some users, named by what they spend."""
    return [market.track(f"{amount:.0f}-{number}", revenue=amount) for amount in spent for number in range(each)]


def test_a_snapshot_puts_every_user_into_a_cluster_and_the_next_one_moves_some(
    stack: Stack, settings: Settings
) -> None:
    market, given = Shop(settings, stack.addresses), catalog()
    with Run(settings, stack.addresses, given) as run:
        market.send(shoppers(market, 5, 50, 500))
        run.until("events_total", 15)
        publish(settings, stack.addresses, worth(given))
        settled(stack, settings, run, worth=1)
        first = moves(published(stack, settings))
        near, far = {f"5-{n}" for n in range(5)} | {f"50-{n}" for n in range(5)}, {f"500-{n}" for n in range(5)}
        assert {(user, to) for user, _, to, _, _ in first} == {(u, 1) for u in near} | {(u, 2) for u in far}
        assert {(origin, cause, str(versions)) for _, origin, _, cause, versions in first} == {
            (None, "model", "{'worth': 1}")
        }
        publish(settings, stack.addresses, worth(given, (5.0, 60.0), version=2))
        settled(stack, settings, run, worth=2)
        second = moves(published(stack, settings))[len(first) :]
        again = [move for move in moves(published(stack, settings)) if move[4] == {"worth": 2}]
        assert sorted(again) == sorted((f"50-{n}", 1, 2, "model", {"worth": 2}) for n in range(5))
        assert len(second) == 5
        for position in positions(stack, settings):
            assert position.switch is not None
            assert (position.switch.kind, position.switch.model, position.switch.previous) == ("model", "worth", None)
        changes = [position.switch.changes for position in positions(stack, settings) if position.switch]
        assert sum(each.get("worth", {}).get("changed", 0) for each in changes) == 5
        assert sum(each.get("big", {}).get("entered", 0) for each in changes) == 5
        # An event takes its user along at once.
        market.send([market.track("5-0", revenue=200)])
        run.until("changes_total{cause=event,change=changed,segment=worth}", 1)
        assert moves(published(stack, settings))[-1] == ("5-0", 1, 2, "event", {"worth": 2})
    with Reader(settings, stack.addresses, given) as reader:
        profile = reader.profile("5-0")
        assert profile is not None
        assert (profile.clusters, "big" in profile.segments) == ({"worth": 2}, True)
        assert {member.user for member in reader.members("big")} == {
            "5-0",
            *(f"{amount}-{number}" for amount in (50, 500) for number in range(5)),
        }


def test_models_of_all_kinds_move_segments_and_the_walk_visits_every_row(stack: Stack, settings: Settings) -> None:
    market, given = Shop(settings, stack.addresses), catalog()
    users = [f"user-{number}" for number in range(300)]
    with Run(settings, stack.addresses, given) as run:
        market.send([market.track(user, revenue=60) for user in users])
        market.send([market.track("often", revenue=1) for _ in range(3)])
        run.until("events_total", 303)
        for snapshot in (worth(given), rfm(given), leaving(given, 2.0)):
            publish(settings, stack.addresses, snapshot)
        settled(stack, settings, run, worth=1, rfm=1, leaving=1)
        run.until("model_version{model=rfm,partition=0}", 1)
    with Reader(settings, stack.addresses, given) as reader:
        assert reader.sizes() == {"buyer": 301, "big": 300, "often": 1, "likely": 301}
    store = RedisStore(stack.addresses.redis, app=settings.app, partition_count=settings.partitions)
    rows = 0
    for partition, position in enumerate(positions(stack, settings)):
        for _, row in store.scan(partition):
            rows += 1
            assert not is_stale(row, position)
    store.close()
    assert rows == 301
    causes = {json.loads(value)["data"]["cause"] for value in published(stack, settings)}
    assert causes == {"event", "model"}


def test_a_snapshot_for_a_catalog_to_come_waits_until_it_has_come_and_comes_back_with_it(
    stack: Stack, settings: Settings
) -> None:
    market, given = Shop(settings, stack.addresses), catalog()
    other = catalog(MODELS.replace("features: [spent]", "features: {spent: 'spent + 0 * orders'}"), 2)
    assert other.models["worth"].fingerprint != given.models["worth"].fingerprint
    with Run(settings, stack.addresses, given) as run:
        market.send(shoppers(market, 5, 500))
        run.until("events_total", 10)
        publish(settings, stack.addresses, worth(given))
        settled(stack, settings, run, worth=1)
        publish(settings, stack.addresses, worth(other, (500.0, 5.0), version=2))
        run.until("steps_total{kind=note}", settings.partitions)
        for position in positions(stack, settings):
            assert (position.model_versions, position.models_waiting) == ({"worth": 1}, {"worth": 2})
        before = len(published(stack, settings))
        apply(settings, stack.addresses, other)
        settled(stack, settings, run, worth=2)
        moved = [move for move in moves(published(stack, settings)) if move[3] == "catalog"]
        assert len(published(stack, settings)) > before
        assert sorted(moved) == sorted(
            [(f"5-{n}", 1, 2, "catalog", {"worth": 2}) for n in range(5)]
            + [(f"500-{n}", 2, 1, "catalog", {"worth": 2}) for n in range(5)]
        )
        # The catalog before comes back, and with it the model that it had, whatever came meanwhile.
        publish(settings, stack.addresses, worth(other, (600.0, 6.0), version=3))
        settled(stack, settings, run, worth=3)
        apply(settings, stack.addresses, catalog(version=3))
        settled(stack, settings, run, worth=1)
        assert {position.models_waiting["worth"] for position in positions(stack, settings)} == {3}


def test_a_catalog_without_the_model_takes_everybody_out_of_its_clusters(stack: Stack, settings: Settings) -> None:
    market, given = Shop(settings, stack.addresses), catalog()
    without = catalog(MODELS[: MODELS.index("models:")] + "segments:\n  buyer: {when: orders >= 1, indexed: true}\n", 2)
    with Run(settings, stack.addresses, given) as run:
        market.send(shoppers(market, 5, 500))
        run.until("events_total", 10)
        publish(settings, stack.addresses, worth(given))
        settled(stack, settings, run, worth=1)
        report = apply(settings, stack.addresses, without)
        settled(stack, settings, run)
        out = [move for move in moves(published(stack, settings)) if move[2] is None]
        assert len(out) == 10
        assert {(cause, str(versions)) for _, _, _, cause, versions in out} == {("catalog", "{}")}
        assert report.changes["worth"] == {"changed": 10}
        with connected(stack.addresses.redis) as client:
            sizes = {name for p in range(2) for name in client.hkeys(f"{{{settings.app}:{p}}}:sizes")}
        assert sizes == {b"buyer"}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"{no json", "JSONDecodeError"),
        (b"[]", "no JSON object"),
        (b'{"model": "worth"}', "expected a text"),
        (None, "it says that it is worth@7"),
    ],
)
def test_a_snapshot_that_cannot_be_applied_is_passed_over_and_named(
    stack: Stack, settings: Settings, caplog: pytest.LogCaptureFixture, value: bytes | None, why: str
) -> None:
    market, given = Shop(settings, stack.addresses), catalog()
    bad = json.dumps(worth(given, version=7)).encode() if value is None else value
    with Run(settings, stack.addresses, given) as run:
        market.send(shoppers(market, 5))
        run.until("events_total", 5)
        publish_record(stack.addresses, settings.models_topic, "test", b"worth@1", bad, SystemClock().now_ms())
        publish_record(stack.addresses, settings.models_topic, "test", b"what is this", b"{}", SystemClock().now_ms())
        switch(settings, stack.addresses, "worth", 1)
        run.until("steps_total{kind=note}", settings.partitions)
        publish(settings, stack.addresses, worth(given, version=2))
        settled(stack, settings, run, worth=2)
        assert run.paused() == {}
    assert any("worth@1" in record and why in record for record in caplog.messages)


def test_a_switch_to_a_snapshot_that_is_nowhere_pauses_its_partitions(
    stack: Stack, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.worker.changeover._KNOWN_WITHIN_S", 0.3)
    given = catalog()
    with Run(settings, stack.addresses, given) as run:
        wait_for(lambda: len(positions(stack, settings)) == settings.partitions)
        switch(settings, stack.addresses, "worth", 4)
        wait_for(lambda: run.paused() == {0: "unknown_version", 1: "unknown_version"})
        assert "version 4 of the model worth" in str(run.worker.paused()[0])


def test_samples_of_every_event_come_out_with_labels_and_a_bound(stack: Stack, settings: Settings) -> None:
    market, given = Shop(settings, stack.addresses), catalog()
    with Run(settings, stack.addresses, given) as run:
        market.send([market.track("ann", revenue=5)])
        run.until("samples_total{model=leaving}", 1)
        market.send([market.track("ann", revenue=7)])
        run.until("samples_total{model=worth}", 2)
        run.until("samples_total{model=leaving}", 3)
    found = samples(settings, stack.addresses)
    spent = [sample for sample in found if sample.model == "worth"]
    assert [(sample.user, sample.why, sample.values) for sample in spent] == [
        ("ann", "event", (5.0,)),
        ("ann", "event", (12.0,)),
    ]
    labelled = [sample for sample in found if sample.why == "label"]
    assert [(sample.model, sample.values, sample.label) for sample in labelled] == [("leaving", (1.0,), True)]
    assert {(sample.catalog, sample.catalog_version) for sample in found} == {("shop", 1)}


def test_samples_above_the_bound_are_dropped_and_counted_and_nothing_waits_for_them(
    stack: Stack, settings: Settings
) -> None:
    settings = settings.model_copy(update={"samples_per_s": 1})
    market, given = Shop(settings, stack.addresses), catalog()
    with Run(settings, stack.addresses, given) as run:
        market.send([market.track(f"user-{number}", revenue=1) for number in range(500)])
        run.until("events_total", 500)
        run.until("samples_dropped_total{reason=above_bound}", 900)
    assert len(samples(settings, stack.addresses)) <= 100


def _numbered(values: list[bytes]) -> list[tuple[str, int, str]]:
    """User, version and content of changes, each once; offsets, which ticks move, aside."""
    found = set()
    for value in values:
        data = json.loads(value)["data"]
        told = {name: each for name, each in data.items() if name not in {"incarnation", "record"}}
        found.add((data["user"], data["version"], json.dumps(told, sort_keys=True)))
    return sorted(found)


def _live(stack: Stack, settings: Settings, given: Catalog, *, restarts: bool) -> list[tuple[str, int, str]]:
    """A life with two snapshots, in one go or with a new worker in the middle of everything."""
    market = Shop(settings, stack.addresses)
    run = Run(settings, stack.addresses, given).start()
    try:
        market.send(shoppers(market, 5, 50, 500, each=60))
        run.until("events_total", 180)
        publish(settings, stack.addresses, worth(given))
        if restarts:
            run.until("steps_total{kind=switch}", 1)  # between the switch and the end of the walk
            run.stop()
            run = Run(settings, stack.addresses, given).start()
        publish(settings, stack.addresses, worth(given, (5.0, 60.0), version=2))
        market.send([market.track(f"5-{number}", revenue=200) for number in range(10)])
        settled(stack, settings, run, worth=2)
        wait_for(lambda: len(moves(published(stack, settings))) >= 180 + 60 + 10)
    finally:
        run.stop()
    return _numbered(published(stack, settings))


def test_a_worker_that_is_started_again_in_the_middle_comes_to_the_same(stack: Stack, settings: Settings) -> None:
    given = catalog()
    other = settings.model_copy(update={"app": f"{settings.app}b"})
    assert _live(stack, settings, given, restarts=True) == _live(stack, other, given, restarts=False)


def test_redis_lost_comes_back_from_the_log_with_its_models_and_nothing_is_told_twice(
    stack: Stack, settings: Settings
) -> None:
    given = catalog()
    _live(stack, settings, given, restarts=False)
    before = published(stack, settings)

    def profiles() -> dict[str, Any]:
        with Reader(settings, stack.addresses, given) as reader:
            found = [reader.profile(f"{amount}-{number}") for amount in (5, 50, 500) for number in range(60)]
            return {each.user: (each.version, each.clusters, each.segments) for each in found if each is not None}

    expected = profiles()
    with connected(stack.addresses.redis) as client:
        client.delete(*client.scan_iter(f"{{{settings.app}:*}}*"))
    with Run(settings, stack.addresses, given) as run:
        settled(stack, settings, run, worth=2)
        run.until("events_total", 190)
    assert profiles() == expected
    assert _numbered(published(stack, settings)) == _numbered(before)


def test_a_log_with_switches_of_catalogs_and_models_comes_to_the_same_again(stack: Stack, settings: Settings) -> None:
    market, first = Shop(settings, stack.addresses), catalog()
    text = MODELS.replace("tags:", 'tags:\n  usual: mean("Order Completed", "revenue", last="7d")')
    second = catalog(text.replace("features: [spent]", "features: [usual]"), 2)
    users = [f"{amount}-{number}" for amount in (5, 50, 500) for number in range(40)]

    def told() -> dict[str, Any]:
        with Reader(settings, stack.addresses, second) as reader:
            found = [reader.profile(user) for user in users]
            return {
                each.user: (each.version, each.tags, each.clusters, each.segments) for each in found if each is not None
            }

    with Run(settings, stack.addresses, first) as run:
        market.send(shoppers(market, 5, 50, 500, each=40))
        run.until("events_total", 120)
        publish(settings, stack.addresses, worth(first))
        publish(settings, stack.addresses, rfm(first))
        market.send(shoppers(market, 50, each=40))
        publish(settings, stack.addresses, {**worth(second, (50.0, 500.0), version=2)})  # before its catalog
        apply(settings, stack.addresses, second)
        publish(settings, stack.addresses, rfm(second, (0.0, 1.0), version=2))
        market.send(shoppers(market, 5, each=40))
        settled(stack, settings, run, worth=2, rfm=2)
        run.until("events_total", 200)
    expected, before = told(), _numbered(published(stack, settings))
    assert len(expected) == len(users)
    assert {clusters["worth"] for _, _, clusters, _ in expected.values()} == {1, 2}
    assert {tags["usual"] for _, tags, _, _ in expected.values()} == {5.0, 50.0, 500.0}
    with connected(stack.addresses.redis) as client:
        client.delete(*client.scan_iter(f"{{{settings.app}:*}}*"))
    with Run(settings, stack.addresses, applied=True) as run:
        settled(stack, settings, run, worth=2, rfm=2)
        run.until("events_total", 200)
        assert run.paused() == {}
    assert told() == expected
    assert _numbered(published(stack, settings)) == before
