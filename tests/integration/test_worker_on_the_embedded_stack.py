"""A worker against a real broker and a real Redis: what goes in, what comes out, what is left."""

from __future__ import annotations

from typing import Any

import pytest

from stream.embedded import Stack
from stream.settings import Settings
from stream.worker import Reader, worker
from stream.worker.position import decode_position
from stream.worker.redis_store import RedisStore
from tagstream.ids import dead_letter_id
from tagstream.partitioning import partition_of
from tests.contract.redis_servers import connected
from tests.integration.worker_runs import Run, Shop, shop, wait_for


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"session_timeout_ms": 1_500})


def test_events_come_out_as_changes_profiles_members_and_sizes(stack: Stack, settings: Settings) -> None:
    market = Shop(settings, stack.addresses)
    with Run(settings, stack.addresses) as run:
        market.send([market.track(f"user-{i}", revenue=60) for i in range(50)] * 2)
        run.until("events_total", 100)
        run.until("changes_total{cause=event,change=entered,segment=rich}", 50)
    changes = market.changes()
    assert len(changes) == 100
    assert {(change.segment, change.entered, change.cause) for change in changes} == {
        ("buyer", True, "event"),
        ("rich", True, "event"),
    }
    with Reader(settings, stack.addresses, shop()) as reader:
        assert reader.sizes() == {"buyer": 50, "fresh": 0, "rich": 50}
        profile = reader.profile("user-7")
        assert profile is not None
        assert (profile.version, profile.segments, profile.tags) == (2, ["buyer", "rich"], {"orders": 2})
        assert reader.profile("nobody") is None
        for segment in ("buyer", "rich"):  # one is indexed, the other found by a scan
            assert {member.user for member in reader.members(segment)} == {f"user-{i}" for i in range(50)}
        assert {member.user: member.since_ms for member in reader.members("rich")}["user-7"] == profile.since_ms["rich"]
        assert sum(position.next_offset for position in reader.positions().values()) == 100
        assert {position.partition_count for position in reader.positions().values()} == {4}


def test_time_passes_on_a_quiet_partition_by_ticks(stack: Stack, settings: Settings) -> None:
    market = Shop(settings, stack.addresses)
    with Run(settings, stack.addresses) as run:
        market.send([market.track("ann", "Product Viewed")])
        run.until("changes_total{cause=time,change=exited,segment=fresh}", 1)
        assert run.count("ticks_total") >= 1
    entered, exited = market.changes()
    assert (entered.entered, exited.exited, exited.cause, exited.record) == (True, True, "time", None)
    ticks = [message for message in market.log() if message.headers() == [("tagstream", b"tick")]]
    assert [(message.key(), message.value()) for message in ticks] == [(None, None)] * len(ticks)
    assert len(ticks) <= 3


def test_i10_every_reject_has_one_dead_letter_and_the_batch_goes_on(stack: Stack, settings: Settings) -> None:
    market = Shop(settings, stack.addresses)
    bad: list[dict[str, Any]] = [
        {"value": b"{no json"},
        {"value": b"\xff\xfe"},
        {"value": b"[]"},
        {"value": None},
        {"value": None, "headers": [("tagstream", b"switch"), ("kind", b"catalog"), ("version", b"999")]},
        {"value": b"x" * 300_000},
        {"value": b'{"type": "track"}'},
        {**market.track("ann"), "value": b'{"type": "track", "event": "E", "userId": "ann", "timestamp": "yesterday"}'},
        market.track("ann", ago_ms=-2 * 3_600_000),
        market.track("ann", revenue="much"),
    ]
    with Run(settings, stack.addresses) as run:
        market.send([{**record, "partition": 1} for record in bad])
        market.send([market.track("ann", revenue=5)])
        run.until("events_total", 1)
        wait_for(lambda: sum(v for k, v in run.metrics.snapshot().items() if "rejects_total" in k) >= len(bad))
    letters = sorted(market.dead_letters(), key=lambda letter: letter.position.offset)
    assert [letter.reason for letter in letters] == [
        *("not_json", "not_utf8", "not_object", "not_json", "bad_control", "too_large", "no_user"),
        *("bad_timestamp", "too_far_ahead", "not_a_number"),
    ]
    assert [letter.id for letter in letters] == [
        dead_letter_id(settings.app, 1, letter.position.offset) for letter in letters
    ]
    assert [letter.original_bytes for letter in letters] == [record["value"] for record in bad]


