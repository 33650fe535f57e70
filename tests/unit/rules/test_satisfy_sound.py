"""No user meets a condition of which it is said that nobody can, and none escapes one that is said to always hold."""

from __future__ import annotations

import random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rules.checking.satisfy import Reasoner
from rules.history import Event
from rules.interpret import History, value_of
from rules.nodes import Kind, Node
from rules.parse import parse_expression
from rules.scope import Scope
from rules.text import expression_text
from rules.types import resolve

DAY_MS = 86_400_000
NOW_MS = 1_700_000_000_000
LEVELS = {"tier": ("low", "mid", "high")}
EVENTS = ("A", "B")
WORDS = ("a", "ab", "b", "Ab", "1990-05-17")
WINDOWS = ("1h", "59m", "1d", "25h", "3d")

_event = st.sampled_from(['"A"', '"B"', ""])
_name = st.sampled_from(['"A"', '"B"'])
_operator = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
_equality = st.sampled_from(["==", "!="])
_small = st.sampled_from(["0", "1", "2", "3", "-1", "0.5", "2.5", "10"])
_length = st.sampled_from(['"0s"', '"30m"', '"1h"', '"61m"', '"1d"', '"26h"', '"3d"', '"73h"'])
_word = st.sampled_from([f'"{word}"' for word in WORDS])
_last = st.sampled_from(["", *(f'last="{window}"' for window in WINDOWS)])
_open = st.sampled_from(['trait("x")', 'trait("y")', 'latest("A", "p")', 'top("A", "q")', 'lower(trait("x"))'])


def _call(name: str, *arguments: str) -> str:
    return f"{name}({', '.join(argument for argument in arguments if argument)})"


_where = st.sampled_from(
    [
        "",
        "",
        'where=property("p") > 1',
        'where=property("q") == "a"',
        'where=property("p") > 1 and property("q") == "a"',
    ]
)
_value_calls = st.builds(
    _call, st.sampled_from(["sum", "mean", "min", "max"]), _name, st.sampled_from(['"p"', '"r"']), _last, _where
)
_numbers = st.recursive(
    st.one_of(
        st.builds(_call, st.just("count"), _event, _last, _where),
        _value_calls,
        st.builds(_call, st.just("distinct"), _name, st.just('"p"'), _last),
        st.builds(_call, st.just("top_hour"), _event),
        st.sampled_from(
            [
                'days_since(trait("x"))',
                'days_until(trait("x"), yearly=true)',
                'days_since(trait("x"), yearly=true)',
            ]
        ),
    ),
    lambda inner: st.builds(
        lambda left, operator, right: f"({left} {operator} {right})",
        inner,
        st.sampled_from(["+", "-", "*", "/"]),
        st.one_of(inner, _small),
    ),
    max_leaves=3,
)
_sinces = st.builds(_call, st.sampled_from(["since", "since_first"]), _event)
_durations = st.one_of(
    _sinces,
    _sinces,
    st.builds(lambda one, sign, other: f"({one} {sign} {other})", _sinces, st.sampled_from("+-"), _sinces),
)
_leaves = st.one_of(
    st.builds(lambda left, operator, right: f"{left} {operator} {right}", _numbers, _operator, _small),
    st.builds(lambda left, operator, right: f"{left} {operator} {right}", _numbers, _operator, _numbers),
    st.builds(lambda left, operator, right: f"{left} {operator} {right}", _durations, _operator, _length),
    st.builds(lambda left, operator, right: f"{left} {operator} {right}", _durations, _operator, _durations),
    st.builds(lambda left, operator, right: f"{left} {operator} {right}", _open, _equality, _word),
    st.builds(
        lambda left, operator, right: f'trait("{left}") {operator} {right}', st.sampled_from("xy"), _operator, _small
    ),
    st.builds(lambda left, words: f"{left} in [{', '.join(words)}]", _open, st.lists(_word, min_size=1, max_size=3)),
    st.builds(_call, st.sampled_from(["starts_with", "ends_with", "contains"]), _open, _word),
    st.builds(_call, st.just("has"), st.one_of(_open, _sinces, _value_calls)),
    st.sampled_from(['trait("x")', 'in_segment("s")', 'level("tier") == "low"', 'level("tier") in ["mid", "high"]']),
)
_conditions = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.builds(lambda parts: " and ".join(f"({part})" for part in parts), st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda parts: " or ".join(f"({part})" for part in parts), st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda part: f"not ({part})", inner),
    ),
    max_leaves=5,
)

_values = st.sampled_from([None, True, False, 0, 1, 2, 3, 0.1, 2.5, -1, "a", "ab", "Ab", "1990-05-17", [1]])
_ages_ms = st.sampled_from(
    [0, 1, 1_799_999, 3_540_000, 3_600_000, 3_659_999, 3_660_000, DAY_MS, 25 * 3_600_000, 3 * DAY_MS, 80 * 3_600_000]
)
_tracks = st.builds(
    lambda name, age_ms, p, q, r: Event("u", "track", name, NOW_MS - age_ms, None, {"p": p, "q": q, "r": r}, {}),
    st.sampled_from(EVENTS),
    _ages_ms,
    st.sampled_from([None, 0.1, 1, 2, 3, -1, 10]),
    st.sampled_from([None, "a", "ab", 1, True]),
    st.sampled_from([None, 0, 0.1, 0.7]),
)
_identifies = st.builds(
    lambda age_ms, x, y: Event("u", "identify", None, NOW_MS - age_ms, None, {}, {"x": x, "y": y}),
    _ages_ms,
    _values,
    _values,
)
_histories = st.builds(
    lambda events, user_hash, inside, level: History(
        events, user_hash, "UTC", frozenset({"s"}) if inside else frozenset(), {"tier": level}
    ),
    st.lists(st.one_of(_tracks, _tracks, _identifies), max_size=7),
    st.integers(0, 2**31 - 1),
    st.booleans(),
    st.sampled_from(LEVELS["tier"]),
)


