"""Text to nodes: Python's expression syntax through `ast`, a closed whitelist, and nothing is ever evaluated.

1. The length is checked, then the tokens (`rules.scan`), then their order and depth (`rules.order`).
2. Python's parser gives the structure. White space is made plain first, so that an expression may span lines.
3. Each `ast` node on the whitelist becomes a node of ours; anything else is a flaw. The conversion goes on after a flaw
   with a hole in its place (`HOLE`), so that all flaws of an expression are found.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rules.calls import HOLE, CallReader, Constant
from rules.errors import Flaw, ProblemCode, clip
from rules.functions import FUNCTIONS
from rules.nodes import (
    Among,
    And,
    Arithmetic,
    BooleanValue,
    Compare,
    Negate,
    Node,
    Not,
    NumberValue,
    Or,
    Span,
    TagName,
    TextValue,
)
from rules.order import find_disorder
from rules.scan import MAX_LEVELS, MAX_NUMBER, Token, scan
from rules.suggest import Suggester

__all__ = ["HOLE", "MAX_CHARACTERS", "MAX_TREE_DEPTH", "Parsed", "parse_expression"]

MAX_CHARACTERS = 4_096
MAX_TREE_DEPTH = 200
"""Nodes from the root to a leaf, tags written out: what recursive visitors may rely on within Python's own limit."""

_WHITE_SPACE = re.compile(r"[ \t\r\n]+")
_ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARISONS = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parsed expression. `node` is None if there is none; with flaws it has holes and is good for checking only."""

    node: Node | None
    flaws: tuple[Flaw, ...]


def parse_expression(
    text: str, suggester: Suggester | None = None, constants: Mapping[str, Constant] | None = None
) -> Parsed:
    """The tree of an expression, not yet resolved (`rules.types`), and all its flaws. Raises nothing.

    `constants` are a template's parameters: a name among them stands for its value, and one that is None for anything.
    """
    if len(text) > MAX_CHARACTERS:
        message = f"the expression has {len(text):,} characters, more than {MAX_CHARACTERS:,}; name parts of it as tags"
        flaw = Flaw(ProblemCode.EXPRESSION_TOO_LONG, message, expected=f"at most {MAX_CHARACTERS:,} characters")
        return Parsed(None, (flaw,))
    tokens, flaws = scan(text)
    if flaws:
        return Parsed(None, tuple(flaws))
    if not tokens:
        message = "the expression is empty: write one, or leave the key out"
        return Parsed(None, (Flaw(ProblemCode.EMPTY_EXPRESSION, message, expected="an expression"),))
    disorder = find_disorder(tokens, len(text))
    if disorder is not None:
        return Parsed(None, (disorder,))
    start = tokens[0].start
    line = _on_one_line(text, tokens)
    try:
        tree = ast.parse(line, mode="eval")
    except SyntaxError as error:
        return Parsed(None, (_python_flaw(error, tokens, start),))
    except (RecursionError, MemoryError, ValueError):
        return Parsed(None, (_too_deep(Span(start, len(text))),))
    conversion = _Conversion(_offset_of(line, start), suggester or Suggester(), constants or {})
    node = conversion.convert(tree.body, 1, 1)
    return Parsed(node, tuple(conversion.flaws))


def _on_one_line(text: str, tokens: list[Token]) -> str:
    """The text from its first to its last token, each character of white space between tokens made a space."""
    start, end = tokens[0].start, tokens[-1].end
    if "\n" not in text and "\t" not in text and "\r" not in text:
        return text[start:end]
    line = [" "] * (end - start)
    for token in tokens:
        line[token.start - start : token.end - start] = token.text
    return "".join(line)


def _offset_of(line: str, start: int) -> Callable[[int], int]:
    """From `ast`'s column, which counts UTF-8 bytes of the line, to characters of the expression's text."""
    if line.isascii():
        return lambda column: start + column
    encoded = line.encode()
    return lambda column: start + len(encoded[:column].decode(errors="ignore"))


def _too_deep(span: Span) -> Flaw:
    return Flaw(
        ProblemCode.EXPRESSION_TOO_DEEP,
        f"the expression is nested more than {MAX_LEVELS} levels deep; name parts of it as tags",
        span,
        expected=f"at most {MAX_LEVELS} levels",
    )


def _too_long_a_chain(span: Span) -> Flaw:
    message = f"more than {MAX_TREE_DEPTH} operators follow each other; name parts of the sum as tags"
    expected = f"at most {MAX_TREE_DEPTH} operators in a row"
    return Flaw(ProblemCode.EXPRESSION_TOO_DEEP, message, span, expected=expected)


def _python_flaw(error: SyntaxError, tokens: list[Token], start: int) -> Flaw:
    """What Python's parser refuses after all; its wording differs between versions, so only the place is taken."""
    at = start + max((error.offset or 1) - 1, 0)
    token = next((token for token in tokens if token.end > at), tokens[-1])
    message = f'the expression cannot be read at "{clip(token.text)}"'
    return Flaw(ProblemCode.SYNTAX, message, token.span, found=clip(token.text), expected="an expression")


