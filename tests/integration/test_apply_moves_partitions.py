"""How partitions come from one version of a catalog to the next: positions, what is refused, who is waited for."""

from __future__ import annotations

import pytest

from stream.catalogs import publish_catalog, read_catalogs
from stream.clock import SystemClock
from stream.embedded import Stack
from stream.errors import ConfigurationError
from stream.settings import Settings
from stream.topics import ensure_topics
from stream.worker.applying import RefusedCatalogError
from tests.contract.redis_servers import connected
from tests.integration.apply_runs import FIRST, SECOND, apply, catalog, overview
from tests.integration.worker_runs import Run, Shop, wait_for


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"session_timeout_ms": 1_500})


def test_a_worker_applies_its_catalog_if_none_has_been_and_else_goes_on_with_what_has(
    stack: Stack, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with Run(settings, stack.addresses, catalog(FIRST)) as run:
        wait_for(lambda: overview(settings, stack.addresses).running_version == 1 or run.error)
    assert read_catalogs(settings, stack.addresses).versions == [1]
    with Run(settings, stack.addresses, catalog(SECOND)) as run:
        wait_for(lambda: "`tagstream apply C` applies it" in caplog.text)
        wait_for(lambda: len(overview(settings, stack.addresses).workers) == 1)
        assert run.error is None
    found = overview(settings, stack.addresses)
    assert {position.catalog_version for position in found.positions} == {1}
    assert read_catalogs(settings, stack.addresses).versions == [1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (FIRST.replace(">= 3", ">= 4"), "Version 1 of the catalog shop has been applied with another text"),
        (FIRST.replace("catalog: shop", "catalog: other"), "This app's catalog is shop, not other"),
    ],
)
def test_a_catalog_at_the_start_that_cannot_be_meant_ends_the_worker(
    stack: Stack, settings: Settings, text: str, sentence: str
) -> None:
    ensure_topics(settings, stack.addresses)
    publish_catalog(settings, stack.addresses, catalog(FIRST), SystemClock())
    run = Run(settings, stack.addresses, catalog(text)).start()
    run.wait()
    assert isinstance(run.error, ConfigurationError)
    assert sentence in str(run.error)


def test_every_partition_crosses_and_visits_all_rows_and_nothing_filled_is_left(
    stack: Stack, settings: Settings
) -> None:
    market = Shop(settings, stack.addresses)
    with Run(settings, stack.addresses, catalog(FIRST)) as run:
        market.send([market.track(f"user-{i}", revenue=60) for i in range(200)])
        run.until("events_total", 200)
        report = apply(settings, stack.addresses, catalog(SECOND))
        assert (report.is_switched, report.is_done, report.previous, report.problem) == (True, True, 1, None)
        found = overview(settings, stack.addresses)
        for position in found.positions:
            assert (position.catalog_version, position.walk, position.backfill) == (2, None, None)
            assert position.switch is not None
            assert position.switch.previous == 1
        assert len(found.positions) == settings.partitions
        assert list(found.paused()) == []
        with connected(stack.addresses.redis) as client:
            assert list(client.scan_iter(f"{{{settings.app}:*}}:b:*")) == []
            assert list(client.scan_iter(f"{{{settings.app}:*}}:s:buyer")) == []
        assert run.error is None


def test_what_is_not_newer_is_refused_and_nothing_is_changed(stack: Stack, settings: Settings) -> None:
    market = Shop(settings, stack.addresses)
    with Run(settings, stack.addresses, catalog(FIRST)) as run:
        market.send([market.track("ann")])
        run.until("events_total", 1)
        before = [(message.partition(), message.offset()) for message in market.log()]
        for given in (catalog(FIRST), catalog(SECOND, 1), catalog(SECOND.replace("shop", "other"))):
            with pytest.raises(RefusedCatalogError):
                apply(settings, stack.addresses, given)
    assert read_catalogs(settings, stack.addresses).versions == [1]
    assert [(message.partition(), message.offset()) for message in market.log()] == before


def test_where_no_worker_runs_the_switch_waits_in_the_log_for_the_next_one(stack: Stack, settings: Settings) -> None:
    market = Shop(settings, stack.addresses)
    with Run(settings, stack.addresses, catalog(FIRST)) as run:
        market.send([market.track("ann", revenue=60)])
        run.until("events_total", 1)
    report = apply(settings, stack.addresses, catalog(SECOND))
    assert (report.is_switched, report.is_done) == (True, False)
    assert "No worker is running" in report.notes[0]
    assert overview(settings, stack.addresses).running_version == 1
    with Run(settings, stack.addresses, applied=True):
        wait_for(lambda: all(each.has_switched(2) for each in overview(settings, stack.addresses).partitions))


