"""The names that a catalog defines and the expressions behind them: checked, put in order, resolved.

Every expression is looked at, whatever else is wrong; a tag that is broken is passed over silently where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from dataclasses import replace as replaced

from rules.calls import Constant
from rules.dependencies import Cycle, Graph, Sorted, Use, uses_in
from rules.document import AbandonedError, Document, Mapping, Scalar, Value
from rules.errors import Flaw, ProblemCode, clip
from rules.features import known_models, resolve_feature
from rules.functions import FUNCTIONS, RESERVED_WORDS
from rules.keys import REPEATED
from rules.lookalikes import describe_letter, latin_of, mixed_letter
from rules.nodes import BooleanValue, Kind, Node, Span
from rules.normalize import Sizes, formula_size
from rules.parse import MAX_CHARACTERS, parse_expression
from rules.place import REFUSED
from rules.reading import NAME
from rules.scope import BROKEN, ResolvedTag, Scope
from rules.shape_models import FEATURE_KEYS, features_of, named_features
from rules.suggest import Suggester
from rules.templates import UNUSED, Templates
from rules.types import MAX_PARTS, resolve

__all__ = ["ALWAYS", "Definitions", "define"]

ALWAYS = "always"
"""What stands for the condition of a tier's last level."""

MAX_NAMES = 5_000
"""Tags, models with their features, segments, tiers and their levels."""

MAX_WORDS = 90_000
"""Words and signs of all expressions; those of 1,000 segments with 6,000 comparisons are 73,000."""

MAX_CATALOG_PARTS = 1_000_000
"""Nodes of all expressions with their tags written out: what compiling may have to visit."""

_SORTS = {"tags": "tag", "models": "model", "segments": "segment", "tiers": "tier"}


@dataclass(slots=True)
class Definitions:
    """What a catalog defines. What is broken is missing; then an error has been reported.

    `features` are by model and name; `conditions` are by segment and key (`when`, `exit`), and by tier and level;
    `reads` are the tags that the expressions of a model, a segment or a tier name; `levels` are the names of a tier's;
    `order` is that of evaluation.
    """

    tags: dict[str, tuple[Node, Kind]] = field(default_factory=dict)
    features: dict[str, dict[str, tuple[Node, Kind]]] = field(default_factory=dict)
    conditions: dict[str, dict[str, Node]] = field(default_factory=dict)
    reads: dict[str, tuple[str, ...]] = field(default_factory=dict)
    levels: dict[str, list[str]] = field(default_factory=dict)
    order: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Expression:
    """An expression in the file; `node` is None where it could not be read. `remark` names the use of a template."""

    scalar: Scalar
    node: Node | None
    remark: str = ""


def define(document: Document, root: Mapping, templates: Templates, suggester: Suggester) -> Definitions:
    """Check names, parse and resolve all expressions; problems go to the document.

    Raises AbandonedError, with the problem reported, if there is too much of them.
    """
    return _Definer(document, root, templates, suggester).define()


