"""How a condition differs from what it was: thresholds that moved, parts that came and went, and for whom it holds now.

Which way it moved is proved, not guessed from the text: the old condition without the new one is impossible, or the
new one without the old one (`rules.checking.satisfy`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rules.checking.satisfy import Reasoner
from rules.nodes import (
    Among,
    And,
    Arithmetic,
    BooleanValue,
    Compare,
    DurationValue,
    Negate,
    Node,
    NumberValue,
    Or,
    TextValue,
)
from rules.text import expression_text

__all__ = ["Effect", "Names", "describe_condition", "effect_of"]

Effect = Literal["more", "fewer", "same", "others"]
"""Whom the new condition holds for: for more than the old one, for fewer, for the same, or not to be told."""

Names = Mapping[Node, str]

_TURNED_ROUND = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_CONSTANTS = (NumberValue, TextValue, DurationValue, BooleanValue)


@dataclass(frozen=True, slots=True)
class _Part:
    """One operand of a condition, its constant on the right, and its text."""

    node: Node
    text: str
    subject: str
    """What is compared, with the direction: `spend >`. Two parts of one subject are one threshold that moved."""
    limit: str


def effect_of(reasoner: Reasoner, old: Node, new: Node) -> Effect:
    """Whom the new condition holds for, beside the old one."""
    before, after = reasoner.holds(old), reasoner.holds(new)
    is_wider = not reasoner.is_possible(reasoner.both(before, reasoner.otherwise(after)))
    is_narrower = not reasoner.is_possible(reasoner.both(after, reasoner.otherwise(before)))
    if is_wider:
        return "same" if is_narrower else "more"
    return "fewer" if is_narrower else "others"


def describe_condition(old: Node, new: Node, old_names: Names, new_names: Names) -> list[str]:
    """What differs in the text of two conditions, tags by their names: empty if nothing does."""
    old_text, new_text = expression_text(old, old_names), expression_text(new, new_names)
    if old_text == new_text:
        return []
    for how in (And, Or):
        if isinstance(old, how) or isinstance(new, how):
            before, after = _parts(old, how, old_names), _parts(new, how, new_names)
            lines = _part_changes(before, after, "and" if how is And else "or")
            if lines is not None:
                return lines
    moved = _moved(_part(old, old_names), _part(new, new_names))
    return [moved or f"{old_text} -> {new_text}"]


def _part_changes(before: list[_Part], after: list[_Part], word: str) -> list[str] | None:
    """The changes of parts that are joined by one word; None if nothing has stayed, so that parts tell nothing."""
    gone = [part for part in before if part.text not in {other.text for other in after}]
    come = [part for part in after if part.text not in {other.text for other in before}]
    lines: list[str] = []
    moved_from: set[str] = set()
    for part in come:
        same = [other for other in gone if other.subject == part.subject and other.text not in moved_from]
        line = _moved(same[0], part) if len(same) == 1 else None
        if line is not None:
            moved_from.add(same[0].text)
            lines.append(line)
        else:
            lines.append(f"added: {word} {part.text}")
    lines += [f"removed: {word} {part.text}" for part in gone if part.text not in moved_from]
    has_rest = len(gone) < len(before) or bool(moved_from)
    return lines if has_rest and lines else None


def _parts(node: Node, how: type[And | Or], names: Names) -> list[_Part]:
    """The operands, those of operands of the same kind among them (a chain of comparisons is an `and`)."""
    if not isinstance(node, how) or node in names:
        return [_part(node, names)]
    return [part for operand in node.operands for part in _parts(operand, how, names)]


def _part(node: Node, names: Names) -> _Part:
    text = expression_text(node, names)
    if node in names:
        return _Part(node, text, text, "")
    match node:
        case Compare(operator=operator, left=left, right=right):
            if _is_constant(left) and not _is_constant(right):
                left, right, operator = right, left, _TURNED_ROUND[operator]
                text = expression_text(Compare(operator, left, right), names)
            if _is_constant(right):
                subject = f"{expression_text(left, names)} {operator[0]}"
                return _Part(node, text, subject, f"{operator} {expression_text(right, names)}")
        case Among():
            word = "not in" if node.negated else "in"
            return _Part(node, text, f"{expression_text(node.operand, names)} {word}", text)
        case _:
            pass
    return _Part(node, text, text, "")


def _is_constant(node: Node) -> bool:
    if isinstance(node, Negate):
        return _is_constant(node.operand)
    if isinstance(node, Arithmetic):
        return _is_constant(node.left) and _is_constant(node.right)
    return isinstance(node, _CONSTANTS)


def _moved(old: _Part, new: _Part) -> str | None:
    """A threshold that moved, or choices that came and went; None if the parts are about different things."""
    if old.subject != new.subject or not old.limit:
        return None
    if isinstance(old.node, Among) and isinstance(new.node, Among):
        before = [expression_text(choice) for choice in old.node.choices]
        after = [expression_text(choice) for choice in new.node.choices]
        changes = [f"+ {choice}" for choice in after if choice not in before]
        changes += [f"- {choice}" for choice in before if choice not in after]
        return f"{new.subject} […]: {', '.join(changes) or 'in another order'}"
    return f"{old.text} -> {new.limit}"
