"""Why a user is in a segment or out of it, or on a level: since when, by which cause, and what would flip it.

Pure: it reads what is stored of the user through a `Standing`, which the engine gives (`Engine.standing_of`) and tests
make from plain lists of events. The parts: `explain_values` (expressions out of given values), `explain_prospect` (the
values as they would be), `explain_circuit` (how conditions play out in time), `explain_goals`, `explain_levers`,
`explain_choices` and `explain_flips` (what would flip it), `explain_words`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rules.aggregates import key_text, mean_parts
from rules.catalog import Catalog, Segment, Tier
from rules.explain.circuit import Circuit, Play, Units
from rules.explain.flips import Flip, find_flips
from rules.explain.prospect import Prospect, Standing, stored_node
from rules.explain.quantiles import LearnedModels
from rules.explain.values import Read, Source, evaluate, sources_of
from rules.explain.words import moment_text
from rules.interpret import Value, walk
from rules.nodes import (
    Aggregate,
    And,
    BooleanValue,
    ClusterOf,
    Days,
    Kind,
    Level,
    Membership,
    Node,
    Not,
    Or,
    QuantileOf,
    ScoreOf,
    Trait,
    children,
    kind_of,
)
from rules.text import expression_text, string_text, tag_texts

__all__ = [
    "Condition",
    "Explained",
    "Explanation",
    "Seen",
    "explain",
    "explain_condition",
    "part_about",
    "whole_from_ms",
]

OfModel = ClusterOf | ScoreOf | QuantileOf


@dataclass(frozen=True, slots=True)
class Seen:
    """A value that a leaf reads.

    name: the tag's name, or None; text: the expression.  value: durations in ms, None missing.
    moment_ms: when it came to be as it is: of an aggregate when it last passed a threshold (`by_time`: by time alone),
    of `since` the newest event, of `since_first` the oldest, of a trait or `latest` its timestamp, of a cluster when
    the user came to it, of a score when it was computed; None: not known.
    """

    name: str | None
    text: str
    value: Value
    kind: Kind
    moment_ms: int | None = None
    by_time: bool = False


@dataclass(frozen=True, slots=True)
class Explained:
    """A node of a condition: `and`, `or`, `not`, a boolean `tag` with its expression, or a `leaf` with what it reads.

    verdict: true, false, or None: unknown because something is missing.
    """

    operator: str
    text: str
    verdict: bool | None
    parts: tuple[Explained, ...] = ()
    seen: tuple[Seen, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of a segment (`when`, `exit`) or of a level (its name)."""

    label: str
    tree: Explained


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one user and one segment or tier, as of `at_ms`.

    level: of a tier.  since_ms, cause: of the last transition, None if there has been none (of somebody outside: when
    the user left).  stays_until_ms: a member leaves no earlier, None if nothing holds by time.
    holds: sentences on what holds a member, or keeps somebody out, beside the conditions.
    whole_from_ms: by text of an aggregate, from when on its value is whole, where it is not yet.
    """

    name: str
    is_tier: bool
    title: str
    timezone: str
    at_ms: int
    inside: bool
    level: str | None
    since_ms: int | None
    cause: str | None
    conditions: tuple[Condition, ...]
    stays_until_ms: int | None
    holds: tuple[str, ...]
    flips: tuple[Flip, ...]
    whole_from_ms: dict[str, int]


def explain(
    catalog: Catalog,
    standing: Standing,
    name: str,
    *,
    user_hash: int,
    warming: Mapping[str, int] | None = None,
    snapshots: Mapping[str, Mapping[str, Any]] | None = None,
) -> Explanation:
    """Explain a user's standing with the segment or tier `name` of the catalog (KeyError if there is none).

    user_hash: murmur2 as `rules.history.hash_of_user` gives it; it shifts windows.
    warming: aggregates and facts that do not yet hold all they should, by `key_text`, with the moment from which on
    they do.  snapshots: those in force, by model: with them it is told what would bring a field to another quantile.
    """
    learned = LearnedModels(catalog.models, snapshots or {})
    circuit = Circuit(catalog, name, learned)
    prospect = Prospect(standing, timezone=catalog.timezone, user_hash=user_hash, learned=learned)
    units = circuit.start(prospect)
    unit = circuit.unit(name)
    reading = standing.units.get(name)
    labels = list(unit.levels) if isinstance(unit, Tier) else ["when", "exit"]
    conditions = [
        Condition(label, explain_condition(catalog, prospect, units, node, unit.reads))
        for label, node in zip(labels, circuit.written(name), strict=False)
    ]
    stays_until_ms, holds = (None, ()) if isinstance(unit, Tier) else _holds(circuit, unit, prospect, units)
    sources = dict.fromkeys(source for leaf in circuit.leaves for source in sources_of(leaf))
    not_whole = {source: from_ms for source in sources if (from_ms := whole_from_ms(source, warming or {})) is not None}
    return Explanation(
        name=name,
        is_tier=isinstance(unit, Tier),
        title=unit.title,
        timezone=catalog.timezone,
        at_ms=prospect.at_ms,
        inside=units[name].inside,
        level=units[name].level,
        since_ms=None if reading is None else reading.since_ms,
        cause=None if reading is None else reading.cause,
        conditions=tuple(conditions),
        stays_until_ms=stays_until_ms,
        holds=holds,
        flips=tuple(find_flips(circuit, prospect)),
        whole_from_ms={expression_text(source): from_ms for source, from_ms in not_whole.items()},
    )


def part_about(catalog: Catalog, name: str) -> Catalog:
    """The catalog with nothing in it but a segment or tier and those that it reads: enough to make a standing of."""
    circuit = Circuit(catalog, name)
    models = {source.model for leaf in circuit.leaves for source in sources_of(leaf) if isinstance(source, OfModel)}
    readers = [*map(circuit.unit, circuit.order), *(catalog.models[model] for model in models)]
    reads = {read for each in readers for read in each.reads}
    return replace(
        catalog,
        tags={each: tag for each, tag in catalog.tags.items() if each in reads},
        segments={each: segment for each, segment in catalog.segments.items() if each in circuit.order},
        tiers={each: tier for each, tier in catalog.tiers.items() if each in circuit.order},
        order=circuit.order,
        examples=(),
        models={each: model for each, model in catalog.models.items() if each in models},
    )


def whole_from_ms(expression: Node, warming: Mapping[str, int]) -> int | None:
    """From when on the value of an expression is whole, if something that it reads is still warming (by `key_text`)."""
    moments = []
    for node in walk(expression) if warming else ():
        if isinstance(node, Aggregate | Trait):
            stored = mean_parts(node) if isinstance(node, Aggregate) and node.function == "mean" else (node,)
            moments += [warming[key] for each in stored if (key := key_text(each)) in warming]
    return max(moments, default=None)


def explain_condition(
    catalog: Catalog, prospect: Prospect, units: Units, node: Node, reads: tuple[str, ...] = ()
) -> Explained:
    """The tree of a condition as of the prospect's moment; tags in `reads` are shown by their names."""
    return _Shower(catalog, prospect, units, reads).tree(node)