@settings(max_examples=200, deadline=None)
@given(text=_conditions, histories=st.lists(_histories, min_size=1, max_size=6))
def test_no_user_is_a_counterexample(text: str, histories: list[History]) -> None:
    node = _resolved(text)
    assume(node is not None)
    assert node is not None
    reasoner = Reasoner(LEVELS)
    holds, fails = reasoner.holds(node), reasoner.fails(node)
    can_hold, can_fail = reasoner.is_possible(holds), reasoner.is_possible(fails)
    can_be_otherwise = reasoner.is_possible(reasoner.otherwise(holds))
    assert can_hold or can_be_otherwise
    for history in histories:
        value = value_of(node, history, NOW_MS)
        assert can_hold or value is not True
        assert can_fail or value is not False
        assert can_be_otherwise or value is True


def _resolved(text: str) -> Node | None:
    parsed = parse_expression(text)
    assert parsed.node is not None, (text, parsed.flaws)
    assert parse_expression(expression_text(parsed.node)).node == parsed.node
    return resolve(parsed.node, Scope({}, {"s"}, LEVELS), Kind.BOOLEAN).tag.node


def test_no_user_of_many_is_a_counterexample_to_two_comparisons_of_related_values() -> None:
    draw = random.Random(7)
    histories = [_drawn_history(draw) for _ in range(100)]
    texts = draw.sample(_related_comparisons(), 500)
    leaves = [node for node in map(_resolved, texts) if node is not None]
    # Bit i of a leaf's number: whether it holds for user i.
    held = [
        sum(1 << bit for bit, history in enumerate(histories) if value_of(node, history, NOW_MS) is True)
        for node in leaves
    ]
    reasoner = Reasoner(LEVELS)
    reasoner._work_left = 10**9
    impossible = 0
    for _ in range(3_000):
        one, other = draw.randrange(len(leaves)), draw.randrange(len(leaves))
        if not reasoner.is_possible(reasoner.both(reasoner.holds(leaves[one]), reasoner.holds(leaves[other]))):
            impossible += 1
            assert held[one] & held[other] == 0, (expression_text(leaves[one]), expression_text(leaves[other]))
    assert impossible > 200


def _related_comparisons() -> list[str]:
    windows = ["", ', last="1h"', ', last="3599s"', ', last="62m"', ', last="1d"']
    wheres = ["", ', where=property("p") > 1', ', where=property("p") > 1 and property("q") == "a"']
    numbers = [f'count("A"{last}{where})' for last in windows for where in wheres] + ["count()"]
    numbers += [f'{name}("A", "p"{last})' for name in ("sum", "min", "max", "mean", "distinct") for last in windows]
    numbers += [f'{name}("A", "r"{where})' for name in ("min", "max", "mean") for where in wheres]
    comparisons = [
        f"{number} {operator} {limit}"
        for number in numbers
        for operator in ("==", "<", "<=", ">", ">=")
        for limit in ("0", "0.1", "1", "2", "3")
    ]
    comparisons += [
        f"{one} {sign} {two}" for one in numbers[:20] for sign in ("<", "==", ">") for two in numbers[:20:3]
    ]
    sinces = ["since()", 'since("A")', 'since("B")', "since_first()", 'since_first("A")']
    lengths = ['"1h"', '"3540s"', '"3599s"', '"3659s"', '"3660s"', '"61m"', '"62m"', '"25h"', '"1464m"']
    signs = ("<", "<=", "==", ">", ">=")
    comparisons += [f"{one} {sign} {limit}" for one in sinces for sign in signs for limit in lengths]
    comparisons += [f"{one} {sign} {two}" for one in sinces for sign in ("<", "==", ">") for two in sinces]
    present = [*sinces, 'min("A", "p")', 'mean("A", "p", last="1h")', 'latest("A", "p")', 'top("A", "q")', "top_hour()"]
    return comparisons + [f"{sign}has({one})" for one in present for sign in ("", "not ")]


def _drawn_history(draw: random.Random) -> History:
    ages_ms = [
        0,
        1_000,
        3_540_000,
        3_599_000,
        3_600_000,
        3_659_000,
        3_659_999,
        3_660_000,
        3_720_000,
        DAY_MS,
        87_840_000,
    ]
    events = [
        Event(
            user="u",
            type="track",
            name=draw.choice(EVENTS),
            t_ms=NOW_MS - draw.choice(ages_ms),
            message_id=None,
            properties={
                "p": draw.choice([None, 0.1, 1, 2, 3, -1]),
                "q": draw.choice([None, "a", "b"]),
                "r": draw.choice([0.1, 0.1, 0.1, 0.7]),
            },
            traits={},
        )
        for _ in range(draw.randrange(6))
    ]
    return History(events, draw.randrange(2**31))