def test_a_misplaced_event_reaches_its_user_once(stack: Stack, settings: Settings) -> None:
    market = Shop(settings, stack.addresses)
    home = partition_of("ann", settings.partitions)
    away = (home + 1) % settings.partitions
    with Run(settings, stack.addresses) as run:
        market.send([{**market.track("ann"), "partition": away, "key": b"somebody"}])
        run.until("events_total", 1)
        run.until("forwards_total", 1)
        (original,) = [message for message in market.log() if not message.headers()]
        (forward,) = [message for message in market.log() if message.headers()]
        assert (forward.partition(), forward.key(), forward.value()) == (home, b"ann", original.value())
        again = {"value": forward.value(), "key": b"ann", "headers": forward.headers()}
        elsewhere = [("tagstream", b"forward"), ("tagstream-origin", f"{home}:999".encode())]
        # Sent again it is ignored; forwarded to where it doesn't belong either, it is a reject.
        market.send([again, {**market.track("ann"), "partition": away, "headers": elsewhere}, market.track("bob")])
        run.until("events_total", 2)
        run.until("rejects_total{reason=misplaced_again}", 1)
        assert run.count("events_total") == 2
    with Reader(settings, stack.addresses, shop()) as reader:
        profile = reader.profile("ann")
        assert profile is not None
        assert profile.tags == {"orders": 1}


def test_i8_an_outbox_left_by_a_crash_is_published_as_it_was(stack: Stack, settings: Settings) -> None:
    market = Shop(settings, stack.addresses)
    with Run(settings, stack.addresses) as run:
        market.send([market.track("ann")])
        run.until("changes_total{cause=event,change=entered,segment=buyer}", 1)
    # The outbox of the last step lies there still; the broker keeps no step with the offset, so nobody can know.
    with Run(settings, stack.addresses) as run:
        run.until("resends_total", 1)
        market.send([market.track("ann", revenue=200)])
        run.until("changes_total{cause=event,change=entered,segment=rich}", 1)
    values = [(change.segment, change.version, change.id) for change in market.changes()]
    assert values[0] == values[1]
    assert [version for _, version, _ in values] == [1, 1, 2]


def test_a_worker_goes_on_where_it_was(stack: Stack, settings: Settings) -> None:
    market = Shop(settings, stack.addresses)
    for round_number in range(1, 4):
        with Run(settings, stack.addresses) as run:
            market.send([market.track(f"user-{i}") for i in range(20)])
            run.until("events_total", 20)
        with Reader(settings, stack.addresses, shop()) as reader:
            profile = reader.profile("user-3")
            assert profile is not None
            assert profile.tags == {"orders": round_number}
    assert len({change.id for change in market.changes()}) == 20


def test_a_step_never_starts_below_the_position(stack: Stack, settings: Settings) -> None:
    # I6: the offset of the group says 0 and the position says otherwise: only the position counts.
    market = Shop(settings, stack.addresses)
    with Run(settings, stack.addresses) as run:
        market.send([market.track(f"user-{i}") for i in range(40)])
        run.until("events_total", 40)
    store = RedisStore(stack.addresses.redis, app=settings.app, partition_count=settings.partitions)
    before = {p: decode_position(store.position(p) or b"", p).next_offset for p in range(settings.partitions)}
    with Run(settings, stack.addresses) as run:
        market.send([market.track("user-1")])
        run.until("events_total", 1)
    after = {p: decode_position(store.position(p) or b"", p).next_offset for p in range(settings.partitions)}
    store.close()
    assert sum(after.values()) - sum(before.values()) == 1
    assert run.count("events_total") == 1


