"""A user's standing as the reference has it, and the events that make a flip's happenings true."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rules.catalog import Catalog
from rules.explain.flips import Flip
from rules.explain.prospect import Happening
from rules.explain.words import moment_utc
from rules.history import hash_of_user
from rules.interpret import History, Value, value_of, walk
from rules.nodes import Aggregate, And, ClusterOf, Has, Kind, Node, Property, QuantileOf, ScoreOf, Trait
from rules.reference import Reference
from rules.windows import leaving_ms

FAR_AHEAD_MS = 2**62
LEADING_TIMES = 400
USER = "ann"


@dataclass(frozen=True, slots=True)
class Reading:
    value: float | int | None
    changed_ms: int | None
    by_time: bool
    timeline: Sequence[tuple[int, float | int | None]]


@dataclass(frozen=True, slots=True)
class FactReading:
    value: Value
    time_ms: int | None


@dataclass(frozen=True, slots=True)
class UnitReading:
    inside: bool
    level: str | None
    since_ms: int | None
    cause: str | None
    cluster: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    moment_ms: int
    values: Mapping[Any, Reading]
    facts: Mapping[Any, FactReading]
    units: Mapping[str, UnitReading]


class RefusedError(AssertionError):
    """An event that a flip asks for is none that the catalog takes."""


class Life:
    """One user's events under a catalog, told to the reference as they come; log time is that of the newest."""

    def __init__(self, catalog: Catalog, user: str = USER, reference: Reference | None = None) -> None:
        self.catalog = catalog
        self.user = user
        self.reference = Reference(catalog) if reference is None else reference
        self.told = 0

    def copy(self) -> Life:
        """The same life so far, for trying things."""
        snapshots = self.reference.models.snapshots
        life = Life(self.catalog, self.user, Reference(self.catalog, snapshots=snapshots))
        life.reference._users[self.user] = self.reference._users[self.user].copy()
        return life

    def track(self, at_ms: int, event: str, **properties: object) -> None:
        self._tell(at_ms, {"type": "track", "event": event, "properties": properties})

    def page(self, at_ms: int) -> None:
        self._tell(at_ms, {"type": "page"})

    def identify(self, at_ms: int, **traits: object) -> None:
        self._tell(at_ms, {"type": "identify", "traits": traits})

    def happen(self, happening: Happening, at_ms: int) -> None:
        """Make a flip's happening true at a moment."""
        if happening.event is None:
            self.identify(at_ms, **happening.traits)
            return
        summed = {name for event, name in self.reference._reads.summed if event == happening.event}
        for time in range(LEADING_TIMES if happening.leading else happening.times):
            fresh = {name: 1e9 + time if name in summed else f"fresh {time}" for name in happening.fresh}
            properties = {**happening.properties, **fresh}
            if happening.event == "Page Viewed":
                self._tell(at_ms, {"type": "page", "properties": properties})
            else:
                self.track(at_ms, happening.event, **properties)

    def pass_time(self, until_ms: int) -> None:
        self.reference.advance(until_ms)

    def where(self, name: str) -> str:
        """`in`, `out`, or the level."""
        known = self.reference._users[self.user]
        if name in self.catalog.tiers:
            return known.levels[name]
        return "in" if name in known.entered_ms else "out"

    def standing(self, at_ms: int) -> Standing:
        """What is known of the user at a moment, time having passed up to it."""
        self.pass_time(at_ms)
        known = self.reference._users[self.user]
        moment_ms = max(at_ms, known.newest_ms)
        history = self.reference.history(known)
        units = {name: UnitReading(False, level, None, None) for name, level in known.levels.items()}
        for name in self.catalog.segments:
            since_ms = known.entered_ms.get(name)
            units[name] = UnitReading(since_ms is not None, None, since_ms, None if since_ms is None else "event")
        for name, cluster in known.models.clusters.items():
            units[name] = UnitReading(False, None, known.models.since_ms[name], "event", cluster)
        values: dict[Any, Reading] = {}
        facts: dict[Any, FactReading] = {}
        for asked in _asked_of_models(self.catalog):
            facts[asked] = FactReading(value_of(asked, history, moment_ms), moment_ms)
        for node in _read(self.catalog):
            if isinstance(node, Trait) or node.function in ("latest", "top", "top_hour"):
                stored = replace(node, kind=Kind.ANY)
                facts[stored] = FactReading(value_of(stored, history, moment_ms), None)
            else:
                values[node] = _reading(node, history, moment_ms)
        return Standing(moment_ms, values, facts, units)

    def aggregates(self) -> list[Aggregate]:
        """All that the catalog computes from events."""
        return [node for node in _read(self.catalog) if isinstance(node, Aggregate)]

    def _tell(self, at_ms: int, record: dict[str, object]) -> None:
        value = json.dumps({"userId": self.user, "timestamp": moment_utc(at_ms), **record}).encode()
        outcome = self.reference.feed(value, self.told, at_ms, FAR_AHEAD_MS)
        if outcome.reason is not None:
            raise RefusedError(outcome.reason)
        self.told += 1


