"""Calls of functions to nodes: which arguments stand where, and the node that each function makes.

Arguments are checked against the function's row in `rules.functions`. Event, property and trait names and `last=` are
constants in the text, so that what a catalog reads is known without running anything.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from rules.durations import DurationError, parse_duration
from rules.errors import Flaw, ProblemCode, clip
from rules.functions import Function
from rules.nodes import Aggregate, Has, Node, Property, Span, TagName, Trait
from rules.suggest import Suggester

__all__ = ["HOLE", "CallReader"]

HOLE = ""
"""The name in a `TagName` that stands for something that could not be read; resolving lets it pass silently."""

MIN_WINDOW_MS = 1_000


class CallReader:
    """Reads the arguments of one call; flaws go to `flaws`, and what can be read still becomes a node."""

    def __init__(
        self,
        call: ast.Call,
        function: Function,
        span: Span,
        convert: Callable[[ast.expr], Node],
        span_of: Callable[[ast.expr | ast.keyword], Span],
        flaws: list[Flaw],
        suggester: Suggester,
    ) -> None:
        self._function = function
        self._span = span
        self._convert = convert
        self._span_of = span_of
        self._flaws = flaws
        self._suggester = suggester
        self._places = self._by_place(call)
        self._words = self._by_word(call)

    def read(self) -> Node:
        """The node of the call, with None or a hole where an argument is wrong."""
        function = self._function.name
        match function:
            case "count":
                return Aggregate(
                    function, self._text("event"), None, self._last(), self._condition("where"), span=self._span
                )
            case "sum":
                return Aggregate(
                    function,
                    self._text("event"),
                    self._text("property"),
                    self._last(),
                    self._condition("where"),
                    span=self._span,
                )
            case "since" | "since_first":
                return Aggregate(function, self._text("event"), span=self._span)
            case "trait":
                name = self._text("name")
                return TagName(HOLE, self._span) if name is None else Trait(name, span=self._span)
            case "property":
                name = self._text("name")
                return TagName(HOLE, self._span) if name is None else Property(name, span=self._span)
            case "has":
                value = self._places.get("value")
                return Has(TagName(HOLE, self._span) if value is None else self._convert(value), self._span)
            case _:
                raise ValueError(f"function {function} is listed in rules.functions and has no node")

    def _by_place(self, call: ast.Call) -> dict[str, ast.expr]:
        function = self._function
        given = call.args[: len(function.places)]
        if len(call.args) < function.required:
            missing = function.places[len(call.args)]
            named = {word.arg for word in call.keywords}
            # What was given by name instead is spoken of where the name stands.
            if missing not in named:
                message = f"{function.name} needs its {missing}: {function.usage}"
                self._flaw(ProblemCode.MISSING_ARGUMENT, message, self._span, expected=function.usage)
        for argument in call.args[len(function.places) :]:
            duration = _duration_text(argument) if "last" in function.keywords else None
            suggestion = None if duration is None else f'last="{duration}"'
            message = f"{function.name} takes no more by place than {function.usage}"
            self._flaw(
                ProblemCode.TOO_MANY_ARGUMENTS,
                message,
                self._span_of(argument),
                expected=function.usage,
                suggestion=suggestion,
            )
        return dict(zip(function.places, given, strict=False))

    def _by_word(self, call: ast.Call) -> dict[str, ast.expr]:
        function = self._function
        words: dict[str, ast.expr] = {}
        for word in call.keywords:
            name = word.arg or ""
            span = self._span_of(word)
            span = Span(span.start, span.start + len(name))
            if name in words:
                message = f"{name}= is given twice; keep one of them"
                self._flaw(ProblemCode.DUPLICATE_ARGUMENT, message, span, name, f"{name}= once")
            elif name in function.keywords:
                words[name] = word.value
            elif name in function.places:
                message = f"{name} is given by place, without {name}=: {function.usage}"
                self._flaw(ProblemCode.UNKNOWN_ARGUMENT, message, span, name, function.usage)
            else:
                takes = ", ".join(f"{keyword}=" for keyword in function.keywords) or "none by name"
                nearest = self._suggester.nearest(name, function.keywords)
                self._flaw(
                    ProblemCode.UNKNOWN_ARGUMENT,
                    f"{function.name} has no argument {clip(name)}=; it takes {takes}",
                    span,
                    clip(name),
                    function.usage,
                    None if nearest is None else f"{nearest}=",
                )
        return words

    def _text(self, place: str) -> str | None:
        argument = self._places.get(place)
        if argument is None:
            return None
        what = f"the {place} of {self._function.name}"
        if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
            named = isinstance(argument, ast.Name)
            suggestion = f'"{clip(argument.id)}"' if isinstance(argument, ast.Name) else None
            message = f"{what} is a string in quotes, not {'a name' if named else 'something computed'}"
            span = self._span_of(argument)
            self._flaw(ProblemCode.BAD_ARGUMENT, message, span, expected="a string in quotes", suggestion=suggestion)
            return None
        if not argument.value:
            extra = "; for any event leave it out" if place == "event" and self._function.required == 0 else ""
            message = f"{what} is empty{extra}"
            self._flaw(ProblemCode.BAD_ARGUMENT, message, self._span_of(argument), '""', f"the name of the {place}")
            return None
        return argument.value

    def _last(self) -> int | None:
        argument = self._words.get("last")
        if argument is None:
            return None
        span = self._span_of(argument)
        expected = 'a duration such as "7d"'
        if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
            message = f"last= is {expected}, in quotes"
            self._flaw(ProblemCode.BAD_ARGUMENT, message, span, expected=expected)
            return None
        try:
            last_ms = parse_duration(argument.value)
        except DurationError as error:
            suggestion = None if error.suggestion is None else f'"{error.suggestion}"'
            message = f'last="{clip(argument.value)}": {error}'
            self._flaw(ProblemCode.BAD_DURATION, message, span, clip(argument.value), expected, suggestion)
            return None
        if last_ms < MIN_WINDOW_MS:
            message = f'last="{clip(argument.value)}": a window is at least 1 s long'
            self._flaw(ProblemCode.BAD_DURATION, message, span, clip(argument.value), "at least 1s", '"1s"')
            return None
        return last_ms

    def _condition(self, word: str) -> Node | None:
        argument = self._words.get(word)
        return None if argument is None else self._convert(argument)

    def _flaw(
        self,
        code: ProblemCode,
        message: str,
        span: Span,
        found: str = "",
        expected: str = "",
        suggestion: str | None = None,
    ) -> None:
        self._flaws.append(Flaw(code, message, span, found, expected, suggestion))


def _duration_text(argument: ast.expr) -> str | None:
    if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
        return None
    try:
        parse_duration(argument.value)
    except DurationError:
        return None
    return argument.value
