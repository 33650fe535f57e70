"""Explanations on screen and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stream.commands.output import colour, moment, span, value_text

if TYPE_CHECKING:
    from rules.explain import Explained, Explanation, Seen
    from rules.explain.flips import Flip
    from rules.explain.prospect import Happening

__all__ = ["explanation_lines", "explanation_report", "tree_lines", "tree_report"]

_MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: ("?", "yellow")}
_VERDICTS = {True: "true", False: "false", None: "unknown"}
_CAUSES = {
    "event": "by an event",
    "time": "by time alone",
    "catalog": "by a new catalog",
    "model": "by a new model",
    "backfill": "by a backfill",
}

_MOMENT_WORDS = {
    "since": "the last at",
    "since_first": "the first at",
    # Of all thresholds that the catalog has for the value: those of another condition may lie nearer than this one's.
    **dict.fromkeys(("count", "sum", "mean", "min", "max", "distinct"), "last passed a threshold at"),
}


def explanation_lines(user: str, found: Explanation) -> Iterator[str]:
    """The explanation for people; times in the catalog's time zone and in UTC."""
    from rules.explain.words import moment_text

    name = f"{found.name} ({found.title})" if found.title != found.name else found.name
    if found.is_tier:
        yield f"{user} is on the level {colour(found.level or 'none yet', 'bold')} of {name}"
    else:
        yield f"{user} is {colour('in' if found.inside else 'not in', 'bold')} {name}"
    if found.since_ms is not None:
        has_left = not found.is_tier and not found.inside
        since = moment_text(found.since_ms, found.timezone)
        yield f"{'left' if has_left else 'since'} {since}, {_CAUSES.get(found.cause or '', found.cause or '')}"
    elif not found.is_tier and not found.inside:
        yield "has never been in it"
    yield f"as of {moment_text(found.at_ms, found.timezone)}; times in {found.timezone}"
    for condition in found.conditions:
        yield ""
        verdict = condition.tree.verdict
        _, style = _MARKS[verdict]
        yield f"{colour(condition.label, 'bold')}: {colour(_VERDICTS[verdict], style)}"
        yield from tree_lines(condition.tree, found.timezone, 1)
    if found.holds:
        yield ""
        yield from found.holds
    for text, from_ms in found.whole_from_ms.items():
        yield ""
        yield f"warming: {text} is whole from {_warm(from_ms, found.timezone)}"
    yield ""
    yield from _flip_lines(found)


def _warm(from_ms: int, timezone: str) -> str:
    from rules.explain.words import moment_text
    from stream.engine.result import NEVER_MS

    return (
        "no moment on: the log does not reach back" if from_ms >= NEVER_MS else f"{moment_text(from_ms, timezone)} on"
    )


def _flip_lines(found: Explanation) -> Iterator[str]:
    if found.is_tier:
        heading = "what would change the level"
    else:
        heading = "what would take the user out" if found.inside else "what would bring the user in"
    if not found.flips:
        yield f"{heading}: nothing was found that would"
        return
    yield f"{heading}, cheapest first:"
    for number, flip in enumerate(found.flips, 1):
        to = f"to {flip.to}: " if found.is_tier else ""
        yield f"  {number}. {to}{flip.words}"


def tree_lines(node: Explained, timezone: str, depth: int) -> Iterator[str]:
    """A condition as a tree: each node with its verdict, each leaf with the values that it reads."""
    mark, style = _MARKS[node.verdict]
    indent = "  " * depth
    if node.operator == "leaf":
        yield f"{indent}{colour(mark, style)} {node.text}"
        for seen in node.seen:
            yield f"{indent}    {colour(_seen_line(seen, timezone), 'dim')}"
        return
    said = {"and": "all of", "or": "any of", "not": "not"}.get(node.operator, node.text)
    yield f"{indent}{colour(mark, style)} {said}"
    for part in node.parts:
        yield from tree_lines(part, timezone, depth + 1)


def _seen_line(seen: Seen, timezone: str) -> str:
    from rules.explain.words import moment_text

    name = seen.text if seen.name is None else f"{seen.name} = {seen.text}"
    line = f"{name}: {_value(seen)}"
    if seen.moment_ms is None:
        return line
    how = ", by time alone" if seen.by_time else ""
    return f"{line}, {_moment_word(seen)} {moment_text(seen.moment_ms, timezone)}{how}"


def _moment_word(seen: Seen) -> str:
    """What the moment of a value is; the value itself is today's."""
    return _MOMENT_WORDS.get(seen.text.partition("(")[0], "since")


def _value(seen: Seen) -> str:
    from rules.interpret import PRESENT
    from rules.nodes import Kind

    if seen.value is None:
        return "missing"
    if seen.value is PRESENT:
        return "there, of no comparable type"
    if seen.kind is Kind.DURATION and isinstance(seen.value, int):
        return span(seen.value)
    return f'"{seen.value}"' if isinstance(seen.value, str) else value_text(seen.value)


# JSON


def explanation_report(user: str, found: Explanation) -> dict[str, object]:
    """The explanation for programs; times in UTC."""
    from stream.engine.result import NEVER_MS

    return {
        "user": user,
        "tier" if found.is_tier else "segment": found.name,
        "title": found.title,
        "in": None if found.is_tier else found.inside,
        "level": found.level,
        "since": _moment(found.since_ms),
        "cause": found.cause,
        "as_of": moment(found.at_ms),
        "timezone": found.timezone,
        "conditions": {condition.label: tree_report(condition.tree) for condition in found.conditions},
        "stays_until": _moment(found.stays_until_ms),
        "holds": list(found.holds),
        "flips": [_flip_report(flip) for flip in found.flips],
        "warming": {
            text: None if from_ms >= NEVER_MS else moment(from_ms) for text, from_ms in found.whole_from_ms.items()
        },
    }


def tree_report(node: Explained) -> dict[str, object]:
    """A condition as a tree; `verdict` null is unknown."""
    report: dict[str, object] = {"is": node.operator, "text": node.text, "verdict": node.verdict}
    if node.operator == "leaf":
        report["values"] = [_seen_report(seen) for seen in node.seen]
    else:
        report["parts"] = [tree_report(part) for part in node.parts]
    return report


def _seen_report(seen: Seen) -> dict[str, object]:
    value = seen.value if seen.value is None or isinstance(seen.value, str | int | float | bool) else "present"
    return {
        "tag": seen.name,
        "text": seen.text,
        "value": value,
        "since": _moment(seen.moment_ms),
        "by_time": seen.by_time,
    }


def _flip_report(flip: Flip) -> dict[str, object]:
    return {
        "to": flip.to,
        "words": flip.words,
        "at": _moment(flip.flips_ms),
        "happens_at": moment(flip.happens_ms),
        "happenings": [_happening_report(happening) for happening in flip.happenings],
        "without": ["any" if name is None else name for name in flip.without],
        "until": _moment(flip.until_ms),
        "cost": round(flip.cost, 3),
    }


def _happening_report(happening: Happening) -> dict[str, object]:
    if happening.event is None:
        return {"traits": dict(happening.traits)}
    report: dict[str, object] = {
        "event": happening.event,
        "times": happening.times,
        "properties": dict(happening.properties),
    }
    if happening.fresh:
        report["new_values_of"] = sorted(happening.fresh)
    if happening.leading:
        report["leading"] = sorted(happening.leading)
    if happening.hour is not None:
        report["hour"] = happening.hour
    return report


def _moment(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else moment(milliseconds)
