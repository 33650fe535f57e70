"""A log that was cut says of the models in force what the whole log says, whatever switches came in which order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from rules.catalog import Catalog
from rules.reference import Reference
from stream.control.sweep import _SWITCHED_WITHIN_MS, unneeded
from stream.models import PublishedModels
from stream.worker.in_force import ModelsInForce, at_a_catalog, at_a_snapshot, at_the_start
from tests.integration.model_runs import MODELS, catalog, rfm, worth
from tests.unit.worker.worker_builders import position

FEATURES = ("[spent]", "{spent: spent + orders}")
DECLARATIONS = tuple(MODELS.replace("features: [spent]", f"features: {each}") for each in FEATURES)
WITHOUT = MODELS[: MODELS.index("models:")] + "segments:\n  buyer: {when: orders >= 1}\n"
TEXTS = (*DECLARATIONS, WITHOUT)
SNAPSHOTS = tuple(catalog(text) for text in DECLARATIONS)


@cache
def declaring(which: int, version: int) -> Catalog:
    return catalog(TEXTS[which], version)


@dataclass(frozen=True)
class Log:
    """Switches, each at a time of its own: a catalog, or a model's name and version."""

    first: Catalog
    switches: list[Catalog | tuple[str, int]]
    models: PublishedModels


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Catalogs come and go in any order; snapshots of any declaration come in the order of their versions."""
    models = PublishedModels("app.models")
    versions = {"worth": 0, "rfm": 0}
    switches: list[Catalog | tuple[str, int]] = []
    steps = draw(
        st.lists(
            st.tuples(st.sampled_from(("catalog", "worth", "catalog", "worth", "rfm")), st.integers(0, 2)), max_size=14
        )
    )
    for place, (what, which) in enumerate(steps):
        if what == "catalog":
            switches.append(declaring(which, place + 2))
            continue
        versions[what] += 1
        version, declared = versions[what], SNAPSHOTS[which % len(SNAPSHOTS)]
        made = worth(declared, version=version) if what == "worth" else rfm(declared, version=version)
        value = json.dumps({**made, "made_at": place}).encode()
        models.add(
            Message(topic="app.models", partition=0, offset=place, key=f"{what}@{version}".encode(), value=value)
        )
        switches.append((what, version))
    return Log(declaring(draw(st.integers(0, 2)), 1), switches, models)


def gone_through(log: Log, start: int, running: Catalog, models: ModelsInForce) -> list[ModelsInForce]:
    """What is in force behind each switch from a place in the log on."""
    found = []
    for switch in log.switches[start:]:
        if isinstance(switch, Catalog):
            running = switch
            models = at_a_catalog(models, log.models, running)
        elif switch[1] > models.reached(switch[0]):
            models = at_a_snapshot(models, log.models, running, *switch)
        found.append(models)
    return found


@given(logs())
def test_a_log_that_was_cut_anywhere_says_what_the_whole_one_says(log: Log) -> None:
    whole = gone_through(log, 0, log.first, ModelsInForce())
    running = log.first
    for cut, switch in enumerate(log.switches, start=1):
        running = switch if isinstance(switch, Catalog) else running
        # It begins with the first record behind a switch: what is made for the next one is newer.
        began = at_the_start(log.models, running, cut - 1, {})
        assert began == whole[cut - 1]
        assert gone_through(log, cut, running, began) == whole[cut:]


@given(logs())
def test_the_reference_says_the_same_of_what_is_in_force(log: Log) -> None:
    reference = Reference(log.first)
    expected = []
    for switch in log.switches:
        if isinstance(switch, Catalog):
            reference.switch(switch, 0)
        else:
            reference.switch_model(log.models.record(*switch), 0)
        expected.append(dict(sorted(reference.models.versions.items())))
    assert [each.versions for each in gone_through(log, 0, log.first, ModelsInForce())] == expected


@given(logs(), st.data())
def test_what_is_deleted_was_needed_by_nobody_from_the_beginning_of_the_log_on(log: Log, data: st.DataObject) -> None:
    whole = gone_through(log, 0, log.first, ModelsInForce())
    catalogs = [log.first, *(each for each in log.switches if isinstance(each, Catalog))]
    for cut in range(1, len(whole) + 1):
        # Partitions stand anywhere behind the cut; or none of them has begun.
        standing = [whole[place - 1] for place in data.draw(st.lists(st.integers(cut, len(whole)), max_size=2))]
        positions = [position(model_versions=dict(at.versions), models_waiting=dict(at.waiting)) for at in standing]
        gone = unneeded(log.models, [cut - 1 + _SWITCHED_WITHIN_MS], positions)
        left = without(log.models, gone)
        thinned = Log(log.first, log.switches, left)
        for later in range(cut, len(whole) + 1):
            running = [log.first, *(each for each in log.switches[:later] if isinstance(each, Catalog))][-1]
            assert at_the_start(left, running, later - 1, {}) == whole[later - 1]
            assert gone_through(thinned, later, running, whole[later - 1]) == whole[later:]
        # Whatever catalog comes back finds what it would have found.
        for each in catalogs:
            assert at_a_catalog(whole[-1], left, each) == at_a_catalog(whole[-1], log.models, each)


def without(models: PublishedModels, gone: list[tuple[str, int]]) -> PublishedModels:
    left = PublishedModels("app.models")
    for name in models.names:
        for version in models.versions(name):
            if (name, version) not in gone:
                value = json.dumps(dict(models.record(name, version))).encode()
                left.add(
                    Message(topic="app.models", partition=0, offset=0, key=f"{name}@{version}".encode(), value=value)
                )
    return left
