"""A catalog's conditions as leaves and small programs over them.

`compile_conditions` numbers the aggregates and facts that a catalog reads, and turns each condition into a program over
bits, one bit a leaf. Those that tags of messages read come first: only they go out with a transition.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from rules.aggregates import mean_parts, place_test
from rules.catalog import Catalog
from rules.compiled import (
    FACT_FUNCTIONS,
    Compiled,
    Fact,
    Feature,
    Leaf,
    Linear,
    Numbering,
    Numeric,
    Predicate,
    cut_text,
    fact_of,
)
from rules.formulas import All, Any, Constant, Flag, Formula, Lacks, Match, Present, Test
from rules.models import CLASSIFIER, QUANTILES, ModelFeature
from rules.nodes import (
    Aggregate,
    Arithmetic,
    ClusterOf,
    Days,
    DurationValue,
    Kind,
    Negate,
    Node,
    Property,
    ScoreOf,
    TextValue,
    children,
    kind_of,
)
from rules.normalize import Memo, constant_of, truth
from rules.tables import (
    AND,
    ARITHMETIC,
    CLUSTER,
    COMPARISON,
    DIVIDE,
    FALSE,
    LOAD_AGGREGATE,
    LOAD_CONSTANT,
    LOAD_FACT,
    NEGATE,
    NOT,
    OPERATORS,
    OR,
    PLACE,
    PRESENT,
    TRUE,
    VALUE_FLAG,
    VALUE_KINDS,
    VALUE_MATCH,
    VALUE_NUMBER,
    VALUE_PRESENT,
    VALUE_TEXT,
)
from rules.units import Snapshots, units_of

__all__ = ["compile_conditions"]

_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def compile_conditions(
    catalog: Catalog, previous: Catalog | None = None, snapshots: Snapshots | None = None
) -> Compiled:
    """Number what the catalog reads, and turn its conditions and features into programs. Deterministic."""
    snapshots = snapshots or {}
    compiled = Compiled(units_of(catalog, previous, snapshots))
    compiler = _Compiler(compiled)
    compiler.number_messages(catalog)
    for tag in catalog.tags.values():
        compiler.number(tag.expression)
    compiler.number_models(catalog, snapshots)
    for unit in compiled.units:
        for condition in unit.conditions:
            if condition is not None:
                compiler.number(condition)
    for unit in compiled.units:
        for condition in unit.conditions:
            compiled.programs.append([FALSE] if condition is None else compiler.condition(condition))
        for level in unit.levels:
            compiled.texts(level)
    compiler.name_what_events_bring()
    for model in catalog.models.values():
        if model.label is not None and model.label.event is not None:
            compiled.event_names(model.label.event)
    return compiled


def _parts(node: Node, seen: set[int]) -> Iterator[Aggregate | Days | Fact]:
    """The aggregates, days and facts that a tree reads, left to right; a mean's sum and count for the mean.

    Trees that have been `seen`, by identity, are passed over: a tag is part of many conditions as the very same tree.
    """
    if id(node) in seen:
        return
    seen.add(id(node))
    fact = fact_of(node)
    if fact is not None:
        yield fact
    elif isinstance(node, Aggregate):
        yield from mean_parts(node) if node.function == "mean" else (node,)
    else:
        for child in children(node):
            yield from _parts(child, seen)
        if isinstance(node, Days):
            yield node


class _Compiler:
    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self._seen: set[int] = set()
        self._memo: Memo = {}
        self._codes: dict[int, list[int]] = {}

    def number(self, node: Node) -> None:
        """Number the aggregates and facts of a tree as it was written.

        Tags have to be computed even if no condition reads the same; and what is a reject must not depend on how much
        of a condition is folded away.
        """
        for part in _parts(node, self._seen):
            self.number_part(part)

    def number_part(self, part: Aggregate | Days | Fact) -> tuple[bool, int]:
        """Whether the part is a fact, and its number among these or among the aggregates."""
        if isinstance(part, Days) or (isinstance(part, Aggregate) and part.function not in FACT_FUNCTIONS):
            return False, self.compiled.aggregates(part)
        return True, self.compiled.facts(part)

    def number_messages(self, catalog: Catalog) -> None:
        """Number what the tags of messages read, before anything else."""
        compiled = self.compiled
        read_by_tag: dict[str, list[tuple[bool, int]]] = {}
        for unit in compiled.units:
            aggregates, facts = dict[int, None](), dict[int, None]()
            for name in unit.reads:
                parts = read_by_tag.get(name)
                if parts is None:
                    parts = [self.number_part(part) for part in _parts(catalog.tags[name].expression, set())]
                    read_by_tag[name] = parts
                for is_fact, number in parts:
                    (facts if is_fact else aggregates)[number] = None
            compiled.message_aggregates.append(list(aggregates))
            compiled.message_facts.append(list(facts))
        compiled.message_aggregate_count = len(compiled.aggregates)
        compiled.message_fact_count = len(compiled.facts)

    def number_models(self, catalog: Catalog, snapshots: Snapshots) -> None:
        """Number the features of models, and the facts that hold what models say of a user, whoever reads them."""
        models = catalog.models.values()
        for model in models:
            for feature in model.features:
                self.number(feature.expression)
        asked = [model.kind != QUANTILES and model.name in snapshots for model in models]
        for wanted in (True, False):
            for model, is_asked in zip(models, asked, strict=True):
                if is_asked is wanted:
                    numbers = [self.compiled.features(self.feature(feature)) for feature in model.features]
                    self.compiled.model_features[model.name] = numbers
            if wanted:
                self.compiled.features_in_force = len(self.compiled.features)
        for unit in self.compiled.units:
            if unit.form == CLUSTER:
                self.compiled.facts(ClusterOf(unit.name))
        for model in models:
            if model.kind == CLASSIFIER:
                self.compiled.facts(ScoreOf(model.name))

    def feature(self, feature: ModelFeature) -> Feature:
        """A feature as steps."""
        if feature.kind is Kind.DURATION:
            terms: dict[Aggregate, int] = {}
            constant_ms = _linear(feature.expression, 1, terms)
            numbered = sorted((self.compiled.aggregates(aggregate), times) for aggregate, times in terms.items())
            return Feature(tuple((LOAD_AGGREGATE, number, times, 0.0) for number, times in numbered), constant_ms)
        steps = self.arithmetic(feature.expression)
        return Feature(tuple((code, argument, 0, number) for code, argument, number in steps), None)

    def name_what_events_bring(self) -> None:
        """Number the events' names, their properties, and the conditions over them."""
        compiled = self.compiled
        read = [node for node in compiled.aggregates.numbers if isinstance(node, Aggregate)]
        read += [node for node in compiled.facts.numbers if isinstance(node, Aggregate)]
        for aggregate in read:
            if aggregate.event is not None:
                compiled.event_names(aggregate.event)
            if aggregate.property is not None:
                column = compiled.properties(aggregate.property)
                if aggregate.function in ("latest", "top", "distinct"):
                    compiled.text_columns.add(column)
                if aggregate.function == "latest":
                    compiled.null_columns.add(column)
            if aggregate.where is not None and aggregate.where not in compiled.wheres:
                compiled.wheres[aggregate.where] = len(compiled.wheres)
                compiled.where_programs.append(self.program(truth(aggregate.where), compiled.where_leaves))
        compiled.text_columns.update(leaf.source for leaf in compiled.where_leaves.numbers if leaf.kind == VALUE_MATCH)

    def condition(self, node: Node) -> list[int]:
        """A segment's or level's condition as code; what it shares with others is looked at once."""
        return self.program(truth(node, self._memo), self.compiled.leaves, self._codes)

    def program(
        self, formula: Formula, leaves: Numbering[Leaf], codes: dict[int, list[int]] | None = None
    ) -> list[int]:
        """The formula as postfix code over leaves. `codes` are those of formulas that came before, by identity."""
        made = None if codes is None else codes.get(id(formula))
        if made is None:
            made = self._program(formula, leaves, codes)
            if codes is not None:
                codes[id(formula)] = made
        return made

    def _program(self, formula: Formula, leaves: Numbering[Leaf], codes: dict[int, list[int]] | None) -> list[int]:
        match formula:
            case Constant(value=value):
                return [TRUE if value else FALSE]
            case Test() | Flag() | Match() | Present():
                return [leaves(self.leaf(formula))]
            case Lacks(part=part):
                return [*self.program(part, leaves, codes), NOT]
            case All(parts=parts) | Any(parts=parts):
                code = list(self.program(parts[0], leaves, codes))
                for part in parts[1:]:
                    code += self.program(part, leaves, codes)
                    code.append(AND if isinstance(formula, All) else OR)
                return code
            case _:
                assert_never(formula)

    def leaf(self, formula: Test | Flag | Match | Present) -> Leaf:
        match formula:
            case Flag(source=source, value=value):
                return Leaf(VALUE_FLAG, self.value(source), operator=int(value))
            case Match(source=source, value=value):
                predicate = Predicate(formula.function, formula.text, formula.lowered)
                number = self.compiled.predicates(predicate)
                return Leaf(VALUE_MATCH, self.value(source), operator=int(value), text=number)
            case Present(source=source):
                return self.presence(source)
            case Test(operator=operator, left=left, right=right):
                kinds = {kind_of(left), kind_of(right)}
                if Kind.DURATION in kinds:
                    return self.duration_test(operator, left, right)
                if Kind.STRING in kinds:
                    return self.text_test(operator, left, right)
                return self.number_test(operator, left, right)
            case _:
                assert_never(formula)

    def presence(self, source: Node) -> Leaf:
        if isinstance(source, Property) or fact_of(source) is not None:
            return Leaf(VALUE_PRESENT, self.value(source), operator=VALUE_KINDS[kind_of(source)])
        if isinstance(source, Aggregate) and source.function == "mean":
            values = mean_parts(source)[1]
            return Leaf(PLACE, self.compiled.aggregates(values), between=place_test(values, ">=", 1))
        if isinstance(source, Aggregate | Days):
            return Leaf(PRESENT, self.compiled.aggregates(source))
        raise TypeError(f"{type(source).__name__} is neither a fact nor an aggregate")

    def value(self, source: Node) -> int:
        """The number of a fact, or of a property's column."""
        if isinstance(source, Property):
            return self.compiled.properties(source.name)
        fact = fact_of(source)
        if fact is None:
            raise TypeError(f"{type(source).__name__} is no fact")
        return self.compiled.facts(fact)

    def text_test(self, operator: str, left: Node, right: Node) -> Leaf:
        source, text = (left, right) if isinstance(right, TextValue) else (right, left)
        if not isinstance(text, TextValue):
            raise TypeError("strings are compared with constants")
        number = self.compiled.texts(cut_text(text.value))
        return Leaf(VALUE_TEXT, self.value(source), operator=OPERATORS[operator], text=number)

    def number_test(self, operator: str, left: Node, right: Node) -> Leaf:
        for source, other, turned in ((left, right, operator), (right, left, _MIRRORED[operator])):
            constant = constant_of(other)
            if constant is None:
                continue
            if isinstance(source, Property) or fact_of(source) is not None:
                return Leaf(VALUE_NUMBER, self.value(source), operator=OPERATORS[turned], number=constant)
            if isinstance(source, Days) or (isinstance(source, Aggregate) and source.function != "mean"):
                number = self.compiled.aggregates(source)
                return Leaf(PLACE, number, between=place_test(source, turned, constant))
        steps = (*self.arithmetic(left), *self.arithmetic(right))
        return Leaf(COMPARISON, self.compiled.comparisons(Numeric(OPERATORS[operator], steps)))

    def arithmetic(self, node: Node) -> list[tuple[int, int, float]]:
        constant = constant_of(node)
        if constant is not None:
            return [(LOAD_CONSTANT, 0, constant)]
        if fact_of(node) is not None:
            return [(LOAD_FACT, self.value(node), 0.0)]
        match node:
            case Aggregate(function="mean"):
                total, values = mean_parts(node)
                return [*self.arithmetic(total), *self.arithmetic(values), (DIVIDE, 0, 0.0)]
            case Aggregate() | Days():
                return [(LOAD_AGGREGATE, self.compiled.aggregates(node), 0.0)]
            case Negate(operand=operand):
                return [*self.arithmetic(operand), (NEGATE, 0, 0.0)]
            case Arithmetic(operator=operator, left=left, right=right):
                return [*self.arithmetic(left), *self.arithmetic(right), (ARITHMETIC[operator], 0, 0.0)]
            case _:
                raise TypeError(f"{type(node).__name__} is not a number")

    def duration_test(self, operator: str, left: Node, right: Node) -> Leaf:
        terms: dict[Aggregate, int] = {}
        constant = _linear(left, 1, terms) + _linear(right, -1, terms)
        if len(terms) == 1:
            ((aggregate, coefficient),) = terms.items()
            if coefficient == 1:
                return Leaf(
                    PLACE, self.compiled.aggregates(aggregate), between=place_test(aggregate, operator, -constant)
                )
            if coefficient == -1:
                turned = place_test(aggregate, _MIRRORED[operator], constant)
                return Leaf(PLACE, self.compiled.aggregates(aggregate), between=turned)
        numbered = tuple(sorted((self.compiled.aggregates(aggregate), times) for aggregate, times in terms.items()))
        return Leaf(COMPARISON, self.compiled.comparisons(Linear(OPERATORS[operator], numbered, constant)))


def _linear(node: Node, sign: int, terms: dict[Aggregate, int]) -> int:
    """Add the node's aggregates, times `sign`, to `terms`; returns its constant part in ms, times `sign`.

    A term that cancels stays, with coefficient 0: the comparison is still missing where the aggregate is.
    """
    match node:
        case DurationValue(ms=ms):
            return sign * ms
        case Aggregate():
            terms[node] = terms.get(node, 0) + sign
            return 0
        case Negate(operand=operand):
            return _linear(operand, -sign, terms)
        case Arithmetic(operator=operator, left=left, right=right):
            return _linear(left, sign, terms) + _linear(right, sign if operator == "+" else -sign, terms)
        case _:
            raise TypeError(f"{type(node).__name__} is not a duration")
