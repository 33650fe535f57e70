"""The compiled engine equals the naive reference: any catalog, any log, any batching, any restart, any look."""

from __future__ import annotations

import json

from hypothesis import given, note
from hypothesis import strategies as st

from rules.catalog import parse_catalog
from rules.reference import ReferenceProfile
from stream.engine.result import Profile
from stream.replay import Replay
from tests.property.engine_runs import EngineRun, check_state, checked_change
from tests.property.random_catalogs import catalog_texts, parsed
from tests.property.random_logs import DAY_MS, GRACE_MS, START_MS, USERS, Fed, fed_records, logs, timestamp_text
from tests.property.reference_runs import APP, by_user, canonical, run_reference, share

AFTERWARDS_MS = st.sampled_from((0, 1_000, 61_000, DAY_MS, 40 * DAY_MS))


def _comparable(profile: Profile | ReferenceProfile) -> tuple[object, ...]:
    tags = canonical(profile.tags)
    identity = profile.user, profile.version, profile.incarnation
    return *identity, tags, profile.segments, profile.since_ms, profile.levels


def _last_ms(fed: list[Fed | int]) -> int:
    watermarks = [record if isinstance(record, int) else record.watermark_ms for record in fed]
    return max(watermarks)


@given(st.data())
def test_a_file_replayed_in_batches_of_any_size_equals_the_reference_in_every_line(data: st.DataObject) -> None:
    text = data.draw(catalog_texts())
    note(text)
    catalog = parsed(text)
    items = data.draw(logs(text, live=False))
    fed = [record for record in fed_records(items, live=False) if isinstance(record, Fed)]
    until_ms = max(item.log_ms for item in items) + data.draw(AFTERWARDS_MS)
    expected = run_reference(catalog, list(fed), until_ms)

    row_budget_bytes = data.draw(st.sampled_from((1, 2**14, 2**24)))
    replay = Replay(catalog, app=APP, horizon_ms=fed[0].horizon_ms, row_budget_bytes=row_budget_bytes)
    changes: list[str] = []
    rejects: dict[int, str] = {}
    size = data.draw(st.integers(1, len(fed)))
    for start in range(0, len(fed), size):
        for result in replay.feed([record.value or b"" for record in fed[start : start + size]]):
            changes += map(checked_change, result.changes)
            rejects.update({start + reject.index: reject.reason for reject in result.rejects})
    for messages in replay.finish(until_ms):
        changes += map(checked_change, messages)

    assert changes == expected.changes
    assert rejects == expected.rejects
    assert (replay.accepted, replay.duplicates) == (expected.accepted, expected.duplicates)
    assert [_comparable(profile) for profile in replay.profiles(until_ms)] == [
        _comparable(profile) for profile in expected.reference.profiles(until_ms)
    ]


@given(st.data())
def test_a_live_log_cut_evicted_and_looked_at_anyhow_equals_the_reference_for_every_user(data: st.DataObject) -> None:
    text = data.draw(catalog_texts())
    note(text)
    catalog = parsed(text)
    fed = fed_records(data.draw(logs(text)))
    until_ms = _last_ms(fed) + data.draw(AFTERWARDS_MS)
    expected = run_reference(catalog, fed, until_ms)

    run = EngineRun(catalog)
    batch: list[Fed] = []
    for record in fed:
        watermark_ms = record if isinstance(record, int) else record.watermark_ms
        if isinstance(record, Fed):
            batch.append(record)
        action = data.draw(st.integers(0, 7))
        if batch and (action <= 3 or record is fed[-1] or isinstance(record, int)):
            run.feed(batch)
            batch = []
        if action <= 1 and not batch:
            run.look(watermark_ms, at_most=data.draw(st.integers(1, 3)), early=action == 0)
        if action in (1, 2) and not batch:
            run.restart()
    run.look(until_ms)

    assert by_user(run.changes) == by_user(expected.changes)
    assert run.rejects == expected.rejects
    assert (run.accepted, run.duplicates) == (expected.accepted, expected.duplicates)
    check_state(run, expected.reference, until_ms)


@share(0.4)
@given(st.data())
def test_records_of_other_partitions_are_forwarded_once_and_refused_the_second_time(data: st.DataObject) -> None:
    text = data.draw(catalog_texts())
    catalog = parsed(text)
    records = [
        record
        for record in fed_records(data.draw(logs(text, max_size=12, users=len(USERS))))
        if isinstance(record, Fed)
    ]
    fed: list[Fed | int] = [
        Fed(record.value, record.offset, record.watermark_ms, record.horizon_ms, data.draw(st.booleans()))
        for record in records
    ]
    if not fed:
        return
    partition = data.draw(st.integers(0, 2))
    until_ms = _last_ms(fed)
    expected = run_reference(catalog, fed, until_ms, partition=partition, partition_count=3)

    run = EngineRun(catalog, partition=partition, partition_count=3)
    run.feed([record for record in fed if isinstance(record, Fed)])
    run.look(until_ms)

    assert run.misplaced == expected.misplaced
    assert run.rejects == expected.rejects
    assert by_user(run.changes) == by_user(expected.changes)


@share(0.3)
@given(st.data())
def test_messages_are_the_same_bytes_however_the_log_is_cut(data: st.DataObject) -> None:
    text = data.draw(catalog_texts())
    catalog = parsed(text)
    fed = [record for record in fed_records(data.draw(logs(text, max_size=20))) if isinstance(record, Fed)]
    if not fed:
        return
    whole, cut = EngineRun(catalog), EngineRun(catalog)
    whole.feed(fed)
    for record in fed:
        cut.restart()
        cut.feed([record])

    assert cut.values == whole.values


SUMS = """
catalog: sums
version: 1
tags:
  ever: sum("A", "x")
  minute: sum("A", "x", last="1m")
  some: sum("A", "x", last="2m", where=property("y") > 0)
segments:
  rich: {when: ever / 8 >= 1000000000000}
  debt: {when: minute < 0, exit: minute > 1}
  equal: {when: minute == some}
"""


@share(0.3)
@given(st.data())
def test_sums_near_their_limit_are_refused_alike(data: st.DataObject) -> None:
    catalog = parse_catalog(SUMS)
    amounts = st.sampled_from(
        (999_999_999_999, 900_000_000_000, -900_000_000_000, 9e11, 999_999_999_999.875, 0.000001, 9)
    )
    fed: list[Fed] = []
    clock_ms = START_MS
    for offset in range(data.draw(st.sampled_from((40, 20, 12)))):
        clock_ms += data.draw(st.sampled_from((0, 0, 1_000, 5_000, 30_000)))
        document = {
            "type": "track",
            "event": "A",
            "userId": "abc",
            "timestamp": timestamp_text(clock_ms - data.draw(st.sampled_from((0, 0, 20_000, 61_000)))),
            "properties": {"x": data.draw(amounts), "y": data.draw(st.integers(0, 1))},
        }
        fed.append(Fed(json.dumps(document).encode(), offset, clock_ms - GRACE_MS, clock_ms))
    until_ms = clock_ms + DAY_MS
    expected = run_reference(catalog, list(fed), until_ms)

    run = EngineRun(catalog)
    cut = data.draw(st.integers(0, len(fed) - 1))
    run.feed(fed[: cut + 1])
    run.restart()
    if fed[cut + 1 :]:
        run.feed(fed[cut + 1 :])
    run.look(until_ms)

    assert run.rejects == expected.rejects
    assert by_user(run.changes) == by_user(expected.changes)
    check_state(run, expected.reference, until_ms)
