"""Much of everything: many segments, thresholds, users and changes, where words of bits, tables and steps run over."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from rules.catalog import parse_catalog
from stream.engine import Engine
from tests.property.engine_runs import EngineRun, check_state
from tests.property.random_catalogs import catalog_texts, parsed
from tests.property.random_logs import DAY_MS, NO_WATERMARK_MS, START_MS, Fed, fed_records, logs, timestamp_text
from tests.property.reference_runs import APP, by_user, run_reference, share

FAR_MS = START_MS + 100 * DAY_MS


def _fed(offset: int, t_ms: int, user: str, **fields: object) -> Fed:
    document = {"type": "track", "event": "A", "userId": user, "timestamp": timestamp_text(t_ms), **fields}
    return Fed(json.dumps(document).encode(), offset, NO_WATERMARK_MS, FAR_MS)


@share(0.03)
@given(st.data())
def test_a_catalog_of_many_segments_equals_the_reference(data: st.DataObject) -> None:
    text = data.draw(catalog_texts(segments=(60, 70)))
    catalog = parsed(text)
    fed = fed_records(data.draw(logs(text, max_size=15)))
    until_ms = START_MS + 40 * DAY_MS
    expected = run_reference(catalog, fed, until_ms)

    run = EngineRun(catalog)
    records = [record for record in fed if isinstance(record, Fed)]
    run.feed(records[: len(records) // 2])
    run.restart()
    run.feed(records[len(records) // 2 :])
    run.look(until_ms)

    assert by_user(run.changes) == by_user(expected.changes)
    check_state(run, expected.reference, until_ms)


def test_many_thresholds_of_one_value_are_all_told_apart() -> None:
    operators = ["<", "<=", "==", "!=", ">=", ">"]
    lines = ["catalog: thresholds", "version: 1", "segments:"]
    for place in range(100):
        operator = operators[place % 6]
        lines.append(f'  count_{place}: {{when: \'count("A", last="1m") {operator} {place / 6}\'}}')
        lines.append(f'  sum_{place}: {{when: \'sum("A", "x", last="1m") {operator} {place / 3 - 10}\'}}')
        lines.append(f'  since_{place}: {{when: \'since("A") {operator} "{place // 2}s"\'}}')
    catalog = parsed("\n".join(lines))
    records: list[Fed | int] = [
        _fed(place, START_MS + 1_000 * place, "abc", properties={"x": (-1) ** place * 7.3 + 0.1}) for place in range(15)
    ]
    until_ms = START_MS + 400_000
    expected = run_reference(catalog, records, until_ms)

    run = EngineRun(catalog)
    run.feed([record for record in records if isinstance(record, Fed)])
    run.look(until_ms)

    assert len(run.changes) > 500
    assert run.changes == expected.changes
    check_state(run, expected.reference, until_ms)


def test_a_batch_of_many_changes_is_cut_into_steps_that_together_equal_the_reference() -> None:
    segments = [f'  on_{place}: {{when: trait("on"), indexed: true}}' for place in range(60)]
    catalog = parse_catalog("\n".join(["catalog: steps", "version: 1", "segments:", *segments]))
    records: list[Fed | int] = [
        _fed(place, START_MS + place, f"user{place % 3}", type="identify", traits={"on": place // 3 % 2 == 0})
        for place in range(240)
    ]
    expected = run_reference(catalog, records, START_MS)

    run = EngineRun(catalog)
    run.feed([record for record in records if isinstance(record, Fed)])

    assert len(run.changes) == 240 * 60
    assert run.step >= 3
    assert run.changes == expected.changes
    check_state(run, expected.reference, START_MS + 240)


def test_time_that_changes_much_at_once_equals_the_reference() -> None:
    segments = [f"  silent_{place}: {{when: 'since() >= \"{place // 10 + 1}s\"'}}" for place in range(40)]
    catalog = parse_catalog("\n".join(["catalog: storm", "version: 1", "segments:", *segments]))
    records: list[Fed | int] = [_fed(place, START_MS + place, f"user{place}") for place in range(110)]
    until_ms = START_MS + 3_600_000
    expected = run_reference(catalog, records, until_ms)

    run = EngineRun(catalog)
    run.feed([record for record in records if isinstance(record, Fed)])
    run.look(START_MS + 2_050)
    run.look(until_ms)

    assert len(run.changes) == 110 * 40
    assert by_user(run.changes) == by_user(expected.changes)
    check_state(run, expected.reference, until_ms)


def test_more_users_than_the_table_has_room_for_are_fetched_again() -> None:
    catalog = parse_catalog("catalog: few\nversion: 1\nsegments:\n  third: {when: count() == 3}\n")
    run = EngineRun(catalog)
    run.engine = Engine(catalog, app=APP, partition=0, partition_count=1, row_budget_bytes=1)
    users = [f"user{place}" for place in range(1_000)]
    records = [_fed(place, START_MS, user) for place, user in enumerate(users * 4)]
    for start in range(0, len(records), 500):
        run.feed(records[start : start + 500])

    assert (run.sizes["third"], len(run.changes)) == (0, 2_000)
    assert {run.engine.profiles([user], None)[0].version for user in users if not run.engine.cold([user])} == {2}


STRINGS = """
catalog: strings
version: 1
tags:
  name: trait("s")
  favourite: top("A", "c")
  last_one: latest("A", "c")
  seen: distinct("A", "c")
segments:
  told: {when: '(has(name) or has(favourite) or has(last_one) or seen >= 0) and count() in [1, 3, 5]'}
  kept: {when: 'starts_with(lower(name), "keep")'}
  first: {when: 'favourite == "user1"'}
"""


def test_strings_that_nobody_holds_any_more_are_forgotten_and_the_others_stay() -> None:
    catalog = parsed(STRINGS)
    users = [f"user{number}" for number in range(5)]

    def bought(offset: int, second: int, value: str) -> list[Fed]:
        t_ms = START_MS + 1_000 * second
        return [_fed(offset + place, t_ms, user, properties={"c": user + value}) for place, user in enumerate(users)]

    named = [
        _fed(place, START_MS, user, type="identify", traits={"s": f"Keep {user}"}) for place, user in enumerate(users)
    ]
    first, second = named + bought(5, 1, "") + bought(10, 2, ""), bought(15, 3, "") + bought(20, 4, "x")
    expected = run_reference(catalog, [*first, *second], START_MS)

    run = EngineRun(catalog)
    run.feed(first)
    for batch in range(4):  # of one user who is somebody else each time
        crowd = [
            _fed(place, START_MS, "crowd", type="identify", traits={"s": f"{batch} {place}"}) for place in range(20_000)
        ]
        run.feed(crowd)
    run.feed(second)

    assert {user: changes for user, changes in by_user(run.changes).items() if user != "crowd"} == by_user(
        expected.changes
    )
    profiles = run.engine.profiles([*users, "crowd"], START_MS)
    assert [profile.tags["name"] for profile in profiles] == [*(f"Keep {user}" for user in users), "3 19999"]
    assert [profile.tags["favourite"] for profile in profiles] == [*users, None]
    assert len(run.engine._table.strings) < 100
