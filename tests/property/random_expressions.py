"""Random expressions over the whole language, as text.

Names are few, so that expressions meet the same aggregates, and durations small, so that short logs meet their ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from hypothesis import strategies as st

EVENTS = ("A", "B", "Page Viewed", "Screen Viewed")
WINDOWS = ("1s", "2s", "3s", "7s", "61s", "5m", "1h", "1d")
DURATIONS = ("1s", "2s", "3s", "10s", "61s", "5m", "1h", "2h", "1d")
HALF_LIVES = ("1s", "3s", "61s", "1h", "15d")
NUMBERS = ("0", "1", "2", "3", "5", "0.5", "1.5", "2.5", "10", "1000", "0.1", "-1", "-2.5", "0.000001", "900000000000")
FEW = ("0", "1", "2", "3", "1.5")
DAY_COUNTS = ("-1", "0", "0", "1", "2", "30", "200", "364", "12000")
LITERALS = ("", "a", "A", "b", "na\u00efve", "\u00e9" * 128, "a" * 255, "2024-02-29")
PARTS = ("a", "A", "b", "v", "\u00ef", "\u00e9", "20")
ORDERINGS = ("<", "<=", ">", ">=")
COMPARISONS = (*ORDERINGS, "==", "!=")

Text = st.SearchStrategy[str]


@dataclass(frozen=True, slots=True)
class Names:
    """What an expression may name: tags by what they may stand for, segments, and tiers with their levels."""

    numbers: tuple[str, ...] = ()
    durations: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    strings: tuple[str, ...] = ()
    any_values: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    tiers: tuple[tuple[str, tuple[str, ...]], ...] = ()


def quoted(text: str) -> str:
    """A string literal of the language (none of ours has a quote or a backslash in it)."""
    return f'"{text}"'


@st.composite
def joined(draw: st.DrawFn, *parts: str | Text) -> str:
    """Texts one after the other."""
    return "".join(part if isinstance(part, str) else draw(part) for part in parts)


COMPARISON = st.sampled_from(COMPARISONS).map(" {} ".format)
EQUALITY = st.sampled_from([" == ", " != "])
MEMBERSHIP = st.sampled_from([" in [", " not in ["])
NUMBER_LITERAL = st.sampled_from(NUMBERS)
TEXT_LITERAL = st.sampled_from(LITERALS).map(quoted)
DURATION_LITERAL = st.sampled_from(DURATIONS).map(quoted)
EVENT_LITERAL = st.sampled_from(EVENTS).map(quoted)
TEXT_TEST = st.sampled_from(["starts_with", "ends_with", "contains"])
PART_LITERAL = st.sampled_from(PARTS).map(quoted)


def _where() -> Text:
    number = NUMBER_LITERAL
    string = st.sampled_from(['property("s")', 'property("c")', 'lower(property("s"))', 'lower(property("c"))'])
    leaves = st.one_of(
        joined('property("x")', COMPARISON, number),
        joined(number, COMPARISON, 'property("y")'),
        joined(number, ' <= property("x") < ', number),
        joined('property("c") in [', number, ", ", number, "]"),
        joined(string, EQUALITY, TEXT_LITERAL),
        joined(string, MEMBERSHIP, TEXT_LITERAL, ', "b"]'),
        joined(TEXT_TEST, "(", string, ", ", PART_LITERAL, ")"),
        st.sampled_from(['property("b")', 'property("c")', 'has(property("x"))', 'has(property("c"))']),
        joined("has(", string, " == ", TEXT_LITERAL, ")"),
    )
    return st.one_of(
        leaves,
        leaves.map("not ({})".format),
        joined("(", leaves, ") and (", leaves, ")"),
        joined("(", leaves, ") or not (", leaves, ")"),
    )


def _arguments(*fixed: Text, where: bool = True) -> Text:
    """The arguments of a function over events, with `last` and `where` where drawn."""
    last = st.sampled_from(["", "", *(f'last="{window}"' for window in WINDOWS)])
    condition = st.one_of(st.just(""), st.just(""), _where().map("where={}".format)) if where else st.just("")
    return st.tuples(*fixed, last, condition).map(lambda parts: ", ".join(part for part in parts if part))


def _with_half_life(*fixed: Text) -> Text:
    half_life = st.sampled_from(["", *(f'half_life="{duration}"' for duration in HALF_LIVES)])
    return st.tuples(*fixed, half_life).map(lambda parts: ", ".join(part for part in parts if part))


PAID = st.sampled_from(['"x"', '"x"', '"y"'])
SEEN = st.sampled_from(['"c"', '"c"', '"s"', '"x"', '"b"'])
COUNT = joined("count(", _arguments(st.one_of(st.just(""), EVENT_LITERAL)), ")")
SUM = joined("sum(", _arguments(EVENT_LITERAL, PAID), ")")
SUMMARY = joined(st.sampled_from(["mean(", "min(", "max("]), _arguments(EVENT_LITERAL, PAID), ")")
DISTINCT = joined("distinct(", _arguments(EVENT_LITERAL, SEEN, where=False), ")")
SINCE = joined(st.sampled_from(["since", "since_first"]), "(", st.one_of(st.just(""), EVENT_LITERAL), ")")
TOP_HOUR = joined("top_hour(", _with_half_life(st.one_of(st.just(""), EVENT_LITERAL)), ")")
TOP = joined("top(", _with_half_life(st.sampled_from(['"A"', '"A"', '"B"', '"Page Viewed"']), SEEN), ")")
LATEST = joined("latest(", st.sampled_from(['"A"', '"A"', '"B"']), ", ", SEEN, ")")
DATE = st.sampled_from(['trait("d")', 'trait("d")', 'latest("A", "d")'])
DAYS = joined(
    st.sampled_from(["days_since(", "days_until("]), DATE, st.sampled_from(["", ", yearly=true", ", yearly=false"]), ")"
)
STRING = st.one_of(st.sampled_from(['trait("s")', 'latest("A", "s")']), TOP, LATEST)
LOWERED = st.one_of(STRING, STRING.map("lower({})".format))
OPEN = st.one_of(st.sampled_from(['trait("n")', 'trait("s")', 'trait("b")', 'trait("d")']), TOP, LATEST)
WINDOWED_COUNT = joined(
    "count(", st.sampled_from(["", '"A", ', '"A", ', '"B", ']), 'last="', st.sampled_from(WINDOWS), '")'
)


@cache
def known_number(names: Names, depth: int) -> Text:
    """A number whose type does not depend on its place; never a `distinct` alone, which has limits of its own."""
    choices = [COUNT, COUNT, SUM, SUM, SUMMARY, SUMMARY, TOP_HOUR, DAYS]
    if depth > 0:
        below = number(names, depth - 1)
        choices.append(joined("(", below, st.sampled_from([" + ", " - ", " * ", " / "]), below, ")"))
        choices.append(joined("(", DISTINCT, st.sampled_from([" + ", " - "]), below, ")"))
        choices.append(joined("(-", below, ")"))
    return st.one_of(choices)


@cache
def number(names: Names, depth: int) -> Text:
    choices = [known_number(names, depth), NUMBER_LITERAL, st.sampled_from(['trait("n")', 'trait("s")']), TOP, LATEST]
    if names.numbers:
        choices.append(st.sampled_from(names.numbers))
    return st.one_of(choices)


@cache
def duration(names: Names, depth: int) -> Text:
    """A duration that is known as one without a neighbour."""
    choices = [SINCE, SINCE]
    if names.durations:
        choices.append(st.sampled_from(names.durations))
    if depth > 0:
        below = duration(names, depth - 1)
        sign = st.sampled_from([" + ", " - "])
        choices.append(joined("(", below, sign, st.one_of(below, DURATION_LITERAL), ")"))
        choices.append(joined("(", DURATION_LITERAL, sign, below, ")"))
        choices.append(joined("(-", below, ")"))
    return st.one_of(choices)


def _memberships(names: Names) -> list[Text]:
    """Conditions about segments and tiers."""
    choices: list[Text] = []
    if names.segments:
        segment = st.sampled_from(names.segments)
        choices.append(st.one_of(segment.map("in_segment({})".format), segment.map('not in_segment("{}")'.format)))
    for tier, levels in names.tiers:
        level = st.sampled_from(levels).map(quoted)
        choices.append(joined(f"level({tier})", EQUALITY, level))
        choices.append(joined(f'level("{tier}")', MEMBERSHIP, level, ", ", level, "]"))
    return choices


@cache
def condition(names: Names, depth: int) -> Text:
    ordering = st.sampled_from(ORDERINGS).map(" {} ".format)
    usual = [
        joined(WINDOWED_COUNT, COMPARISON, st.sampled_from(("1", "2", "3", "4"))),
        joined(WINDOWED_COUNT, " >= ", st.sampled_from(("1", "2", "3"))),
        joined(SINCE, COMPARISON, DURATION_LITERAL),
        joined(st.one_of(SUM, SUMMARY), COMPARISON, NUMBER_LITERAL),
        joined(known_number(names, 0), COMPARISON, NUMBER_LITERAL),
        joined(duration(names, 0), COMPARISON, DURATION_LITERAL),
        joined(DAYS, COMPARISON, st.sampled_from(DAY_COUNTS)),
        joined(DISTINCT, COMPARISON, st.sampled_from(FEW)),
        joined(LOWERED, EQUALITY, TEXT_LITERAL),
        joined(st.one_of(TOP, LATEST), COMPARISON, st.sampled_from(FEW)),
    ]
    choices = [
        *usual,
        *usual,
        *_memberships(names) * 3,
        joined(NUMBER_LITERAL, ordering, number(names, 1), ordering, NUMBER_LITERAL),
        joined(DURATION_LITERAL, ordering, duration(names, 1), ordering, DURATION_LITERAL),
        joined(duration(names, 1), COMPARISON, duration(names, 1)),
        joined(known_number(names, 1), COMPARISON, number(names, 1)),
        joined(number(names, 1), ordering, number(names, 0)),
        joined(known_number(names, 0), MEMBERSHIP, NUMBER_LITERAL, ", ", NUMBER_LITERAL, "]"),
        joined(DAYS, MEMBERSHIP, st.sampled_from(DAY_COUNTS), ", ", st.sampled_from(DAY_COUNTS), "]"),
        joined(DISTINCT, MEMBERSHIP, st.sampled_from(FEW), ", ", st.sampled_from(FEW), "]"),
        joined(DISTINCT, COMPARISON, known_number(names, 0)),
        joined(DISTINCT, st.sampled_from([" >= 64", " < 64", " > 63", " == 63"])),
        joined(duration(names, 0), " in [", DURATION_LITERAL, ", ", DURATION_LITERAL, "]"),
        joined(LOWERED, MEMBERSHIP, TEXT_LITERAL, ', "b"]'),
        joined(TEXT_TEST, "(", LOWERED, ", ", PART_LITERAL, ")"),
        joined(LATEST, MEMBERSHIP, NUMBER_LITERAL, ", 2]"),
        st.sampled_from(['trait("b")', 'trait("s")', 'latest("A", "b")', 'top("A", "c")', "true", "false"]),
        joined("has(", has_operand(names), ")"),
    ]
    if names.conditions:
        choices.append(st.sampled_from(names.conditions))
    if names.strings:
        choices.append(joined(st.sampled_from(names.strings), " == ", TEXT_LITERAL))
    leaf = st.one_of(choices)
    if depth == 0:
        return leaf
    below = condition(names, depth - 1)
    return st.one_of(
        leaf,
        leaf,
        below.map("not ({})".format),
        joined("(", below, ") and (", below, ")"),
        joined("(", below, ") or (", below, ")"),
        joined("(", below, ") and not (", below, ") or (", below, ")"),
        joined("has(", below, ")"),
    )


@cache
def has_operand(names: Names) -> Text:
    choices = [OPEN, LOWERED, SINCE, DISTINCT, DAYS, duration(names, 1), number(names, 1), *_memberships(names)]
    tags = (*names.any_values, *names.numbers, *names.durations, *names.conditions, *names.strings)
    if tags:
        choices.append(st.sampled_from(tags))
    return st.one_of(choices)
