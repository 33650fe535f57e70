"""Where each character of a YAML scalar's value stands in the file.

YAML folds lines, strips indentation, doubles quotes and reads escapes; but apart from escapes it only ever changes
white space. So value and source are walked side by side: what is not white space meets its own in order.
"""

from __future__ import annotations

import re

__all__ = ["REFUSED", "offset_in_source"]

REFUSED = "refused"
"""The style of a scalar that was refused (an alias, a tag) and so is not looked at any further."""

_WHITE_SPACE = " \t\n\r\x85\u2028\u2029"
_ESCAPE = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|(\r\n|\n|\r)[ \t]*|(.))", re.DOTALL)
_SPACE_ESCAPES = "tnrNLP \t"


def offset_in_source(source: str, start: int, style: str, value: str) -> list[int]:
    """The offset in `source` of each character of `value` and, last, of its end.

    `start` is where the scalar starts, `style` YAML's sign for it: none (plain), `'`, `"`, `|` or `>`. Characters that
    are not white space are placed exactly, folded white space at the place where it starts.
    """
    at = start
    if style in ("|", ">"):
        end_of_header = source.find("\n", start)
        at = len(source) if end_of_header < 0 else end_of_header + 1
    elif style in ("'", '"'):
        at = start + 1
    offsets: list[int] = []
    for character in value:
        at = _line_continuation(source, at) if style == '"' else at
        if character in _WHITE_SPACE:
            offsets.append(at)
            if at < len(source) and source[at] in _WHITE_SPACE:
                at += 1
            elif style == '"' and source[at : at + 1] == "\\":
                at = _after_escape(source, at)
            continue
        at = _skip_white_space(source, at, style)
        offsets.append(at)
        if style == '"' and source[at : at + 1] == "\\":
            at = _after_escape(source, at)
        elif style == "'" and character == "'":
            at += 2
        else:
            at += 1
    offsets.append(at)
    return [min(offset, len(source)) for offset in offsets]


def _skip_white_space(source: str, at: int, style: str) -> int:
    while at < len(source):
        if source[at] in _WHITE_SPACE:
            at += 1
        elif style == '"' and source[at] == "\\" and source[at + 1 : at + 2] in (*_SPACE_ESCAPES, "\n", "\r"):
            at = _after_escape(source, at)
        else:
            break
    return at


def _line_continuation(source: str, at: int) -> int:
    while source[at : at + 2] in ("\\\n", "\\\r"):
        at = _after_escape(source, at)
    return at


def _after_escape(source: str, at: int) -> int:
    match = _ESCAPE.match(source, at)
    return at + 1 if match is None else match.end()
