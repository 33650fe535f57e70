"""The functions of the language: their arguments, and the words that no tag or segment may be named.

A function comes in here first; then in `rules.calls` (its node), `rules.nodes` and `rules.types` (its type), and then
in the reference and the engine.
"""

from __future__ import annotations

import keyword
from dataclasses import dataclass

__all__ = ["FUNCTIONS", "RESERVED_WORDS", "Function"]


@dataclass(frozen=True, slots=True)
class Function:
    """How a function is called: what comes by place, how much of it must, and what comes by name."""

    name: str
    places: tuple[str, ...]
    required: int
    keywords: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """The call as documentation writes it, such as `count(event?, last=?, where=?)`."""
        places = [place if number < self.required else f"{place}?" for number, place in enumerate(self.places)]
        return f"{self.name}({', '.join([*places, *(f'{word}=?' for word in self.keywords)])})"


FUNCTIONS = {
    function.name: function
    for function in (
        Function("count", ("event",), 0, ("last", "where")),
        Function("sum", ("event", "property"), 2, ("last", "where")),
        Function("mean", ("event", "property"), 2, ("last", "where")),
        Function("min", ("event", "property"), 2, ("last", "where")),
        Function("max", ("event", "property"), 2, ("last", "where")),
        Function("distinct", ("event", "property"), 2, ("last",)),
        Function("top", ("event", "property"), 2, ("half_life",)),
        Function("latest", ("event", "property"), 2),
        Function("since", ("event",), 0),
        Function("since_first", ("event",), 0),
        Function("top_hour", ("event",), 0, ("half_life",)),
        Function("trait", ("name",), 1),
        Function("property", ("name",), 1),
        Function("lower", ("value",), 1),
        Function("starts_with", ("value", "text"), 2),
        Function("ends_with", ("value", "text"), 2),
        Function("contains", ("value", "text"), 2),
        Function("days_since", ("value",), 1, ("yearly",)),
        Function("days_until", ("value",), 1, ("yearly",)),
        Function("in_segment", ("segment",), 1),
        Function("level", ("tier",), 1),
        Function("cluster", ("model",), 1),
        Function("score", ("model",), 1),
        Function("quantile", ("model", "field"), 2),
        Function("has", ("value",), 1),
    )
}

# Python's keywords are among them: the parser is Python's, and a tag named `class` could never be read.
RESERVED_WORDS = frozenset({*FUNCTIONS, *keyword.kwlist, "true", "false", "always"})
