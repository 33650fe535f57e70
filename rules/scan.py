"""The first look at an expression: its tokens, and whether they may follow each other.

This comes before Python's parser, which must never see text that is hostile to it: what is not in the language's own
small alphabet, what is nested deeply, what Python would warn about. It also words the mistakes that people make in the
language's terms, the same under every version of Python.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from typing import NamedTuple

from rules.errors import Flaw, ProblemCode, clip
from rules.lookalikes import describe_letter, latin_of
from rules.nodes import Span

__all__ = ["MAX_LEVELS", "Token", "scan"]

MAX_LEVELS = 40
MAX_NUMBER = 10**12
FLAWS_LISTED = 10
"""Strange characters and words listed of one expression; a text that is no expression at all has hundreds."""

_TOKEN = re.compile(
    r"""[ \t\r\n]*+(?:
    (?P<number>\.?[0-9](?:[eE][+-]|[0-9A-Za-z_.])*)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<string>"(?:[^"\\\n\r]|\\[^\n\r])*"|'(?:[^'\\\n\r]|\\[^\n\r])*')
    |(?P<open_string>["'][^\n\r]*)
    |(?P<foreign>\*\*|//|:=|->|=>|<>|&&|\|\||<<|>>|\.\.\.)
    |(?P<operator>==|!=|<=|>=|[-+*/<>=()\[\],])
    |(?P<space>\s+)
    |(?P<strange>[!-/:-@\[-`{-~]|[^\s\x00-\x7f]+|.)
    |$)""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LEADING_ZEROS = re.compile(r"\A0+(?=[0-9])")
_DURATION_LIKE = re.compile(r"[0-9]+[smhdw]")
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_UNPRINTED = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
LAST_CHARACTER = 0x10FFFF

_WORD_ADVICE = {
    "True": ("true is written small", "true"),
    "False": ("false is written small", "false"),
    "None": ("there is no null; has(x) tells whether x is there", None),
    "is": ("values are compared with == and !=", "=="),
    "if": ("there is no if; combine conditions with and, or, not", None),
    "else": ("there is no else; combine conditions with and, or, not", None),
}
_SIGN_ADVICE = {
    "&&": ("conditions are combined with words", "and"),
    "||": ("conditions are combined with words", "or"),
    "&": ("conditions are combined with words", "and"),
    "|": ("conditions are combined with words", "or"),
    "!": ("conditions are turned round with a word", "not"),
    "<>": ("the sign for unequal is another", "!="),
    "=>": ("the sign for at least is another", ">="),
    "//": ("there is no whole division", "/"),
    "**": ("there are no powers; multiply", None),
    "%": ("there is no remainder", None),
    ".": ('there are no attributes; a trait is read as trait("name")', None),
    "#": ("there are no comments inside an expression; put them on a line of their own in the YAML", None),
    ":=": ("nothing is assigned in an expression", "=="),
    "{": ("choices stand in square brackets", "["),
    "}": ("choices stand in square brackets", "]"),
}
_TYPOGRAPHIC = str.maketrans(
    {
        "“": '"',
        "”": '"',
        "„": '"',
        "‘": "'",
        "’": "'",
        "。": ".",
        "、": ",",
        "≥": ">=",
        "≤": "<=",
        "≠": "!=",
        "–": "-",
        "—": "-",
        "−": "-",
        "×": "*",
        "÷": "/",
        "【": "[",
        "】": "]",
    }
)


class Token(NamedTuple):
    """A word or sign; `kind` is `number`, `string`, `name`, `keyword` or `operator`."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        """Where it stands in the expression's text."""
        return Span(self.start, self.end)


_EMPTY_STRINGS = ('""', "''")
_LANGUAGE_KEYWORDS = frozenset({"and", "or", "not", "in"})
_FOREIGN_KEYWORDS = frozenset(keyword.kwlist) - _LANGUAGE_KEYWORDS


def scan(text: str) -> tuple[list[Token], list[Flaw]]:
    """The tokens of an expression, without white space, and everything in it that is no token of the language."""
    tokens: list[Token] = []
    flaws: list[Flaw] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind is None:
            break
        word, (start, end) = match[kind], match.span(kind)
        if kind == "name" and word in _LANGUAGE_KEYWORDS:
            kind = "keyword"
        token = Token(kind, word, start, end)
        flaw = None
        if kind == "name":
            if word in _FOREIGN_KEYWORDS:
                flaw = _foreign_word(token)
        elif kind == "number":
            flaw = _check_number(token)
        elif kind == "string":
            before = tokens[-1] if tokens else None
            if before is not None and before.kind == "name" and before.end == token.start:
                flaw = Flaw(
                    ProblemCode.BAD_STRING,
                    f"a string has no prefix: {clip(before.text)} stands right before one",
                    before.span,
                    found=before.text,
                    expected="a string without a prefix",
                )
            elif token.text in _EMPTY_STRINGS and text.startswith(token.text[0], token.end):
                flaws.append(_triple_quotes(token))
                break  # what is inside would be read as if it were outside
            else:
                flaw = _check_string(token)
        elif kind == "open_string":
            flaw = Flaw(
                ProblemCode.BAD_STRING,
                "the string is not closed on its line",
                token.span,
                found=clip(token.text),
                expected=f"a closing {token.text[0]}",
            )
        elif kind == "space":
            flaw = _strange_space(token)
        elif kind not in ("operator", "keyword"):
            flaw = _strange(token)
        if flaw is not None:
            flaws.append(flaw)
            if len(flaws) == FLAWS_LISTED or token.text == "#":  # after "#" comes prose
                break
        tokens.append(token)
    return tokens, flaws


def _foreign_word(token: Token) -> Flaw:
    advice, suggestion = _WORD_ADVICE.get(token.text, ("it is a word of Python that expressions do not have", None))
    return Flaw(
        ProblemCode.NOT_IN_LANGUAGE,
        f'"{token.text}" is not part of the language: {advice}',
        token.span,
        found=token.text,
        expected="and, or, not, in, true, false, a tag or a function",
        suggestion=suggestion,
    )


def _triple_quotes(token: Token) -> Flaw:
    quote = token.text[0]
    return Flaw(
        ProblemCode.NOT_IN_LANGUAGE,
        f"triple quotes are not part of the language: a string stands between one {quote} and the next",
        Span(token.start, token.end + 1),
        found=quote * 3,
        expected="a string in single or double quotes",
        suggestion=quote,
    )


def _strange_space(token: Token) -> Flaw:
    """White space that is neither a space nor a tab nor the end of a line; nobody sees that it is another."""
    number = f"U+{ord(token.text[0]):04X}"
    name = unicodedata.name(token.text[0], "")
    return Flaw(
        ProblemCode.BAD_CHARACTER,
        f"{f'{number}, {name},' if name else number} may stand only inside a string; "
        "between words and signs stand plain spaces",
        token.span,
        found=number,
        expected="a plain space",
        suggestion="a plain space",
    )


def _strange(token: Token) -> Flaw:
    text = token.text
    if text in _SIGN_ADVICE or token.kind == "foreign":
        advice, suggestion = _SIGN_ADVICE.get(text, ("expressions do not have this sign", None))
        return Flaw(
            ProblemCode.NOT_IN_LANGUAGE,
            f'"{text}" is not part of the language: {advice}',
            token.span,
            found=text,
            expected="and or not, == != < <= > >=, + - * /, in, brackets",
            suggestion=suggestion,
        )
    plain = unicodedata.normalize("NFKC", text.translate(_TYPOGRAPHIC))
    letters = any(character.isalnum() for character in text)
    if letters and (latin := latin_of(text)) is not None:
        message = f"{describe_letter(text[0])}; names and signs are plain ASCII"
        expected = "plain ASCII letters, digits and signs"
        return Flaw(ProblemCode.BAD_CHARACTER, message, token.span, clip(text), expected, clip(latin))
    return Flaw(
        ProblemCode.BAD_CHARACTER,
        f'"{clip(text)}" may stand only inside a string; names and signs are plain ASCII'
        if not text.isascii()
        else f'the character "{clip(text)}" is not part of the language',
        token.span,
        found=clip(text),
        expected="plain ASCII letters, digits and signs" if letters else "a sign of the language",
        suggestion=clip(plain) if plain != text and plain.isascii() else None,
    )


def _check_number(token: Token) -> Flaw | None:
    text = token.text
    plain = _LEADING_ZEROS.sub("", text.replace("_", ""))
    if _NUMBER.fullmatch(text) is None:
        suggestion, advice = None, "write plain decimal digits, such as 30 or 0.5"
        if _DURATION_LIKE.fullmatch(text):
            suggestion, advice = f'"{text}"', "a duration is written in quotes"
        elif "_" in text and _NUMBER.fullmatch(plain):
            suggestion, advice = clip(plain), "its digits are written without underscores"
        return Flaw(
            ProblemCode.BAD_NUMBER,
            f'"{clip(text)}" is not a number: {advice}',
            token.span,
            found=clip(text),
            expected="a decimal number",
            suggestion=suggestion,
        )
    if _LEADING_ZEROS.match(text):
        return Flaw(
            ProblemCode.BAD_NUMBER,
            f'"{clip(text)}" starts with a zero before other digits, which no number does',
            token.span,
            found=clip(text),
            expected="a number without leading zeros",
            suggestion=clip(plain),
        )
    # A text is at most 4,096 digits long here, which int() takes (its own limit is 4,300).
    value: int | float = int(text) if text.isdigit() else float(text)
    if value > MAX_NUMBER:
        return Flaw(
            ProblemCode.NUMBER_TOO_LARGE,
            "the number is too large: at most 10^12",
            token.span,
            found=clip(text),
            expected="a number up to 1000000000000",
        )
    return None


def _check_string(token: Token) -> Flaw | None:
    if token.text.isprintable() and "\\" not in token.text:
        return None
    if (surrogate := _SURROGATE.search(token.text)) is not None:
        return _bad_escape(token, surrogate.start(), surrogate.end(), "half a character", "whole characters")
    if (control := _CONTROL.search(token.text)) is not None:
        return _bad_escape(token, control.start(), control.end(), "a control character", "printable text")
    if "\\" not in token.text:
        return None
    for escape in _ESCAPE.finditer(token.text):
        code = escape[1] or escape[2] or escape[3]
        if code is None:
            if escape[4] not in "\\\"'nrt":
                expected = r"one of \\ \" \' \n \r \t \x \u \U"
                return _bad_escape(token, escape.start(), escape.end(), "an unknown escape", expected)
        elif int(code, 16) > LAST_CHARACTER or _UNPRINTED.match(chr(int(code, 16))) is not None:
            return _bad_escape(token, escape.start(), escape.end(), "an escape of no character", "a character's number")
    return None


def _bad_escape(token: Token, start: int, end: int, what: str, expected: str) -> Flaw:
    found = clip(token.text[start:end])
    span = Span(token.start + start, token.start + end)
    return Flaw(ProblemCode.BAD_STRING, f"the string has {what}: {found}", span, found=found, expected=expected)
