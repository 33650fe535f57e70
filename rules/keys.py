"""The keys of a mapping in a catalog: those that it may have, and those that stand in it twice."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from rules.document import Document, Mapping, Scalar, Value
from rules.errors import ProblemCode, clip
from rules.lookalikes import describe_letter, mixed_letter
from rules.place import REFUSED
from rules.suggest import Suggester

__all__ = ["REPEATED", "correct_keys", "keep_repeats", "mappings_in", "name_of"]

REPEATED = "\0"
"""Stands in the name of an entry whose name another has already; no file can have it."""

_REPEATS_READ = 20


def name_of(name: str) -> str:
    """The name as it stands in the file."""
    return name.partition(REPEATED)[0]


def mappings_in(value: Value | None) -> Iterator[Mapping]:
    """The entries of a section that are mappings themselves."""
    if isinstance(value, Mapping):
        yield from [item for item in value.values.values() if isinstance(item, Mapping)]


def correct_keys(
    document: Document,
    mapping: Mapping,
    keys: Collection[str],
    suggester: Suggester,
    to_come: Collection[str] = (),
) -> None:
    """Take the keys out of a mapping that are not among those it may have, and report them.

    What stands under one that is surely meant for a key that is not there is kept, under that key.
    """
    expected = f"one of {', '.join(keys)}"
    for name in [name for name in mapping.keys if name not in keys]:
        key = mapping.keys.pop(name)
        value = mapping.values.pop(name, None)
        if key.style == REFUSED or REPEATED in name:
            continue
        if name in to_come:
            message = f"{name} are not supported yet in this version; leave the section out for now"
            document.report(key.start, ProblemCode.KEY_NOT_YET, message, name, expected)
            continue
        nearest = suggester.nearest(name, keys)
        strange = mixed_letter(name)
        letter = "" if strange is None else f" ({describe_letter(strange)})"
        message = f'there is no key "{clip(name)}" here{letter}; the keys are {", ".join(keys)}'
        document.report(key.start, ProblemCode.UNKNOWN_KEY, message, clip(name), expected, nearest)
        if nearest is not None and nearest not in mapping.keys and value is not None:
            mapping.keys[nearest] = key
            mapping.values[nearest] = value


def keep_repeats(root: Mapping, sections: Collection[str]) -> None:
    """Give what stands a second time a place in the tree, so that what is wrong inside it is found as well.

    A section goes into the first of its name; an entry stands beside the first, under a name that no file can have; a
    key that an entry has twice makes a second entry, with that value of it. All of it has been refused already, so of
    a long list only some are looked into.
    """
    for key, value in root.repeats[:_REPEATS_READ]:
        first = root.values.get(key.text)
        if isinstance(first, Mapping) and isinstance(value, Mapping):
            _merge(first, value)
    for section in sections:
        entries = root.values.get(section)
        if not isinstance(entries, Mapping):
            continue
        _spread(entries)
        for name, entry in [*entries.values.items()]:
            if not isinstance(entry, Mapping):
                continue
            for inner in mappings_in(entry):
                _spread(inner)
            for number, (key, value) in enumerate(entry.repeats[:_REPEATS_READ]):
                second = Mapping(entry.start, {**entry.keys, key.text: key}, {**entry.values, key.text: value})
                _add(entries, f"{name}{REPEATED}{key.text}{number}", entries.keys[name], second)


def _merge(first: Mapping, second: Mapping) -> None:
    for name, item in second.values.items():
        if name in first.keys:
            first.repeats.append((second.keys[name], item))
        else:
            _add(first, name, second.keys[name], item)
    first.repeats += second.repeats


def _spread(mapping: Mapping) -> None:
    for number, (key, value) in enumerate(mapping.repeats[:_REPEATS_READ]):
        _add(mapping, f"{key.text}{REPEATED}{number}", key, value)


def _add(mapping: Mapping, name: str, key: Scalar, value: Value) -> None:
    mapping.keys[name], mapping.values[name] = key, value
