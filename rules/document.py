"""YAML text to a tree that knows where everything stands.

Only PyYAML's parser is used, with a safe loader's rules: no object is ever made from a tag, and the events are put
together here, without recursion in C, so that neither depth nor aliases can blow up. Scalars stay the text they are:
YAML's own ideas of `yes`, `1_000` or dates do not come in.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, field

import yaml

from rules.errors import CatalogProblem, ProblemCode, Severity, clip
from rules.place import REFUSED, offset_in_source

__all__ = ["MAX_ERRORS", "AbandonedError", "Document", "Mapping", "Scalar", "Sequence", "Value", "read_document"]

MAX_DEPTH = 16
"""Levels of nesting; a catalog has four, and the events of its tests some more."""

MAX_NODES = 60_000
"""Texts, lists and mappings of a document; a catalog of 1,000 segments has 20,000."""

LONGEST_KEY = 1_024
"""Characters of a key on one line that YAML takes for one."""

WALKED_CHARACTERS = 8_192

MAX_ERRORS = 1_000
"""Errors looked for in one catalog; a file that is no catalog at all has hundreds of thousands."""

_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(slots=True)
class Scalar:
    """A text as YAML reads it; `start` and `style` are where and how it stands in the file."""

    text: str
    start: int
    style: str

    @property
    def is_null(self) -> bool:
        """Whether YAML 1.2 reads it as nothing."""
        return not self.style and self.text in _NULLS


@dataclass(slots=True)
class Mapping:
    """Keys and values in the order of the file; of a key that stands twice the first, `repeats` has the others."""

    start: int
    keys: dict[str, Scalar] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    repeats: list[tuple[Scalar, Value]] = field(default_factory=list)


@dataclass(slots=True)
class Sequence:
    """A list."""

    start: int
    items: list[Value] = field(default_factory=list)


Value = Scalar | Mapping | Sequence


class AbandonedError(Exception):
    """Raised where going on with a catalog would only cost time; the problems found so far stand."""


class Document:
    """The file's text, its tree (None if there is none), and all problems found in it so far."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.root: Value | None = None
        self.problems: list[CatalogProblem] = []
        self._errors = 0
        self._line_starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]
        self._offsets: dict[int, list[int]] = {}

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column, 1-based, of a character of the text."""
        line = bisect.bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def start_of(self, line: int) -> int:
        """Where a line, 1-based, starts in the text."""
        return self._line_starts[line - 1]

    def offset(self, scalar: Scalar, index: int) -> int:
        """Where the character at `index` of a scalar's value stands in the text."""
        start = scalar.start + (scalar.style in ("'", '"'))
        if scalar.style in ("", "'", '"') and "\\" not in scalar.text and self.text.startswith(scalar.text, start):
            return start + min(max(index, 0), len(scalar.text))  # it stands there as it is, as most do
        offsets = self._offsets.get(id(scalar))
        if offsets is None or (index >= len(offsets) - 1 and len(offsets) <= len(scalar.text)):
            # Of a text that is too long for anything only the part that matters is walked.
            shown = scalar.text if len(scalar.text) <= WALKED_CHARACTERS else scalar.text[: max(index, 0) + 1]
            offsets = offset_in_source(self.text, scalar.start, scalar.style, shown)
            self._offsets[id(scalar)] = offsets
        return offsets[min(max(index, 0), len(offsets) - 1)]

    def report(
        self,
        offset: int,
        code: ProblemCode,
        message: str,
        found: str = "",
        expected: str = "",
        suggestion: str | None = None,
        severity: Severity = "error",
    ) -> None:
        """Note a problem at a character of the text. Raises AbandonedError where there are too many errors."""
        line, column = self.place(offset)
        problem = CatalogProblem(code, message, self.file, line, column, found, expected, suggestion, severity)
        self.problems.append(problem)
        self._errors += severity == "error"
        if self._errors > MAX_ERRORS:
            raise AbandonedError


def read_document(text: str, file: str) -> Document:
    """The document in a text, with its problems; raises nothing. Only the first error of YAML itself is found.

    There is no root where the text is not YAML, or too much of it.
    """
    document = Document(text, file)
    strange = _FORBIDDEN.search(text)
    if strange is not None:
        found = f"U+{ord(strange.group()):04X}"
        message = f"the character {found} may not stand in a catalog; remove it"
        document.report(strange.start(), ProblemCode.BAD_CHARACTER, message, found, "printable text")
        return document
    try:
        document.root = _Composer(document).compose()
    except AbandonedError:
        pass
    except yaml.MarkedYAMLError as error:
        _report_yaml_error(document, error)
    except yaml.YAMLError as error:
        document.report(0, ProblemCode.YAML_SYNTAX, f"the text is not YAML: {clip(str(error))}")
    return document


def _report_yaml_error(document: Document, error: yaml.MarkedYAMLError) -> None:
    mark = error.problem_mark or error.context_mark
    offset = 0 if mark is None else min(mark.index, len(document.text))
    if (key := _long_key_before(document, offset)) is not None:
        start, length = key
        found = clip(document.text[start:offset])
        message = f'"{found}" is too long for a name: it has {length:,} characters, a name has at most 128'
        document.report(start, ProblemCode.BAD_NAME, message, found, "at most 128 characters")
        return
    problem = str(error.problem or error.context or "it cannot be read")
    advice = ""
    if "mapping values are not allowed" in problem:
        advice = '; a text with ": " in it stands in quotes'
    elif "expected <block end>" in problem or "did not find expected" in problem:
        advice = "; look at the indentation, and put an expression that starts with a quote in single quotes whole"
    elif "start any token" in problem:
        advice = "; a text that starts with this character stands in quotes, and tabs do not indent"
    found = clip(document.text[offset : offset + 20].splitlines()[0]) if document.text[offset:].strip() else "the end"
    document.report(offset, ProblemCode.YAML_SYNTAX, f"the text is not YAML: {clip(problem)}{advice}", found)