def _roots(catalog: Catalog) -> list[Node]:
    roots: list[Node] = [tag.expression for tag in catalog.tags.values()]
    for segment in catalog.segments.values():
        roots += [segment.when] if segment.exit is None else [segment.when, segment.exit]
    roots += [level.when for tier in catalog.tiers.values() for level in tier.levels.values()]
    return roots + [feature.expression for model in catalog.models.values() for feature in model.features]


def _asked_of_models(catalog: Catalog) -> list[Node]:
    """What the catalog's expressions ask of models."""
    nodes = dict.fromkeys(node for root in _roots(catalog) for node in walk(root))
    return [node for node in nodes if isinstance(node, ClusterOf | ScoreOf | QuantileOf)]


def _read(catalog: Catalog) -> Iterator[Aggregate | Trait]:
    """The aggregates that a row holds and the facts, each once; a mean as its two parts."""
    for node in dict.fromkeys(node for root in _roots(catalog) for node in walk(root)):
        if isinstance(node, Aggregate) and node.function == "mean":
            yield replace(node, function="sum")
            yield replace(node, function="values")
        elif isinstance(node, Aggregate | Trait):
            yield node


def _reading(node: Aggregate, history: History, moment_ms: int) -> Reading:
    timeline: dict[int, float | int | None] = {}
    if node.last_ms is not None:
        leaving = {leaving_ms(event.t_ms, node.last_ms, history.user_hash) for event in history.events}
        timeline = {then_ms: _value(node, history, then_ms) for then_ms in sorted(leaving) if then_ms > moment_ms}
    return Reading(_value(node, history, moment_ms), None, False, list(timeline.items()))


def _value(node: Aggregate, history: History, now_ms: int) -> float | int | None:
    if node.function == "values":
        numeric = Has(Property(node.property or "", Kind.NUMBER))
        where = numeric if node.where is None else And((node.where, numeric))
        node = replace(node, function="count", property=None, where=where)
    value = value_of(node, history, now_ms)
    assert value is None or isinstance(value, int | float)
    return value


def comes_true(life: Life, name: str, flip: Flip, now_ms: int) -> str | None:
    """What is wrong with a flip: its happenings are made true now, and time passes to its moment. None: nothing."""
    if flip.flips_ms is None:
        return None  # a model's to say
    tried = life.copy()
    tried.pass_time(now_ms)
    before = tried.where(name)
    if flip.flips_ms > flip.happens_ms or flip.happens_ms > now_ms:
        if flip.happens_ms == now_ms:
            for happening in flip.happenings:
                tried.happen(happening, now_ms)
        tried.pass_time(flip.flips_ms - 1)
        if tried.where(name) != before:
            return f"{flip.words}: has moved before its moment"
    if flip.happens_ms > now_ms or flip.happens_ms == flip.flips_ms:
        for happening in flip.happenings:
            tried.happen(happening, flip.happens_ms)
    tried.pass_time(flip.flips_ms)
    after = tried.where(name)
    return None if after == flip.to else f"{flip.words}: {before} becomes {after}, not {flip.to}"


def hash_of(user: str = USER) -> int:
    return hash_of_user(user)
