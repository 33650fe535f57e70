"""Characters that nobody sees and that change what is seen: marks of direction, joiners, fillers, hidden tags.

A name with one in it looks like another name, and a text with one shows the rest of a line in another order. So a
catalog has none, in no text and in no comment, nor as an escape. What a writing system needs stays where it needs it:
the two joiners and the selectors of variants in Persian or Hindi words and in emoji.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from rules.document import Document, Mapping, Scalar, Sequence, Value
from rules.errors import ProblemCode
from rules.keys import mappings_in
from rules.place import REFUSED

__all__ = ["report_unseen", "report_unseen_escapes", "unseen_in"]

_JOINERS = "\u200c\u200d"
_VARIANTS = "\U000e0100-\U000e01ef"
_UNSEEN = re.compile(
    # Unicode's Default_Ignorable_Code_Point and Bidi_Control, the separators of lines and paragraphs, and the marks of
    # annotations; without what only chooses a variant of the sign before it.
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_IN_PLACE = re.compile(f"[{_JOINERS}{_VARIANTS}]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_JOINING_NOTHING = ("LATIN", "CYRILLIC", "GREEK")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|.)")


def unseen_in(text: str) -> Iterator[int]:
    """Where the characters stand in a text that may not stand there."""
    if text.isascii():
        return
    for match in _UNSEEN.finditer(text):
        at = match.start()
        if not (_IN_PLACE.match(match[0]) and _is_needed(text[at - 1 : at], text[at + 1 : at + 2], match[0])):
            yield at


def _is_needed(before: str, after: str, character: str) -> bool:
    """Whether a joiner stands between two signs that may be joined, or a selector behind a Chinese character."""
    name = unicodedata.name(before, "") if before else ""
    if character not in _JOINERS:
        return name.startswith("CJK")
    is_between = bool(before) and not before.isascii() and bool(after) and not after.isascii()
    return is_between and not before.isspace() and before not in _JOINERS and not name.startswith(_JOINING_NOTHING)


def report_unseen(document: Document, root: Mapping) -> None:
    """Report each of these characters to the document: in the file itself, then those that YAML's escapes make.

    Those of the escapes of an expression are found by `rules.checking.lint`, which knows the expressions. Raises
    AbandonedError, with the problems reported, where there are too many.
    """
    for at in unseen_in(document.text):
        _report(document, at, document.text[at])
    for scalar in _shown_texts(root):
        control = _CONTROL.search(scalar.text) if scalar.style != REFUSED else None
        if control is not None:
            _report(document, document.offset(scalar, control.start()), control[0])
    for scalar in _scalars(root):
        if scalar.style == '"' and not scalar.text.isascii():
            for index in unseen_in(scalar.text):
                at = document.offset(scalar, index)
                if document.text[at : at + 1] == "\\":
                    _report(document, at, scalar.text[index])


def report_unseen_escapes(document: Document, expression: Scalar) -> None:
    """Report the escapes in an expression's strings that stand for such a character. The expression is a valid one."""
    for escape in _ESCAPE.finditer(expression.text) if "\\" in expression.text else ():
        code = escape[1] or escape[2] or escape[3]
        if code is not None and _UNSEEN.match(chr(int(code, 16))):
            _report(document, document.offset(expression, escape.start()), chr(int(code, 16)))


def _report(document: Document, at: int, character: str) -> None:
    found = f"U+{ord(character):04X}"
    name = unicodedata.name(character, "")
    message = f"the character {found}{f' ({name})' if name else ''} changes what is seen and cannot be seen; remove it"
    document.report(at, ProblemCode.BAD_CHARACTER, message, found, "text that is what it looks like")


def _shown_texts(root: Mapping) -> Iterator[Scalar]:
    """Texts that nothing else holds to what may be printed: the names of tests, and the values given to templates."""
    tests = root.values.get("tests")
    if isinstance(tests, Mapping):
        yield from tests.keys.values()
    for segment in mappings_in(root.values.get("segments")):
        given = segment.values.get("with")
        if isinstance(given, Mapping):
            yield from (value for value in given.values.values() if isinstance(value, Scalar))


def _scalars(root: Mapping) -> Iterator[Scalar]:
    """All texts of the tree, keys too, but those that were refused."""
    waiting: list[Value] = [root]
    while waiting:
        match waiting.pop():
            case Scalar() as scalar:
                if scalar.style != REFUSED:
                    yield scalar
            case Sequence(items=items):
                waiting += items
            case Mapping(keys=keys, values=values, repeats=repeats):
                waiting += [*keys.values(), *values.values()]
                waiting += [part for pair in repeats for part in pair]
