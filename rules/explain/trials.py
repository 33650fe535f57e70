"""Trying happenings out on a user: whether, when and where to they move the user, for how long, and what spoils it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rules.explain.circuit import Circuit, Play, Units, has_moved
from rules.explain.levers import ANY_EVENT, Draft, properties_meeting
from rules.explain.prospect import Happening, Prospect, UnitState
from rules.explain.values import sources_of
from rules.nodes import Aggregate

__all__ = ["Move", "Trials", "place_of"]

_CHECKS = 150
"""Moments at which a flip is tried again, to say for how long it is to be had."""
_TYPICAL_AMOUNTS = (0.01, 1e6)

Move = tuple[int, str]
"""The moment of a transition and where to: `in`, `out`, or a level."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """Happenings that have been tried: how they play on, the move they bring, and what they would bring later."""

    play: Play
    move: Move | None
    later: dict[int, str | None] = field(default_factory=dict)


def place_of(state: UnitState) -> str:
    """`in`, `out`, or the level."""
    return state.level or ("in" if state.inside else "out")


class Trials:
    """A user at one moment (that of `prospect`), standing so with segments and tiers, and what may be tried there.

    base: the play of what comes without any happening.
    """

    def __init__(self, circuit: Circuit, prospect: Prospect, units: Units, base: Play) -> None:
        self.circuit = circuit
        self.prospect = prospect
        self.units = units
        self.base = base
        self.at_ms = prospect.at_ms
        self._place = units[circuit.name]
        self._tried: dict[str, _Tried] = {}

    def at_once(self, happenings: Sequence[Happening]) -> str | None:
        """Where happenings bring the user at their own moment; None: nowhere else."""
        return self._brought(self.prospect.after(happenings), self.units)

    def in_time(self, happenings: Sequence[Happening]) -> tuple[Move, Play] | None:
        """The move that happenings bring at their moment, or some time after while no other event comes."""
        tried = self._try(happenings)
        return None if tried.move is None else (tried.move, tried.play)

    def until(self, drafts: Sequence[Draft], to: str, end_ms: int | None) -> int | None:
        """From when on the same happenings would no longer do, having waited; None: not before `end_ms`, if at all."""
        tried = self._try([draft.happening() for draft in drafts])
        moments = {moment_ms for leaf in self.circuit.leaves for moment_ms in self.base.changes_of(leaf)}
        for draft in drafts:
            for goal in draft.goals:
                moments.update(self.prospect.moments(goal.leaf))
        later = sorted(moment_ms for moment_ms in moments if moment_ms > self.at_ms)
        for moment_ms in later[:_CHECKS]:
            if end_ms is not None and moment_ms >= end_ms:
                return None
            if moment_ms not in tried.later:
                tried.later[moment_ms] = self._put_off(tried, moment_ms)
            if tried.later[moment_ms] != to:
                return moment_ms
        return None

    def _try(self, happenings: Sequence[Happening]) -> _Tried:
        """Have happenings come now. Different goals are often met by the same ones, which are tried but once."""
        key = repr(happenings)  # in which true is not 1
        if key not in self._tried:
            play = Play(self.circuit, self.prospect.after(happenings))
            moved = play.next_move(self.units)
            move = None if moved is None else (moved[0], place_of(moved[1][self.circuit.name]))
            self._tried[key] = _Tried(play, move)
        return self._tried[key]

    def _put_off(self, tried: _Tried, at_ms: int) -> str | None:
        """Where the same happenings bring the user at a later moment, having waited; None: nowhere else."""
        units = self.units
        if len(self.circuit.order) > 1:
            units = self.base.units_before(units, at_ms + 1)
        return self._brought(tried.play.prospect.put_off(at_ms), units)

    def _brought(self, prospect: Prospect, units: Units) -> str | None:
        """Where a prospect's happenings bring the user at their own moment; None: nowhere else."""
        play = Play(self.circuit, prospect, is_brief=True)
        state = play.settle(units, prospect.at_ms)[self.circuit.name]
        return place_of(state) if has_moved(self._place, state) else None

    def spoilers(self, play: Play, move: Move, then: Sequence[Happening] = ()) -> Iterator[str | None]:
        """The names of events of which one, just before a move that time brings, would keep it from happening.

        play: what leads there.  then: what happens at the moment itself.  None: any event.
        """
        moment_ms, _ = move
        if moment_ms <= play.prospect.at_ms:
            return
        units = play.units_before(self.units, moment_ms)
        names = {source.event: None for source in self._counting()}
        if None in names and self._spoils(Happening(ANY_EVENT), play, units, move, then):
            yield None
            return
        for name in names:
            if name is not None and any(
                self._spoils(self._typical(name, amount), play, units, move, then) for amount in _TYPICAL_AMOUNTS
            ):
                yield name

    def _counting(self) -> Iterator[Aggregate]:
        for leaf in self.circuit.leaves:
            for source in sources_of(leaf):
                if isinstance(source, Aggregate):
                    yield source

    def _typical(self, name: str, amount: float) -> Happening:
        """An event of a name that counts wherever it may: it meets the conditions on it, as far as they go together."""
        draft = Draft(name)
        fresh: set[str] = set()
        for source in self._counting():
            if source.event != name:
                continue
            properties = properties_meeting(source.where) or {}
            if not draft.clashes(properties):
                draft.properties.update(properties)
            if source.function in ("sum", "mean", "min", "max"):
                draft.properties.setdefault(source.property or "", amount)
            elif source.function == "distinct":
                fresh.add(source.property or "")
        draft.fresh = frozenset(fresh)
        return draft.happening()

    def _spoils(self, happening: Happening, play: Play, units: Units, move: Move, then: Sequence[Happening]) -> bool:
        """Whether the event, a millisecond before the move, makes it come to nothing or lead elsewhere."""
        moment_ms, to = move
        name = self.circuit.name
        before = play.prospect.after([happening], moment_ms - 1)
        settled = Play(self.circuit, before, is_brief=True).settle(units, moment_ms - 1)
        if has_moved(units[name], settled[name]):
            return place_of(settled[name]) != to
        settled = Play(self.circuit, before.after(then, moment_ms), is_brief=True).settle(settled, moment_ms)
        return not has_moved(units[name], settled[name]) or place_of(settled[name]) != to
