"""What a user's values are, and would be: at a later moment, and if some events came first.

A `Standing` says what is stored of a user now. A `Prospect` is that standing with happenings (events that have not
come, all at one moment) and time going on after them; it computes each value as the engine would.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from operator import itemgetter
from typing import Any, Protocol

from rules.aggregates import UNITS
from rules.days import date_in_text, day_begins_ms, days_between, local_day, local_hour
from rules.explain.quantiles import NO_MODELS, LearnedModels
from rules.explain.values import Read, Source, evaluate, sources_of
from rules.interpret import Value
from rules.nodes import (
    Aggregate,
    Among,
    Arithmetic,
    ClusterOf,
    Compare,
    Days,
    Kind,
    Level,
    Membership,
    Node,
    NumberValue,
    Property,
    QuantileOf,
    ScoreOf,
    Trait,
    children,
    kind_of,
)
from rules.windows import leaving_ms

__all__ = [
    "FactReading",
    "Happening",
    "Prospect",
    "Reading",
    "Standing",
    "UnitReading",
    "UnitState",
    "stored_node",
]

_MAX_DISTINCT = 64
_FRESH = "\ue000"
"""Stands for a value that has not been before and that no catalog names."""
_END_MS = 253_402_300_000_000
"""The end of the year 9999, beyond which no moment can be written."""


class Reading(Protocol):
    """An aggregate's value as expressions see it (durations in ms; None: missing), and how time alone changes it.

    changed_ms: when the value last came to another side of a threshold, None if never; by_time: by time alone.
    timeline: the moments to come at which time alone changes the value, ascending, with the value from each on; empty
    for `since` and `since_first`, which grow with time.
    """

    @property
    def value(self) -> float | int | None: ...
    @property
    def changed_ms(self) -> int | None: ...
    @property
    def by_time(self) -> bool: ...
    @property
    def timeline(self) -> Sequence[tuple[int, float | int | None]]: ...


class FactReading(Protocol):
    """What a trait, `latest`, `top`, `top_hour` or model says; of traits, `latest` and scores since when."""

    @property
    def value(self) -> Value: ...
    @property
    def time_ms(self) -> int | None: ...


class UnitReading(Protocol):
    """Whether the user is in a segment, or on which level of a tier; since when and by which cause (None: never moved).

    For a segment that the user is not in, `since_ms` is when the user left it.
    """

    @property
    def inside(self) -> bool: ...
    @property
    def level(self) -> str | None: ...
    @property
    def since_ms(self) -> int | None: ...
    @property
    def cause(self) -> str | None: ...


class Standing(Protocol):
    """All that is stored of a user, as of `moment_ms`.

    values: by aggregate; a mean as its `sum` and its `values` (the number of numeric values). facts: by node of no
    particular kind. units: segments, tiers and models that make clusters, by name. (Keys are nodes; a mapping of fewer
    kinds of them fits as well.)
    """

    @property
    def moment_ms(self) -> int: ...
    @property
    def values(self) -> Mapping[Any, Reading]: ...
    @property
    def facts(self) -> Mapping[Any, FactReading]: ...
    @property
    def units(self) -> Mapping[str, UnitReading]: ...


@dataclass(frozen=True, slots=True)
class UnitState:
    """Where a user stands with a segment or tier: as `UnitReading`, without the cause."""

    inside: bool = False
    level: str | None = None
    since_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """An event that has not come, `times` over: a track of a name, or (`event` None) an identify with traits.

    properties: of each of the events.  fresh: properties whose values differ from each other and all before.
    leading: properties whose value comes often enough to be the `top` one.  hour: so often in that hour as to lead.
    """

    event: str | None
    properties: Mapping[str, Value] = field(default_factory=dict)
    traits: Mapping[str, Value] = field(default_factory=dict)
    times: int = 1
    fresh: frozenset[str] = frozenset()
    leading: frozenset[str] = frozenset()
    hour: int | None = None


def stored_node(source: Aggregate | Trait) -> Aggregate | Trait:
    """The node under which a standing has a fact: of no particular kind."""
    return replace(source, kind=Kind.ANY)


class Prospect:
    """A standing, and happenings at `at_ms` (not before its moment); with a `parent`, after what that one tells.

    counted: by aggregate, those of the happenings that it is about, as far as that is known.
    """

    def __init__(
        self,
        standing: Standing,
        *,
        timezone: str,
        user_hash: int,
        happenings: Sequence[Happening] = (),
        at_ms: int | None = None,
        parent: Prospect | None = None,
        learned: LearnedModels = NO_MODELS,
        counted: dict[Aggregate, list[Happening]] | None = None,
    ) -> None:
        self.learned = learned
        self.standing = standing
        self.timezone = timezone
        self.user_hash = user_hash
        self.happenings = tuple(happenings)
        self.at_ms = standing.moment_ms if at_ms is None else at_ms
        self._parent = parent
        self._counted = {} if counted is None else counted

    def after(self, happenings: Sequence[Happening], at_ms: int | None = None) -> Prospect:
        """This prospect and then, at its moment or a later one, these happenings."""
        parent = self if self.happenings else self._parent
        return self._with(happenings, self.at_ms if at_ms is None else at_ms, parent)

    def put_off(self, at_ms: int) -> Prospect:
        """The same happenings at another moment."""
        return self._with(self.happenings, at_ms, self._parent, self._counted)

    def _with(
        self,
        happenings: Sequence[Happening],
        at_ms: int,
        parent: Prospect | None,
        counted: dict[Aggregate, list[Happening]] | None = None,
    ) -> Prospect:
        return Prospect(
            self.standing,
            timezone=self.timezone,
            user_hash=self.user_hash,
            happenings=happenings,
            at_ms=at_ms,
            parent=parent,
            learned=self.learned,
            counted=counted,
        )

    def reader(self, t_ms: int, units: Mapping[str, UnitState]) -> Read:
        """Gives the value of each source at a moment, with the user standing so with segments and tiers."""

        def read(source: Source) -> Value:
            match source:
                case Aggregate():
                    return self.aggregate(source, t_ms)
                case Trait():
                    return self.trait(source)
                case Membership():
                    return units[source.segment].inside
                case Level():
                    return units[source.tier].level
                case ClusterOf() | ScoreOf():
                    return self._of_model(source)
                case QuantileOf():
                    of = self.learned.field_of(source)
                    if of is None:
                        return self._of_model(source)
                    return self.learned.score(source, evaluate(of.expression, read))
                case Days():
                    text = evaluate(source.operand, read)
                    day = date_in_text(text) if isinstance(text, str) else None
                    if day is None:
                        return None
                    today = local_day(t_ms, self.timezone)
                    return float(days_between(source.function, day, today, yearly=source.yearly))
                case Property():
                    raise ValueError("a property has no value outside where=")

        return read

    def verdict(self, leaf: Node, t_ms: int, units: Mapping[str, UnitState]) -> Value:
        """The value of a condition at a moment."""
        return evaluate(leaf, self.reader(t_ms, units))

    # Values

    def _of_model(self, source: ClusterOf | ScoreOf | QuantileOf) -> Value:
        """What a model has come to; whatever happens, nobody knows what it would come to then."""
        reading = self.standing.facts.get(source)
        return None if reading is None else reading.value

    def trait(self, source: Trait) -> Value:
        """A trait's value once the happenings are there."""
        for happening in reversed(self.happenings):
            if source.name in happening.traits:
                return happening.traits[source.name]
        return self._parent.trait(source) if self._parent is not None else self._stored_fact(source)

    def aggregate(self, source: Aggregate, t_ms: int) -> Value:
        """An aggregate's value at a moment, the happenings counted in."""
        function = source.function
        if function == "mean":
            total = self.aggregate(replace(source, function="sum"), t_ms)
            count = self.aggregate(replace(source, function="values"), t_ms)
            return total / count if isinstance(total, float) and isinstance(count, float) and count else None
        counted = self._counted_by(source)
        if function in ("latest", "top", "top_hour"):
            return self._fact(source, counted)
        if function in ("since", "since_first"):
            before = self._base(source, t_ms)
            if not counted:
                return before
            return t_ms - self.at_ms if before is None or function == "since" else before
        base = self._base(source, t_ms)
        if source.last_ms is not None and t_ms >= leaving_ms(self.at_ms, source.last_ms, self.user_hash):
            return base
        return _with(function, base, source.property or "", counted)

    def _counted_by(self, source: Aggregate) -> list[Happening]:
        """The happenings that an aggregate is about."""
        if not self.happenings:
            return []
        found = self._counted.get(source)
        if found is None:
            found = [happening for happening in self.happenings if _counts(source, happening)]
            self._counted[source] = found
        return found

    def _fact(self, source: Aggregate, counted: list[Happening]) -> Value:
        for happening in reversed(counted):
            if source.function == "top_hour" and happening.hour is not None:
                return float(happening.hour)
            name = source.property or ""
            if name in happening.properties and (source.function == "latest" or name in happening.leading):
                return happening.properties[name]
        before = self._parent.aggregate(source, self.at_ms) if self._parent is not None else self._stored_fact(source)
        if before is None and counted and source.function != "latest":  # the first of all leads
            if source.function == "top_hour":
                return float(local_hour(self.at_ms, self.timezone))
            values = [happening.properties.get(source.property or "") for happening in counted]
            return next((value for value in values if value is not None), None)
        return before

    def _stored_fact(self, source: Aggregate | Trait) -> Value:
        reading = self.standing.facts.get(stored_node(source))
        return None if reading is None else reading.value

    def _base(self, source: Aggregate, t_ms: int) -> float | int | None:
        """An aggregate without the happenings."""
        if self._parent is not None:
            value = self._parent.aggregate(source, t_ms)
            return value if isinstance(value, int | float) else None
        reading = self.standing.values.get(source)
        if reading is None:
            return None if source.function in ("min", "max", "since", "since_first") else 0.0
        value = reading.value
        if source.function in ("since", "since_first"):
            return None if value is None else int(value) + t_ms - self.standing.moment_ms
        gone = bisect_right(reading.timeline, t_ms, key=itemgetter(0))
        if gone:
            _, value = reading.timeline[gone - 1]
        return None if value is None else float(value)

    def keeps_hour(self, source: Aggregate, happening: Happening) -> bool:
        """Whether a `top_hour` counts a happening and has a value already, which it is taken to leave as it is."""
        return _counts(source, happening) and self._stored_fact(source) is not None

    # Moments

    def moments(self, leaf: Node) -> set[int]:
        """The moments after the happenings at which time alone may change what a condition reads: some too many."""
        found: set[int] = set()
        for source in sources_of(leaf):
            if isinstance(source, Aggregate):
                found.update(self.source_moments(source))
            elif isinstance(source, Days):
                found.update(self._day_moments(source, leaf))
        found.update(self._duration_moments(leaf))
        return {moment_ms for moment_ms in found if self.at_ms < moment_ms < _END_MS}

    def source_moments(self, source: Aggregate) -> Iterator[int]:
        """The moments at which time alone changes a window's value: some that are past."""
        if source.function == "mean":
            yield from self.source_moments(replace(source, function="sum"))
            yield from self.source_moments(replace(source, function="values"))
            return
        if self._parent is not None:
            yield from self._parent.source_moments(source)
        elif (reading := self.standing.values.get(source)) is not None:
            for moment_ms, _ in reading.timeline:
                yield moment_ms
        if source.last_ms is not None and self._counted_by(source):
            yield leaving_ms(self.at_ms, source.last_ms, self.user_hash)

    def _day_moments(self, source: Days, leaf: Node) -> Iterator[int]:
        """The beginnings of the days about which a comparison of whole days with a constant changes."""
        text = evaluate(source.operand, self.reader(self.at_ms, {}))
        day = date_in_text(text) if isinstance(text, str) else None
        if day is None:
            return
        sign = 1 if source.function == "days_since" else -1
        today = local_day(self.at_ms, self.timezone)
        # A yearly count starts anew where the day comes round, and runs on evenly in between.
        turns = [day]
        if source.yearly:
            last = today - timedelta(days=days_between("days_since", day, today, yearly=True))
            coming = today + timedelta(days=days_between("days_until", day, today, yearly=True))
            after = coming + timedelta(days=1)
            turns = [last, coming, after + timedelta(days=days_between("days_until", day, after, yearly=True))]
        for turn in turns:
            for offset in {0, *(sign * number for number in _whole_numbers(leaf))}:
                for near in (-1, 0, 1):
                    yield from _beginning(turn, offset + near, today, self.timezone)

    def _duration_moments(self, leaf: Node) -> Iterator[int]:
        """Where the difference of two durations, which runs on evenly, passes zero."""
        for left, right in _duration_pairs(leaf):
            difference = Arithmetic("-", left, right)
            first, second = (evaluate(difference, self.reader(self.at_ms + more, {})) for more in (0, 1))
            if isinstance(first, int) and isinstance(second, int) and first != second:
                root = self.at_ms + -first // (second - first)
                yield from range(root - 1, root + 3)


