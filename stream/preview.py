"""What a catalog would change: for each segment and level how many would be in, who enters and who leaves.

Against a file both catalogs are replayed; against live state each stored row is brought over on a copy, as the worker
would at a switch, in small pages with pauses. Nothing is ever written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from rules.catalog import Catalog
from rules.interpret import walk
from rules.models import fits
from rules.nodes import Level, Membership, Node
from rules.program import compile_catalog
from rules.text import expression_text
from stream.clock import Clock
from stream.engine import Engine, Profile, row_members
from stream.engine.rows import row_levels
from stream.replay import Replay
from stream.worker.filling import new_nodes, stored_in
from stream.worker.reading import Reader
from stream.worker.store import BUCKETS

__all__ = ["Count", "Tally", "fresh_expressions", "preview_live", "preview_replays", "unfilled"]

EXAMPLES: Final = 10

_PAGE_ROWS: Final = 200
_PAUSE_TIMES: Final = 4.0
"""After each page as many times as long as it took to read it: Redis, which does one thing at a time, is free then."""
_LIVE_ROW_MEMORY: Final = 64 * 2**20


@dataclass(slots=True)
class Count:
    """Of one segment or level (`tier=level`): how many are in, how many would be, who would enter, who would leave.

    entering, leaving: the first ten by user.
    """

    now: int = 0
    then: int = 0
    enter: int = 0
    leave: int = 0
    entering: list[str] = field(default_factory=list)
    leaving: list[str] = field(default_factory=list)


class Tally:
    """Counts users by what they are in now and what they would be in. Names are in the new catalog's order."""

    def __init__(self, new: Catalog, old: Catalog | None) -> None:
        names = dict.fromkeys([*_names(new), *(_names(old) if old is not None else ())])
        self.users = 0
        self.counts = {name: Count() for name in names}

    def add(self, user: str, now: frozenset[str], then: frozenset[str]) -> None:
        """Count one user; now, then: names of segments and `tier=level`."""
        self.users += 1
        for name in now & then:
            self.counts[name].now += 1
            self.counts[name].then += 1
        for name in then - now:
            count = self.counts[name]
            count.then += 1
            count.enter += 1
            _keep_first(count.entering, user)
        for name in now - then:
            count = self.counts[name]
            count.now += 1
            count.leave += 1
            _keep_first(count.leaving, user)


def _names(catalog: Catalog) -> Iterator[str]:
    yield from catalog.segments
    for tier in catalog.tiers.values():
        for level in tier.levels:
            yield f"{tier.name}={level}"


def _keep_first(users: list[str], user: str) -> None:
    """Keep the first ten by name, in order."""
    if len(users) < EXAMPLES or user < users[-1]:
        users.append(user)
        users.sort()
        del users[EXAMPLES:]


def fresh_expressions(new: Catalog, old: Catalog) -> list[str]:
    """What the new catalog reads of events that stored rows do not have, in words."""
    return [expression_text(node) for node in new_nodes(new, old).values()]


def unfilled(new: Catalog, old: Catalog) -> dict[str, list[str]]:
    """By segment and level of which nothing can be said from stored rows: what these lack, in words.

    Of a tier, the levels are told apart by all conditions together. What a segment reads of another one counts as its.
    """
    fresh = {key: expression_text(node) for key, node in new_nodes(new, old).items()}
    lacking: dict[str, list[str]] = {}  # by segment and tier
    for unit in new.order:  # each after those that it reads
        roots = list(_conditions(new, unit))
        texts = [fresh[key] for root in roots for key in stored_in(root) if key in fresh]
        texts += [text for root in roots for read in _units_in(root) for text in lacking.get(read, ())]
        if texts:
            lacking[unit] = list(dict.fromkeys(texts))
    return {name: lacking[unit] for name in _names(new) if (unit := name.partition("=")[0]) in lacking}


def _conditions(catalog: Catalog, unit: str) -> Iterator[Node]:
    segment = catalog.segments.get(unit)
    if segment is None:
        yield from (level.when for level in catalog.tiers[unit].levels.values())
        return
    yield segment.when
    if segment.exit is not None:
        yield segment.exit


def _units_in(node: Node) -> Iterator[str]:
    """The segments and tiers that a condition names."""
    for part in walk(node):
        if isinstance(part, Membership):
            yield part.segment
        elif isinstance(part, Level):
            yield part.tier


# Against a file


def preview_replays(new: Replay, old: Replay | None, tally: Tally, until_ms: int) -> None:
    """Count all users at the end of two replays of one log, both of which have been finished up to `until_ms`."""
    profiles = old.profiles(until_ms) if old is not None else ()
    now = {profile.user: _of_profile(profile) for profile in profiles}
    for profile in new.profiles(until_ms):
        tally.add(profile.user, now.pop(profile.user, frozenset()), _of_profile(profile))
    for user, names in now.items():  # a catalog may refuse the very events that another one takes
        tally.add(user, names, frozenset())


def _of_profile(profile: Profile) -> frozenset[str]:
    return frozenset([*profile.segments, *(f"{tier}={level}" for tier, level in profile.levels.items())])


# Against live state


def preview_live(
    reader: Reader, new: Catalog, tally: Tally, clock: Clock, *, app: str, progress: Callable[[int, int], None]
) -> None:
    """Count all users that the workers have rows of, as if the catalog took effect at this moment.

    Models say what they say now, where the new catalog leaves them as they are.
    new: with a version above that of every stored row.  progress: told how many buckets of how many have been read.
    Blocks; it sleeps most of the time, so that the workers get on.
    """
    positions = reader.positions()
    for place, (partition, position) in enumerate(positions.items()):
        old = reader.catalog_of(position)
        snapshots = {name: each for name, each in reader.snapshots_of(position).items() if fits(each, new)}
        engine = Engine(
            compile_catalog(new, old, snapshots),
            app=app,
            partition=partition,
            partition_count=position.partition_count,
            row_budget_bytes=_LIVE_ROW_MEMORY,
            switched_ms=max(position.watermark_ms, 0),
        )
        start_s = clock.monotonic_s()
        for read, rows in reader.pages(partition, position, _PAGE_ROWS):
            clock.sleep_s(_PAUSE_TIMES * (clock.monotonic_s() - start_s))
            _count_page(engine, old, new, rows, tally)
            progress(place * BUCKETS + read, len(positions) * BUCKETS)
            start_s = clock.monotonic_s()


def _count_page(engine: Engine, old: Catalog, new: Catalog, rows: Mapping[str, bytes], tally: Tally) -> None:
    users = list(rows)
    if not users:
        return
    cold = engine.cold(users)
    engine.load(cold, [rows[user] for user in cold])
    brought = dict(engine.bring_over(users, 0).rows)
    for user in users:
        tally.add(user, _of_row(rows[user], old), _of_row(brought[user], new))


def _of_row(row: bytes, catalog: Catalog) -> frozenset[str]:
    levels = row_levels(row, {tier.name: list(tier.levels) for tier in catalog.tiers.values()})
    names = [f"{tier}={level}" for tier, (level, _) in levels.items()]
    return frozenset([*row_members(row, list(catalog.segments)), *names])
