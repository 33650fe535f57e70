"""Random catalogs over the whole language, as YAML text that must parse, and catalogs that come after them.

Tags are named t0, t1 …, segments s0, s1 …, tiers g0, g1 …; each may name those that were drawn before it, and the file
has segments and tiers in another order.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from rules.catalog import Catalog, parse_catalog
from tests.property.random_expressions import (
    DAYS,
    DISTINCT,
    DURATIONS,
    LOWERED,
    OPEN,
    Names,
    Text,
    condition,
    duration,
    number,
)

KINDS = ("demographic", "behaviour", "value", "interest", "predictive")
TIMEZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe")
LEVELS = ("low", "mid", "high", "top_most")
TITLES = ("", "", "    title: \u9ad8\u4ef7\u503c", "    title: {zh: \u4e00, en: 'One \"quoted\"'}")

_TAG_KINDS: dict[str, Callable[[Names], Text]] = {
    "numbers": lambda names: st.one_of(number(names, 1), DAYS),
    "durations": lambda names: duration(names, 1),
    "conditions": lambda names: condition(names, 1),
    "strings": lambda _: st.sampled_from(['trait("s")', 'lower(trait("s"))', 'latest("A", "s")']),
    "any_values": lambda _: st.one_of(OPEN, OPEN, DISTINCT, LOWERED),
}


@dataclass(frozen=True, slots=True)
class Part:
    """A tag, a segment or a tier: its lines in the file. `kind` is a field of `Names`; `levels` those of a tier."""

    name: str
    kind: str
    lines: tuple[str, ...]
    levels: tuple[str, ...] = ()

    def reads(self, name: str) -> bool:
        """Whether an expression here names another part."""
        return any(re.search(rf"\b{name}\b", line.split(":", 1)[1]) for line in self.lines)


@dataclass(frozen=True, slots=True)
class Draft:
    """A catalog as its parts, in the order in which they were drawn."""

    version: int
    timezone: str
    parts: tuple[Part, ...]
    shuffle: int = 0

    @property
    def text(self) -> str:
        tags = [part for part in self.parts if part.kind not in ("segments", "tiers")]
        segments = _shuffled([part for part in self.parts if part.kind == "segments"], self.shuffle)
        tiers = _shuffled([part for part in self.parts if part.kind == "tiers"], self.shuffle // 2)
        groups = [("tags", tags), *[("segments", segments), ("tiers", tiers)][:: 1 if self.shuffle % 2 else -1]]
        lines = ["catalog: random", f"version: {self.version}", f"timezone: {self.timezone}"]
        for key, parts in groups:
            if parts:
                lines += [f"{key}:", *(line for part in parts for line in part.lines)]
        return "\n".join(lines) + "\n"


def _shuffled(parts: list[Part], shuffle: int) -> list[Part]:
    turn = shuffle % max(1, len(parts))
    turned = parts[turn:] + parts[:turn]
    return turned[::-1] if shuffle % 3 == 0 else turned


def names_of(parts: tuple[Part, ...]) -> Names:
    """What an expression after these parts may name."""
    names = Names()
    for part in parts:
        found = (part.name, part.levels) if part.kind == "tiers" else part.name
        names = replace(names, **{part.kind: (*getattr(names, part.kind), found)})
    return names


@st.composite
def _tags(draw: st.DrawFn, name: str, names: Names) -> Part:
    kind = draw(st.sampled_from(sorted(_TAG_KINDS)))
    return Part(name, kind, (f"  {name}: {_scalar(draw(_TAG_KINDS[kind](names)))}",))


@st.composite
def _segments(draw: st.DrawFn, name: str, names: Names) -> Part:
    lines = [f"  {name}:", f"    when: {_scalar(draw(_telling(names, 2)))}"]
    if draw(st.booleans()):
        lines.append(f"    exit: {_scalar(draw(condition(names, 1)))}")
    if draw(st.booleans()):
        lines.append(f"    min_stay: {draw(st.sampled_from(DURATIONS))}")
    if draw(st.booleans()):
        lines.append("    indexed: true")
    return Part(name, "segments", (*lines, *draw(_common_lines())))


@st.composite
def _tiers(draw: st.DrawFn, name: str, names: Names) -> Part:
    levels = draw(st.lists(st.sampled_from(LEVELS), min_size=1, max_size=len(LEVELS), unique=True))
    lines = [f"  {name}:", *draw(_common_lines()), "    levels:"]
    lines += [f"      {level}: {_scalar(draw(_telling(names, 1)))}" for level in levels[:-1]]
    return Part(name, "tiers", (*lines, f"      {levels[-1]}: always"), tuple(levels))


@st.composite
def _telling(draw: st.DrawFn, names: Names, depth: int) -> str:
    """A condition that may name some tags besides, which change nothing of it, so that messages tell their values."""
    found: str = draw(condition(names, depth))
    tags = (*names.numbers, *names.durations, *names.conditions, *names.strings, *names.any_values)
    told = draw(st.lists(st.sampled_from(tags), max_size=3, unique=True)) if tags else []
    return f"({found}) or ({' and '.join(f'has({tag})' for tag in told)} and false)" if told else found


@st.composite
def _common_lines(draw: st.DrawFn) -> list[str]:
    lines = [f"    kind: {draw(st.sampled_from(KINDS))}"] if draw(st.booleans()) else []
    title = draw(st.sampled_from(TITLES))
    return [*lines, title] if title else lines


@st.composite
def _units(draw: st.DrawFn, parts: tuple[Part, ...], numbers: range) -> tuple[Part, ...]:
    """Some parts, and after them segments and tiers of these numbers, now and then with a tag that names them."""
    for place in numbers:
        if draw(st.integers(0, 3)) == 0:
            parts = (*parts, draw(_tiers(f"g{place}", names_of(parts))))
        else:
            parts = (*parts, draw(_segments(f"s{place}", names_of(parts))))
        if draw(st.integers(0, 4)) == 0:
            parts = (*parts, draw(_tags(f"t{10 + place}", names_of(parts))))
    return parts


@st.composite
def drafts(draw: st.DrawFn, *, segments: tuple[int, int] = (1, 4), first: tuple[Part, ...] = ()) -> Draft:
    """A catalog: the `first` parts, up to four tags and some more, and segments and tiers, so many to so many."""
    parts = first
    for place in range(draw(st.integers(0, 4))):
        parts = (*parts, draw(_tags(f"t{place}", names_of(parts))))
    parts = draw(_units(parts, range(draw(st.integers(*segments)))))
    version, timezone = draw(st.integers(1, 9)), draw(st.sampled_from(TIMEZONES))
    return Draft(version, timezone, parts, draw(st.integers(0, 11)))


def catalog_texts(*, segments: tuple[int, int] = (1, 4)) -> Text:
    """A catalog's YAML text."""
    return drafts(segments=segments).map(lambda draft: draft.text)