def _counts(source: Aggregate, happening: Happening) -> bool:
    if happening.event is None or source.event not in (None, happening.event):
        return False
    if source.where is None:
        return True

    def read(node: Source) -> Value:
        if not isinstance(node, Property):
            return None
        return _FRESH if node.name in happening.fresh else happening.properties.get(node.name)

    return evaluate(source.where, read) is True


def _with(function: str, base: float | None, name: str, counted: list[Happening]) -> float | None:
    """An aggregate's value with some happenings counted in; amounts in whole millionths, as they are kept."""
    if function == "count":
        return (base or 0.0) + sum(happening.times for happening in counted)
    if function == "distinct":
        more = sum(happening.times for happening in counted if name in happening.fresh)
        # Whether another value is new nobody knows, as rows do not tell which there were: an amount most likely is.
        values = {happening.properties.get(name) for happening in counted if name not in happening.fresh} - {None}
        likely = [value for value in values if not base or not isinstance(value, str | bool)]
        return min(float(_MAX_DISTINCT), (base or 0.0) + more + len(likely))
    numbers = [(happening.times, number) for happening in counted if (number := _amount(happening, name)) is not None]
    if function == "values":
        return (base or 0.0) + sum(times for times, _ in numbers)
    if function == "sum":
        return (round((base or 0.0) * UNITS) + sum(times * round(number * UNITS) for times, number in numbers)) / UNITS
    present = [number for _, number in numbers] + ([] if base is None else [base])
    if not present:
        return None
    return float(min(present) if function == "min" else max(present))


def _amount(happening: Happening, name: str) -> float | None:
    value = happening.properties.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole_numbers(node: Node) -> Iterator[int]:
    if isinstance(node, NumberValue):
        yield int(node.value)
    for child in children(node):
        yield from _whole_numbers(child)


def _beginning(turn: date, days: int, today: date, timezone: str) -> Iterator[int]:
    try:
        day = turn + timedelta(days=days)
    except OverflowError:
        return
    if today < day and 1970 < day.year < 9998:
        yield day_begins_ms(day, timezone)


def _duration_pairs(node: Node) -> Iterator[tuple[Node, Node]]:
    """All pairs of durations compared within a condition."""
    if isinstance(node, Compare) and kind_of(node.left) is Kind.DURATION:
        yield node.left, node.right
    elif isinstance(node, Among) and kind_of(node.operand) is Kind.DURATION:
        for choice in node.choices:
            yield node.operand, choice
    else:
        for child in children(node):
            yield from _duration_pairs(child)
