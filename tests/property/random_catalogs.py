"""Random catalogs of the language's first vocabulary, as YAML text that must parse.

Names are few, so that expressions meet the same aggregates, and durations small, so that short logs meet their ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from hypothesis import strategies as st

EVENTS = ("A", "B", "Page Viewed", "Screen Viewed")
WINDOWS = ("1s", "2s", "3s", "7s", "61s", "5m", "1h", "1d")
DURATIONS = ("1s", "2s", "3s", "10s", "61s", "5m", "1h", "2h", "1d")
NUMBERS = ("0", "1", "2", "3", "5", "0.5", "1.5", "2.5", "10", "1000", "0.1", "-1", "-2.5", "0.000001", "900000000000")
TEXTS = ("", "a", "A", "b", "naïve", "é" * 130, "a" * 255 + "é")
ORDERINGS = ("<", "<=", ">", ">=")
COMPARISONS = (*ORDERINGS, "==", "!=")
KINDS = ("demographic", "behaviour", "value", "interest", "predictive")

Text = st.SearchStrategy[str]


@dataclass(frozen=True, slots=True)
class TagNames:
    """The tags that an expression may name, by what they may stand for."""

    numbers: tuple[str, ...] = ()
    durations: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    strings: tuple[str, ...] = ()
    any_traits: tuple[str, ...] = ()


def quoted(text: str) -> str:
    """A string literal of the language (none of ours has a quote or a backslash in it)."""
    return f'"{text}"'


def _where() -> Text:
    comparison = st.sampled_from(COMPARISONS)
    number = st.sampled_from(NUMBERS)
    leaves = st.one_of(
        st.builds('property("x") {} {}'.format, comparison, number),
        st.builds('{} {} property("y")'.format, number, comparison),
        st.builds('{} <= property("x") < {}'.format, number, number),
        st.builds('property("x") in [{}, {}]'.format, number, number),
        st.builds('property("s") == {}'.format, st.sampled_from(TEXTS).map(quoted)),
        st.builds('property("s") != {}'.format, st.sampled_from(TEXTS).map(quoted)),
        st.builds('property("s") not in [{}, "b"]'.format, st.sampled_from(TEXTS).map(quoted)),
        st.sampled_from(['property("b")', 'has(property("x"))', 'has(property("s"))', 'has(property("s") == "a")']),
    )
    return st.one_of(
        leaves,
        leaves.map("not ({})".format),
        st.builds("({}) and ({})".format, leaves, leaves),
        st.builds("({}) or not ({})".format, leaves, leaves),
    )


def _arguments(*fixed: Text) -> Text:
    """The arguments of `count` or `sum`, with `last` and `where` where drawn."""
    last = st.sampled_from(["", "", *(f'last="{window}"' for window in WINDOWS)])
    where = st.one_of(st.just(""), st.just(""), _where().map("where={}".format))
    return st.tuples(*fixed, last, where).map(lambda parts: ", ".join(part for part in parts if part))


@st.composite
def _joined(draw: st.DrawFn, *parts: str | Text) -> str:
    return "".join(part if isinstance(part, str) else draw(part) for part in parts)


EVENT_LITERAL = st.sampled_from(EVENTS).map(quoted)
COUNT = _joined("count(", _arguments(st.one_of(st.just(""), EVENT_LITERAL)), ")")
SUM = _joined("sum(", _arguments(EVENT_LITERAL, st.sampled_from(['"x"', '"x"', '"y"'])), ")")
SINCE = _joined(st.sampled_from(["since", "since_first"]), "(", st.one_of(st.just(""), EVENT_LITERAL), ")")
WINDOWED_COUNT = _joined(
    "count(", st.sampled_from(["", '"A", ', '"A", ', '"B", ']), 'last="', st.sampled_from(WINDOWS), '")'
)
DURATION_LITERAL = st.sampled_from(DURATIONS).map(quoted)


@cache
def _known_number(tags: TagNames, depth: int) -> Text:
    """A number whose type does not depend on its place."""
    choices = [COUNT, COUNT, SUM, SUM]
    if depth > 0:
        below = number(tags, depth - 1)
        choices.append(_joined("(", below, st.sampled_from([" + ", " - ", " * ", " / "]), below, ")"))
        choices.append(_joined("(-", below, ")"))
    return st.one_of(choices)


@cache
def number(tags: TagNames, depth: int) -> Text:
    choices = [_known_number(tags, depth), st.sampled_from(NUMBERS), st.sampled_from(['trait("n")', 'trait("s")'])]
    if tags.numbers:
        choices.append(st.sampled_from(tags.numbers))
    return st.one_of(choices)


@cache
def duration(tags: TagNames, depth: int) -> Text:
    """A duration that is known as one without a neighbour."""
    choices = [SINCE, SINCE]
    if tags.durations:
        choices.append(st.sampled_from(tags.durations))
    if depth > 0:
        below = duration(tags, depth - 1)
        sign = st.sampled_from([" + ", " - "])
        choices.append(_joined("(", below, sign, st.one_of(below, DURATION_LITERAL), ")"))
        choices.append(_joined("(", DURATION_LITERAL, sign, below, ")"))
        choices.append(_joined("(-", below, ")"))
    return st.one_of(choices)


@cache
def condition(tags: TagNames, depth: int) -> Text:
    ordering, comparison = st.sampled_from(ORDERINGS), st.sampled_from(COMPARISONS)
    spaced = comparison.map(" {} ".format)
    literal = st.sampled_from(NUMBERS)
    simple = _known_number(tags, 0)
    usual = [
        _joined(WINDOWED_COUNT, spaced, st.sampled_from(("1", "2", "3", "4"))),
        _joined(WINDOWED_COUNT, " >= ", st.sampled_from(("1", "2", "3"))),
        _joined(SINCE, spaced, DURATION_LITERAL),
        _joined(SUM, spaced, literal),
        _joined(simple, spaced, literal),
        _joined(duration(tags, 0), spaced, DURATION_LITERAL),
    ]
    choices = [
        *usual,
        *usual,
        _joined(literal, " ", ordering, " ", number(tags, 1), " ", ordering, " ", literal),
        _joined(DURATION_LITERAL, " ", ordering, " ", duration(tags, 1), " ", ordering, " ", DURATION_LITERAL),
        _joined(duration(tags, 1), spaced, duration(tags, 1)),
        _joined(_known_number(tags, 1), spaced, number(tags, 1)),
        _joined(number(tags, 1), " ", ordering, " ", number(tags, 0)),
        _joined(_known_number(tags, 0), st.sampled_from([" in [", " not in ["]), literal, ", ", literal, "]"),
        _joined(duration(tags, 0), " in [", DURATION_LITERAL, ", ", DURATION_LITERAL, "]"),
        _joined('trait("s")', st.sampled_from([" == ", " != "]), st.sampled_from(TEXTS).map(quoted)),
        _joined('trait("s")', st.sampled_from([" in [", " not in ["]), st.sampled_from(TEXTS).map(quoted), ', "b"]'),
        st.sampled_from(['trait("b")', 'trait("s")', "true", "false"]),
        _joined("has(", has_operand(tags), ")"),
    ]
    if tags.conditions:
        choices.append(st.sampled_from(tags.conditions))
    if tags.strings:
        choices.append(_joined(st.sampled_from(tags.strings), " == ", st.sampled_from(TEXTS).map(quoted)))
    leaf = st.one_of(choices)
    if depth == 0:
        return leaf
    below = condition(tags, depth - 1)
    return st.one_of(
        leaf,
        leaf,
        below.map("not ({})".format),
        st.builds("({}) and ({})".format, below, below),
        st.builds("({}) or ({})".format, below, below),
        st.builds("({}) and not ({}) or ({})".format, below, below, below),
        _joined("has(", below, ")"),
    )


@cache
def has_operand(tags: TagNames) -> Text:
    choices = [st.sampled_from(['trait("n")', 'trait("s")', 'trait("b")']), SINCE, duration(tags, 1), number(tags, 1)]
    names = (*tags.any_traits, *tags.numbers, *tags.durations, *tags.conditions, *tags.strings)
    if names:
        choices.append(st.sampled_from(names))
    return st.one_of(choices)


@st.composite
def catalog_texts(draw: st.DrawFn, *, segments: tuple[int, int] = (1, 4)) -> str:
    """A catalog's YAML text: up to four tags (later ones may name earlier ones), and segments, so many to so many."""
    lines = ["catalog: random", f"version: {draw(st.integers(1, 9))}", "timezone: Europe/Berlin"]
    tags = TagNames()
    makers: list[tuple[str, Callable[[TagNames], Text]]] = [
        ("numbers", lambda names: number(names, 1)),
        ("durations", lambda names: duration(names, 1)),
        ("conditions", lambda names: condition(names, 1)),
        ("any_traits", lambda _: st.sampled_from(['trait("n")', 'trait("s")', 'trait("b")'])),
        ("strings", lambda _: st.just('trait("s")')),
    ]
    tag_count = draw(st.integers(0, 4))
    if tag_count:
        lines.append("tags:")
    for place in range(tag_count):
        field, maker = draw(st.sampled_from(makers))
        lines.append(f"  t{place}: {_scalar(draw(maker(tags)))}")
        tags = replace(tags, **{field: (*getattr(tags, field), f"t{place}")})
    lines.append("segments:")
    for place in range(draw(st.integers(*segments))):
        lines.append(f"  s{place}:")
        lines.append(f"    when: {_scalar(draw(condition(tags, 2)))}")
        if draw(st.booleans()):
            lines.append(f"    exit: {_scalar(draw(condition(tags, 1)))}")
        if draw(st.booleans()):
            lines.append(f"    min_stay: {draw(st.sampled_from(DURATIONS))}")
        if draw(st.booleans()):
            lines.append("    indexed: true")
        if draw(st.booleans()):
            lines.append(f"    kind: {draw(st.sampled_from(KINDS))}")
        title = draw(st.sampled_from(["", "    title: 高价值", "    title: {zh: 一, en: 'One \"quoted\"'}"]))
        if title:
            lines.append(title)
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    """A single-quoted YAML scalar."""
    return "'" + text.replace("'", "''") + "'"
