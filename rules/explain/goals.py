"""What has to become true for a membership to flip: sets of leaves, each with what it must say.

A goal goes down through `and`, `or`, `not` and through other segments and tiers to the leaves. Each alternative is a
set of leaf goals that are not met now and would together, for all that is known, bring it about.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rules.catalog import Segment, Tier
from rules.explain.circuit import Circuit, Units
from rules.explain.prospect import Prospect
from rules.explain.values import sources_of
from rules.interpret import Value
from rules.nodes import Among, And, Compare, Level, Membership, Node, Not, Or, TextValue

__all__ = ["NOT_FALSE", "TRUE", "Alternatives", "Goals", "LeafGoal", "is_met"]

_ALTERNATIVES = 24
"""Alternatives kept at each node: those with the fewest leaves."""

_DEPTH = 3
"""Segments and tiers gone through to others."""

TRUE, FALSE, NOT_TRUE, NOT_FALSE = "true", "false", "not_true", "not_false"
_OPPOSITE = {TRUE: FALSE, FALSE: TRUE, NOT_TRUE: NOT_FALSE, NOT_FALSE: NOT_TRUE}


@dataclass(frozen=True, slots=True)
class LeafGoal:
    """A leaf and what it is to say: `true`, `false`, `not_true` (false or unknown), `not_false`."""

    leaf: Node
    wanted: str


Alternatives = list[frozenset[LeafGoal]]


def is_met(verdict: Value, wanted: str) -> bool:
    """Whether what a condition says is what is wanted."""
    if wanted in (TRUE, NOT_TRUE):
        return (verdict is True) is (wanted == TRUE)
    return (verdict is False) is (wanted == FALSE)


class Goals:
    """Expands goals for a user as of a prospect's moment."""

    def __init__(self, circuit: Circuit, prospect: Prospect, units: Units) -> None:
        self._circuit = circuit
        self._prospect = prospect
        self._units = units

    def of_unit(self) -> Iterator[tuple[str, Alternatives]]:
        """Where the unit asked about may move to (`in`, `out`, or a level), and what would bring it there."""
        name = self._circuit.name
        unit = self._circuit.unit(name)
        if isinstance(unit, Tier):
            for level in unit.levels:
                if level != self._units[name].level:
                    yield level, self._on_level(unit, level, 0)
        elif self._units[name].inside:
            yield "out", self._outside(unit, 0)
        else:
            yield "in", self._inside(unit, 0)

    def _inside(self, segment: Segment, depth: int) -> Alternatives:
        when, *exits = self._circuit.conditions(segment.name)
        return _all([self._expand(when, TRUE, depth), *(self._expand(each, NOT_TRUE, depth) for each in exits)])

    def _outside(self, segment: Segment, depth: int) -> Alternatives:
        when, *exits = self._circuit.conditions(segment.name)
        return self._expand(exits[0], TRUE, depth) if exits else self._expand(when, NOT_TRUE, depth)

    def _on_level(self, tier: Tier, level: str, depth: int) -> Alternatives:
        parts = []
        for name, when in zip(tier.levels, self._circuit.conditions(tier.name), strict=True):
            parts.append(self._expand(when, TRUE if name == level else NOT_TRUE, depth))
            if name == level:
                break
        return _all(parts)

    def _expand(self, node: Node, wanted: str, depth: int) -> Alternatives:
        if isinstance(node, Not):
            return self._expand(node.operand, _OPPOSITE[wanted], depth)
        if isinstance(node, And | Or):
            parts = [self._expand(operand, wanted, depth) for operand in node.operands]
            needs_all = isinstance(node, And) is (wanted in (TRUE, NOT_FALSE))
            return _all(parts) if needs_all else _any(parts)
        if is_met(self._prospect.verdict(node, self._prospect.at_ms, self._units), wanted):
            return [frozenset()]
        if any(isinstance(source, Membership | Level) for source in sources_of(node)):
            return self._through(node, wanted in (TRUE, NOT_FALSE), depth + 1)
        return [frozenset({LeafGoal(node, wanted)})]

    def _through(self, leaf: Node, wanted: bool, depth: int) -> Alternatives:
        """A leaf that asks for another segment or tier: what would bring the user in, out, or to a level."""
        if depth > _DEPTH:
            return []
        if isinstance(leaf, Membership):
            segment = self._circuit.catalog.segments[leaf.segment]
            return self._inside(segment, depth) if wanted else self._outside(segment, depth)
        named = _named_levels(leaf)
        if named is None:
            return []
        level, names, is_among = named
        tier = self._circuit.catalog.tiers[level.tier]
        asked = [name for name in tier.levels if (name in names) is (is_among is wanted)]
        return _any([self._on_level(tier, name, depth) for name in asked])


def _named_levels(leaf: Node) -> tuple[Level, set[str], bool] | None:
    """The tier, the levels named, and whether to be on one of them is what the leaf asks for."""
    if isinstance(leaf, Compare) and isinstance(leaf.left, Level) and isinstance(leaf.right, TextValue):
        return leaf.left, {leaf.right.value}, leaf.operator == "=="
    if isinstance(leaf, Compare) and isinstance(leaf.right, Level) and isinstance(leaf.left, TextValue):
        return leaf.right, {leaf.left.value}, leaf.operator == "=="
    if isinstance(leaf, Among) and isinstance(leaf.operand, Level):
        names = {choice.value for choice in leaf.choices if isinstance(choice, TextValue)}
        return leaf.operand, names, not leaf.negated
    return None


def _any(parts: list[Alternatives]) -> Alternatives:
    return _fewest([alternative for part in parts for alternative in part])


def _all(parts: list[Alternatives]) -> Alternatives:
    joined: Alternatives = [frozenset()]
    for part in parts:
        joined = _fewest([first | second for first in joined for second in part])
    return joined


def _fewest(alternatives: Alternatives) -> Alternatives:
    """The smallest of them, none of which contains another."""
    kept: Alternatives = []
    for alternative in sorted(dict.fromkeys(alternatives), key=len):
        if not any(smaller <= alternative for smaller in kept):
            kept.append(alternative)
            if len(kept) == _ALTERNATIVES:
                break
    return kept
