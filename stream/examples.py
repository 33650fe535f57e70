"""The examples inside a catalog (`tests:`), run by the engine and by the reference interpreter, and held against both.

An example's events are one small log of one user, as `replay` takes it: no log time passes until the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rules.catalog import Catalog, Example
from rules.explain import Explanation, explain
from rules.history import hash_of_user
from rules.program import Program, compile_catalog
from rules.reference import Reference
from stream.replay import BEFORE_ALL_TIME_MS, Replay

__all__ = ["Failure", "Outcome", "run_examples"]

_ANY_TIME_MS = 2**62
"""An example may be of any time: none of its events is too far ahead."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that is not as expected.

    what: `tag`, `segment`, `tier`, or `event` (by its number, one that was refused).  why: of segments and tiers.
    """

    what: str
    name: str
    expected: object
    actual: object
    why: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an example. differences: between the engine and the reference; there should never be one."""

    example: Example
    failures: tuple[Failure, ...]
    differences: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.failures and not self.differences


@dataclass(frozen=True, slots=True)
class _Seen:
    """What an example came to. segments in the catalog's order; refused: reasons by the number of the event."""

    tags: Mapping[str, object]
    segments: tuple[str, ...]
    levels: Mapping[str, str]
    refused: Mapping[int, str]


def run_examples(catalog: Catalog) -> Iterator[Outcome]:
    """Run all examples of a catalog, in its order. Compiles the engine if this is the first time. No I/O."""
    program = compile_catalog(catalog)
    for example in catalog.examples:
        yield _run(catalog, program, example)


def _run(catalog: Catalog, program: Program, example: Example) -> Outcome:
    run = Replay(program, app="test", horizon_ms=_ANY_TIME_MS, row_budget_bytes=1)
    refused = {reject.index: reject.reason for step in run.feed(example.events) for reject in step.rejects}
    for _ in run.finish(example.at_ms):
        pass
    profile = next(iter(run.profiles(example.at_ms)), None)
    if profile is None:
        return Outcome(example, tuple(_refused(refused)), ())
    seen = _Seen(profile.tags, tuple(profile.segments), profile.levels, refused)
    failures = [*_refused(refused), *_wrong_tags(example, seen)]
    standing = run.standing_of(example.user, example.at_ms)
    user_hash = hash_of_user(example.user)
    for what, name, expected, actual in _wrong_units(catalog, example, seen):
        why = explain(catalog, standing, name, user_hash=user_hash)
        failures.append(Failure(what, name, expected, actual, why))
    return Outcome(example, tuple(failures), tuple(_differences(seen, _by_reference(catalog, example))))


def _by_reference(catalog: Catalog, example: Example) -> _Seen:
    reference = Reference(catalog, app="test")
    refused = {}
    for number, event in enumerate(example.events):
        outcome = reference.feed(event, number, BEFORE_ALL_TIME_MS, _ANY_TIME_MS)
        if outcome.reason is not None:
            refused[number] = outcome.reason
    reference.advance(example.at_ms)
    if example.user not in reference.users:
        return _Seen({}, (), {}, refused)
    profile = reference.profile(example.user, example.at_ms)
    return _Seen(profile.tags, tuple(profile.segments), profile.levels, refused)


def _refused(refused: Mapping[int, str]) -> Iterator[Failure]:
    for number, reason in refused.items():
        yield Failure("event", str(number + 1), "accepted", reason)


def _wrong_tags(example: Example, seen: _Seen) -> Iterator[Failure]:
    for name, expected in example.tags.items():
        if not _is_same(expected, seen.tags[name]):
            yield Failure("tag", name, expected, seen.tags[name])


def _wrong_units(catalog: Catalog, example: Example, seen: _Seen) -> Iterator[tuple[str, str, object, object]]:
    """Segments and tiers that are not as expected: what, name, expected, actual."""
    expected = dict.fromkeys(example.inside, True) | dict.fromkeys(example.outside, False)
    if example.segments is not None:
        expected |= {name: name in example.segments for name in catalog.segments}
    for name in catalog.segments:
        is_inside = name in seen.segments
        if expected.get(name, is_inside) is not is_inside:
            words = ("in", "not in") if expected[name] else ("not in", "in")
            yield ("segment", name, *words)
    for tier, level in example.levels.items():
        if seen.levels.get(tier) != level:
            yield "tier", tier, level, seen.levels.get(tier)


def _is_same(expected: object, actual: object) -> bool:
    """Whether a tag's value is the one expected; numbers but for the last digits that arithmetic may bring."""
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, int | float) and isinstance(actual, int | float):
        return abs(expected - actual) <= 1e-9 * max(abs(expected), abs(actual))
    return expected == actual


def _differences(engine: _Seen, reference: _Seen) -> Iterator[str]:
    """Where the engine and the reference do not say the same, in words."""
    for name in engine.tags.keys() | reference.tags.keys():
        first, second = engine.tags.get(name), reference.tags.get(name)
        if first != second or isinstance(first, bool) is not isinstance(second, bool):
            yield f"the tag {name} is {first!r} by the engine and {second!r} by the reference"
    for name in sorted({*engine.segments} ^ {*reference.segments}):
        yield f"the user is in {name} by the {'engine' if name in engine.segments else 'reference'} only"
    for name in engine.levels.keys() | reference.levels.keys():
        if engine.levels.get(name) != reference.levels.get(name):
            yield (
                f"the level of {name} is {engine.levels.get(name)} by the engine "
                f"and {reference.levels.get(name)} by the reference"
            )
    if engine.refused != reference.refused:
        yield f"refused events are {dict(engine.refused)} by the engine and {dict(reference.refused)} by the reference"
