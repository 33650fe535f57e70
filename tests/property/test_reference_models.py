"""Laws of models that the reference must keep, checked without the engine."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import event, given
from hypothesis import strategies as st

from rules.catalog import Catalog
from rules.history import hash_of_user
from rules.interpret import value_of
from rules.models import QUANTILES, fits, sample_draw
from rules.nodes import QuantileOf
from rules.reference_models import ReferenceSample
from tests.property.random_catalogs import parsed
from tests.property.random_logs import DAY_MS
from tests.property.random_models import (
    LearnedDraft,
    learned_drafts,
    learned_logs,
    learned_successors,
    starting_snapshots,
)
from tests.property.random_switches import last_ms
from tests.property.reference_runs import ReferenceRun, by_user, run_reference, share


def run_of(data: st.DataObject, chain: list[LearnedDraft], *, sampled: bool = True) -> tuple[Catalog, ReferenceRun]:
    """A run over some days, and the catalog that it began with."""
    first = parsed(chain[0].text)
    fed = data.draw(learned_logs(chain))
    in_force = data.draw(starting_snapshots(first))
    until_ms = last_ms(fed) + data.draw(st.sampled_from((0, DAY_MS, 3 * DAY_MS)))
    return first, run_reference(first, fed, until_ms, snapshots=in_force, sampled=sampled)


def by_user_and_model(samples: list[ReferenceSample]) -> dict[tuple[str, str], list[ReferenceSample]]:
    grouped: dict[tuple[str, str], list[ReferenceSample]] = {}
    for each in samples:
        grouped.setdefault((each.user, each.model), []).append(each)
    return grouped


@share(0.5)
@given(st.data())
def test_giving_samples_changes_nothing_else(data: st.DataObject) -> None:
    draft = data.draw(learned_drafts())
    first = parsed(draft.text)
    fed = data.draw(learned_logs([draft]))
    in_force = data.draw(starting_snapshots(first))
    until_ms = last_ms(fed) + 3 * DAY_MS

    silent, telling = (
        run_reference(first, fed, until_ms, snapshots=in_force, sampled=sampled) for sampled in (False, True)
    )

    assert telling.changes == silent.changes
    assert telling.reference.profiles(until_ms) == silent.reference.profiles(until_ms)
    assert silent.reference.samples == []


@share(0.5)
@given(st.data())
def test_each_users_clusters_make_a_chain_and_versions_have_no_gap(data: st.DataObject) -> None:
    draft = data.draw(learned_drafts())
    chain = [draft, data.draw(learned_successors(draft))]
    _, run = run_of(data, chain)

    for user, changes in by_user(run.changes).items():
        found = [json.loads(change)["data"] for change in changes]
        assert [each["version"] for each in found] == [float(number + 1) for number in range(len(found))]
        standing: dict[str, float | None] = {}
        for each in (each for each in found if "model" in each):
            assert each["from"] == standing.get(each["model"])
            assert each["from"] != each["to"]
            standing[each["model"]] = each["to"]
        held = {model: cluster for model, cluster in standing.items() if cluster is not None}
        assert run.reference.profile(user).clusters == held


@share(0.5)
@given(st.data())
def test_only_snapshots_that_fit_are_in_force_and_each_change_names_their_versions(data: st.DataObject) -> None:
    draft = data.draw(learned_drafts())
    _, run = run_of(data, [draft, data.draw(learned_successors(draft))])

    reference = run.reference
    assert all(fits(snapshot, reference.catalog) for snapshot in reference.models.snapshots.values())
    assert reference.models.versions == {
        name: reference.models.snapshots[name]["version"]
        for name in reference.catalog.models
        if name in reference.models.snapshots
    }


@share(0.5)
@given(st.data())
def test_a_sample_is_taken_at_its_own_moments_by_the_draw(data: st.DataObject) -> None:
    first, run = run_of(data, [data.draw(learned_drafts())])

    for each in run.reference.samples:
        model = first.models[each.model]
        assert len(each.values) == len(model.features)
        if each.why == "label":
            continue
        assert model.sampling.at == f"{each.why}s"
        assert sample_draw(hash_of_user(each.user), each.at_ms) < model.sampling.share
        if each.why == "moment":
            assert (each.at_ms + hash_of_user(each.user)) % DAY_MS == 0


@share(0.5)
@given(st.data())
def test_a_label_follows_its_sample_within_the_time_before_the_next_is_opened(data: st.DataObject) -> None:
    first, run = run_of(data, [data.draw(learned_drafts())])

    for (user, name), samples in by_user_and_model(run.reference.samples).items():
        label = first.models[name].label
        if label is None:
            assert all(each.why != "label" for each in samples)
            continue
        known = run.reference._users[user].events
        assert [each.why == "label" for each in samples] == [number % 2 == 1 for number in range(len(samples))]
        for opened, settled in pairwise(samples):
            if settled.why != "label":
                continue
            deadline_ms = opened.at_ms + label.within_ms
            assert (settled.opened_ms, settled.values) == (opened.at_ms, opened.values)
            happened = any(
                each.name is not None and label.event in (None, each.name) and opened.at_ms < each.t_ms <= deadline_ms
                for each in known
            )
            if settled.at_ms < deadline_ms:  # only an event does that
                assert happened
                assert settled.label is (label.kind == "event")
            else:
                assert settled.at_ms == deadline_ms
                assert settled.label is (label.kind == "absent")
            event(f"settled by {'an event' if settled.at_ms < deadline_ms else 'time'}")


@share(0.5)
@given(st.data())
def test_a_quantile_is_from_1_to_the_bins_exactly_where_the_field_has_a_value(data: st.DataObject) -> None:
    _, run = run_of(data, [data.draw(learned_drafts())])

    reference = run.reference
    for name in reference.users:
        user = reference._users[name]
        history = reference.history(user)
        for model in reference.catalog.models.values():
            for feature in model.features if model.kind == QUANTILES else ():
                score = value_of(QuantileOf(model.name, feature.name), history, user.newest_ms)
                value = value_of(feature.expression, history, user.newest_ms)
                if model.name not in reference.models.snapshots or value is None:
                    assert score is None
                else:
                    assert score in range(1, model.bins + 1)
