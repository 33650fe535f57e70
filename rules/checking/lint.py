"""What is valid and cannot be meant: conditions that can never or always hold, exits and levels that nobody reaches.

Looked for once everything else is right, by `rules.checking.satisfy`, whose "never" is a proof. A tag is looked at
where it is defined and taken as it is where it is used. What is only odd is found in `rules.checking.oddities`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rules.checking.cluster_numbers import cluster_number_flaw
from rules.checking.constants import Constants
from rules.checking.constraints import Constraint
from rules.checking.oddities import odd_flaws, overlap
from rules.checking.satisfy import Reasoner
from rules.checking.verdicts import Known, always_flaw, never_flaw
from rules.document import Document, Mapping, Scalar, Value
from rules.errors import Flaw, ProblemCode, Severity, clip
from rules.models import QUANTILES
from rules.nodes import (
    Aggregate,
    Among,
    And,
    BooleanValue,
    ClusterOf,
    Compare,
    Days,
    DurationValue,
    Level,
    Membership,
    Node,
    Not,
    NumberValue,
    Or,
    Property,
    QuantileOf,
    ScoreOf,
    Span,
    TextTest,
    TextValue,
    Trait,
    children,
)
from rules.shape_models import features_of
from rules.text import expression_text, tag_texts
from rules.unseen import report_unseen_escapes

if TYPE_CHECKING:
    from rules.catalog import Catalog, Segment, Tier

__all__ = ["LINT_CODES", "lint"]

LINT_CODES = frozenset(
    {
        ProblemCode.ALWAYS_HOLDS,
        ProblemCode.CLUSTER_NUMBER,
        ProblemCode.CONSTANT_FEATURE,
        ProblemCode.LEVEL_COVERED,
        ProblemCode.NEVER_ENTERED,
        ProblemCode.NEVER_HOLDS,
        ProblemCode.NEVER_LEAVES,
        ProblemCode.UNCHANGEABLE,
    }
)
"""The errors that are found here: what has one of them can be evaluated, but cannot be meant."""

MAX_PAIRS = 24
"""Operands of one `and` that are looked at in pairs, to say which two exclude each other."""


@dataclass(frozen=True, slots=True)
class _Written:
    """A resolved expression and where it stands. `owner` says whose it is, such as `segment vip`."""

    node: Node
    scalar: Scalar
    owner: str


def lint(catalog: Catalog, document: Document) -> None:
    """Report everything of a valid catalog that cannot be meant to its document; raises nothing."""
    if isinstance(document.root, Mapping):
        _Lint(catalog, document, document.root).run()


class _Lint:
    def __init__(self, catalog: Catalog, document: Document, root: Mapping) -> None:
        self._catalog = catalog
        self._document = document
        self._root = root
        levels = {name: tuple(tier.levels) for name, tier in catalog.tiers.items()}
        self._known = Known(levels, {name: model.bins for name, model in catalog.models.items()})
        self._reasoner = Reasoner(levels, self._known.bins)
        self._names = tag_texts((name, tag.expression) for name, tag in catalog.tags.items())
        self._tags = {id(tag.expression): name for name, tag in catalog.tags.items()}
        self._flawed: set[int] = set()
        self._looked_at: set[int] = set()
        self._events: dict[str, list[tuple[Scalar, Span]]] = {}

    def run(self) -> None:
        for expression in self._expressions():
            report_unseen_escapes(self._document, expression.scalar)
            if self._catalog.models:  # else there are no clusters
                self._cluster_numbers(expression)
        constants = Constants(self._names)
        for tag in self._tag_expressions():
            self._inspect(tag, tag.node)
        for feature in self._features():
            self._feature(feature, constants)
        meanings: dict[str, tuple[Constraint, Constraint | None]] = {}
        for segment in self._catalog.segments.values():
            conditions = {key: self._written("segments", segment.name, key) for key in ("when", "exit")}
            when = conditions["when"]
            if when is not None and self._segment(segment, when, conditions["exit"]):
                exits = None if segment.exit is None else self._reasoner.holds(segment.exit)
                meanings[segment.name] = (self._reasoner.holds(segment.when), exits)
        for tier in self._catalog.tiers.values():
            self._tier(tier)
        for scalar, flaw in odd_flaws(self._catalog, self._root, self._events, meanings):
            self._report(scalar, flaw)

    def _cluster_numbers(self, written: _Written) -> None:
        """Report what is done with numbers of clusters; tags are not entered. Nothing more is said of these parts."""
        waiting = [written.node]
        while waiting:
            node = waiting.pop()
            if id(node) in self._looked_at or (id(node) in self._tags and node is not written.node):
                continue
            flaw = cluster_number_flaw(node, self._names)
            if flaw is None:
                waiting += children(node)
            else:
                self._report(written, flaw)
                self._looked_at.add(id(node))
                self._flawed.add(id(node))

    # Models, segments and tiers

    def _feature(self, feature: _Written, constants: Constants) -> None:
        is_tag = id(feature.node) in self._tags
        flaw = constants.flaw(feature.node, Span(0, 0) if is_tag else feature.node.span, feature.owner)
        if flaw is not None:
            self._report(feature, flaw)
        if not is_tag:  # what is wrong inside a tag is told there
            self._inspect(feature, feature.node)

    def _segment(self, segment: Segment, when: _Written, exits: _Written | None) -> bool:
        """Check a segment; whether nothing was found."""
        is_right = self._changeable(when) and self._inspect(when, when.node) and self._whole(when)
        if exits is None or segment.exit is None:
            return is_right
        is_exit_right = self._inspect(exits, exits.node)
        holds = self._reasoner.holds(segment.exit)
        if is_exit_right and not self._reasoner.is_possible(holds):
            message = "exit can never hold, so whoever has entered never leaves; without exit, leaving is when's end"
            self._complain(exits, exits.node, ProblemCode.NEVER_LEAVES, message, "an exit that can come to hold")
            return False
        if not (is_right and is_exit_right):
            return False
        enters = self._reasoner.both(self._reasoner.holds(segment.when), self._reasoner.otherwise(holds))
        if not self._reasoner.is_possible(enters):
            message = "exit holds whenever when does, and nobody enters while exit holds: so nobody ever enters"
            self._complain(exits, exits.node, ProblemCode.NEVER_ENTERED, message, "an exit that leaves room to enter")
            return False
        odd = overlap(self._reasoner, segment.when, segment.exit)
        if odd is not None:
            message = f"{clip(self._text(odd))} holds for some for whom when does too; they do not enter until it ends"
            expected = "an exit that holds for nobody who enters"
            self._complain(exits, odd, ProblemCode.EXIT_OVERLAPS, message, expected, is_warning=True)
        return True

    def _tier(self, tier: Tier) -> None:
        others: list[Constraint] = []
        last = len(tier.levels) - 1
        for number, (name, level) in enumerate(tier.levels.items()):
            if self._reasoner.is_tired:
                return
            written = self._written("tiers", tier.name, "levels", name, "when")
            if written is None:
                continue
            is_right = number == last > 0 or self._changeable(written)
            is_right = is_right and self._inspect(written, level.when) and (number == last or self._whole(written))
            holds = self._reasoner.holds(level.when)
            if is_right and not self._reasoner.is_possible(self._reasoner.both(*others, holds)):
                message = f"one of the levels above holds whenever {name} does, so nobody is ever on it; move it up"
                self._complain(written, level.when, ProblemCode.LEVEL_COVERED, message, "a level that is reached")
            others.append(self._reasoner.otherwise(holds))

    def _changeable(self, written: _Written) -> bool:
        if _reads_something(written.node):
            return True
        message = f"the {written.owner} reads nothing of the user, so no event can ever change it"
        expected = "a condition over events, traits or segments"
        self._complain(written, written.node, ProblemCode.UNCHANGEABLE, message, expected)
        return False

    def _whole(self, written: _Written) -> bool:
        """Check a whole condition in which nothing was found: can it hold, and can it fail to?

        An `and` that nobody meets and an `or` that everybody does would have been found already.
        """
        holds = self._reasoner.holds(written.node)
        if not isinstance(written.node, And) and not self._reasoner.is_possible(holds):
            message = f"the {written.owner} can never hold for anybody"
            self._complain(written, written.node, ProblemCode.NEVER_HOLDS, message, "a condition that somebody meets")
            return False
        if not isinstance(written.node, Or) and not self._reasoner.is_avoidable(holds):
            message = f"the {written.owner} always holds for everybody"
            expected = "a condition that somebody does not meet"
            self._complain(written, written.node, ProblemCode.ALWAYS_HOLDS, message, expected)
            return False
        return True

    # The parts of an expression

    def _inspect(self, written: _Written, node: Node, *, is_where: bool = False) -> bool:
        """Check a part and all below it; whether nothing was found. Tags are not entered, but for the one defined."""
        if isinstance(node, _LEAVES):
            return True
        if id(node) in self._looked_at:
            return id(node) not in self._flawed
        self._looked_at.add(id(node))
        if self._reasoner.is_tired or not self._look_at(written, node, is_where):
            self._flawed.add(id(node))
            return False
        return True

    def _look_at(self, written: _Written, node: Node, is_where: bool) -> bool:
        match node:
            case Aggregate():
                if node.event is not None:
                    self._events.setdefault(node.event, []).append((written.scalar, node.span))
                return node.where is None or self._where(written, node.where)
            case And() | Or():
                checks = [self._inspect(written, operand, is_where=is_where) for operand in node.operands]
                return all(checks) and self._joined(written, node, is_where)
            case Not():
                return self._inspect(written, node.operand, is_where=is_where)
            case Compare() | Among() | TextTest():
                checks = [self._inspect(written, child, is_where=is_where) for child in children(node)]
                return all(checks) and self._comparison(written, node, is_where)
            case _:
                checks = [self._inspect(written, child, is_where=is_where) for child in children(node)]
                return all(checks)

    def _where(self, written: _Written, where: Node) -> bool:
        if not self._inspect(written, where, is_where=True):
            return False
        if not self._reasoner.is_possible(self._reasoner.holds(where)):
            message = "this holds for no event, so nothing is ever counted"
            self._complain(written, where, ProblemCode.NEVER_HOLDS, message, "a condition that some events meet")
            return False
        return True

    def _comparison(self, written: _Written, node: Node, is_where: bool) -> bool:
        span = node.span
        holds = self._reasoner.holds(node)
        if not self._reasoner.is_possible(holds):
            self._report(written, never_flaw(node, span, self._known, is_where=is_where))
            return False
        if not self._reasoner.can_fail(node):
            is_certain = not self._reasoner.is_avoidable(holds)
            self._report(written, always_flaw(node, span, self._known, is_certain=is_certain))
            return False
        return True

    def _joined(self, written: _Written, node: And | Or, is_where: bool) -> bool:
        """Check an `and` that nobody meets, or an `or` that everybody does, though each part is right by itself."""
        holds = self._reasoner.holds(node)
        who = "event" if is_where else "user"
        if isinstance(node, Or):
            if self._reasoner.is_avoidable(holds):
                return True
            message = f"one of these parts holds for every {who}, so the whole always holds"
            self._complain(written, node, ProblemCode.ALWAYS_HOLDS, message, "parts that leave somebody out")
            return False
        if self._reasoner.is_possible(holds):
            return True
        pair = self._exclusive_pair(node)
        if pair is None:
            message = f"these parts exclude each other, so no {who} meets them all"
            self._complain(written, node, ProblemCode.NEVER_HOLDS, message, "parts that hold together")
            return False
        first, second = pair
        message = f"{clip(self._text(second))} excludes {clip(self._text(first))}: no {who} meets both"
        at = node if id(second) in self._tags else second
        self._complain(written, at, ProblemCode.NEVER_HOLDS, message, "parts that hold together")
        return False

    def _exclusive_pair(self, node: And) -> tuple[Node, Node] | None:
        operands = node.operands[:MAX_PAIRS]
        for number, second in enumerate(operands):
            for first in operands[:number]:
                both = self._reasoner.both(self._reasoner.holds(first), self._reasoner.holds(second))
                if not self._reasoner.is_possible(both):
                    return first, second
        return None

    # Places

    def _expressions(self) -> Iterator[_Written]:
        """All expressions of the catalog."""
        yield from self._tag_expressions()
        yield from self._features()
        paths = [("segments", name, key) for name in self._catalog.segments for key in ("when", "exit")]
        levels = [(tier.name, level) for tier in self._catalog.tiers.values() for level in tier.levels]
        for path in [*paths, *(("tiers", tier, "levels", level, "when") for tier, level in levels)]:
            written = self._written(*path)
            if written is not None:
                yield written

    def _tag_expressions(self) -> Iterator[_Written]:
        """The tags' expressions; of a condition that is another tag's name there is nothing more to say."""
        for name, tag in self._catalog.tags.items():
            scalar = self._scalar("tags", name)
            if scalar is not None:
                yield _Written(tag.expression, scalar, f"tag {name}")

    def _features(self) -> Iterator[_Written]:
        """The expressions of the models' features."""
        models = self._root.values.get("models")
        for model in self._catalog.models.values():
            scalars = dict(features_of(models.values.get(model.name))) if isinstance(models, Mapping) else {}
            for feature in model.features:
                what = "field" if model.kind == QUANTILES else "feature"
                owner = f"{what} {clip(feature.name)} of the model {model.name}"
                yield _Written(feature.expression, scalars[feature.name], owner)

    def _written(self, section: str, name: str, *path: str) -> _Written | None:
        scalar = self._scalar(section, name, *path)
        if scalar is None:
            return None
        if section == "segments":
            segment = self._catalog.segments[name]
            node = segment.when if path == ("when",) else segment.exit
            owner = f"{path[0]} of the segment {name}"
        else:
            node = self._catalog.tiers[name].levels[path[1]].when
            owner = f"level {path[1]} of the tier {name}"
        return None if node is None else _Written(node, scalar, owner)

    def _scalar(self, *path: str) -> Scalar | None:
        """The scalar at a path of keys; the last key is passed over where there is a scalar already."""
        value: Value | None = self._root
        for key in path:
            if isinstance(value, Scalar) and key is path[-1]:
                break
            value = value.values.get(key) if isinstance(value, Mapping) else None
        return value if isinstance(value, Scalar) else None

    def _text(self, node: Node) -> str:
        return expression_text(node, self._names)

    def _complain(
        self, written: _Written, node: Node, code: ProblemCode, message: str, expected: str, *, is_warning: bool = False
    ) -> None:
        span = Span(0, 0) if id(node) in self._tags and node is written.node else node.span
        severity: Severity = "warning" if is_warning else "error"
        flaw = Flaw(code, message, span, clip(self._text(node)), expected, severity=severity)
        self._report(written, flaw)

    def _report(self, place: _Written | Scalar, flaw: Flaw) -> None:
        scalar = place.scalar if isinstance(place, _Written) else place
        at = self._document.offset(scalar, flaw.span.start)
        self._document.report(at, flaw.code, flaw.message, flaw.found, flaw.expected, flaw.suggestion, flaw.severity)


_READS = (Aggregate, Trait, Days, Membership, Level, ClusterOf, ScoreOf, QuantileOf)
_LEAVES = (NumberValue, TextValue, DurationValue, BooleanValue, Trait, Property)


def _reads_something(node: Node) -> bool:
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if isinstance(current, _READS):
            return True
        waiting += children(current)
    return False
