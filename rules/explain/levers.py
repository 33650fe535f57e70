"""What would make leaves say what is wanted: events, how many and with how much; traits, with which values.

For a set of leaf goals each leaf is given a lever (an aggregate that events move, a trait, or time); the levers of one
event are drawn up together, and the smallest number and amount that do are found by trying.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rules.days import local_day
from rules.explain.choices import Choices, choices_of
from rules.explain.circuit import Circuit, Play
from rules.explain.goals import LeafGoal, is_met
from rules.explain.prospect import Happening, Prospect
from rules.explain.values import evaluate, sources_of
from rules.explain.words import amount_text, count_text, event_text, where_text
from rules.interpret import Value, walk
from rules.nodes import Aggregate, Compare, Days, Node, NumberValue, Property, Trait

__all__ = ["ANY_EVENT", "Draft", "Levers", "properties_meeting"]

ANY_EVENT = "Page Viewed"
"""What stands for an event of whatever name."""

_COMBINATIONS = 12
"""Ways to give each leaf of a set its lever."""
_MOST_TIMES = 4_096
_MOST_TIMES_WITH_AMOUNTS = 64
_CENT = 100
_AMOUNT_DOUBLINGS = 46
"""Amounts tried go up to 2^46 hundredths, a little below what an event may carry (10¹²)."""
_PROPERTY_VALUES = 200
"""Combinations of property values tried to meet a `where`."""

_AMOUNTS = ("sum", "mean", "min", "max")


@dataclass(slots=True)
class Draft:
    """One happening being drawn up, and the words for it.

    where: the condition its properties meet.  amounts: words for what a numeric property must be.
    """

    event: str | None
    any_event: bool = False
    where: Node | None = None
    properties: dict[str, Value] = field(default_factory=dict)
    traits: dict[str, Value] = field(default_factory=dict)
    times: int = 1
    fresh: frozenset[str] = frozenset()
    leading: frozenset[str] = frozenset()
    hour: int | None = None
    details: dict[str, str] = field(default_factory=dict)
    choices: dict[str, Choices] = field(default_factory=dict)
    """By trait or property whose value was chosen, what else might be."""
    total: tuple[str, float] | None = None
    """The property and amount where all that counts is the sum over however many events."""
    goals: list[LeafGoal] = field(default_factory=list)

    def happening(self) -> Happening:
        """As a prospect takes it."""
        return Happening(
            self.event, dict(self.properties), dict(self.traits), self.times, self.fresh, self.leading, self.hour
        )

    def words(self) -> str:
        """As in `two more "Order Completed"` or `age above 30`."""
        if self.event is None:
            return " and ".join(self.details.values())
        name = "events" if self.any_event else event_text(self.event)
        tail = where_text(self.where)
        if self.total is not None:
            return f"{amount_text(self.total[1])} more {self.total[0]} from {name}{tail}"
        details = [text for each, text in self.details.items() if each not in self.leading]
        if self.hour is not None:
            return (
                f"more {name}{tail} between {self.hour:02}:00 and {(self.hour + 1) % 24:02}:00 than in any other hour"
            )
        if self.leading:
            (leader,) = self.leading
            return f"more {name}{tail} with {self.details[leader]} than with any other {leader}"
        if self.fresh:
            details.append(f"{'a new' if self.times == 1 else 'new, different'} {' and '.join(sorted(self.fresh))}")
        said = f"{count_text(self.times)} more {'event' if self.any_event and self.times == 1 else name}{tail}"
        if details:
            said += f"{' and' if tail else ' with'} {' and '.join(details)}"
            said += " each" if self.times > 1 else ""
        return said

    def cost(self) -> float:
        """How much is asked of the user: events are cheap, traits are not for a shop to change."""
        if self.event is None:
            return sum(6.0 if value is None else 4.0 for value in self.traits.values())
        cost = 1.0 + 0.25 * min(self.times - 1, 20) + 0.5 * (len(self.details) + (self.total is not None))
        return cost + (3.0 if self.leading or self.hour is not None else 0.0)

    def clashes(self, properties: Mapping[str, Value]) -> bool:
        """Whether one event cannot have these properties too."""
        return any(name in self.properties and self.properties[name] != value for name, value in properties.items())


class Levers:
    """Draws up happenings for leaf goals."""

    def __init__(self, circuit: Circuit, prospect: Prospect) -> None:
        self._circuit = circuit
        self._prospect = prospect
        self._places = {leaf: place for place, leaf in enumerate(circuit.leaves)}

    def drafts(self, goals: frozenset[LeafGoal]) -> Iterator[list[Draft]]:
        """Ways to meet all of the goals, perhaps only some time after; what is found need not do in the end."""
        ordered = sorted(goals, key=lambda goal: (self._places[goal.leaf], goal.wanted))
        options = [self._options(goal.leaf) for goal in ordered]
        for combination in itertools.islice(itertools.product(*options), _COMBINATIONS):
            drafts = self._draw_up(list(zip(ordered, combination, strict=True)))
            if drafts:
                yield drafts

    def _options(self, leaf: Node) -> list[Aggregate | Trait | None]:
        """What may move a leaf: aggregates and facts that it reads, or time (None)."""
        found: dict[Aggregate | Trait | None, None] = {}
        for source in sources_of(leaf):
            node = source.operand if isinstance(source, Days) else source
            for read in sources_of(node):
                if isinstance(read, Aggregate | Trait):
                    found[read] = None
        if self._prospect.moments(leaf):
            found[None] = None
        return list(found)

    def _draw_up(self, pairs: list[tuple[LeafGoal, Aggregate | Trait | None]]) -> list[Draft] | None:
        drafts: list[Draft] = []
        traits: dict[str, list[LeafGoal]] = {}
        for goal, lever in pairs:
            if isinstance(lever, Trait):
                traits.setdefault(lever.name, []).append(goal)
        for name, goals in traits.items():
            if not self._choose_trait(name, goals, drafts):
                return None
        # Named events first: an event of whatever name may then be among them already.
        events = [(goal, lever) for goal, lever in pairs if isinstance(lever, Aggregate)]
        for goal, lever in sorted(events, key=lambda pair: pair[1].event is None):
            if self._is_met(goal, drafts):
                continue
            draft = self._join_event(lever, drafts)
            if draft is None:
                return None
            draft.goals.append(goal)
            if not self._solve(draft, lever, drafts):
                return None
        return drafts

    # Traits

    def _choose_trait(self, name: str, goals: list[LeafGoal], drafts: list[Draft]) -> bool:
        choices = self._choices(lambda node: isinstance(node, Trait) and node.name == name)
        draft = next((each for each in drafts if each.event is None), None)
        if draft is None:
            draft = Draft(None)
            drafts.append(draft)

        def does(value: Value) -> bool:
            draft.traits[name] = value
            return all(self._is_met(goal, drafts) for goal in goals)

        now = self._fact(Trait(name))
        chosen = next(((value,) for value in choices.all(now) if does(value)), None)
        if chosen is None:
            return False
        draft.choices[name] = choices
        draft.details[name] = choices.words(name, chosen[0], does)
        draft.traits[name] = chosen[0]
        return True

    def _choices(self, is_source: Callable[[Node], bool]) -> Choices:
        today = local_day(self._prospect.at_ms, self._prospect.timezone)
        return choices_of(self._circuit.leaves, is_source, today)

    def _fact(self, node: Node) -> Value:
        return evaluate(node, self._prospect.reader(self._prospect.at_ms, {}))

    # Events

    def _join_event(self, aggregate: Aggregate, drafts: list[Draft]) -> Draft | None:
        """The draft of the event that the aggregate is about, with the properties that it asks for."""
        properties = properties_meeting(aggregate.where)
        if properties is None:
            return None
        name = ANY_EVENT if aggregate.event is None else aggregate.event
        for draft in drafts:
            clashes = draft.clashes(properties) or bool(properties.keys() & (draft.details.keys() | draft.fresh))
            if draft.event == name and not clashes and (draft.where is None or aggregate.where in (None, draft.where)):
                draft.properties.update(properties)
                draft.where = draft.where or aggregate.where
                draft.any_event = draft.any_event and aggregate.event is None
                return draft
        draft = Draft(name, any_event=aggregate.event is None, where=aggregate.where, properties=properties)
        drafts.append(draft)
        return draft

    def _solve(self, draft: Draft, lever: Aggregate, drafts: list[Draft]) -> bool:
        """Settle number and amount of the draft's events so that all its goals are met."""

        def does() -> bool:
            return all(self._is_met(goal, drafts) for goal in draft.goals)

        match lever.function:
            case "latest" | "top":
                return self._choose_property(draft, lever, does)
            case "top_hour":
                return self._choose_hour(draft, does)
            case "since" | "since_first":
                return does() or all(self._is_met_later(goal, drafts) for goal in draft.goals)
            case "distinct":
                if lever.property in draft.properties:
                    return False
                draft.fresh |= {lever.property or ""}
                return _least_times(draft, does)
            case _:
                pass
        names = self._amount_names(draft)
        if not draft.fresh.isdisjoint(names):
            return False
        return self._settle_amount(draft, names, does, drafts) if names else _least_times(draft, does)

    def _amount_names(self, draft: Draft) -> list[str]:
        """The properties of the event whose amount the draft's goals hang on."""
        found: dict[str, None] = {}
        for goal in draft.goals:
            for source in sources_of(goal.leaf):
                if isinstance(source, Aggregate) and source.function in _AMOUNTS and source.event == draft.event:
                    found[source.property or ""] = None
        return list(found)

    def _settle_amount(self, draft: Draft, names: Sequence[str], does: Callable[[], bool], drafts: list[Draft]) -> bool:
        """The fewest events, and with so many the least amount (the greatest, if small ones do) of the properties."""

        def does_with(cents: int) -> bool:
            draft.properties.update(dict.fromkeys(names, cents / _CENT))
            return does()

        if any(self._is_hopeless(goal, draft, names, drafts) for goal in draft.goals):
            return False

        def does_at_all() -> bool:
            return does_with(0) or any(does_with(2**power) for power in range(_AMOUNT_DOUBLINGS + 1))

        if not _least_times(draft, does_at_all, _MOST_TIMES_WITH_AMOUNTS):
            return False
        if does_with(0):
            self._bound_from_above(draft, names, does_with)
        else:
            least = next(2**power for power in range(_AMOUNT_DOUBLINGS + 1) if does_with(2**power))
            self._bound_from_below(draft, names, does_with, least)
        return True

    def _is_hopeless(self, goal: LeafGoal, draft: Draft, names: Sequence[str], drafts: list[Draft]) -> bool:
        """Whether no number and no amount of the draft's events can meet a goal.

        Where an amount is compared with a constant, it goes one way with either, so an end that does is looked for.
        """
        if not _is_threshold(goal.leaf, names):
            return False
        for times in (draft.times, draft.times * 2 * _MOST_TIMES_WITH_AMOUNTS):  # no more are tried below
            for amount in (0.0, 2**_AMOUNT_DOUBLINGS / _CENT):
                end = replace(draft, times=times, properties=draft.properties | dict.fromkeys(names, amount))
                if self._is_met(goal, [end if each is draft else each for each in drafts]):
                    return False
        return True

    def _bound_from_above(self, draft: Draft, names: Sequence[str], does_with: Callable[[int], bool]) -> None:
        high = next((2**power for power in range(_AMOUNT_DOUBLINGS + 1) if not does_with(2**power)), None)
        if high is None:  # the amount makes no difference
            for name in names:
                del draft.properties[name]
            return
        low = _last(does_with, 0, high)
        does_with(low)
        for name in names:
            draft.details[name] = f"{name} of at most {amount_text(low / _CENT)}" if low else f"{name} of 0"

    def _bound_from_below(
        self, draft: Draft, names: Sequence[str], does_with: Callable[[int], bool], high: int
    ) -> None:
        high = _last(lambda cents: not does_with(cents), high // 2, high) + 1
        does_with(high)
        draft.total = None
        sources = [source for goal in draft.goals for source in sources_of(goal.leaf)]
        functions = {source.function for source in sources if isinstance(source, Aggregate)}
        if functions == {"sum"} and draft.times == 1 and len(names) == 1:
            draft.total = (names[0], high / _CENT)
            draft.details.pop(names[0], None)
            return
        most = self._most(does_with, high)
        does_with(high)
        said = f"{amount_text(high / _CENT)} or more" if most is None else _between(high / _CENT, most / _CENT)
        for name in names:
            draft.details[name] = f"{name} of {said}"

    def _most(self, does_with: Callable[[int], bool], least: int) -> int | None:
        """The greatest amount, in hundredths, up to which all do that were tried; None where the amount has no end."""
        if does_with(2**_AMOUNT_DOUBLINGS):
            return None
        low = high = least
        while does_with(high):
            low, high = high, high * 2
        return _last(does_with, low, high)

    def _choose_property(self, draft: Draft, lever: Aggregate, does: Callable[[], bool]) -> bool:
        name = lever.property or ""
        choices = self._choices(
            lambda node: (
                isinstance(node, Aggregate)
                and (node.function, node.event, node.property) == (lever.function, lever.event, lever.property)
            )
        )
        if lever.function == "top":
            draft.leading |= {name}

        def does_with(value: Value) -> bool:
            draft.properties[name] = value
            return does()

        for value in choices.all(self._fact(lever)):
            if value is None and lever.function == "top":
                continue  # nothing takes away all that has been counted
            if does_with(value):
                draft.choices[name] = choices
                draft.details[name] = choices.words(name, value, does_with)
                return does_with(value)
        return False

    def _choose_hour(self, draft: Draft, does: Callable[[], bool]) -> bool:
        for hour in range(24):
            draft.hour = hour
            if does():
                return True
        return False

    # Trying

    def _is_met(self, goal: LeafGoal, drafts: list[Draft]) -> bool:
        prospect = self._prospect.after([draft.happening() for draft in drafts])
        return is_met(prospect.verdict(goal.leaf, prospect.at_ms, {}), goal.wanted)

    def _is_met_later(self, goal: LeafGoal, drafts: list[Draft]) -> bool:
        play = Play(self._circuit, self._prospect.after([draft.happening() for draft in drafts]))
        moments = [play.prospect.at_ms, *play.changes_of(goal.leaf)]
        return any(is_met(play.verdict(goal.leaf, moment_ms, {}), goal.wanted) for moment_ms in moments)


def _between(least: float, most: float) -> str:
    return amount_text(least) if least == most else f"{amount_text(least)} to {amount_text(most)}"


def _is_threshold(leaf: Node, names: Sequence[str]) -> bool:
    """Whether a leaf compares, by order, one amount or number of events with a constant.

    Not where the properties of these names decide which events are counted at all.
    """
    if not isinstance(leaf, Compare) or leaf.operator in ("==", "!="):
        return False
    read = [side for side in (leaf.left, leaf.right) if not isinstance(side, NumberValue)]
    if len(read) != 1 or not isinstance(read[0], Aggregate) or read[0].function not in (*_AMOUNTS, "count", "distinct"):
        return False
    where = read[0].where
    return where is None or not any(isinstance(node, Property) and node.name in names for node in walk(where))


def _least_times(draft: Draft, does: Callable[[], bool], most: int = _MOST_TIMES) -> bool:
    """The smallest number of events that does, from the draft's own on."""

    def does_not(times: int) -> bool:
        draft.times = times
        return not does()

    low, high = draft.times - 1, draft.times
    while does_not(high):
        if high > most:
            return False
        low, high = high, high * 2
    draft.times = _last(does_not, low, high) + 1
    return True


def _last(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The last number for which something holds, found by halving: it does for `low`, and does not for `high`."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def properties_meeting(where: Node | None) -> dict[str, Value] | None:
    """Properties with which an event meets a `where`; None if none are found."""
    if where is None:
        return {}
    names = list(dict.fromkeys(node.name for node in walk(where) if isinstance(node, Property)))
    options: list[list[Value]] = []
    for name in names:
        values = list(choices_of([where], _is_property(name)).all("\0"))
        options.append(values if None in values else [*values, None])
    for chosen in itertools.islice(itertools.product(*options), _PROPERTY_VALUES):
        properties = dict(zip(names, chosen, strict=True))

        def read(node: Node, properties: dict[str, Value] = properties) -> Value:
            return properties.get(node.name) if isinstance(node, Property) else None

        if evaluate(where, read) is True:
            return {name: value for name, value in properties.items() if value is not None}
    return None


def _is_property(name: str) -> Callable[[Node], bool]:
    return lambda node: isinstance(node, Property) and node.name == name