def _holds(circuit: Circuit, segment: Segment, prospect: Prospect, units: Units) -> tuple[int | None, tuple[str, ...]]:
    """Until when a member stays at least, and sentences on what holds it (or keeps somebody out)."""
    state, at_ms = units[segment.name], prospect.at_ms
    play = Play(circuit, prospect, is_brief=True)
    is_wanted = play.wants(segment, at_ms, units)
    names = _names(circuit.catalog, segment.reads)
    leaving = None if segment.exit is None else expression_text(segment.exit, names)
    if not state.inside:
        if is_wanted and leaving is not None and play.leaves(segment, at_ms, units):
            return None, (f"kept out although `when` holds: `exit` holds too ({leaving})",)
        return None, ()
    sentences = []
    stays_until_ms = None
    end_ms = (state.since_ms or 0) + segment.min_stay_ms
    if segment.min_stay_ms and end_ms > at_ms:
        stays_until_ms = end_ms
        shown = moment_text(end_ms, circuit.catalog.timezone)
        if play.leaves(segment, at_ms, units):
            sentences.append(f"held by the minimum stay alone: leaves at {shown}, unless what takes it out passes")
        else:
            sentences.append(f"stays until {shown} at least (minimum stay)")
    if leaving is not None:
        sentences.append(f"leaves only when {leaving}" + ("" if is_wanted else "; `when` holds no longer"))
    return stays_until_ms, tuple(sentences)


def _names(catalog: Catalog, reads: tuple[str, ...]) -> dict[Node, str]:
    return tag_texts((name, catalog.tags[name].expression) for name in reads if name in catalog.tags)