def _long_key_before(document: Document, offset: int) -> tuple[int, int] | None:
    """Where a key starts that ends right before the offset and that YAML finds too long, and its characters."""
    line, _ = document.place(offset)
    before = document.text[document.start_of(line) : offset].rstrip()
    start = 1 + max(before.rfind(sign) for sign in " \t{}[],")
    length = len(before[start:].strip("'\""))
    return (document.start_of(line) + start, length) if length > LONGEST_KEY else None


@dataclass(slots=True)
class _Frame:
    """An open collection; in a mapping the key that waits for its value, "" for one whose value is dropped."""

    collection: Mapping | Sequence
    key: str | None = None
    repeated: Scalar | None = None


class _Composer:
    """Events to a tree, with a stack of the open collections instead of recursion."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._frames: list[_Frame] = []
        self._root: Value | None = None

    def compose(self) -> Value | None:
        """The root of the first document, or None if there is none, or one nested absurdly. Raises yaml.YAMLError."""
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times as fast, where it is built in
        documents = 0
        nodes = 0
        for event in yaml.parse(self._document.text, Loader=loader):
            nodes += isinstance(event, yaml.NodeEvent)
            if nodes > MAX_NODES:
                message = f"the document has more than {MAX_NODES:,} texts, lists and mappings; split it"
                self._report(event, ProblemCode.CATALOG_TOO_LARGE, message, expected=f"at most {MAX_NODES:,}")
                return None
            match event:
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        message = "a second document starts here; a catalog is one document"
                        self._report(event, ProblemCode.SEVERAL_DOCUMENTS, message, "---")
                        break
                case yaml.AliasEvent():
                    anchor = clip(str(event.anchor))
                    message = f"the alias *{anchor} is refused; write the value out, or make it a tag"
                    self._report(event, ProblemCode.YAML_ALIAS, message, f"*{anchor}")
                    self._add(Scalar("", _index(event), REFUSED))
                case yaml.ScalarEvent():
                    style = REFUSED if self._is_refused(event) else event.style or ""
                    self._add(Scalar(event.value, _index(event), style))
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._is_refused(event)
                    is_mapping = isinstance(event, yaml.MappingStartEvent)
                    start = _index(event)
                    collection: Mapping | Sequence = Mapping(start) if is_mapping else Sequence(start)
                    self._add(collection)
                    self._frames.append(_Frame(collection))
                    if len(self._frames) > MAX_DEPTH:
                        message = f"the document is nested more than {MAX_DEPTH} levels deep"
                        self._report(event, ProblemCode.YAML_TOO_DEEP, message, expected=f"at most {MAX_DEPTH} levels")
                        return None
                case yaml.CollectionEndEvent():
                    self._frames.pop()
        return self._root

    def _is_refused(self, event: yaml.NodeEvent) -> bool:
        """Report an anchor or a tag on a value."""
        tag = getattr(event, "tag", None)
        if event.anchor is not None:
            anchor = clip(str(event.anchor))
            message = f"the anchor &{anchor} is refused; write the value out where it is needed, or make it a tag"
            self._report(event, ProblemCode.YAML_ANCHOR, message, f"&{anchor}")
        if tag is not None:
            message = f"the YAML tag {clip(tag)} is refused; write the plain value"
            self._report(event, ProblemCode.YAML_TAG, message, clip(tag))
        return event.anchor is not None or tag is not None

    def _add(self, value: Value) -> None:
        if not self._frames:
            self._root = value
            return
        frame = self._frames[-1]
        collection = frame.collection
        if isinstance(collection, Sequence):
            collection.items.append(value)
        elif frame.key is None:
            frame.key = self._key(frame, collection, value)
        else:
            if frame.repeated is not None:
                collection.repeats.append((frame.repeated, value))
            elif frame.key:
                collection.values[frame.key] = value
            frame.key = frame.repeated = None

    def _key(self, frame: _Frame, mapping: Mapping, key: Value) -> str:
        """The key's text, or "" if it is refused."""
        if not isinstance(key, Scalar):
            message = "a key is a word, not a list or a mapping"
            self._document.report(key.start, ProblemCode.BAD_KEY, message, "a list or a mapping", "a word")
        elif key.style != REFUSED and (key.is_null or not key.text):
            self._document.report(key.start, ProblemCode.BAD_KEY, "the key is empty", "nothing", "a word")
        elif key.text == "<<" and not key.style:
            message = "the merge key << is refused; write the keys out"
            self._document.report(key.start, ProblemCode.YAML_MERGE_KEY, message, "<<", "a word")
        elif key.text in mapping.keys:
            line, _ = self._document.place(mapping.keys[key.text].start)
            message = f"the key {clip(key.text)} stands here twice, first in line {line}; keep one of them"
            self._document.report(key.start, ProblemCode.DUPLICATE_KEY, message, clip(key.text), "another key")
            frame.repeated = key
        else:
            if key.text:
                mapping.keys[key.text] = key
            return key.text
        return ""

    def _report(self, event: yaml.Event, code: ProblemCode, message: str, found: str = "", expected: str = "") -> None:
        self._document.report(_index(event), code, message, found, expected)


def _index(event: yaml.Event) -> int:
    mark = event.start_mark
    return 0 if mark is None else mark.index