def test_an_apply_that_ended_before_the_switch_goes_on_when_it_is_done_again(stack: Stack, settings: Settings) -> None:
    market = Shop(settings, stack.addresses)
    with Run(settings, stack.addresses, catalog(FIRST)) as run:
        market.send([market.track("ann", revenue=60)])
        run.until("events_total", 1)
        publish_catalog(settings, stack.addresses, catalog(SECOND), SystemClock())
        wait_for(lambda: all(each.is_prepared(2) for each in overview(settings, stack.addresses).partitions))
        assert overview(settings, stack.addresses).running_version == 1
        assert apply(settings, stack.addresses, catalog(SECOND)).is_done
        with pytest.raises(RefusedCatalogError, match="nothing to do"):
            apply(settings, stack.addresses, catalog(SECOND))


def test_two_switches_that_lie_in_the_log_together_are_crossed_one_after_the_other(
    stack: Stack, settings: Settings
) -> None:
    market = Shop(settings, stack.addresses)
    with Run(settings, stack.addresses, catalog(FIRST)) as run:
        market.send([market.track(f"user-{i}", revenue=60) for i in range(50)])
        run.until("events_total", 50)
    apply(settings, stack.addresses, catalog(SECOND))
    apply(settings, stack.addresses, catalog(FIRST, 3))
    market.send([market.track(f"user-{i}", revenue=60) for i in range(50)])
    with Run(settings, stack.addresses, applied=True) as run:
        wait_for(lambda: all(each.has_switched(3) for each in overview(settings, stack.addresses).partitions))
        run.until("events_total", 50)
    for position in overview(settings, stack.addresses).positions:
        assert position.switch is not None
        assert (position.catalog_version, position.switch.previous) == (3, 2)


def test_a_partition_that_is_paused_is_not_waited_for(stack: Stack, settings: Settings) -> None:
    market = Shop(settings, stack.addresses)
    with Run(settings, stack.addresses, catalog(FIRST)) as run:
        market.send([market.track(market.user_of(partition)) for partition in range(4)])
        run.until("events_total", 4)
    with connected(stack.addresses.redis) as client:
        client.set(f"{{{settings.app}:1}}:position", b"nonsense")
    with Run(settings, stack.addresses, applied=True) as run:
        wait_for(lambda: run.paused() == {1: "position_unreadable"})
        wait_for(lambda: [each.partition for each in overview(settings, stack.addresses).paused()] == [1])
        report = apply(settings, stack.addresses, catalog(SECOND))
        assert report.is_done
        assert "Partition 1 is paused" in report.notes[0]


def test_a_catalog_of_a_newer_tagstream_ends_the_worker_with_a_sentence(stack: Stack, settings: Settings) -> None:
    from confluent_kafka import Producer

    with Run(settings, stack.addresses, catalog(FIRST)) as run:
        wait_for(lambda: overview(settings, stack.addresses).running_version == 1 or run.error)
        producer = Producer({"bootstrap.servers": stack.addresses.kafka})
        value = (
            b'{"format": 2, "name": "shop", "version": 2, "text": "", "applied_at": "2026-11-22T08:30:00Z", '
            b'"written_by": "7.0"}'
        )
        producer.produce(settings.catalog_topic, value, b"shop@2", partition=0)
        assert producer.flush(10) == 0
        run.wait()
    assert isinstance(run.error, ConfigurationError)
    assert "shop@2" in str(run.error)
    assert "tagstream 7.0 wrote it" in str(run.error)
    assert "upgrade" in str(run.error)


def test_a_switch_to_a_version_that_is_nowhere_pauses_its_partition(
    stack: Stack, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stream.switches import write_switches
    from stream.worker import changeover

    monkeypatch.setattr(changeover, "_KNOWN_WITHIN_S", 0.5)
    market = Shop(settings, stack.addresses)
    with Run(settings, stack.addresses, catalog(FIRST)) as run:
        market.send([market.track("ann")])
        run.until("events_total", 1)
        write_switches(
            stack.addresses.kafka,
            settings.events_topic,
            app=settings.app,
            version=9,
            partitions=[2],
            clock=SystemClock(),
        )
        wait_for(lambda: run.paused() == {2: "unknown_version"})
        assert "switches to version 9" in str(run.worker.paused()[2])
