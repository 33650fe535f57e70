"""What `tagstream models` knows of a model of which there are snapshots of several declarations."""

from __future__ import annotations

import json
from typing import Any

from confluent_kafka import Message

from stream.clock import ManualClock
from stream.commands.model_records import model_records
from stream.control.learners import Learners
from stream.learning.declared import declared_of
from stream.learning.learner import learner_of
from stream.models import PublishedModels
from tests.unit.control.control_shop import PlainMemory, catalog, moments, snapshots

CATALOGS = [catalog(), catalog(2, clusters=2), catalog(3)]


def two_declarations() -> list[dict[str, Any]]:
    """A snapshot for three clusters, then one for two."""
    memory = PlainMemory(*CATALOGS)
    at_work = Learners(memory, ManualClock(1_000_000_000_000))
    first = at_work.learn(moments("behaviour", 1_000))
    memory.keep(first)
    return [*snapshots(first), *snapshots(at_work.learn(moments("behaviour", 1_000, version=2)))]


def test_shown_is_the_newest_snapshot_that_the_catalog_can_use() -> None:
    published = PublishedModels("app.models")
    for each in two_declarations():
        key = f"behaviour@{each['version']}#{each['version']}".encode()
        published.add(Message(topic="app.models", partition=0, offset=0, key=key, value=json.dumps(each).encode()))
    shown = {given.version: model_records(given, published, {})[0] for given in CATALOGS}
    assert {number: (each["version"], each["problem"]) for number, each in shown.items()} == {
        1: (1, None),
        2: (2, None),
        3: (1, None),
    }
    other, *_ = model_records(catalog(4, clusters=5), published, {})
    assert other["version"] == 2
    assert "declared otherwise" in other["problem"]


def test_a_learner_goes_on_from_the_content_of_its_version_that_was_published_first() -> None:
    ours, *_ = two_declarations()
    theirs = {**ours, "next_id": 9}
    declared = declared_of(CATALOGS[0], CATALOGS[0].models["behaviour"])
    learner = learner_of(declared, ours)
    assert learner_of(declared, theirs, learner.state()).last == theirs
