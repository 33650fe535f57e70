"""Switches of catalog midway: the engine equals the reference, whatever the pace of the walk."""

from __future__ import annotations

from hypothesis import given, note
from hypothesis import strategies as st

from tests.property.engine_runs import EngineRun, check_state
from tests.property.random_catalogs import drafts, parsed, successors
from tests.property.random_logs import DAY_MS, Fed, Switch
from tests.property.random_switches import last_ms, switched_logs
from tests.property.reference_runs import by_user, run_reference

AFTERWARDS_MS = st.sampled_from((0, 1_000, 61_000, DAY_MS, 40 * DAY_MS))


@given(st.data())
def test_a_switch_of_catalog_equals_the_reference_whatever_the_pace_of_the_walk(data: st.DataObject) -> None:
    chain = [data.draw(drafts())]
    for _ in range(data.draw(st.sampled_from((1, 1, 2)))):
        chain.append(data.draw(successors(chain[-1])))
    note("\n".join(draft.text for draft in chain))
    fed = data.draw(switched_logs(chain))
    until_ms = last_ms(fed) + data.draw(AFTERWARDS_MS)
    expected = run_reference(parsed(chain[0].text), fed, until_ms)

    run = EngineRun(parsed(chain[0].text))
    batch: list[Fed] = []
    for record in fed:
        action = data.draw(st.integers(0, 7))
        if isinstance(record, Fed):
            batch.append(record)
        if batch and (action <= 3 or not isinstance(record, Fed)):
            run.feed(batch)
            batch = []
        if isinstance(record, Switch):
            run.switch(record.catalog, record.watermark_ms)
        elif action <= 1 and not batch:
            watermark_ms = record if isinstance(record, int) else record.watermark_ms
            run.look(watermark_ms, at_most=data.draw(st.integers(1, 3)), early=action == 0)
        if action in (2, 5) and run.rows:
            run.walk(data.draw(st.sets(st.sampled_from(sorted(run.rows)), min_size=1)))
        if action in (1, 2) and not batch:
            run.restart()
    if batch:
        run.feed(batch)
    run.walk(sorted(run.rows))
    run.look(until_ms)

    assert by_user(run.changes) == by_user(expected.changes)
    assert run.rejects == expected.rejects
    assert (run.accepted, run.duplicates) == (expected.accepted, expected.duplicates)
    check_state(run, expected.reference, until_ms)
