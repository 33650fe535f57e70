"""What would flip a membership, cheapest first: events, traits, or time. Each flip has been tried before it is told.

Whatever is drawn up for the leaves is played through the whole condition, through the segments and tiers that it reads,
exits and minimum stays. What does not flip is dropped, and so is what has a happening too many. What cannot be done now
is tried once more at the moment at which time has met those leaves that only time can meet.

Of clusters and scores nobody knows what would change them: a flip that hangs on one says so, and has not been tried.
Those that do not hang on one take models to say what they say now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rules.explain.circuit import Circuit, Play
from rules.explain.goals import NOT_FALSE, TRUE, Goals, LeafGoal, is_met
from rules.explain.levers import Draft, Levers
from rules.explain.prospect import Happening, Prospect
from rules.explain.trials import Move, Trials, place_of
from rules.explain.values import sources_of
from rules.explain.words import event_text, joined, moment_text, span_text
from rules.interpret import Value
from rules.nodes import Aggregate, Among, ClusterOf, Compare, Not, QuantileOf, ScoreOf
from rules.text import expression_text

__all__ = ["Flip", "find_flips"]

_FLIPS = 5
_TRIED = 40
"""Sets of leaves for which levers are looked for."""
_TRIED_LATER = 4
_DEAR, _DEARER = 12.0, 4.0
"""Flips are left out that cost more than this, and more than so many times what the cheapest one costs."""
_WEEK_MS = 7 * 86_400_000
_MODEL_COST = 6.0
"""More than some events, less than many: nobody can go and do it."""
_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


@dataclass(frozen=True, slots=True)
class Flip:
    """What would flip a membership.

    to: `in`, `out`, or the level that the user would come to.  words: for people.
    happenings: what has to happen, and at what moment (now, or one that has to be waited for).
    flips_ms: the moment of the flip; later than that of the happenings where time must pass after them; None where it
    is a model's to say.
    without: names of events that must not come before what is waited for (None: any event).
    until_ms: from this moment on the happenings alone would no longer do; None: no such moment is known.
    """

    to: str
    words: str
    happenings: tuple[Happening, ...]
    happens_ms: int
    flips_ms: int | None
    without: tuple[str | None, ...]
    until_ms: int | None
    cost: float


def find_flips(circuit: Circuit, prospect: Prospect) -> list[Flip]:
    """The cheapest flips of a user's standing (`prospect` without happenings), at most five."""
    return _Finder(circuit, prospect).find()


