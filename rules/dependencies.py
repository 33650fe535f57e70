"""In which order tags are resolved and segments and tiers are evaluated, and the circles that have no order.

Names are nodes of one graph: a tag, a segment or a tier leads to those that its expressions read. Nothing here recurses
and every edge is walked a fixed number of times, so that a hostile catalog costs no more than its length.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from rules.calls import HOLE
from rules.nodes import Level, Membership, Node, Span, TagName, children

__all__ = ["Cycle", "Graph", "Sorted", "Use", "uses_in"]

Sorted = tuple[str, str]
"""A name and its sort: `("tag", "spend")`, `("segment", "vip")`, `("tier", "lifecycle")`."""

Place = TypeVar("Place")


@dataclass(frozen=True, slots=True)
class Use(Generic[Place]):
    """One name read by another, and where."""

    target: Sorted
    span: Span
    place: Place


@dataclass(frozen=True, slots=True)
class Cycle(Generic[Place]):
    """Names that lead back to the first, and the use that closes the circle."""

    names: tuple[Sorted, ...]
    closing: Use[Place]


def uses_in(node: Node) -> Iterator[tuple[Sorted, Span]]:
    """What a parsed expression reads, in the order of its text, with repeats."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        match current:
            case TagName():
                if current.name != HOLE:
                    yield ("tag", current.name), current.span
            case Membership():
                yield ("segment", current.segment), current.span
            case Level():
                yield ("tier", current.tier), current.span
            case _:
                waiting.extend(reversed(children(current)))


class Graph(Generic[Place]):
    """The names of a catalog, each with what it reads; what is not a name of the catalog is left out."""

    def __init__(self, uses: Mapping[Sorted, Iterable[Use[Place]]]) -> None:
        self._uses: dict[Sorted, list[Use[Place]]] = {}
        for name, found in uses.items():
            first_uses: dict[Sorted, Use[Place]] = {}
            for use in found:
                if use.target in uses:
                    first_uses.setdefault(use.target, use)
            self._uses[name] = [*first_uses.values()]

    def sort(self) -> tuple[list[Sorted], list[Cycle[Place]]]:
        """The names, each after those it reads, without those that are in a circle; and the circles."""
        order: list[Sorted] = []
        cycles: list[Cycle[Place]] = []
        done: set[Sorted] = set()
        broken: set[Sorted] = set()
        for first in self._uses:
            if first in done:
                continue
            path = [first]
            place_on_path = {first: 0}
            waiting = [iter(self._uses[first])]
            while path:
                use = next(waiting[-1], None)
                if use is None:
                    name = path.pop()
                    waiting.pop()
                    del place_on_path[name]
                    done.add(name)
                    if name not in broken:
                        order.append(name)
                elif use.target in place_on_path:
                    cycle = tuple(path[place_on_path[use.target] :])
                    cycles.append(Cycle(cycle, use))
                    broken.update(cycle)
                elif use.target not in done:
                    path.append(use.target)
                    place_on_path[use.target] = len(path) - 1
                    waiting.append(iter(self._uses[use.target]))
        return order, cycles

    def evaluation_order(self, units: Iterable[Sorted]) -> list[Sorted]:
        """The units as they are evaluated: always the first of `units` whose own are all done, through tags too.

        What is in a circle, or reads one, is left out.
        """
        place = {unit: number for number, unit in enumerate(units)}
        readers: dict[Sorted, list[Sorted]] = {name: [] for name in self._uses}
        missing: dict[Sorted, int] = {}
        for name, uses in self._uses.items():
            missing[name] = len(uses)
            for use in uses:
                readers[use.target].append(name)
        ready_tags = [name for name, count in missing.items() if count == 0 and name not in place]
        ready = [place[name] for name, count in missing.items() if count == 0 and name in place]
        heapq.heapify(ready)
        in_order = [*place]
        order: list[Sorted] = []
        while ready or ready_tags:
            if ready_tags:
                taken = ready_tags.pop()
            else:
                taken = in_order[heapq.heappop(ready)]
                order.append(taken)
            for reader in readers[taken]:
                missing[reader] -= 1
                if missing[reader] == 0:
                    if reader in place:
                        heapq.heappush(ready, place[reader])
                    else:
                        ready_tags.append(reader)
        return order
