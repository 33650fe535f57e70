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
from stream.models import PublishedModels
from stream.worker.in_force import ModelsInForce, at_a_catalog, at_a_snapshot, at_the_start
from tests.integration.model_runs import MODELS, catalog, rfm, worth

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
