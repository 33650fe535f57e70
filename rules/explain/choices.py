"""Values to try for a trait or property, one of each kind that conditions tell apart, and words for those that do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from rules.interpret import Value
from rules.nodes import (
    Aggregate,
    BooleanValue,
    Days,
    Kind,
    Node,
    NumberValue,
    Property,
    TextValue,
    Trait,
    children,
    kind_of,
)
from rules.text import number_text, string_text

__all__ = ["Choices", "choices_of"]

_OTHER = "something else"
_MOST = 60
"""Values tried of each kind; a condition with more constants than that is not searched to the end."""


@dataclass(slots=True)
class Choices:
    """The values to try. numbers: gaps and constants in turn, beginning and ending with a gap."""

    numbers: list[float] = field(default_factory=list)
    constants: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    flags: bool = False
    presence: bool = False

    def all(self, now: Value) -> Iterator[Value]:
        """All values but that of now: nearest numbers first, strings in the order of the text, None last."""
        if isinstance(now, int | float) and not isinstance(now, bool):
            nearest = sorted(self.numbers, key=lambda number: (abs(number - now), number))
        else:
            middle = len(self.numbers) // 2
            nearest = sorted(self.numbers, key=lambda number: abs(self.numbers.index(number) - middle))
        every: list[Value] = [*nearest, *self.dates, *self.texts]
        if self.texts:
            every.append(_other(self.texts))
        if self.flags:
            every += [True, False]
        if self.presence and not every:
            every.append(_OTHER)
        for value in every:
            if value != now or isinstance(value, bool) is not isinstance(now, bool):
                yield value
        if now is not None:
            yield None

    def words(self, name: str, chosen: Value, does: Callable[[Value], bool]) -> str:
        """Which values of `name` do as well as the chosen one, as in `age above 30`."""
        if chosen is None:
            return f"no {name}"
        if isinstance(chosen, bool):
            return f"{name} {'true' if chosen else 'false'}"
        if isinstance(chosen, str):
            if chosen in self.dates:
                return f"{name} such as {string_text(chosen)}"
            if not self.texts:
                return f"any {name}"
            return self._text_words(name, chosen, does)
        return self._number_words(name, float(chosen), does) if isinstance(chosen, int | float) else name

    def _text_words(self, name: str, chosen: str, does: Callable[[Value], bool]) -> str:
        good = [text for text in self.texts if does(text)]
        if chosen not in self.texts:
            bad = [text for text in self.texts if text not in good]
            return f"{name} other than {_listed(bad)}" if bad else f"any {name}"
        return f"{name} {_listed(good)}"

    def _number_words(self, name: str, chosen: float, does: Callable[[Value], bool]) -> str:
        first = last = self.numbers.index(chosen)
        while first > 0 and does(self.numbers[first - 1]):
            first -= 1
        while last + 1 < len(self.numbers) and does(self.numbers[last + 1]):
            last += 1
        # Even places are gaps between constants, odd ones constants.
        low = self.constants[(first - 1) // 2] if first else None
        high = self.constants[(last - 1) // 2 + (last + 1) % 2] if last + 1 < len(self.numbers) else None
        if low is None and high is None:
            return f"any {name}"
        if first == last and first % 2:
            return f"{name} of {number_text(chosen)}"
        if low is not None and high is not None and first % 2 and last % 2:
            return f"{name} from {number_text(low)} to {number_text(high)}"
        bounds = []
        if low is not None:
            bounds.append(f"{'of at least' if first % 2 else 'above'} {number_text(low)}")
        if high is not None:
            bounds.append(f"{'of at most' if last % 2 else 'below'} {number_text(high)}")
        return f"{name} {' and '.join(bounds)}"


def choices_of(conditions: Sequence[Node], is_source: Callable[[Node], bool], today: date | None = None) -> Choices:
    """What to try for a source so that these conditions may say otherwise. `today`: for dates in strings."""
    choices = Choices()
    numbers: set[float] = set()
    texts: dict[str, None] = {}
    dates: set[str] = set()
    for condition in conditions:
        kinds = set(_kinds(condition, is_source))
        if not kinds:
            continue
        if Kind.NUMBER in kinds:
            numbers.update(_numbers(condition))
        if Kind.STRING in kinds:
            texts.update(dict.fromkeys(_texts(condition)))
        if Kind.DURATION in kinds and today is not None:  # stands for a date
            dates.update(_dates(condition, today))
        choices.flags |= Kind.BOOLEAN in kinds
        choices.presence |= Kind.ANY in kinds or Kind.STRING in kinds
    choices.constants = sorted(numbers)[:_MOST]
    choices.numbers = _with_gaps(choices.constants)
    choices.texts = list(texts)[:_MOST]
    choices.dates = sorted(dates)[:_MOST]
    return choices


def _kinds(node: Node, is_source: Callable[[Node], bool]) -> Iterator[Kind]:
    """The kinds that a source is asked for in a condition, DURATION where a date is read out of it."""
    if isinstance(node, Days):
        if is_source(node.operand):
            yield Kind.DURATION
    elif isinstance(node, Trait | Property | Aggregate):
        if is_source(node):
            yield Kind.NUMBER if isinstance(node, Aggregate) and node.function == "top_hour" else kind_of(node)
    else:
        for child in children(node):
            yield from _kinds(child, is_source)


def _numbers(node: Node) -> Iterator[float]:
    if isinstance(node, NumberValue):
        yield float(node.value)
    elif not isinstance(node, Aggregate):
        for child in children(node):
            yield from _numbers(child)


def _texts(node: Node) -> Iterator[str]:
    if isinstance(node, TextValue):
        yield node.value
    elif not isinstance(node, Aggregate | BooleanValue):
        for child in children(node):
            yield from _texts(child)


def _dates(node: Node, today: date) -> Iterator[str]:
    for number in _numbers(node):
        for days in {math.floor(number) + near for near in (-1, 0, 1)} | {0}:
            for sign in (-1, 1):
                try:
                    yield (today + timedelta(days=sign * days)).isoformat()
                except OverflowError:
                    continue


def _with_gaps(constants: list[float]) -> list[float]:
    """A number below, at, between and above the constants, in turn; whole ones where there is room."""
    if not constants:
        return []
    numbers = [constants[0] - 1]
    for place, constant in enumerate(constants):
        numbers.append(constant)
        if place + 1 < len(constants):
            middle = (constant + constants[place + 1]) / 2
            whole = float(math.floor(middle))
            numbers.append(whole if constant < whole < constants[place + 1] else middle)
    numbers.append(constants[-1] + 1)
    return numbers


def _other(texts: list[str]) -> str:
    names = (_OTHER, "-", "~")
    return next((name for name in names if not any(each in name or name in each for each in texts)), "…")


def _listed(texts: list[str]) -> str:
    quoted = [string_text(text) for text in texts]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
