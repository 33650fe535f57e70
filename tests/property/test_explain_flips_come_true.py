"""Whatever `explain` says would flip a membership does, for any catalog and any life: tried on the reference."""

from __future__ import annotations

from hypothesis import assume, event, given
from hypothesis import strategies as st

from rules.explain import explain
from rules.history import hash_of_user
from tests.property.random_catalogs import catalog_texts, parsed
from tests.property.random_logs import fed_records, logs
from tests.property.reference_runs import run_reference, share
from tests.unit.rules.explain_standings import Life, RefusedError, comes_true


@share(0.5)
@given(st.data())
def test_flips_come_true(data: st.DataObject) -> None:
    text = data.draw(catalog_texts(), label="catalog")
    catalog = parsed(text)
    fed = fed_records(data.draw(logs(text, max_size=12, users=1), label="log"))
    newest_ms = max(record if isinstance(record, int) else record.watermark_ms for record in fed)
    reference = run_reference(catalog, fed, newest_ms).reference
    assume(reference.users)
    user = reference.users[0]
    life = Life(catalog, user, reference)
    distinct = {node.property for node in life.aggregates() if node.function == "distinct"}
    standing = life.standing(newest_ms + data.draw(st.sampled_from((0, 3_600_000, 40 * 86_400_000)), label="later"))
    for name in catalog.order:
        for flip in explain(catalog, standing, name, user_hash=hash_of_user(user)).flips:
            if any(happening.hour is not None or happening.leading for happening in flip.happenings):
                continue  # how often is often enough is not said
            if any(not distinct.isdisjoint(happening.properties) for happening in flip.happenings):
                continue  # whether a value is a new one nobody knows
            try:
                assert comes_true(life, name, flip, standing.moment_ms) is None
            except RefusedError:
                event("the catalog refuses the event")
            waits = flip.flips_ms is None or flip.flips_ms > standing.moment_ms
            event(f"{'events' if flip.happenings else 'time'}{' and waiting' if waits else ''}")