class _Finder:
    def __init__(self, circuit: Circuit, prospect: Prospect) -> None:
        self._circuit = circuit
        self._prospect = prospect
        units = circuit.start(prospect)
        self._base = Play(circuit, prospect)
        self._now = Trials(circuit, prospect, units, self._base)
        moved = self._base.next_move(units)
        self._by_time: Move | None = None if moved is None else (moved[0], place_of(moved[1][circuit.name]))
        self._found: dict[str, Flip] = {}
        sources = [source for leaf in circuit.leaves for source in sources_of(leaf)]
        self._hours = [source for source in sources if isinstance(source, Aggregate) and source.function == "top_hour"]

    def find(self) -> list[Flip]:
        if self._by_time is not None:
            without = tuple(self._now.spoilers(self._base, self._by_time))
            self._add(self._waiting(self._by_time, [], without))
        alternatives = [
            (to, goals)
            for to, each in Goals(self._circuit, self._prospect, self._now.units).of_unit()
            for goals in each
            if goals
        ]
        for to, goals in sorted(alternatives, key=lambda each: len(each[1]))[:_TRIED]:
            if any(_models_of(goal) for goal in goals):
                self._add(self._modelled(to, goals))
                continue
            flips = list(self._flips(goals, self._now))
            for flip in flips or self._later(goals):
                self._add(flip)
        told = [flip for flip in self._found.values() if not self._does_now_already(flip)]
        found = sorted(told, key=lambda flip: (flip.cost, flip.words))
        limit = max(_DEAR, _DEARER * found[0].cost) if found else 0.0
        return [flip for flip in found if flip.cost <= limit][:_FLIPS]

    def _does_now_already(self, later: Flip) -> bool:
        """Whether what is to happen later would flip it now as well, and still then: nobody has to wait for it."""
        return later.happens_ms > self._now.at_ms and any(
            (flip.to, flip.happenings) == (later.to, later.happenings)
            and flip.happens_ms == flip.flips_ms == self._now.at_ms
            and (flip.until_ms is None or flip.until_ms > later.happens_ms)
            for flip in self._found.values()
        )

    def _add(self, flip: Flip) -> None:
        known = self._found.get(flip.words)
        if known is None or flip.cost < known.cost:
            self._found[flip.words] = flip

    def _flips(self, goals: frozenset[LeafGoal], trials: Trials) -> Iterator[Flip]:
        """The flips that levers for these leaves bring about from a moment on, each of them tried."""
        for drafts in Levers(self._circuit, trials.prospect).drafts(goals):
            moved = trials.in_time([draft.happening() for draft in drafts])
            if moved is None:
                continue
            move, play = moved
            is_late = self._by_time is not None and move[0] >= self._by_time[0]
            if is_late or self._has_one_too_many(trials, drafts, move):
                continue
            if move[0] == trials.at_ms:
                yield self._acting(move[1], trials, drafts)
            elif trials is self._now:
                yield self._waiting(move, drafts, tuple(trials.spoilers(play, move)))

    def _has_one_too_many(self, trials: Trials, drafts: Sequence[Draft], move: Move) -> bool:
        if len(drafts) < 2:
            return False
        for left_out in drafts:
            moved = trials.in_time([draft.happening() for draft in drafts if draft is not left_out])
            if moved is not None and moved[0][0] <= move[0] and moved[0][1] == move[1]:
                return True
        return False

    def _later(self, goals: frozenset[LeafGoal]) -> Iterator[Flip]:
        """Wait until time has met those leaves that it meets, then do what is asked for at that moment."""
        moments = [moment_ms for goal in goals if (moment_ms := self._met_ms(goal)) is not None]
        if not moments or (self._by_time is not None and max(moments) >= self._by_time[0]):
            return
        prospect = self._prospect.after([], max(moments))
        units = self._base.units_before(self._now.units, prospect.at_ms + 1)
        trials = Trials(self._circuit, prospect, units, self._base)
        for _, alternatives in Goals(self._circuit, prospect, units).of_unit():
            for each in alternatives[:_TRIED_LATER]:
                if each:
                    yield from self._flips(each, trials)

    def _met_ms(self, goal: LeafGoal) -> int | None:
        """When time alone makes a leaf say what is wanted."""
        for moment_ms in self._base.changes_of(goal.leaf):
            if is_met(self._base.verdict(goal.leaf, moment_ms, self._now.units), goal.wanted):
                return moment_ms
        return None

    # What is told

    def _modelled(self, to: str, goals: frozenset[LeafGoal]) -> Flip:
        """A flip that hangs on what a model says."""
        ordered = sorted(goals, key=lambda goal: self._circuit.leaves.index(goal.leaf))
        seen = [goal for goal in ordered if _models_of(goal)]
        models = list(dict.fromkeys(name for goal in seen for name in _models_of(goal)))
        said = joined([_goal_text(goal) for goal in seen])
        who = f"the model {models[0]} sees" if len(models) == 1 else f"the models {joined(models)} see"
        words = f"when {who} it so: {said}"
        others = [_goal_text(goal) for goal in ordered if goal not in seen]
        if others:
            words += f", and {joined(others)}"
        return Flip(to, words, (), self._now.at_ms, None, (), None, _MODEL_COST + len(others))

    def _acting(self, to: str, trials: Trials, drafts: Sequence[Draft]) -> Flip:
        """A flip at the happenings, now or at a later moment."""
        self._describe(to, trials, drafts)
        happenings = tuple(draft.happening() for draft in drafts)
        until_ms = trials.until(drafts, to, None if self._by_time is None else self._by_time[0])
        words = joined([self._words(draft) for draft in drafts])
        cost = sum(draft.cost() for draft in drafts)
        without: tuple[str | None, ...] = ()
        if trials is not self._now:
            without = tuple(self._now.spoilers(self._base, (trials.at_ms, to), happenings))
            shown = moment_text(trials.at_ms, self._prospect.timezone)
            words = f"{_none_of(without)} until {shown}, then {words}" if without else f"from {shown} on: {words}"
            cost += 0.5 + (trials.at_ms - self._now.at_ms) / _WEEK_MS
        if until_ms is not None:
            words += f", within {span_text(until_ms - trials.at_ms)}"
        return Flip(to, words, happenings, trials.at_ms, trials.at_ms, without, until_ms, cost)

    def _waiting(self, move: Move, drafts: Sequence[Draft], without: tuple[str | None, ...]) -> Flip:
        """A flip that time brings, after what is drafted."""
        moment_ms, to = move
        shown = moment_text(moment_ms, self._prospect.timezone)
        words = f"{_none_of(without)} until {shown}" if without else f"by itself at {shown}"
        if drafts:
            words = f"{joined([self._words(draft) for draft in drafts])}, then {words}"
        cost = sum(draft.cost() for draft in drafts) + 0.5 + (moment_ms - self._now.at_ms) / _WEEK_MS
        happenings = tuple(draft.happening() for draft in drafts)
        return Flip(to, words, happenings, self._now.at_ms, moment_ms, without, None, cost)

    def _words(self, draft: Draft) -> str:
        """What a draft asks for. Where the busiest hour matters, its events are taken to leave that as it is."""
        words, happening = draft.words(), draft.happening()
        if happening.hour is None and any(self._prospect.keeps_hour(hours, happening) for hours in self._hours):
            return f"{words} at the usual hour"
        return words

    def _describe(self, to: str, trials: Trials, drafts: Sequence[Draft]) -> None:
        """Say of each value chosen which others would do as well, for the flip as a whole."""
        for draft in drafts:
            values = draft.traits if draft.event is None else draft.properties
            for name, choices in draft.choices.items():
                chosen = values[name]

                def does(value: Value, values: dict[str, Value] = values, name: str = name) -> bool:
                    values[name] = value
                    return trials.at_once([each.happening() for each in drafts]) == to

                draft.details[name] = choices.words(name, chosen, does)
                values[name] = chosen


def _models_of(goal: LeafGoal) -> list[str]:
    """The models whose word decides a leaf."""
    sources = sources_of(goal.leaf)
    return [source.model for source in sources if isinstance(source, ClusterOf | ScoreOf | QuantileOf)]


def _goal_text(goal: LeafGoal) -> str:
    """What a leaf is to say, as a condition."""
    leaf = goal.leaf
    if goal.wanted in (TRUE, NOT_FALSE):
        return expression_text(leaf)
    if isinstance(leaf, Compare):
        return expression_text(replace(leaf, operator=_OPPOSITE[leaf.operator]))
    if isinstance(leaf, Among):
        return expression_text(replace(leaf, negated=not leaf.negated))
    return expression_text(Not(leaf))


def _none_of(events: Sequence[str | None]) -> str:
    return f"no {joined([event_text(name) for name in events], 'or')}"
