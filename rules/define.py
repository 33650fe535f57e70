"""The names that a catalog defines and the expressions behind them: checked, put in order, resolved.

Every expression is looked at, whatever else is wrong; a tag that is broken is passed over silently where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from dataclasses import replace as replaced

from rules.document import Document, Mapping, Scalar
from rules.errors import Flaw, ProblemCode, clip
from rules.functions import FUNCTIONS, FUNCTIONS_TO_COME, RESERVED_WORDS
from rules.nodes import Kind, Node, TagName
from rules.parse import parse_expression, tag_names
from rules.place import REFUSED
from rules.schema import NAME
from rules.suggest import Suggester
from rules.types import BROKEN, ResolvedTag, resolve

__all__ = ["Definitions", "define"]

MAX_CATALOG_PARTS = 1_000_000
"""Nodes of all expressions with their tags written out: what compiling may have to visit."""


@dataclass(slots=True)
class Definitions:
    """What a catalog defines. Broken tags and conditions are missing; then an error has been reported."""

    tags: dict[str, tuple[Node, Kind]] = field(default_factory=dict)
    segments: dict[str, dict[str, Node]] = field(default_factory=dict)
    reads: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Expression:
    """An expression in the file; `node` is None where it could not be read."""

    scalar: Scalar
    node: Node | None


def define(document: Document, root: Mapping, suggester: Suggester) -> Definitions:
    """Check names, parse and resolve all expressions; problems go to the document."""
    return _Definer(document, root, suggester).define()


class _Definer:
    def __init__(self, document: Document, root: Mapping, suggester: Suggester) -> None:
        self._document = document
        self._suggester = suggester
        tags, segments = root.values.get("tags"), root.values.get("segments")
        self._tags = tags if isinstance(tags, Mapping) else Mapping(0)
        self._segments = segments if isinstance(segments, Mapping) else Mapping(0)
        self._is_empty = all(name not in root.values or _is_empty(root.values[name]) for name in ("tags", "segments"))
        self._resolved: dict[str, ResolvedTag] = {}
        self._parts = 0

    def define(self) -> Definitions:
        definitions = Definitions()
        if self._is_empty and not any(problem.code in _HIDING for problem in self._document.problems):
            message = "the catalog defines neither a tag nor a segment; add segments: with one in it"
            self._document.report(0, ProblemCode.EMPTY_CATALOG, message, "nothing", "tags or segments")
        self._check_names()
        expressions = {name: self._parse(value) for name, value in self._tags.values.items()}
        other_names = {name: "segment" for name in self._segments.keys if name not in expressions}
        self._resolved = dict.fromkeys(expressions, BROKEN)
        for name in self._in_order(expressions):
            self._resolved[name] = self._resolve(expressions[name], Kind.ANY, other_names)
            tag = self._resolved[name]
            if tag.node is not None and tag.kind is not None:
                definitions.tags[name] = (tag.node, tag.kind)
        for name, segment in self._segments.values.items():
            if not isinstance(segment, Mapping):
                continue
            read: dict[str, None] = {}
            definitions.segments[name] = {}
            for key in ("when", "exit"):
                expression = self._parse(segment.values.get(key))
                if expression is None:
                    continue
                if expression.node is not None:
                    read.update((tag.name, None) for tag in tag_names(expression.node))
                condition = self._resolve(expression, Kind.BOOLEAN, other_names)
                if condition.node is not None:
                    definitions.segments[name][key] = condition.node
            definitions.reads[name] = tuple(read)
        if self._parts > MAX_CATALOG_PARTS:
            message = (
                f"with all tags written out the catalog has {self._parts:,} parts, at most {MAX_CATALOG_PARTS:,} "
                "are allowed; simplify the tags that many segments use"
            )
            expected = f"at most {MAX_CATALOG_PARTS:,} parts"
            self._document.report(0, ProblemCode.CATALOG_TOO_LARGE, message, f"{self._parts:,}", expected)
        return definitions

    # Names

    def _check_names(self) -> None:
        for mapping, what in ((self._tags, "tag"), (self._segments, "segment")):
            for name, key in mapping.keys.items():
                self._check_name(name, key, what)
        for name, key in self._segments.keys.items():
            tag = self._tags.keys.get(name)
            if tag is not None:
                line, _ = self._document.place(tag.start)
                message = f"{name} is the name of a tag already, in line {line}; rename one of the two"
                self._document.report(key.start, ProblemCode.NAME_TAKEN, message, name, "a name not taken yet")

    def _check_name(self, name: str, key: Scalar, what: str) -> None:
        if name in RESERVED_WORDS:
            is_function = name in FUNCTIONS or name in FUNCTIONS_TO_COME
            kind = "a function" if is_function else "a word of the language"
            message = f'"{name}" is {kind}; name the {what} otherwise'
            self._document.report(key.start, ProblemCode.RESERVED_NAME, message, name, "another name")
        elif NAME.fullmatch(name) is None:
            plain = "".join(letter if letter.isalnum() else "_" for letter in name.lower()).strip("_")
            suggestion = plain if NAME.fullmatch(plain) and plain not in RESERVED_WORDS else None
            rule = "a small letter, then small letters, digits and _, at most 128"
            message = f'"{clip(name)}" is no name for a {what}: {rule}'
            self._document.report(key.start, ProblemCode.BAD_NAME, message, clip(name), "[a-z][a-z0-9_]*", suggestion)

    # Expressions

    def _parse(self, value: object) -> _Expression | None:
        """The expression in a scalar, or None where there is none (the schema has spoken of that)."""
        if not isinstance(value, Scalar) or value.style == REFUSED or value.is_null:
            return None
        parsed = parse_expression(value.text, self._suggester)
        self._report(value, parsed.flaws)
        return _Expression(value, parsed.node)

    def _resolve(self, expression: _Expression | None, want: Kind, other_names: dict[str, str]) -> ResolvedTag:
        if expression is None or expression.node is None:
            return BROKEN
        resolved = resolve(expression.node, self._resolved, want, other_names=other_names, suggester=self._suggester)
        self._parts += resolved.tag.parts
        self._report(expression.scalar, resolved.flaws)
        return resolved.tag

    def _report(self, scalar: Scalar, flaws: tuple[Flaw, ...]) -> None:
        for plain_flaw in dict.fromkeys(flaws):
            flaw = self._with_yaml_advice(scalar, plain_flaw)
            self._document.report(
                self._document.offset(scalar, flaw.span.start),
                flaw.code,
                flaw.message,
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

    # Order

    def _in_order(self, expressions: dict[str, _Expression | None]) -> Iterator[str]:
        """The tags, each after those it names. Each cycle is reported, and its tags are left out."""
        uses: dict[str, list[TagName]] = {}
        for name, expression in expressions.items():
            node = None if expression is None else expression.node
            found = {} if node is None else {tag.name: tag for tag in reversed([*tag_names(node)])}
            uses[name] = [tag for tag_name, tag in reversed(found.items()) if tag_name in expressions]
        done: set[str] = set()
        broken: set[str] = set()
        for first in expressions:
            if first in done:
                continue
            path = [first]
            place_on_path = {first: 0}
            waiting = [iter(uses[first])]
            while path:
                use = next(waiting[-1], None)
                if use is None:
                    name = path.pop()
                    waiting.pop()
                    del place_on_path[name]
                    done.add(name)
                    if name not in broken:
                        yield name
                elif use.name in place_on_path:
                    cycle = path[place_on_path[use.name] :]
                    self._report_cycle(cycle, use, expressions[path[-1]])
                    broken.update(cycle)
                elif use.name not in done:
                    path.append(use.name)
                    place_on_path[use.name] = len(path) - 1
                    waiting.append(iter(uses[use.name]))

    def _report_cycle(self, cycle: list[str], use: TagName, last: _Expression | None) -> None:
        names = [*cycle, cycle[0]]
        shown = " -> ".join(names if len(names) <= 12 else [*names[:6], "…", *names[-5:]])
        message = f"tags are defined through each other: {shown}; break the circle at one of them"
        if last is not None:
            flaw = Flaw(ProblemCode.TAG_CYCLE, message, use.span, clip(use.name), "a tag that does not lead back here")
            self._report(last.scalar, (flaw,))


# With one of these the catalog's tags and segments may well be there, and not be seen.
_HIDING = frozenset(
    {ProblemCode.UNKNOWN_KEY, ProblemCode.KEY_NOT_YET, ProblemCode.YAML_ALIAS, ProblemCode.YAML_MERGE_KEY}
)
_CUT_SHORT = frozenset({ProblemCode.BAD_STRING, ProblemCode.SYNTAX})
_UNQUOTED = frozenset({ProblemCode.UNKNOWN_NAME, ProblemCode.BAD_NUMBER, ProblemCode.SYNTAX})
_PROSE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ -]*")


def _is_empty(value: object) -> bool:
    return (isinstance(value, Scalar) and value.is_null) or (isinstance(value, Mapping) and not value.keys)
