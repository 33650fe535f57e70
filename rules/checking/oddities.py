"""What is right and only odd: segments of one meaning, tags that nothing reads, event names a letter apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from rules.checking.constraints import AllOf, AnyOf, Constraint, Within
from rules.checking.satisfy import Reasoner
from rules.document import Mapping, Scalar
from rules.errors import Flaw, ProblemCode, clip
from rules.keys import mappings_in
from rules.nodes import Node, Or, Span
from rules.schema_models import ANY_EVENT

if TYPE_CHECKING:
    from rules.catalog import Catalog

__all__ = ["Placed", "odd_flaws", "overlap"]

Placed = tuple[Scalar, Flaw]
Meaning = tuple[Constraint, Constraint | None]

SHORTEST_NAME = 4
"""Characters that an event's name has at least to be held against others: `A` and `B` are no misspellings."""

LONGEST_NAME = 64
LARGEST_FAMILY = 3

_WORD = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|([A-Za-z_][A-Za-z0-9_]*)""")


def odd_flaws(
    catalog: Catalog, root: Mapping, events: dict[str, list[tuple[Scalar, Span]]], meanings: dict[str, Meaning]
) -> Iterator[Placed]:
    """All warnings, each with the text it stands in.

    events: where each name of an event is read.  meanings: the segments in which nothing was found, as constraints.
    """
    yield from _same_meanings(catalog, root, meanings)
    yield from _unused_tags(catalog, root)
    yield from _similar_events(root, events)


def overlap(reasoner: Reasoner, when: Node, exits: Node) -> Node | None:
    """A part of `exit` about a quantity that `when` is about as well, that some meet who meet `when` so far: or None.

    An exit about something else is a veto, and meant; one such as `exit: spend < 3500` to `when: spend >= 3000` is not.
    """
    entry: dict[int, Within] = {}
    for part in _parts(reasoner.holds(when), AllOf):
        if isinstance(part, Within):
            entry[part.place] = part
    for node in exits.operands if isinstance(exits, Or) else (exits,):
        for part in _parts(reasoner.holds(node), AnyOf):
            if not isinstance(part, Within) or part.place not in entry:
                continue
            if reasoner.is_possible(reasoner.both(part, entry[part.place])):
                return node
    return None


def _parts(constraint: Constraint, how: type[AllOf | AnyOf]) -> tuple[Constraint, ...]:
    return constraint.parts if isinstance(constraint, how) else (constraint,)


def _same_meanings(catalog: Catalog, root: Mapping, meanings: dict[str, Meaning]) -> Iterator[Placed]:
    first: dict[object, str] = {}
    for name, (when, exits) in meanings.items():
        stay_ms = catalog.segments[name].min_stay_ms
        meaning = (_unordered(when), None if exits is None else _unordered(exits), stay_ms)
        other = first.setdefault(meaning, name)
        key = _key(root, "segments", name)
        if other != name and key is not None:
            message = f"{name} means the same as {other}, so both always have the same members; keep one of them"
            flaw = Flaw(ProblemCode.SAME_MEANING, message, Span(0, 0), name, "a condition of its own")
            yield key, _as_warning(flaw)


def _unordered(constraint: Constraint) -> object:
    """The constraint as a value that does not depend on the order of its parts."""
    if isinstance(constraint, Within):
        return constraint
    return type(constraint).__name__, frozenset(_unordered(part) for part in constraint.parts)


def _unused_tags(catalog: Catalog, root: Mapping) -> Iterator[Placed]:
    """Tags that nothing and no test reads. Where there are tags only, they are what the catalog is for."""
    if not catalog.segments and not catalog.tiers:
        return
    read = {name for segment in catalog.segments.values() for name in segment.reads}
    read |= {name for tier in catalog.tiers.values() for name in tier.reads}
    read |= {name for model in catalog.models.values() for name in model.reads}
    read |= {name for example in catalog.examples for name in example.tags}
    tags = root.values.get("tags")
    if not isinstance(tags, Mapping):
        return
    for value in tags.values.values():
        if isinstance(value, Scalar):
            read |= {match[1] for match in _WORD.finditer(value.text) if match[1]}
    for name in catalog.tags:
        key = tags.keys.get(name)
        if name not in read and key is not None:
            message = f"nothing reads the tag {name}: it stands in profiles, and in no message"
            flaw = Flaw(ProblemCode.UNUSED_TAG, message, Span(0, 0), name, "a tag that something reads")
            yield key, _as_warning(flaw)


def _similar_events(root: Mapping, events: dict[str, list[tuple[Scalar, Span]]]) -> Iterator[Placed]:
    """Event names that differ by capitals or by one letter; told of the one that is used less, or that comes later."""
    places = {name: [*uses] for name, uses in events.items()}
    for goal in _goals(root):
        places.setdefault(goal.text, []).append((goal, Span(0, 0)))
    order = {name: number for number, name in enumerate(places)}
    for pair in _near_pairs([*places]):
        rarer, usual = sorted(pair, key=lambda name: (len(places[name]), -order[name]))
        scalar, span = places[rarer][0]
        message = f'"{clip(rarer)}" is nearly "{clip(usual)}", and names are told apart to the letter; is it another?'
        flaw = Flaw(ProblemCode.SIMILAR_EVENTS, message, span, clip(rarer), "one name for one event", clip(usual))
        yield scalar, _as_warning(flaw)


def _near_pairs(names: list[str]) -> Iterator[tuple[str, str]]:
    """Pairs of names that are the same but for capitals, spaces and _, or but for one letter.

    Names a letter apart are the same once that letter is left out: of both at one place, or of the longer one.
    """
    by_plain: dict[str, list[str]] = {}
    by_gap: dict[tuple[int, str], list[str]] = {}
    shorter: list[tuple[str, str]] = []
    for name in names:
        plain = " ".join(name.lower().replace("_", " ").split())
        if not SHORTEST_NAME <= len(plain) <= LONGEST_NAME:
            continue
        by_plain.setdefault(plain, []).append(name)
        for at, character in enumerate(plain):
            is_word = f" {plain} "[at : at + 3] == f" {character} "
            if character.isalpha() and not is_word:
                rest = plain[:at] + plain[at + 1 :]
                by_gap.setdefault((at, rest), []).append(name)
                shorter.append((name, rest))
    families = [*by_plain.values(), *by_gap.values()]
    families += [[*by_plain[rest], name] for name, rest in shorter if rest in by_plain]
    # Many names of one pattern are no misspellings of each other.
    pairs = [pair for family in families if len(family) <= LARGEST_FAMILY for pair in combinations(family, 2)]
    yield from dict.fromkeys(pair for pair in pairs if pair[0] != pair[1])


def _goals(root: Mapping) -> Iterator[Scalar]:
    """The events of the segments' goals, and of the models' labels."""
    for section, key, names in (("models", "label", ("absent", "event")), ("segments", "goal", ("event",))):
        entries = root.values.get(section)
        for entry in mappings_in(entries):
            goal = entry.values.get(key)
            for name in names:
                event = goal.values.get(name) if isinstance(goal, Mapping) else None
                if isinstance(event, Scalar) and event.text != ANY_EVENT:
                    yield event


def _key(root: Mapping, section: str, name: str) -> Scalar | None:
    mapping = root.values.get(section)
    return mapping.keys.get(name) if isinstance(mapping, Mapping) else None


def _as_warning(flaw: Flaw) -> Flaw:
    return replace(flaw, severity="warning")
