"""Calls of functions to nodes: which arguments stand where, and the node that each function makes.

Arguments are checked against the function's row in `rules.functions`. Event, property and trait names, `last=` and the
like are constants in the text, so that what a catalog reads is known without running anything.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from rules.durations import DurationError, parse_duration
from rules.errors import Flaw, ProblemCode, clip
from rules.functions import Function
from rules.lookalikes import describe_letter, mixed_letter
from rules.nodes import (
    Aggregate,
    ClusterOf,
    Days,
    Has,
    Level,
    Lower,
    Membership,
    Node,
    Property,
    QuantileOf,
    ScoreOf,
    Span,
    TagName,
    TextTest,
    TextValue,
    Trait,
)
from rules.suggest import Suggester

__all__ = ["HOLE", "CallReader", "Constant"]

HOLE = ""
"""The name in a `TagName` that stands for something that could not be read; resolving lets it pass silently."""

Constant = str | int | float | bool | None
"""What a template's parameter is bound to; None where that could not be read, or is not known yet."""

MIN_SPAN_MS = 1_000
"""The shortest window, and the shortest half-life."""


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
        constants: Mapping[str, Constant],
    ) -> None:
        self._function = function
        self._span = span
        self._convert = convert
        self._span_of = span_of
        self._flaws = flaws
        self._suggester = suggester
        self._constants = constants
        self._places = self._by_place(call)
        self._words = self._by_word(call)

    def read(self) -> Node:
        """The node of the call, with None or a hole where an argument is wrong."""
        function, span = self._function.name, self._span
        hole = TagName(HOLE, span)
        match function:
            case "count" | "sum" | "mean" | "min" | "max" | "distinct":
                return self._aggregate()
            case "since" | "since_first" | "latest" | "top" | "top_hour":
                return self._aggregate()
            case "trait":
                name = self._text("name")
                return hole if name is None else Trait(name, span=span)
            case "property":
                name = self._text("name")
                return hole if name is None else Property(name, span=span)
            case "has":
                return Has(self._node("value"), span)
            case "lower":
                return Lower(self._node("value"), span)
            case "starts_with" | "ends_with" | "contains":
                operand, text = self._node("value"), self._text("text")
                if text is None:
                    return hole
                return TextTest(function, operand, TextValue(text, self._span_of(self._places["text"])), span)
            case "days_since" | "days_until":
                return Days(function, self._node("value"), self._flag("yearly"), span)
            case "in_segment":
                name = self._name("segment")
                return hole if name is None else Membership(name, span)
            case "level":
                name = self._name("tier")
                return hole if name is None else Level(name, span)
            case "cluster" | "score":
                model = self._name("model")
                if model is None:
                    return hole
                return ClusterOf(model, span) if function == "cluster" else ScoreOf(model, span)
            case "quantile":
                model, field = self._name("model"), self._name("field")
                return hole if model is None or field is None else QuantileOf(model, field, span)
            case _:
                raise ValueError(f"function {function} is listed in rules.functions and has no node")

    def _aggregate(self) -> Aggregate:
        # An argument that the function does not take is not among its places or words, and so is None here.
        where = self._words.get("where")
        return Aggregate(
            self._function.name,
            self._text("event"),
            self._text("property"),
            self._duration("last", "a window"),
            None if where is None else self._convert(where),
            self._duration("half_life", "a half-life"),
            span=self._span,
        )

    # Which argument is which

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

    # What an argument says

    def _node(self, place: str) -> Node:
        argument = self._places.get(place)
        return TagName(HOLE, self._span) if argument is None else self._convert(argument)

    def _literal(self, argument: ast.expr) -> Constant | ast.expr:
        """The constant that an argument is, written out or as a parameter's name; else the argument itself."""
        if isinstance(argument, ast.Constant) and isinstance(argument.value, (str, int, float)):
            return argument.value
        if isinstance(argument, ast.Name):
            if argument.id in self._constants:
                return self._constants[argument.id]
            if argument.id in ("true", "false"):
                return argument.id == "true"
        return argument

    def _text(self, place: str) -> str | None:
        argument = self._places.get(place)
        if argument is None:
            return None
        value = self._literal(argument)
        if value is None:
            return None  # a parameter of which nothing is known
        what = f"the {place} of {self._function.name}"
        if not isinstance(value, str):
            self._refuse_as_text(argument, value, what)
            return None
        if not value:
            extra = "; for any event leave it out" if place == "event" and self._function.required == 0 else ""
            message = f"{what} is empty{extra}"
            self._flaw(ProblemCode.BAD_ARGUMENT, message, self._span_of(argument), '""', f"the name of the {place}")
            return None
        if (strange := mixed_letter(value)) is not None:
            message = f"{what} may not be what it looks like: {describe_letter(strange)}"
            span, found = self._span_of(argument), clip(value)
            self._flaws.append(Flaw(ProblemCode.LOOK_ALIKE, message, span, found, severity="warning"))
        return value

    def _refuse_as_text(self, argument: ast.expr, value: object, what: str) -> None:
        suggestion = None
        if not isinstance(argument, ast.Name):
            message = f"{what} is a string in quotes, not something computed"
        elif argument.id in self._constants:
            message = f"{what} is a string, and the parameter {argument.id} is {value}"
        else:
            message = f"{what} is a string in quotes, not a name"
            suggestion = f'"{clip(argument.id)}"'
        span = self._span_of(argument)
        self._flaw(ProblemCode.BAD_ARGUMENT, message, span, expected="a string in quotes", suggestion=suggestion)

    def _name(self, place: str) -> str | None:
        """The name of a segment, a tier, a model or a field, bare or in quotes."""
        argument = self._places.get(place)
        if isinstance(argument, ast.Name) and argument.id not in self._constants:
            return argument.id
        return self._text(place)

    def _duration(self, word: str, what: str) -> int | None:
        argument = self._words.get(word)
        if argument is None:
            return None
        span = self._span_of(argument)
        expected = 'a duration such as "7d"'
        value = self._literal(argument)
        if value is None:
            return None
        if not isinstance(value, str):
            message = f"{word}= is {expected}, in quotes"
            self._flaw(ProblemCode.BAD_ARGUMENT, message, span, expected=expected)
            return None
        try:
            duration_ms = parse_duration(value)
        except DurationError as error:
            suggestion = None if error.suggestion is None else f'"{error.suggestion}"'
            message = f'{word}="{clip(value)}": {error}'
            self._flaw(ProblemCode.BAD_DURATION, message, span, clip(value), expected, suggestion)
            return None
        if duration_ms < MIN_SPAN_MS:
            message = f'{word}="{clip(value)}": {what} is at least 1 s long'
            self._flaw(ProblemCode.BAD_DURATION, message, span, clip(value), "at least 1s", '"1s"')
            return None
        return duration_ms

    def _flag(self, word: str) -> bool:
        argument = self._words.get(word)
        if argument is None:
            return False
        value = self._literal(argument)
        if value is None or isinstance(value, bool):
            return bool(value)
        message = f"{word}= is true or false"
        self._flaw(ProblemCode.BAD_ARGUMENT, message, self._span_of(argument), expected="true or false")
        return False

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