def test_a_step_that_fails_is_cut_down_to_the_record_and_the_others_go_on(
    stack: Stack, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stream.engine import Batch, Engine

    decode = Engine.decode

    def poisoned(self: Engine, records: Any) -> Batch:
        if any(b"poison" in (value or b"") for value in records.values):
            raise ZeroDivisionError("a bug")
        return decode(self, records)

    monkeypatch.setattr(Engine, "decode", poisoned)
    market = Shop(settings, stack.addresses)
    sick, well = market.user_of(1), market.user_of(2)
    with Run(settings, stack.addresses) as run:
        market.send([market.track(sick) for _ in range(10)])
        market.send([market.track(sick, "poison"), market.track(sick)])
        wait_for(lambda: run.paused() == {1: "step_fails"})
        market.send([market.track(well)])
        run.until("events_total", 11)
        assert "The record at offset 10 of partition 1 can't be processed: ZeroDivisionError: a bug" in str(
            run.worker.paused()[1]
        )
        assert run.count("partition_paused{partition=1,reason=step_fails}") == 1


def test_a_stored_row_newer_than_the_position_stops_the_partition_and_it_stays_so(
    stack: Stack, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_PAUSE_RETRY_S", 0.3)
    market = Shop(settings, stack.addresses)
    user = market.user_of(1)
    key = f"{{{settings.app}:1}}:position"
    with Run(settings, stack.addresses) as run, connected(stack.addresses.redis) as client:
        market.send([market.track(market.user_of(1, number=1))])
        run.until("events_total", 1)
        older = client.get(key)
        market.send([market.track(user)])
        run.until("events_total", 2)
    with connected(stack.addresses.redis) as client:
        client.set(key, older)  # as if Redis had been put together from two copies
        client.delete(f"{{{settings.app}:1}}:outbox")
    with Run(settings, stack.addresses) as run:
        market.send([market.track(market.user_of(2))])
        wait_for(lambda: run.paused() == {1: "row_newer"})
        run.until("events_total", 1)
        # Each try raises the position's step above all rows' steps; that makes no row right.
        wait_for(lambda: run.count("partition_paused{partition=1,reason=row_newer}") == 1)
        tried = [run.worker.paused()[1]]

        def paused_anew() -> bool:
            pause = run.worker.paused().get(1)
            if pause is not None and pause is not tried[-1]:
                tried.append(pause)
            return len(tried) == 3

        wait_for(paused_anew)
        assert {pause.reason for pause in tried} == {"row_newer"}


def test_rows_without_a_position_are_not_counted_upon_again(stack: Stack, settings: Settings) -> None:
    market = Shop(settings, stack.addresses)
    with Run(settings, stack.addresses) as run:
        market.send([market.track(market.user_of(1))])
        run.until("events_total", 1)
    with connected(stack.addresses.redis) as client:
        client.delete(f"{{{settings.app}:1}}:position")
    with Run(settings, stack.addresses) as run:
        wait_for(lambda: run.paused() == {1: "position_lost"})


def test_a_quiet_partition_goes_on_after_a_batch_of_many_records(stack: Stack, settings: Settings) -> None:
    # Asked for a log's end, the embedded broker names the second offset of its last batch.
    market = Shop(settings, stack.addresses)
    with Run(settings, stack.addresses) as run:
        market.send([market.track(market.user_of(1)) for _ in range(50)])
        run.until("events_total", 50)
    with Run(settings, stack.addresses) as run:
        market.send([market.track(market.user_of(2))])
        run.until("events_total", 1)
        assert run.paused() == {}


def test_a_second_worker_takes_its_share_and_gives_it_back(stack: Stack, settings: Settings) -> None:
    market = Shop(settings, stack.addresses)
    orders = [market.track(f"user-{i}") for i in range(40)]
    with Run(settings, stack.addresses) as first:
        market.send(orders)
        first.until("events_total", 40)
        with Run(settings, stack.addresses) as second:

            def both_work() -> bool:
                market.send(orders)
                return second.count("events_total") > 0

            wait_for(both_work)
        market.send(orders)
        sent = len(market.log())
        wait_for(lambda: first.count("events_total") + second.count("events_total") >= sent)
    assert first.count("events_total") + second.count("events_total") == sent
    with Reader(settings, stack.addresses, shop()) as reader:
        profiles = [reader.profile(f"user-{i}") for i in range(40)]
    assert {profile.tags["orders"] if profile else None for profile in profiles} == {sent // 40}
    assert len({change.id for change in market.changes()}) == 40