class _Shower:
    """Shows conditions of one user, tags by their names."""

    def __init__(self, catalog: Catalog, prospect: Prospect, units: Units, reads: tuple[str, ...]) -> None:
        self._standing = prospect.standing
        self._at_ms = prospect.at_ms
        self._read: Read = prospect.reader(prospect.at_ms, units)
        self._models = catalog.models
        self._names = _names(catalog, reads)
        self._all_names = tag_texts((name, tag.expression) for name, tag in catalog.tags.items())

    def tree(self, node: Node) -> Explained:
        return self._tree(node, self._names)

    def _tree(self, node: Node, names: Mapping[Node, str], *, is_named: bool = False) -> Explained:
        value = evaluate(node, self._read)
        verdict = value if isinstance(value, bool) else None
        name = None if is_named else names.get(node)
        if name is not None and isinstance(node, And | Or | Not):
            # Inside a tag all others are known by their names.
            inner = {each: other for each, other in self._all_names.items() if other != name}
            return Explained("tag", name, verdict, (self._tree(node, inner, is_named=True),))
        text = "always" if node == BooleanValue(True) else expression_text(node, names)
        if isinstance(node, And | Or):
            parts = tuple(self._tree(operand, names) for operand in node.operands)
            return Explained("and" if isinstance(node, And) else "or", text, verdict, parts)
        if isinstance(node, Not):
            return Explained("not", text, verdict, (self._tree(node.operand, names),))
        return Explained("leaf", text, verdict, (), tuple(self._seen(node, names)))

    def _seen(self, leaf: Node, names: Mapping[Node, str]) -> Iterator[Seen]:
        """The tags that a leaf names, and what it reads in the end; each once."""
        shown: dict[Node, None] = {}
        for tag in _tags_in(leaf, names):
            if tag not in shown:
                shown[tag] = None
                name = names[_untyped(tag)]
                yield self._seen_source(tag, name) if isinstance(tag, Source) else self._computed(tag, name)
        for source in sources_of(leaf):
            for read in [source, *self._behind(source)]:
                if read not in shown:
                    shown[read] = None
                    yield self._seen_source(read, self._all_names.get(_untyped(read)))

    def _behind(self, source: Source) -> Iterator[Source]:
        """What a source is computed from, where that says more."""
        if isinstance(source, Days):
            yield from sources_of(source.operand)
        elif isinstance(source, QuantileOf):
            model = self._models[source.model]
            yield from sources_of(model.features[model.fields.index(source.field)].expression)

    def _computed(self, tag: Node, name: str) -> Seen:
        names = {node: each for node, each in self._all_names.items() if each != name}
        return Seen(name, expression_text(tag, names), evaluate(tag, self._read), kind_of(tag))

    def _seen_source(self, source: Node, name: str | None) -> Seen:
        value = evaluate(source, self._read)
        moment_ms, by_time = self._origin(source)
        text = expression_text(source)
        if isinstance(source, ClusterOf) and isinstance(value, float):
            named = self._models[source.model].names.get(int(value))
            text += "" if named is None else f" ({string_text(named)})"
        return Seen(name, text, value, kind_of(source), moment_ms, by_time)

    def _origin(self, source: Node) -> tuple[int | None, bool]:
        """When a source came to be as it is, and whether by time alone."""
        match source:
            case Aggregate(function="latest" | "top" | "top_hour") | Trait():
                fact = self._standing.facts.get(stored_node(source))
                return (None if fact is None else fact.time_ms), False
            case Aggregate(function="since" | "since_first"):
                reading = self._standing.values.get(source)
                value = None if reading is None else reading.value
                return (None if value is None else self._standing.moment_ms - int(value)), False
            case Aggregate():
                reading = self._standing.values.get(source)
                return (None, False) if reading is None else (reading.changed_ms, reading.by_time)
            case ScoreOf():
                score = self._standing.facts.get(source)
                return (None if score is None else score.time_ms), False
            case Membership() | Level() | ClusterOf():
                name = _name_of(source)
                unit = self._standing.units.get(name)
                return (None, False) if unit is None else (unit.since_ms, unit.cause == "time")
            case _:
                return None, False


def _name_of(source: Membership | Level | ClusterOf) -> str:
    match source:
        case Membership():
            return source.segment
        case Level():
            return source.tier
        case ClusterOf():
            return source.model


def _tags_in(node: Node, names: Mapping[Node, str]) -> Iterator[Node]:
    if _untyped(node) in names:
        yield node
    elif not isinstance(node, Aggregate):
        for child in children(node):
            yield from _tags_in(child, names)


def _untyped(node: Node) -> Node:
    """A node as `tag_texts` knows it: a trait, `latest` or `top` of no particular kind."""
    is_open = isinstance(node, Trait) or (isinstance(node, Aggregate) and node.function in ("latest", "top"))
    return stored_node(node) if is_open and isinstance(node, Aggregate | Trait) else node