@st.composite
def successors(draw: st.DrawFn, draft: Draft) -> Draft:
    """A newer catalog that has much in common with another: parts gone, parts redrawn, parts added, order changed."""
    parts = draft.parts
    for part in draft.parts[::-1]:
        if draw(st.integers(0, 3)) == 0 and not any(other.reads(part.name) for other in parts):
            parts = tuple(other for other in parts if other is not part)
    drawers = {"segments": _segments, "tiers": _tiers}
    for part in parts:
        used = any(other.reads(part.name) for other in parts)
        if part.kind in drawers and draw(st.integers(0, 2)) == 0 and not (part.kind == "tiers" and used):
            place = parts.index(part)
            redrawn = draw(drawers[part.kind](part.name, names_of(parts[:place])))
            parts = (*parts[:place], redrawn, *parts[place + 1 :])
    first = 1 + max(int(part.name[1:]) for part in draft.parts)  # a name that neither a part nor a part's tag has
    parts = draw(_units(parts, range(first, first + draw(st.integers(0, 2)))))
    timezone = draw(st.sampled_from((draft.timezone, draft.timezone, *TIMEZONES)))
    if not parts:
        parts = draft.parts
    return Draft(draft.version + draw(st.integers(1, 3)), timezone, parts, draw(st.integers(0, 11)))


def parsed(text: str) -> Catalog:
    """The catalog of a random text, which may say odd things, such as what can never hold."""
    return parse_catalog(text, with_lint=False)


def _scalar(text: str) -> str:
    """A single-quoted YAML scalar."""
    return "'" + text.replace("'", "''") + "'"
