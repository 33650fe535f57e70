"""The conditions that a membership hangs on, and how they play out in time while no event comes.

Conditions are cut into leaves (comparisons and the like). What each leaf says over time is worked out once, so playing
on from moment to moment only looks at those at which some leaf changes.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rules.catalog import Catalog, Segment, Tier
from rules.explain.prospect import Prospect, UnitState
from rules.explain.quantiles import NO_MODELS, LearnedModels
from rules.explain.values import sources_of
from rules.interpret import Value, conjunction, negation
from rules.nodes import And, Level, Membership, Node, Not, Or

__all__ = ["Circuit", "Play", "Units", "has_moved", "leaves_of"]

Units = Mapping[str, UnitState]

_LOOKS = 4_000
"""Moments looked at in one play: more than any sensible condition has, few enough to be answered at once."""


def leaves_of(node: Node) -> Iterator[Node]:
    """The conditions that `and`, `or`, `not` join, in the order of the text."""
    if isinstance(node, And | Or):
        for operand in node.operands:
            yield from leaves_of(operand)
    elif isinstance(node, Not):
        yield from leaves_of(node.operand)
    else:
        yield node


def has_moved(before: UnitState, after: UnitState) -> bool:
    """Whether the user has entered, left, or changed level."""
    return (before.inside, before.level) != (after.inside, after.level)


class Circuit:
    """A segment or tier with all those that it reads, in the order in which they are evaluated.

    Comparisons of quantiles whose boundaries are known are those of their fields here; `written` has them as they are.
    """

    def __init__(self, catalog: Catalog, name: str, learned: LearnedModels = NO_MODELS) -> None:
        self.catalog = catalog
        self.name = name
        self._learned = learned
        self._conditions: dict[str, list[Node]] = {}
        needed = {name}
        waiting = [name]
        while waiting:
            for condition in self.conditions(waiting.pop()):
                found = {read for source in sources_of(condition) if (read := _unit_read(source)) is not None}
                waiting += sorted(found - needed)
                needed |= found
        self.order = tuple(each for each in catalog.order if each in needed)
        leaves = {leaf: None for each in self.order for node in self.conditions(each) for leaf in leaves_of(node)}
        self.leaves = tuple(leaves)
        self.inner = frozenset(
            leaf for leaf in leaves if any(_unit_read(source) is not None for source in sources_of(leaf))
        )
        """Leaves that read other segments and tiers."""

    def unit(self, name: str) -> Segment | Tier:
        """The segment or tier of a name."""
        return self.catalog.segments.get(name) or self.catalog.tiers[name]

    def conditions(self, name: str) -> list[Node]:
        """The conditions of a segment (`when`, then `exit`) or of a tier's levels, quantiles by their boundaries."""
        found = self._conditions.get(name)
        if found is None:
            found = self._conditions[name] = [self._learned.by_field(node) for node in self.written(name)]
        return found

    def written(self, name: str) -> list[Node]:
        """The same conditions as the catalog has them."""
        unit = self.unit(name)
        if isinstance(unit, Tier):
            return [level.when for level in unit.levels.values()]
        return [unit.when] if unit.exit is None else [unit.when, unit.exit]

    def start(self, prospect: Prospect) -> dict[str, UnitState]:
        """How the user stands with them all now."""
        readings = {name: prospect.standing.units.get(name) for name in self.order}
        return {
            name: UnitState() if reading is None else UnitState(reading.inside, reading.level, reading.since_ms)
            for name, reading in readings.items()
        }


def _unit_read(source: Node) -> str | None:
    if isinstance(source, Membership):
        return source.segment
    return source.tier if isinstance(source, Level) else None


@dataclass(frozen=True, slots=True)
class _Track:
    """What a leaf says from each moment on, the first of them being that of the happenings."""

    moments_ms: list[int]
    verdicts: list[Value]

    def at(self, t_ms: int) -> Value:
        return self.verdicts[max(bisect_right(self.moments_ms, t_ms) - 1, 0)]


