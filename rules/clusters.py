"""Clusters by name: `cluster(model) == "Night owls"` becomes the comparison with the number that has the name."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from rules.errors import Flaw, ProblemCode
from rules.nodes import Among, ClusterOf, Compare, Node, NumberValue, TagName, TextValue
from rules.scope import BROKEN, Scope

__all__ = ["ClusterNames"]

Comparison = TypeVar("Comparison", Among, Compare)


class ClusterNames:
    """Looks up the names in one expression's comparisons; flaws go to `flaws`."""

    def __init__(self, scope: Scope, flaws: list[Flaw]) -> None:
        self._scope = scope
        self._flaws = flaws

    def by_number(self, node: Comparison) -> Comparison | None:
        """The comparison as written, with numbers for names of clusters; None if it is broken."""
        if isinstance(node, Among):
            cluster = self._cluster(node.operand)
            if cluster is None or not any(isinstance(choice, TextValue) for choice in node.choices):
                return node
            choices = tuple(self._number(cluster, choice) for choice in node.choices)
            whole = tuple(choice for choice in choices if choice is not None)
            return replace(node, choices=whole) if len(whole) == len(choices) else None
        for one, other, place in ((node.left, node.right, "right"), (node.right, node.left, "left")):
            cluster, text = self._cluster(one), self._text(other)
            if cluster is None or text is None:
                continue
            if node.operator not in ("==", "!="):
                message = f'names of clusters take ==, !=, in, not in, and no "{node.operator}"; they have no order'
                self._flaws.append(Flaw(ProblemCode.WRONG_TYPE, message, node.span, "a name", "== or !="))
                return None
            number = self._number(cluster, text)
            if number is None:
                return None
            return replace(node, right=number) if place == "right" else replace(node, left=number)
        return node

    def _number(self, cluster: ClusterOf, choice: Node) -> Node | None:
        if not isinstance(choice, TextValue):
            return choice
        flaw = self._scope.flaw_of_model(cluster)
        found = self._scope.cluster_named(cluster.model, choice.value, choice.span) if flaw is None else flaw
        if isinstance(found, Flaw):
            if found not in self._flaws:
                self._flaws.append(found)
            return None
        return NumberValue(found, choice.span)

    def _cluster(self, node: Node) -> ClusterOf | None:
        """The model whose clusters a side is, under its own name or a tag's."""
        if isinstance(node, TagName):
            meant = self._scope.tags.get(node.name, BROKEN).node
            return replace(meant, span=node.span) if isinstance(meant, ClusterOf) else None
        return node if isinstance(node, ClusterOf) else None

    def _text(self, node: Node) -> TextValue | None:
        if isinstance(node, TagName):
            meant = self._scope.tags.get(node.name, BROKEN).node
            return replace(meant, span=node.span) if isinstance(meant, TextValue) else None
        return node if isinstance(node, TextValue) else None
