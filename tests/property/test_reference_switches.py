"""Laws of switching catalogs that the reference must keep, checked without the engine."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.property.random_catalogs import Draft, drafts, parsed, successors
from tests.property.random_logs import DAY_MS, Switch
from tests.property.random_switches import last_ms, switched_logs
from tests.property.reference_runs import by_user, run_reference, share


@share(0.3)
@given(st.data())
def test_a_switch_to_the_same_under_a_newer_version_changes_nothing_but_the_version(data: st.DataObject) -> None:
    draft = data.draw(drafts())
    newer = replace(draft, version=draft.version + 1)
    fed = data.draw(switched_logs([draft, newer]))
    until_ms = last_ms(fed) + DAY_MS

    switched = run_reference(parsed(draft.text), fed, until_ms)

    plain = run_reference(parsed(draft.text), [record for record in fed if not isinstance(record, Switch)], until_ms)
    before, after = (f'"catalog_version":{each.version:.1f}' for each in (draft, newer))
    assert by_user([change.replace(after, before) for change in switched.changes]) == by_user(plain.changes)
    assert switched.reference.profiles(until_ms) == plain.reference.profiles(until_ms)


@share(0.3)
@given(st.data())
def test_aggregates_are_after_a_switch_as_if_they_had_been_there_all_along(data: st.DataObject) -> None:
    draft = data.draw(drafts())
    newer = data.draw(successors(draft))
    fed = data.draw(switched_logs([draft, newer]))
    until_ms = last_ms(fed)
    # Tags that read memberships may differ: who is in depends on when the conditions were first looked at.
    text = newer.text
    alone = [part.name for part in newer.parts if not _reads_units(newer, part.name)]

    switched = run_reference(parsed(draft.text), fed, until_ms).reference.profiles(until_ms)

    plain = run_reference(parsed(text), [each for each in fed if not isinstance(each, Switch)], until_ms)
    for actual, expected in zip(switched, plain.reference.profiles(until_ms), strict=True):
        for name in alone:
            assert actual.tags.get(name) == expected.tags.get(name)


def _reads_units(draft: Draft, name: str) -> bool:
    """Whether a tag's value depends on a segment or a tier."""
    parts = {part.name: part for part in draft.parts}
    if parts[name].kind in ("segments", "tiers"):
        return True
    return any(parts[name].reads(other) and _reads_units(draft, other) for other in parts if other != name)