class Play:
    """A circuit played from a prospect's happenings on. It works out what a leaf says over time when first asked.

    is_brief: few moments are asked about, so each is looked at by itself.
    """

    def __init__(self, circuit: Circuit, prospect: Prospect, *, is_brief: bool = False) -> None:
        self.circuit = circuit
        self.prospect = prospect
        self._is_brief = is_brief
        self._tracks: dict[Node, _Track] = {}

    def verdict(self, leaf: Node, t_ms: int, units: Units) -> Value:
        """What a leaf says at a moment."""
        if self._is_brief or t_ms == self.prospect.at_ms or leaf in self.circuit.inner:
            return self.prospect.verdict(leaf, t_ms, units)
        return self._track(leaf).at(t_ms)

    def holds(self, node: Node, t_ms: int, units: Units) -> Value:
        """What a condition says at a moment."""
        if isinstance(node, And):
            return conjunction(self.holds(operand, t_ms, units) for operand in node.operands)
        if isinstance(node, Or):
            return negation(conjunction(negation(self.holds(operand, t_ms, units)) for operand in node.operands))
        if isinstance(node, Not):
            return negation(self.holds(node.operand, t_ms, units))
        return self.verdict(node, t_ms, units)

    def wants(self, segment: Segment, t_ms: int, units: Units) -> bool:
        """Whether what brings a user in holds."""
        return self.holds(self.circuit.conditions(segment.name)[0], t_ms, units) is True

    def leaves(self, segment: Segment, t_ms: int, units: Units) -> bool:
        """Whether what takes a member out holds, minimum stay aside."""
        when, *exits = self.circuit.conditions(segment.name)
        if not exits:
            return self.holds(when, t_ms, units) is not True
        return self.holds(exits[0], t_ms, units) is True

    def settle(self, units: Units, t_ms: int) -> dict[str, UnitState]:
        """One evaluation: every segment and tier of the circuit in order, one transition each at most."""
        settled = dict(units)
        for name in self.circuit.order:
            settled[name] = self._settled(self.circuit.unit(name), settled, t_ms)
        return settled

    def next_move(self, units: Units) -> tuple[int, dict[str, UnitState]] | None:
        """When the unit asked about first moves, from the happenings on, and how all stand then; None: never."""
        before = units[self.circuit.name]
        current = dict(units)
        queue = sorted({self.prospect.at_ms, *self._changes(), *self._stay_ends(current, {})})
        for _ in range(_LOOKS):
            if not queue:
                return None
            moment_ms = heapq.heappop(queue)
            settled = self.settle(current, moment_ms)
            if has_moved(before, settled[self.circuit.name]):
                return moment_ms, settled
            for end_ms in self._stay_ends(settled, current):
                if end_ms > moment_ms:
                    heapq.heappush(queue, end_ms)
            current = settled
            while queue and queue[0] <= moment_ms:
                heapq.heappop(queue)
        return None

    def units_before(self, units: Units, until_ms: int) -> dict[str, UnitState]:
        """How all stand just before a moment."""
        current = dict(units)
        for moment_ms in sorted({*self._changes(), *self._stay_ends(current, {})}):
            if moment_ms >= until_ms:
                break
            if moment_ms > self.prospect.at_ms:
                current = self.settle(current, moment_ms)
        return current

    def changes_of(self, leaf: Node) -> list[int]:
        """The moments at which time alone changes (where it reads other units: may change) what a leaf says."""
        if leaf in self.circuit.inner:
            return sorted(self.prospect.moments(leaf))
        return self._track(leaf).moments_ms[1:]

    def _changes(self) -> set[int]:
        return {moment_ms for leaf in self.circuit.leaves for moment_ms in self.changes_of(leaf)}

    def _stay_ends(self, units: Units, known: Units) -> Iterator[int]:
        """The moments at which minimum stays end, of those who have entered since `known`."""
        for name, state in units.items():
            unit = self.circuit.unit(name)
            if isinstance(unit, Tier) or not unit.min_stay_ms or not state.inside or state == known.get(name):
                continue
            if state.since_ms is not None and state.since_ms + unit.min_stay_ms > self.prospect.at_ms:
                yield state.since_ms + unit.min_stay_ms

    def _settled(self, unit: Segment | Tier, units: Units, t_ms: int) -> UnitState:
        state = units[unit.name]
        if isinstance(unit, Tier):
            levels = zip(unit.levels, self.circuit.conditions(unit.name), strict=True)
            level = next(name for name, when in levels if self.holds(when, t_ms, units) is True)
            return state if level == state.level else UnitState(inside=False, level=level, since_ms=t_ms)
        if state.inside:
            if t_ms < (state.since_ms or 0) + unit.min_stay_ms or not self.leaves(unit, t_ms, units):
                return state
            return UnitState(inside=False, since_ms=t_ms)
        if self.wants(unit, t_ms, units) and not self.leaves(unit, t_ms, units):
            return UnitState(inside=True, since_ms=t_ms)
        return state

    def _track(self, leaf: Node) -> _Track:
        track = self._tracks.get(leaf)
        if track is None:
            track = self._tracks[leaf] = self._worked_out(leaf)
        return track

    def _worked_out(self, leaf: Node) -> _Track:
        at_ms = self.prospect.at_ms
        moments_ms, verdicts = [at_ms], [self.prospect.verdict(leaf, at_ms, {})]
        for moment_ms in sorted(self.prospect.moments(leaf)):
            verdict = self.prospect.verdict(leaf, moment_ms, {})
            if verdict is not verdicts[-1]:
                moments_ms.append(moment_ms)
                verdicts.append(verdict)
        return _Track(moments_ms, verdicts)
