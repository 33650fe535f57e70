"""When to look at a user again: every moment at which time alone may change a condition, some too many.

A look too many is harmless, since a look at which no condition has changed does nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from datetime import timedelta

from rules.days import day_begins_ms, local_day
from rules.interpret import History, units_inside, value_of, walk
from rules.nodes import Aggregate, Among, Arithmetic, Compare, Days, Has, Kind, Node, kind_of
from rules.windows import leaving_ms

__all__ = ["looks_ms", "sum_peak_units"]


def looks_ms(nodes: Sequence[Node], history: History, from_ms: int, until_ms: int) -> Iterator[int]:
    """The moments after `from_ms` and up to `until_ms`, ascending, at which time alone may change one of the nodes.

    An event leaves a window, a comparison of durations flips, a day begins. `nodes` are all nodes of the conditions.
    """
    windows_ms = {node.last_ms for node in nodes if isinstance(node, Aggregate) and node.last_ms is not None}
    found = {leaving_ms(event.t_ms, last_ms, history.user_hash) for last_ms in windows_ms for event in history.events}
    for node in nodes:
        found.update(_duration_moments(node, history))
    by_days = [node for node in nodes if isinstance(node, Compare | Among | Has) and _reads_days(node)]
    in_order = sorted(moment_ms for moment_ms in found if from_ms < moment_ms <= until_ms)
    return heapq.merge(in_order, _day_moments(by_days, history, from_ms, until_ms))


def _duration_moments(node: Node, history: History) -> Iterator[int]:
    """Moments at which a comparison of durations may come to differ.

    The difference of the two sides is c·now + k with whole c and k; it changes its sign, or passes zero, about −k/c.
    """
    match node:
        case Compare():
            pairs = [(node.left, node.right)]
        case Among():
            pairs = [(node.operand, choice) for choice in node.choices]
        case _:
            return
    for left, right in pairs:
        if kind_of(left) is not Kind.DURATION:
            continue
        at_zero, at_one = (value_of(Arithmetic("-", left, right), history, now_ms) for now_ms in (0, 1))
        if not isinstance(at_zero, int) or not isinstance(at_one, int):
            continue
        slope = at_one - at_zero
        if slope != 0:
            root = -at_zero // slope
            yield from range(root - 1, root + 3)


def _reads_days(node: Node) -> bool:
    return any(isinstance(each, Days) for each in walk(node))


def _day_moments(nodes: Sequence[Node], history: History, from_ms: int, until_ms: int) -> Iterator[int]:
    """The beginnings of local days at which a condition that reads days is not what it was a millisecond before."""
    if not nodes:
        return
    day = local_day(from_ms, history.timezone) + timedelta(days=1)
    while (begins_ms := day_begins_ms(day, history.timezone)) <= until_ms:
        if any(value_of(node, history, begins_ms) != value_of(node, history, begins_ms - 1) for node in nodes):
            yield begins_ms
        day += timedelta(days=1)


def sum_peak_units(node: Aggregate, history: History, now_ms: int) -> int:
    """The greatest magnitude, in millionths, of a sum now and at every later moment, if no event comes any more."""
    inside = units_inside(node, history, now_ms)
    last_ms = node.last_ms
    if last_ms is None:
        return abs(sum(units for _, units in inside))
    leaving = [(leaving_ms(t_ms, last_ms, history.user_hash), units) for t_ms, units in inside]
    moments_ms = {now_ms, *(leaves_ms for leaves_ms, _ in leaving)}
    return max(abs(sum(units for leaves_ms, units in leaving if leaves_ms > moment_ms)) for moment_ms in moments_ms)