def _node_of(constant: Constant, span: Span) -> Node:
    match constant:
        case None:
            return TagName(HOLE, span)
        case bool():
            return BooleanValue(constant, span)
        case str():
            return TextValue(constant, span)
        case _:
            return NumberValue(constant, span)


class _Conversion:
    """One pass over Python's tree. `level` counts nesting as people see it, `depth` the nodes from the root."""

    def __init__(self, offset: Callable[[int], int], suggester: Suggester, constants: Mapping[str, Constant]) -> None:
        self.flaws: list[Flaw] = []
        self._offset = offset
        self._suggester = suggester
        self._constants = constants
        self._is_too_deep = False

    def convert(self, tree: ast.expr, level: int, depth: int) -> Node:
        """The node for Python's; a hole where there is none."""
        span = self._span(tree)
        if level > MAX_LEVELS or depth > MAX_TREE_DEPTH:
            if not self._is_too_deep:
                self._is_too_deep = True
                self.flaws.append(_too_deep(span) if level > MAX_LEVELS else _too_long_a_chain(span))
            return TagName(HOLE, span)
        match tree:  # what there is most of comes first
            case ast.Constant():
                return self._constant(tree, span)
            case ast.Compare():
                return self._comparison(tree, span, level, depth)
            case ast.Call():
                return self._call(tree, span, level, depth)
            case ast.Name():
                return self._name(tree, span)
            case ast.UnaryOp(op=ast.Not()):
                return Not(self.convert(tree.operand, level + 1, depth + 1), span)
            case ast.UnaryOp(op=ast.USub()):
                operand = self.convert(tree.operand, level + 1, depth + 1)
                return NumberValue(-operand.value, span) if isinstance(operand, NumberValue) else Negate(operand, span)
            case ast.BinOp() if type(tree.op) in _ARITHMETIC:
                # a + b + c is one level however long, as people see it; as a tree it leans to the left.
                left = self.convert(tree.left, level if isinstance(tree.left, ast.BinOp) else level + 1, depth + 1)
                right = self.convert(tree.right, level + 1, depth + 1)
                return Arithmetic(_ARITHMETIC[type(tree.op)], left, right, span)
            case ast.BoolOp():
                operands = tuple(self.convert(value, level + 1, depth + 1) for value in tree.values)
                return And(operands, span) if isinstance(tree.op, ast.And) else Or(operands, span)
            case ast.List() | ast.Tuple():
                what = 'a list stands only after "in"' if isinstance(tree, ast.List) else "there are no tuples"
                return self._refuse(ProblemCode.NOT_IN_LANGUAGE, f"{what}, with its choices in square brackets", span)
            case _:
                return self._refuse(ProblemCode.NOT_IN_LANGUAGE, "this is not part of the language", span)

    def _span(self, tree: ast.expr | ast.keyword) -> Span:
        return Span(self._offset(tree.col_offset), self._offset(tree.end_col_offset or tree.col_offset))

    def _refuse(
        self,
        code: ProblemCode,
        message: str,
        span: Span,
        found: str = "",
        expected: str = "",
        suggestion: str | None = None,
    ) -> Node:
        self.flaws.append(Flaw(code, message, span, found, expected, suggestion))
        return TagName(HOLE, span)

    def _constant(self, tree: ast.Constant, span: Span) -> Node:
        value = tree.value
        if isinstance(value, str):
            return TextValue(value, span)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value <= MAX_NUMBER:
            return NumberValue(value, span)
        return self._refuse(ProblemCode.NOT_IN_LANGUAGE, "this constant is not part of the language", span)

    def _name(self, tree: ast.Name, span: Span) -> Node:
        name = tree.id
        if name in self._constants:
            return _node_of(self._constants[name], span)
        if name in ("true", "false"):
            return BooleanValue(name == "true", span)
        if name in FUNCTIONS:
            message = f"{name} is a function: call it, as in {FUNCTIONS[name].usage}"
            return self._refuse(ProblemCode.WRONG_SORT, message, span, name, "a call", f"{name}(…)")
        if name == "always":
            message = 'always is no condition here; it is the last level of a tier. Write "true" for what always holds'
            return self._refuse(ProblemCode.WRONG_SORT, message, span, name, "a condition", "true")
        return TagName(name, span)

    def _comparison(self, tree: ast.Compare, span: Span, level: int, depth: int) -> Node:
        # A chain is a condition of conditions: the pairs lie one deeper.
        inner = depth + 1 if len(tree.ops) == 1 else depth + 2
        lists = [isinstance(operator, (ast.In, ast.NotIn)) for operator in tree.ops]
        operands: list[Node | tuple[Node, ...]] = [self.convert(tree.left, level + 1, inner)]
        for is_list, comparator in zip(lists, tree.comparators, strict=True):
            if is_list:
                operands.append(self._choices(comparator))
            else:
                operands.append(self.convert(comparator, level + 1, inner))
        pairs: list[Node] = []
        for number, operator in enumerate(tree.ops):
            left, right = operands[number], operands[number + 1]
            start = span.start if number == 0 else self._span(tree.comparators[number - 1]).start
            end = span.end if number == len(tree.ops) - 1 else self._span(tree.comparators[number]).end
            pair_span = Span(start, end)
            if isinstance(left, tuple):
                message = "a list of choices ends a comparison; go on with and"
                return self._refuse(ProblemCode.SYNTAX, message, pair_span, expected="and, or")
            if isinstance(right, tuple):
                pairs.append(Among(left, right, isinstance(operator, ast.NotIn), pair_span))
            elif type(operator) in _COMPARISONS:
                pairs.append(Compare(_COMPARISONS[type(operator)], left, right, pair_span))
            else:
                message = "this comparison is not part of the language"
                return self._refuse(ProblemCode.NOT_IN_LANGUAGE, message, pair_span)
        return pairs[0] if len(pairs) == 1 else And(tuple(pairs), span)

    def _choices(self, tree: ast.expr) -> tuple[Node, ...]:
        """The constants after `in`. Whether they are of one type is looked at in `rules.types`."""
        span = self._span(tree)
        if not isinstance(tree, ast.List):
            message = 'after "in" stands a list of constants, as in ["A", "B"]'
            suggestion = "==" if isinstance(tree, ast.Constant) else None
            return (self._refuse(ProblemCode.BAD_CHOICES, message, span, "", "[..]", suggestion),)
        if not tree.elts:
            message = "the list of choices is empty, so nothing would ever be in it"
            return (self._refuse(ProblemCode.BAD_CHOICES, message, span, "[]", "at least one constant"),)
        return tuple(self._choice(element) for element in tree.elts)

    def _choice(self, tree: ast.expr) -> Node:
        number = tree.operand if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub) else tree
        is_number = isinstance(number, ast.Constant) and not isinstance(number.value, str)
        if is_number or isinstance(tree, ast.Constant):
            return self.convert(tree, 1, 1)
        if isinstance(tree, ast.Name) and not isinstance(self._constants.get(tree.id, True), bool):
            return self.convert(tree, 1, 1)
        message = "choices are constants: numbers, strings, or beside a duration durations"
        if isinstance(tree, ast.Name) and tree.id in ("true", "false"):
            message = "true and false are no choices; a boolean alone is a condition"
        return self._refuse(ProblemCode.BAD_CHOICES, message, self._span(tree), "", "a number or a string")

    def _call(self, tree: ast.Call, span: Span, level: int, depth: int) -> Node:
        if not isinstance(tree.func, ast.Name):
            return self._refuse(ProblemCode.NOT_IN_LANGUAGE, "only functions are called, by their names", span)
        name = tree.func.id
        function = FUNCTIONS.get(name)
        if function is None:
            node = self._unknown_function(name, self._span(tree.func))
            # What stands in the brackets is read all the same: its flaws are worth knowing at once.
            for argument in (*tree.args, *(word.value for word in tree.keywords)):
                self.convert(argument, level + 1, depth + 1)
            return node
        reader = CallReader(
            tree,
            function,
            span,
            lambda argument: self.convert(argument, level + 1, depth + 1),
            self._span,
            self.flaws,
            self._suggester,
            self._constants,
        )
        return reader.read()

    def _unknown_function(self, name: str, span: Span) -> Node:
        nearest = self._suggester.nearest(name, FUNCTIONS)
        return self._refuse(
            ProblemCode.UNKNOWN_FUNCTION,
            f'there is no function "{clip(name)}"; a tag is named without brackets',
            span,
            clip(name),
            f"one of {', '.join(FUNCTIONS)}",
            nearest,
        )
