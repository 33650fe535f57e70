"""Models: the engine equals the reference in changes, samples and state, over switches of catalog and of snapshots."""

from __future__ import annotations

from hypothesis import given, note
from hypothesis import strategies as st

from tests.property.engine_runs import EngineRun, check_state
from tests.property.random_catalogs import parsed
from tests.property.random_logs import DAY_MS, Fed, ModelSwitch, Switch
from tests.property.random_models import learned_drafts, learned_logs, learned_successors, starting_snapshots
from tests.property.random_switches import last_ms
from tests.property.reference_runs import by_user, run_reference, samples_by_user

AFTERWARDS_MS = st.sampled_from((0, 1_000, 61_000, DAY_MS, 3 * DAY_MS, 40 * DAY_MS))


@given(st.data())
def test_models_say_the_same_as_in_the_reference_however_the_log_is_cut(data: st.DataObject) -> None:
    chain = [data.draw(learned_drafts())]
    for _ in range(data.draw(st.sampled_from((0, 0, 1)))):
        chain.append(data.draw(learned_successors(chain[-1])))
    note("\n".join(draft.text for draft in chain))
    first = parsed(chain[0].text)
    in_force = data.draw(starting_snapshots(first))
    sampled = data.draw(st.booleans())
    fed = data.draw(learned_logs(chain))
    note(in_force)
    until_ms = last_ms(fed) + data.draw(AFTERWARDS_MS)
    expected = run_reference(first, fed, until_ms, snapshots=in_force, sampled=sampled)

    run = EngineRun(first, snapshots=dict(in_force), sampled=sampled)
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
        elif isinstance(record, ModelSwitch):
            run.switch_model(record.snapshot, record.watermark_ms)
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
    assert samples_by_user(run.samples) == samples_by_user(expected.reference.samples)
    assert run.rejects == expected.rejects
    assert (run.accepted, run.duplicates) == (expected.accepted, expected.duplicates)
    check_state(run, expected.reference, until_ms)
