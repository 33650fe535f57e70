"""The engine's standing of a user is the reference's: values, what time makes of them, traits, memberships."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from rules.explain.prospect import Prospect
from rules.history import hash_of_user
from rules.nodes import Aggregate
from stream.replay import BEFORE_ALL_TIME_MS, Replay
from tests.property.random_catalogs import catalog_texts, parsed
from tests.property.random_logs import Fed, fed_records, logs
from tests.property.reference_runs import run_reference, share
from tests.unit.rules.explain_standings import Life

FAR_AHEAD_MS = 2**62


@share(0.5)
@given(st.data())
def test_standings_are_equal(data: st.DataObject) -> None:
    text = data.draw(catalog_texts(), label="catalog")
    catalog = parsed(text)
    fed = fed_records(data.draw(logs(text, max_size=15, users=1, live=False), label="log"), live=False)
    records = [record for record in fed if isinstance(record, Fed)]
    run = Replay(catalog, app="tagstream", horizon_ms=FAR_AHEAD_MS, row_budget_bytes=1)
    for _ in run.feed([record.value or b"" for record in records]):
        pass
    assume(run.users())
    user = run.users()[0]
    now_ms = (run.newest_ms() or 0) + data.draw(st.sampled_from((0, 1, 3_600_000, 40 * 86_400_000)), label="later")
    for _ in run.finish(now_ms):
        pass
    found = run.standing_of(user, now_ms)
    everything = [Fed(record.value, record.offset, BEFORE_ALL_TIME_MS, FAR_AHEAD_MS) for record in records]
    life = Life(catalog, user, run_reference(catalog, everything, now_ms).reference)
    expected = life.standing(now_ms)

    assert found.moment_ms == expected.moment_ms
    engine, reference = (
        Prospect(each, timezone=catalog.timezone, user_hash=hash_of_user(user)) for each in (found, expected)
    )
    for node, reading in expected.values.items():
        assert isinstance(node, Aggregate)
        for at_ms in [now_ms, *(moment_ms for moment_ms, _ in reading.timeline)]:
            assert engine.aggregate(node, at_ms) == reference.aggregate(node, at_ms), (node, at_ms)
    assert {node: reading.value for node, reading in found.facts.items() if node in expected.facts} == {
        node: reading.value for node, reading in expected.facts.items()
    }
    for name, unit in expected.units.items():
        assert (found.units[name].inside, found.units[name].level) == (unit.inside, unit.level)
        if unit.inside:
            assert found.units[name].since_ms == unit.since_ms