class _Definer:
    def __init__(self, document: Document, root: Mapping, templates: Templates, suggester: Suggester) -> None:
        self._document = document
        self._suggester = suggester
        self._templates = templates
        self._sections = {section: _mapping(root.values.get(section)) for section in _SORTS}
        self._is_empty = all(_is_empty(root.values.get(section)) for section in _SORTS)
        self._reported: set[tuple[int, Flaw]] = set()
        self._parts = 0
        self._sizes: dict[int, Sizes] = {}
        self._roots: list[Node] = []  # those of `_sizes`, which goes by identity: they must live as long

    def define(self) -> Definitions:
        definitions = Definitions()
        if self._is_empty and not any(problem.code in _HIDING for problem in self._document.problems):
            message = "the catalog defines neither a tag nor a segment nor a tier; add segments: with one in it"
            self._document.report(0, ProblemCode.EMPTY_CATALOG, message, "nothing", "tags, segments or tiers")
        self._check_size()
        self._check_names()
        tags = {name: self._parse(value) for name, value in self._sections["tags"].values.items()}
        units = {("segment", name): dict(self._of_segment(name)) for name in self._sections["segments"].values}
        for name, value in self._sections["tiers"].values.items():
            units["tier", name] = dict(self._of_tier(name, value))
        uses = self._uses(tags, units)
        graph = Graph(uses)
        order, cycles = graph.sort()
        for cycle in cycles:
            self._report_cycle(cycle)
        resolved = {name: BROKEN for name in tags if REPEATED not in name}
        definitions.levels = self._levels()
        models = known_models(self._sections["models"])
        segments = dict.fromkeys(self._names("segments"))
        scope = Scope(resolved, segments, definitions.levels, models, self._suggester)
        for name in [name for sort, name in order if sort == "tag"]:
            tag = self._resolve(tags[name], Kind.ANY, scope)
            if REPEATED not in name:
                resolved[name] = tag
            if tag.node is not None and tag.kind is not None:
                definitions.tags[name] = (tag.node, tag.kind)
        for name, features in self._features().items():
            self._define_model(name, features, scope, definitions)
        for unit, expressions in units.items():
            targets = dict.fromkeys(use.target for use in uses[unit])
            definitions.reads[unit[1]] = tuple(name for sort, name in targets if sort == "tag")
            conditions = definitions.conditions.setdefault(unit[1], {})
            for key, expression in expressions.items():
                condition = self._resolve(expression, Kind.BOOLEAN, scope)
                if condition.node is not None:
                    conditions[key] = condition.node
        definitions.order = tuple(name for _, name in graph.evaluation_order(self._in_file_order(units)))
        if self._parts > MAX_CATALOG_PARTS:
            message = (
                f"with all tags written out the catalog has {self._parts:,} parts, at most {MAX_CATALOG_PARTS:,} "
                "are allowed; simplify the tags that many segments use"
            )
            expected = f"at most {MAX_CATALOG_PARTS:,} parts"
            self._document.report(0, ProblemCode.CATALOG_TOO_LARGE, message, f"{self._parts:,}", expected)
        return definitions

    def _features(self) -> dict[str, dict[str, _Expression | None]]:
        """The expressions of each model, by the names of its features."""
        models = self._sections["models"].values
        return {name: {each: self._parse(value) for each, value in features_of(models[name])} for name in models}

    def _define_model(
        self, model: str, features: dict[str, _Expression | None], scope: Scope, definitions: Definitions
    ) -> None:
        reads: dict[str, None] = {}
        definitions.features[model] = {}
        for name, expression in features.items():
            if expression is None or expression.node is None:
                continue
            reads |= {target: None for (sort, target), _ in uses_in(expression.node) if sort == "tag"}
            resolved = resolve_feature(expression.node, scope)
            self._parts += resolved.tag.parts
            self._report(expression.scalar, resolved.flaws, expression.remark)
            if resolved.tag.node is not None and resolved.tag.kind is not None:
                definitions.features[model][name] = (resolved.tag.node, resolved.tag.kind)
        definitions.reads[model] = tuple(reads)

    # Sizes and names

    def _check_size(self) -> None:
        """Before anything is parsed: what no catalog needs would only cost time."""
        sections = [*self._sections.values()]
        for model in self._sections["models"].values.values():
            sections += [_mapping(_mapping(model).values.get(key)) for key in FEATURE_KEYS]
        sections += [_mapping(_mapping(tier).values.get("levels")) for tier in self._sections["tiers"].values.values()]
        names = [key for section in sections for key in section.keys.values()]
        if len(names) > MAX_NAMES:
            message = f"the catalog defines {len(names):,} names, at most {MAX_NAMES:,} are allowed; split it"
            at = sorted(key.start for key in names)[MAX_NAMES]
            expected = f"at most {MAX_NAMES:,} names"
            self._document.report(at, ProblemCode.CATALOG_TOO_LARGE, message, f"{len(names):,}", expected)
            raise AbandonedError
        words = 0
        for scalar in self._scalars():
            words += len(_WORD_OR_SIGN.findall(scalar.text[: MAX_CHARACTERS + 1]))
            if words > MAX_WORDS:
                message = (
                    f"the expressions of the catalog up to here have more than {MAX_WORDS:,} words and signs, "
                    "templates written out; name the parts that repeat as tags, or split it"
                )
                expected = f"at most {MAX_WORDS:,} words and signs"
                self._document.report(scalar.start, ProblemCode.CATALOG_TOO_LARGE, message, "", expected)
                raise AbandonedError

    def _scalars(self) -> Iterator[Scalar]:
        """The texts of all expressions."""
        found: list[Value | None] = [*self._sections["tags"].values.values()]
        for model in self._sections["models"].values.values():
            found += [scalar for _, scalar in features_of(model)]
        for segment in self._sections["segments"].values.values():
            found += [_mapping(segment).values.get("when"), _mapping(segment).values.get("exit")]
        for tier in self._sections["tiers"].values.values():
            for level in _mapping(_mapping(tier).values.get("levels")).values.values():
                found.append(level if isinstance(level, Scalar) else _mapping(level).values.get("when"))
        return (value for value in found if isinstance(value, Scalar))

    def _names(self, section: str) -> list[str]:
        return [name for name in self._sections[section].keys if REPEATED not in name]

    def _levels(self) -> dict[str, list[str]]:
        """The names of each tier's levels."""
        levels: dict[str, list[str]] = {}
        for name in self._names("tiers"):
            of_tier = _mapping(_mapping(self._sections["tiers"].values.get(name)).values.get("levels"))
            levels[name] = [level for level in of_tier.keys if REPEATED not in level]
        return levels

    def _in_file_order(self, units: dict[Sorted, dict[str, _Expression]]) -> list[Sorted]:
        def start(unit: Sorted) -> int:
            sort, name = unit
            return self._sections[f"{sort}s"].keys[name].start

        return sorted((unit for unit in units if REPEATED not in unit[1]), key=start)

    def _check_names(self) -> None:
        taken: dict[str, tuple[str, Scalar]] = {}
        for section, sort in _SORTS.items():
            for name, key in self._sections[section].keys.items():
                if name.endswith(UNUSED):
                    continue  # the name of a template
                self._check_name(key.text, key, sort)
                other_sort, other = taken.setdefault(key.text, (sort, key))
                if other_sort != sort:
                    line, _ = self._document.place(other.start)
                    shown = clip(key.text)
                    message = f"{shown} is the name of a {other_sort} already, in line {line}; rename one of the two"
                    expected = "a name not taken yet"
                    self._document.report(key.start, ProblemCode.NAME_TAKEN, message, shown, expected)
        for model in self._sections["models"].values.values():
            for name, key in named_features(model):
                self._check_name(name, key, "feature")
        for tier in self._sections["tiers"].values.values():
            for key in _mapping(_mapping(tier).values.get("levels")).keys.values():
                if NAME.fullmatch(key.text) is None:
                    self._report_bad_name(key.text, key, "level")

    def _check_name(self, name: str, key: Scalar, what: str) -> None:
        if name in RESERVED_WORDS:
            kind = "a function" if name in FUNCTIONS else "a word of the language"
            message = f'"{name}" is {kind}; name the {what} otherwise'
            self._document.report(key.start, ProblemCode.RESERVED_NAME, message, name, "another name")
        elif NAME.fullmatch(name) is None:
            self._report_bad_name(name, key, what)

    def _report_bad_name(self, name: str, key: Scalar, what: str) -> None:
        latin = latin_of(name) or name
        plain = "".join(letter if letter.isalnum() else "_" for letter in latin.lower()).strip("_")
        suggestion = plain if NAME.fullmatch(plain) and plain not in RESERVED_WORDS else None
        rule = "a small letter, then small letters, digits and _, at most 128"
        strange = mixed_letter(name)
        letter = "" if strange is None else f"; {describe_letter(strange)}"
        message = f'"{clip(name)}" is no name for a {what}: {rule}{letter}'
        self._document.report(key.start, ProblemCode.BAD_NAME, message, clip(name), "[a-z][a-z0-9_]*", suggestion)

    # Expressions

    def _of_segment(self, name: str) -> Iterator[tuple[str, _Expression]]:
        segment = _mapping(self._sections["segments"].values[name])
        use = self._templates.uses.get(name)
        for key in ("when", "exit"):
            constants = None if use is None else use.constants
            remark = "" if use is None or key in use.own else use.remark
            expression = self._parse(segment.values.get(key), constants, remark)
            if expression is not None:
                yield key, expression

    def _of_tier(self, name: str, value: Value) -> Iterator[tuple[str, _Expression]]:
        levels = _mapping(_mapping(value).values.get("levels"))
        own = [level for level in levels.keys if REPEATED not in level]
        if not own and isinstance(_mapping(value).values.get("levels"), Mapping):
            message = f'the tier {clip(name)} has no level; the last is "{ALWAYS}"'
            self._document.report(levels.start, ProblemCode.EMPTY_VALUE, message, "nothing", "levels")
        for level, level_value in levels.values.items():
            scalar = level_value if isinstance(level_value, Scalar) else _mapping(level_value).values.get("when")
            if not isinstance(scalar, Scalar) or scalar.style == REFUSED or scalar.is_null:
                continue
            is_always = scalar.text.strip() == ALWAYS
            if level == own[-1] and not is_always:
                message = f"this is the last level, which is {ALWAYS}: a user is always on one; add one after it"
                self._document.report(scalar.start, ProblemCode.LAST_LEVEL, message, clip(scalar.text), ALWAYS)
            elif level != own[-1] and is_always:
                message = f"{ALWAYS} is for the last level, and what stands after this one would never hold"
                self._document.report(scalar.start, ProblemCode.LAST_LEVEL, message, ALWAYS, "a condition")
            if is_always:
                yield level, _Expression(scalar, BooleanValue(value=True))
            else:
                expression = self._parse(scalar)
                if expression is not None:
                    yield level, expression

    def _parse(
        self, value: object, constants: dict[str, Constant] | None = None, remark: str = ""
    ) -> _Expression | None:
        """The expression in a scalar, or None where there is none (the schema has spoken of that)."""
        if not isinstance(value, Scalar) or value.style == REFUSED or value.is_null:
            return None
        parsed = parse_expression(value.text, self._suggester, constants)
        self._report(value, parsed.flaws, remark)
        return _Expression(value, parsed.node, remark)

    def _uses(
        self, tags: dict[str, _Expression | None], units: dict[Sorted, dict[str, _Expression]]
    ) -> dict[Sorted, list[Use[_Expression]]]:
        uses: dict[Sorted, list[Use[_Expression]]] = {}
        for name, expression in tags.items():
            uses["tag", name] = [] if expression is None else [*_uses_of(expression)]
        for unit, expressions in units.items():
            uses[unit] = [use for expression in expressions.values() for use in _uses_of(expression)]
        return uses

    def _resolve(self, expression: _Expression | None, want: Kind, scope: Scope) -> ResolvedTag:
        if expression is None or expression.node is None:
            return BROKEN
        resolved = resolve(expression.node, scope, want)
        self._parts += resolved.tag.parts
        self._report(expression.scalar, resolved.flaws, expression.remark)
        return BROKEN if self._comes_to_too_much(expression, resolved.tag) else resolved.tag

    def _comes_to_too_much(self, expression: _Expression, tag: ResolvedTag) -> bool:
        """Whether a formula is out of all proportion: `has` of conditions inside one another may do that."""
        if tag.node is None or tag.kind is not Kind.BOOLEAN:
            return False
        self._roots.append(tag.node)
        count = formula_size(tag.node, self._sizes)
        if count <= MAX_PARTS:
            return False
        message = (
            f"the condition comes down to more than {MAX_PARTS:,} comparisons, since has(…) asks of each part of a "
            "condition whether it is known; use has(…) of single values"
        )
        span = Span(0, len(expression.scalar.text))
        flaw = Flaw(ProblemCode.EXPRESSION_TOO_LARGE, message, span, expected=f"at most {MAX_PARTS:,} comparisons")
        self._report(expression.scalar, (flaw,), expression.remark)
        return True

    # What is said

    def _report(self, scalar: Scalar, flaws: tuple[Flaw, ...], remark: str) -> None:
        for plain_flaw in dict.fromkeys(flaws):
            # A template's flaw is reported for the first of its uses.
            if (id(scalar), plain_flaw) in self._reported:
                continue
            self._reported.add((id(scalar), plain_flaw))
            flaw = self._with_yaml_advice(scalar, plain_flaw)
            self._document.report(
                self._document.offset(scalar, flaw.span.start),
                flaw.code,
                flaw.message + remark,
                flaw.found,
                flaw.expected,
                flaw.suggestion,
                flaw.severity,
            )

    def _with_yaml_advice(self, scalar: Scalar, flaw: Flaw) -> Flaw:
        """Where YAML's own quotes and comments are the likely cause, say so."""
        if flaw.code in _CUT_SHORT and not scalar.style and flaw.span.end == len(scalar.text):
            end = self._document.offset(scalar, len(scalar.text))
            if self._document.text[end : end + 200].lstrip(" \t").startswith("#"):
                advice = '; YAML takes " #" for the start of a comment: put the whole expression in single quotes'
                return replaced(flaw, message=flaw.message + advice)
        if flaw.code in _UNQUOTED and scalar.style in ("'", '"') and _PROSE.fullmatch(scalar.text):
            advice = f"; YAML takes the outer quotes off: for a string write '\"{clip(scalar.text)}\"'"
            return replaced(flaw, message=flaw.message + advice, suggestion=None)
        return flaw

    def _report_cycle(self, cycle: Cycle[_Expression]) -> None:
        names = [clip(name) for _, name in (*cycle.names, cycle.names[0])]
        shown = " -> ".join(names if len(names) <= 12 else [*names[:6], "…", *names[-5:]])
        sorts = dict.fromkeys(f"{sort}s" for sort, _ in cycle.names)
        what = " and ".join(sorts)
        message = f"{what} are defined through each other: {shown}; break the circle at one of them"
        closing = cycle.closing
        expected = f"a {closing.target[0]} that does not lead back here"
        flaw = Flaw(ProblemCode.CYCLE, message, closing.span, clip(closing.target[1]), expected)
        self._report(closing.place.scalar, (flaw,), closing.place.remark)


# With one of these the catalog's tags and segments may well be there, and not be seen.
_HIDING = frozenset(
    {ProblemCode.UNKNOWN_KEY, ProblemCode.KEY_NOT_YET, ProblemCode.YAML_ALIAS, ProblemCode.YAML_MERGE_KEY}
)
_CUT_SHORT = frozenset({ProblemCode.BAD_STRING, ProblemCode.SYNTAX})
_UNQUOTED = frozenset({ProblemCode.UNKNOWN_NAME, ProblemCode.BAD_NUMBER, ProblemCode.SYNTAX})
_WORD_OR_SIGN = re.compile(r"\w+|[^\w\s]")
_PROSE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ -]*")


def _uses_of(expression: _Expression) -> Iterator[Use[_Expression]]:
    if expression.node is not None:
        for target, span in uses_in(expression.node):
            yield Use(target, span, expression)


def _mapping(value: Value | None) -> Mapping:
    """The mapping, or an empty one in the place of anything else."""
    return value if isinstance(value, Mapping) else Mapping(0)


def _is_empty(value: Value | None) -> bool:
    return (
        value is None
        or (isinstance(value, Scalar) and value.is_null)
        or (isinstance(value, Mapping) and all(REPEATED in name for name in value.keys))
    )
