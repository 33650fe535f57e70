"""The number of a cluster is a name: the same as another's or not, never greater, and nothing is computed with it."""

from __future__ import annotations

from collections.abc import Mapping

from rules.errors import Flaw, ProblemCode, clip
from rules.nodes import Arithmetic, ClusterOf, Compare, Negate, Node
from rules.text import expression_text

__all__ = ["cluster_number_flaw"]

_EXPECTED = "==, !=, in or not in"


def cluster_number_flaw(node: Node, names: Mapping[Node, str]) -> Flaw | None:
    """The flaw of a comparison by order, or of arithmetic, that has the number of a cluster for one of its sides.

    `names` are the tags', as for `expression_text`.
    """
    match node:
        case Compare(operator="<" | "<=" | ">" | ">=", left=left, right=right):
            cluster = _cluster(left, right)
            done = f'have no order; there is no "{node.operator}"'
        case Arithmetic(left=left, right=right):
            cluster = _cluster(left, right)
            done = "are not computed with"
        case Negate(operand=operand):
            cluster = _cluster(operand)
            done = "are not computed with"
        case _:
            return None
    if cluster is None:
        return None
    shown = clip(expression_text(cluster, names))
    message = f"the numbers of clusters are names and {done}: compare {shown} by ==, !=, in, not in"
    return Flaw(ProblemCode.CLUSTER_NUMBER, message, node.span, clip(expression_text(node, names)), _EXPECTED)


def _cluster(*sides: Node) -> ClusterOf | None:
    return next((side for side in sides if isinstance(side, ClusterOf)), None)
