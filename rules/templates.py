"""Templates: a segment with parameters, written once and used by several segments.

A use gets the template's keys, except those that it has itself, and a constant for each parameter. In expressions a
parameter is a name for its constant, nothing is pasted into text; in titles `{parameter}` stands for it. The template's
values keep their places in the file, so what is wrong with them is shown there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from rules.calls import Constant
from rules.document import Document, Mapping, Scalar, Sequence, Value
from rules.errors import ProblemCode, clip
from rules.functions import RESERVED_WORDS
from rules.keys import REPEATED, correct_keys
from rules.place import REFUSED
from rules.reading import MAX_TITLE_CHARACTERS, NAME
from rules.scalars import ScalarError, value_of
from rules.scan import MAX_NUMBER
from rules.schema import SegmentDocument
from rules.suggest import Suggester

__all__ = ["UNUSED", "USE_KEYS", "Templates", "Use", "fill_templates"]

UNUSED = f"{REPEATED}unused"
"""Ends the name of the segment that a template becomes which nothing uses."""

USE_KEYS = ("template", "with")
MAX_PARAMETERS = 20

_TEMPLATE_KEYS = ("parameters", "segment")
_PARAMETER_IN_TITLE = re.compile(r"\{([^{}]*)\}")


@dataclass(slots=True)
class _Template:
    name: str
    parameters: dict[str, Scalar]
    segment: Mapping
    is_used: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """What a segment has of a template: the constants by parameter, and how messages name the place.

    `own` are the keys that stand in the segment itself.
    """

    constants: dict[str, Constant]
    remark: str
    own: frozenset[str]


@dataclass(slots=True)
class Templates:
    """The uses, by segment."""

    uses: dict[str, Use] = field(default_factory=dict)


def fill_templates(document: Document, root: Mapping, suggester: Suggester) -> Templates:
    """Read the templates and write them out in the tree's segments; problems go to the document.

    A template that nothing uses becomes a segment under a name that no file can have, so that it is checked as well.
    """
    return _Filler(document, root, suggester).fill()


class _Filler:
    def __init__(self, document: Document, root: Mapping, suggester: Suggester) -> None:
        self._document = document
        self._root = root
        self._suggester = suggester
        self._templates: dict[str, _Template | None] = {}

    def fill(self) -> Templates:
        templates = Templates()
        self._read()
        segments = self._root.values.get("segments")
        if isinstance(segments, Mapping):
            for name, segment in [*segments.values.items()]:
                if isinstance(segment, Mapping) and "template" in segment.keys:
                    use = self._use(segment)
                    if use is not None:
                        templates.uses[name] = use
        for template in self._templates.values():
            if template is not None and not template.is_used:
                self._add_unused(template, templates)
        return templates

    def _report(self, value: Value, code: ProblemCode, message: str, found: str = "", expected: str = "") -> None:
        self._document.report(value.start, code, message, found, expected)

    # The templates

    def _read(self) -> None:
        section = self._root.values.get("templates")
        if section is None or (isinstance(section, Scalar) and section.is_null):
            return
        if not isinstance(section, Mapping):
            self._report(
                section, ProblemCode.WRONG_SHAPE, "templates is a mapping of names to templates", "", "a mapping"
            )
            return
        for name, value in section.values.items():
            key = section.keys[name]
            self._templates[name] = self._template(key, value)

    def _template(self, key: Scalar, value: Value) -> _Template | None:
        if NAME.fullmatch(key.text) is None:
            message = f'"{clip(key.text)}" is no name for a template: a small letter, then small letters, digits and _'
            self._report(key, ProblemCode.BAD_NAME, message, clip(key.text), "[a-z][a-z0-9_]*")
        if not isinstance(value, Mapping):
            message = f"the template {clip(key.text)} is a mapping with parameters and a segment"
            self._report(value, ProblemCode.WRONG_SHAPE, message, "", "a mapping")
            return None
        correct_keys(self._document, value, _TEMPLATE_KEYS, self._suggester)
        parameters = self._parameters(key, value.values.get("parameters"))
        segment = value.values.get("segment")
        if not isinstance(segment, Mapping):
            code = ProblemCode.MISSING_KEY if segment is None else ProblemCode.WRONG_SHAPE
            message = f'the template {clip(key.text)} needs the key "segment", with keys as a segment has'
            self._report(key if segment is None else segment, code, message, "", "a mapping")
            return None
        correct_keys(self._document, segment, [*SegmentDocument.model_fields], self._suggester)
        template = _Template(key.text, parameters, segment)
        self._check_titles(template)
        return template

    def _parameters(self, key: Scalar, value: Value | None) -> dict[str, Scalar]:
        """The parameters that are right."""
        if not isinstance(value, Sequence) or not value.items:
            message = f"the template {clip(key.text)} needs its parameters, as in parameters: [category, least]"
            code = ProblemCode.MISSING_KEY if value is None else ProblemCode.WRONG_SHAPE
            self._report(key if value is None else value, code, message, "", "a list of names")
            return {}
        if len(value.items) > MAX_PARAMETERS:
            message = f"the template {clip(key.text)} has {len(value.items):,} parameters, at most {MAX_PARAMETERS}"
            self._report(value, ProblemCode.BAD_VALUE, message, "", f"at most {MAX_PARAMETERS} parameters")
            return {}
        parameters: dict[str, Scalar] = {}
        tags = self._root.values.get("tags")
        for item in value.items:
            if not isinstance(item, Scalar):
                self._report(item, ProblemCode.WRONG_SHAPE, "a parameter is a name", "", "a name")
            elif NAME.fullmatch(item.text) is None:
                message = f'"{clip(item.text)}" is no name for a parameter: a small letter, then letters, digits and _'
                self._report(item, ProblemCode.BAD_NAME, message, clip(item.text), "[a-z][a-z0-9_]*")
            elif item.text in RESERVED_WORDS:
                message = f'"{item.text}" is a word of the language; name the parameter otherwise'
                self._report(item, ProblemCode.RESERVED_NAME, message, item.text, "another name")
            elif item.text in parameters or (isinstance(tags, Mapping) and item.text in tags.keys):
                what = "a parameter" if item.text in parameters else "a tag"
                message = f"{item.text} is the name of {what} already; name the parameter otherwise"
                self._report(item, ProblemCode.NAME_TAKEN, message, item.text, "a name not taken yet")
            else:
                parameters[item.text] = item
        return parameters

    def _check_titles(self, template: _Template) -> None:
        for title in _texts_in(template.segment.values.get("title")):
            for match in _PARAMETER_IN_TITLE.finditer(title.text):
                name = match[1]
                if name not in template.parameters:
                    nearest = self._suggester.nearest(name, template.parameters)
                    message = f'the template {clip(template.name)} has no parameter "{clip(name)}"'
                    at = self._document.offset(title, match.start())
                    expected = "the name of a parameter"
                    code = ProblemCode.UNKNOWN_NAME
                    suggestion = None if nearest is None else f"{{{nearest}}}"
                    self._document.report(at, code, message, clip(match[0]), expected, suggestion)

    # The uses

    def _use(self, segment: Mapping) -> Use | None:
        key, name = segment.keys.pop("template"), segment.values.pop("template")
        with_key, values = segment.keys.pop("with", key), segment.values.pop("with", None)
        template = self._named(name)
        if template is None:
            # Its condition is not known: nothing is said about it.
            segment.keys.setdefault("when", key)
            segment.values.setdefault("when", Scalar("", key.start, REFUSED))
            return None
        template.is_used = True
        constants, texts = self._constants(template, with_key, values)
        line, _ = self._document.place(key.start)
        remark = f" (in the template {clip(template.name)} as it is used in line {line})"
        own = frozenset(segment.keys)
        self._write_out(template, segment, texts)
        return Use(constants, remark, own)

    def _named(self, value: Value) -> _Template | None:
        if not isinstance(value, Scalar):
            self._report(value, ProblemCode.WRONG_SHAPE, "template: takes the name of a template", "", "a name")
            return None
        if value.style == REFUSED:
            return None
        if value.text not in self._templates:
            nearest = self._suggester.nearest(value.text, self._templates)
            message = f'there is no template "{clip(value.text)}"'
            code = ProblemCode.UNKNOWN_NAME
            self._document.report(value.start, code, message, clip(value.text), "the name of a template", nearest)
        return self._templates.get(value.text)

    def _constants(
        self, template: _Template, key: Scalar, values: Value | None
    ) -> tuple[dict[str, Constant], dict[str, str]]:
        """The constant of each parameter (None where it is wrong), and its text for titles."""
        constants: dict[str, Constant] = dict.fromkeys(template.parameters)
        texts: dict[str, str] = {}
        given = values if isinstance(values, Mapping) else Mapping(key.start)
        if values is not None and not isinstance(values, Mapping):
            message = f"with: gives a value to each of {', '.join(template.parameters)}"
            self._report(values, ProblemCode.WRONG_SHAPE, message, "", "a mapping")
            return constants, texts
        correct_keys(self._document, given, [*template.parameters], self._suggester)
        for name in template.parameters:
            value = given.values.get(name)
            if value is None:
                message = f'the template {clip(template.name)} needs a value for "{name}" under with:'
                self._document.report(key.start, ProblemCode.MISSING_KEY, message, "", f"the key {name}")
            elif not isinstance(value, Scalar):
                message = f"{name} is one number, one text, or true or false"
                self._report(value, ProblemCode.WRONG_SHAPE, message, "", "one constant")
            elif value.style != REFUSED:
                constants[name] = self._constant(name, value)
                if constants[name] is not None:
                    texts[name] = value.text
        return constants, texts

    def _constant(self, name: str, scalar: Scalar) -> Constant:
        try:
            constant = value_of(scalar)
        except ScalarError as error:
            if error.code != ProblemCode.NUMBER_TOO_LARGE:
                self._report(scalar, error.code, f"{name}: {error}", clip(scalar.text), "a constant")
                return None
            constant = float("inf")
        if constant is None:
            self._report(scalar, ProblemCode.EMPTY_VALUE, f"{name} is empty; give it a value", "nothing", "a constant")
        elif isinstance(constant, (int, float)) and not -MAX_NUMBER <= constant <= MAX_NUMBER:
            message = f"{name}: the number is too large: at most 10^12"
            self._report(scalar, ProblemCode.NUMBER_TOO_LARGE, message, clip(scalar.text), "a number up to 10^12")
            return None
        return constant

    def _write_out(self, template: _Template, segment: Mapping, texts: dict[str, str]) -> None:
        for name, key in template.segment.keys.items():
            if name in segment.keys:
                continue
            value = template.segment.values[name]
            segment.keys[name] = key
            segment.values[name] = _with_texts(value, texts) if name == "title" else value

    def _add_unused(self, template: _Template, templates: Templates) -> None:
        segments = self._root.values.get("segments")
        key = next(iter(template.segment.keys.values()), None)
        if key is None:
            return
        if not isinstance(segments, Mapping):
            if segments is not None and not (isinstance(segments, Scalar) and segments.is_null):
                return
            segments = Mapping(key.start)
            self._root.keys["segments"], self._root.values["segments"] = key, segments
        name = f"{template.name}{UNUSED}"
        segments.keys[name] = Scalar(template.name, template.segment.start, "")
        segment = Mapping(template.segment.start, dict(template.segment.keys), dict(template.segment.values))
        if "when" not in segment.keys:  # the uses are to have it
            segment.keys["when"], segment.values["when"] = key, Scalar("", key.start, REFUSED)
        segments.values[name] = segment
        templates.uses[name] = Use(dict.fromkeys(template.parameters), "", frozenset(template.segment.keys))


def _texts_in(title: Value | None) -> Iterator[Scalar]:
    if isinstance(title, Scalar):
        yield title
    elif isinstance(title, Mapping):
        yield from (text for text in title.values.values() if isinstance(text, Scalar))


def _with_texts(title: Value, texts: dict[str, str]) -> Value:
    """The title with the parameters' values in it."""
    if isinstance(title, Mapping):
        return Mapping(title.start, title.keys, {name: _with_texts(text, texts) for name, text in title.values.items()})
    if not isinstance(title, Scalar) or title.style == REFUSED:
        return title
    if len(title.text) > MAX_TITLE_CHARACTERS:
        return title  # too long before anything is put into it: refused as it is
    # A value that is cut here makes the title too long as surely as the whole one would.
    cut = {name: value[: MAX_TITLE_CHARACTERS + 1] for name, value in texts.items()}
    text = _PARAMETER_IN_TITLE.sub(lambda match: cut.get(match[1], match[0]), title.text)
    return Scalar(text, title.start, title.style or '"')
