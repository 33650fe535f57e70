"""Whether the tokens of an expression may follow each other: brackets, depth, values and operators in turn.

It needs no grammar: between two values there is exactly one operator. What passes is then structured by Python's own
parser, which finds nothing more to complain about but in rare cases.
"""

from __future__ import annotations

from dataclasses import dataclass

from rules.errors import Flaw, ProblemCode, clip
from rules.nodes import Span
from rules.scan import MAX_LEVELS, Token

__all__ = ["find_disorder"]

_VALUE_KINDS = frozenset({"name", "number", "string"})
_BINARY = frozenset({"+", "-", "*", "/", "==", "!=", "<", "<=", ">", ">=", "and", "or", "in"})
_TIGHTER_THAN_NOT = frozenset({"+", "-", "*", "/", "==", "!=", "<", "<=", ">", ">=", "in"})
_CLOSING = {"(": ")", "[": "]"}


@dataclass(slots=True)
class _Bracket:
    token: Token
    is_call: bool
    prefixes_before: int
    has_named: bool = False


def find_disorder(tokens: list[Token], length: int) -> Flaw | None:
    """The first token that cannot stand where it stands, or None. `length` is that of the text, for "the end"."""
    return _Reader(tokens, length).read()


class _Reader:
    def __init__(self, tokens: list[Token], length: int) -> None:
        self._tokens = tokens
        self._length = length
        self._brackets: list[_Bracket] = []
        self._prefixes = 0  # unary signs before the value that comes
        self._prefixes_outside = 0  # those before brackets that are open

    def read(self) -> Flaw | None:
        wants_value = True
        index = 0
        while index < len(self._tokens):
            token = self._tokens[index]
            if wants_value:
                flaw, wants_value = self._value(token, index)
            elif token.text == "not" and token.kind == "keyword":
                index += 1
                wants_value = True
                after = self._tokens[index] if index < len(self._tokens) else None
                flaw = None if after is not None and after.text == "in" else _unexpected(token, "an operator", "not in")
            else:
                flaw, wants_value = self._operator(token, index)
            if flaw is not None:
                return flaw
            if len(self._brackets) + self._prefixes + self._prefixes_outside > MAX_LEVELS:
                return Flaw(
                    ProblemCode.EXPRESSION_TOO_DEEP,
                    f"the expression is nested more than {MAX_LEVELS} levels deep; name parts of it as tags",
                    token.span,
                    expected=f"at most {MAX_LEVELS} levels",
                )
            index += 1
        if self._brackets:
            opening = self._brackets[-1].token
            return _flaw(f'"{opening.text}" is never closed', opening, _CLOSING[opening.text])
        if wants_value:
            end = Span(self._tokens[-1].end if self._tokens else self._length, self._length)
            return Flaw(
                ProblemCode.SYNTAX,
                f'the expression ends after "{self._tokens[-1].text}", where a value is expected',
                end,
                found="the end of the expression",
                expected="a value",
            )
        return None

    def _value(self, token: Token, index: int) -> tuple[Flaw | None, bool]:
        before = self._tokens[index - 1] if index else None
        if before is not None and before.text == "," and self._brackets[-1].has_named and self._is_unnamed(index):
            message = "an argument without a name stands after one with a name; put it first"
            return _flaw(message, token, "an argument with a name"), True
        if token.kind in _VALUE_KINDS:
            self._prefixes = 0
            return None, False
        text = token.text
        if text in _CLOSING:
            self._open(token, is_call=False)
            return None, True
        if text == "not":
            if before is not None and before.text in _TIGHTER_THAN_NOT:
                message = f'"not" after "{before.text}" needs brackets round it and what it negates'
                return _flaw(message, token, "a value"), True
            self._prefixes += 1
            return None, True
        if text == "-":
            self._prefixes += 1
            return None, True
        if text in (")", "]") and before is not None and self._brackets:
            bracket = self._brackets[-1]
            empty = before is bracket.token and (bracket.is_call or text == "]")
            if empty or (before.text == "," and before.kind == "operator"):
                return self._close(token), False
        if text == "+":
            message = 'a number has no "+" before it'
            return _flaw(message, token, "a value without a sign"), True
        if text == "=" and before is not None and before.text in ("=", "==", "!=", "<", ">"):
            return _unexpected(token, "a value", "==" if before.text == "==" else None), True
        return _unexpected(token, "a value", None), True

    def _operator(self, token: Token, index: int) -> tuple[Flaw | None, bool]:
        before = self._tokens[index - 1]
        text = token.text
        if token.kind in _VALUE_KINDS:
            return _side_by_side(before, token), False
        if text in _BINARY:
            return None, True
        if text == "(":
            if before.kind != "name":
                message = 'a bracket cannot follow here: an operator is missing, or "(" is one too many'
                return _flaw(message, token, "an operator"), True
            self._open(token, is_call=True)
            return None, True
        if text == "[":
            message = 'nothing is looked up with [..]; a list stands only after "in"'
            return Flaw(ProblemCode.NOT_IN_LANGUAGE, message, token.span, found="[", expected="an operator"), True
        if text in (")", "]"):
            return self._close(token), False
        if text == ",":
            if self._brackets:
                return None, True
            return _unexpected(token, "an operator or the end", None), True
        return self._equals(token, index), True

    def _equals(self, token: Token, index: int) -> Flaw | None:
        opener = self._tokens[index - 2] if index >= 2 else None
        in_call = bool(self._brackets) and self._brackets[-1].is_call
        if in_call and self._tokens[index - 1].kind == "name" and opener is not None and opener.text in ("(", ","):
            self._brackets[-1].has_named = True
            return None
        message = '"=" names an argument of a function; to compare, write "=="'
        return _flaw(message, token, "==", "==")

    def _is_unnamed(self, index: int) -> bool:
        after = self._tokens[index + 1].text if index + 1 < len(self._tokens) else ""
        return after != "=" and self._tokens[index].text != ")"

    def _open(self, token: Token, *, is_call: bool) -> None:
        self._brackets.append(_Bracket(token, is_call, self._prefixes))
        self._prefixes_outside += self._prefixes
        self._prefixes = 0

    def _close(self, token: Token) -> Flaw | None:
        self._prefixes = 0
        if not self._brackets:
            message = f'"{token.text}" closes nothing'
            return _flaw(message, token, "an operator or the end")
        bracket = self._brackets.pop()
        self._prefixes_outside -= bracket.prefixes_before
        expected = _CLOSING[bracket.token.text]
        if token.text != expected:
            message = f'"{token.text}" closes "{bracket.token.text}"'
            return _flaw(message, token, expected, expected)
        return None


def _flaw(message: str, token: Token, expected: str, suggestion: str | None = None) -> Flaw:
    return Flaw(ProblemCode.SYNTAX, message, token.span, clip(token.text), expected, suggestion)


def _unexpected(token: Token, expected: str, suggestion: str | None) -> Flaw:
    return _flaw(f'"{clip(token.text)}" stands where {expected} is expected', token, expected, suggestion)


def _side_by_side(before: Token, token: Token) -> Flaw:
    if before.kind == token.kind == "string":
        message = "two strings stand side by side: a comma or an operator is missing"
        if before.end == token.start:
            message += '; to have a quote inside a string, write \\" or use the other quotes outside'
    else:
        message = f'"{clip(token.text)}" follows "{clip(before.text)}" without an operator'
    return _flaw(message, token, "an operator")
