"""Quantiles by their boundaries: `quantile(rfm, recency) >= 4` becomes the comparison of the field that it is about.

So what would flip it is looked for as for any other comparison: the field has to pass the boundary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rules.interpret import Value
from rules.models import Model, ModelFeature
from rules.nodes import (
    Among,
    And,
    Compare,
    DurationValue,
    Has,
    Kind,
    Node,
    Not,
    NumberValue,
    Or,
    QuantileOf,
)
from rules.normalize import compare_numbers
from rules.snapshots import quantile_scores

__all__ = ["NO_MODELS", "LearnedModels"]

_TURNED_ROUND = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


@dataclass(frozen=True, slots=True)
class LearnedModels:
    """A catalog's models and their snapshots in force, by name; of a model without one nothing is known."""

    models: Mapping[str, Model] = field(default_factory=dict)
    snapshots: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def field_of(self, node: QuantileOf) -> ModelFeature | None:
        """The field that a quantile is of, None where it has no boundaries."""
        if node.model not in self.snapshots:
            return None
        return self.models[node.model].features[self.models[node.model].fields.index(node.field)]

    def score(self, node: QuantileOf, value: Value) -> float | None:
        """The score of a field's value."""
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        score = quantile_scores([self._learned(node)], [number])[node.field]
        return None if score is None else float(score)

    def by_field(self, condition: Node) -> Node:
        """The condition with comparisons of fields in the place of those of quantiles with constants."""
        match condition:
            case And() | Or():
                return replace(condition, operands=tuple(self.by_field(operand) for operand in condition.operands))
            case Not():
                return replace(condition, operand=self.by_field(condition.operand))
            case Has(operand=QuantileOf() as quantile):
                feature = self.field_of(quantile)
                return condition if feature is None else Has(feature.expression, condition.span)
            case Compare(left=QuantileOf() as quantile, right=NumberValue(value=limit)):
                return self._ranges(condition, quantile, condition.operator, [limit])
            case Compare(left=NumberValue(value=limit), right=QuantileOf() as quantile):
                return self._ranges(condition, quantile, _TURNED_ROUND[condition.operator], [limit])
            case Among(operand=QuantileOf() as quantile):
                numbers = [choice.value for choice in condition.choices if isinstance(choice, NumberValue)]
                return self._ranges(condition, quantile, "!=" if condition.negated else "==", numbers)
            case _:
                return condition

    def _learned(self, node: QuantileOf) -> Mapping[str, Any]:
        fields: list[Mapping[str, Any]] = self.snapshots[node.model]["fields"]
        return fields[self.models[node.model].fields.index(node.field)]

    def _ranges(self, written: Node, node: QuantileOf, operator: str, limits: list[int | float]) -> Node:
        """The ranges of the field in which its score compares so with all (`!=`), else with one of the limits."""
        feature = self.field_of(node)
        if feature is None:
            return written
        learned = self._learned(node)
        highest = len(learned["boundaries"]) + 1
        passed = [compare_numbers(operator, score, limit) for score in range(1, highest + 1) for limit in limits]
        held = [passed[start : start + len(limits)] for start in range(0, len(passed), len(limits))]
        right = [all(each) if operator == "!=" else any(each) for each in held]
        ranges = list(_ranges_of(list(reversed(right)) if learned["lower_is_better"] else right))
        boundaries = [_constant(each, feature.kind) for each in learned["boundaries"]]
        parts = [_within(feature.expression, boundaries, *each) for each in ranges]
        if not parts:  # never; unknown where the value is missing
            return And((_above(feature.expression, boundaries[0]), _upto(feature.expression, boundaries[0])))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))


NO_MODELS = LearnedModels()


def _ranges_of(right: list[bool]) -> Iterator[tuple[int, int]]:
    """The runs of true, first and last."""
    start: int | None = None
    for number, each in enumerate([*right, False]):
        if each and start is None:
            start = number
        elif not each and start is not None:
            yield start, number - 1
            start = None


def _within(expression: Node, boundaries: list[Node], first: int, last: int) -> Node:
    """Above `first` boundaries at least, and above `last` at most."""
    if first == 0 and last == len(boundaries):
        return Or((_above(expression, boundaries[0]), _upto(expression, boundaries[0])))
    if first == 0:
        return _upto(expression, boundaries[last])
    above = _above(expression, boundaries[first - 1])
    return above if last == len(boundaries) else And((above, _upto(expression, boundaries[last])))


def _above(expression: Node, boundary: Node) -> Node:
    return Compare(">", expression, boundary)


def _upto(expression: Node, boundary: Node) -> Node:
    return Compare("<=", expression, boundary)


def _constant(boundary: float, kind: Kind) -> Node:
    return DurationValue(int(boundary // 1)) if kind is Kind.DURATION else NumberValue(boundary)
