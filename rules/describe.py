"""What changed from one catalog to another, in words: by meaning, with tags written out, not by lines of text.

A segment whose text is the same and whose tag means something else has changed; one whose text was only put otherwise
has not. What needs values that no row has yet is listed, since it is filled from the events that the log still keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from rules.catalog import Catalog, Goal, Segment, Tier
from rules.checking.satisfy import Reasoner
from rules.describe_conditions import Effect, Names, describe_condition, effect_of
from rules.describe_models import describe_model, model_text
from rules.nodes import Aggregate, Days, Kind, Node, Trait, children
from rules.text import duration_text, expression_text, tag_texts

__all__ = ["Change", "Difference", "describe"]

_ENTERING = {"more": "easier to enter", "fewer": "harder to enter"}
_LEAVING = {"more": "easier to leave", "fewer": "harder to leave"}
_HOLDING = {"more": "holds for more users", "fewer": "holds for fewer users"}
_OTHERWISE = {"same": "means the same", "others": "holds for others than before"}


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changed.

    what: `catalog`, `tag`, `model`, `segment` or `tier`; name: which.  change: `added`, `removed`, `renamed` or
    `changed`.  aspect: what of it changed, such as `when`, `min_stay` or `level new`.  old, new: the values or the
    texts, where there are two.  effect: whom a changed condition holds for.  text: the change in words, without the
    name.
    """

    what: str
    name: str
    change: str
    aspect: str
    text: str
    old: str | None = None
    new: str | None = None
    effect: Effect | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """All changes, and what has to be filled from the log, as expressions."""

    changes: tuple[Change, ...] = ()
    backfill: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Pair:
    """Both catalogs, with what is needed of each."""

    old: Catalog
    new: Catalog
    old_names: Names
    new_names: Names
    reasoner: Reasoner
    moved_tags: frozenset[str] = field(default=frozenset())
    """Tags of both catalogs that mean something else now."""


def describe(old: Catalog, new: Catalog) -> Difference:
    """Everything that changed, in the order of the new file; what is gone comes last of its section."""
    levels = {
        name: tuple({**old.tiers[name].levels, **tier.levels}) if name in old.tiers else tuple(tier.levels)
        for name, tier in new.tiers.items()
    }
    levels |= {name: tuple(tier.levels) for name, tier in old.tiers.items() if name not in levels}
    bins = {name: model.bins for name, model in new.models.items()}
    for name, model in old.models.items():
        bins[name] = max(model.bins, bins.get(name, 0))
    moved = {name for name, tag in new.tags.items() if name in old.tags and old.tags[name].expression != tag.expression}
    pair = _Pair(
        old,
        new,
        tag_texts((name, tag.expression) for name, tag in old.tags.items()),
        tag_texts((name, tag.expression) for name, tag in new.tags.items()),
        Reasoner(levels, bins),
        frozenset(moved),
    )
    changes = [*_catalog(pair), *_tags(pair), *_models(pair), *_segments(pair), *_tiers(pair)]
    return Difference(tuple(changes), tuple(_backfill(pair)))


def _catalog(pair: _Pair) -> Iterator[Change]:
    old, new = pair.old, pair.new
    if old.name != new.name:
        yield _value("catalog", new.name, "name", old.name, new.name)
    if old.version != new.version:
        note = "" if new.version > old.version else " (not newer: it can't be applied over the old one)"
        yield _value("catalog", new.name, "version", str(old.version), str(new.version), note)
    if old.timezone != new.timezone:
        note = ": days begin and hours are counted elsewhere"
        yield _value("catalog", new.name, "timezone", old.timezone, new.timezone, note)


def _value(what: str, name: str, aspect: str, old: str, new: str, note: str = "") -> Change:
    return Change(what, name, "changed", aspect, f"{old} -> {new}{note}", old, new)


# Tags


def _tags(pair: _Pair) -> Iterator[Change]:
    old, new = pair.old.tags, pair.new.tags
    renamed = _renamed({name: tag.expression for name, tag in old.items()}, {n: t.expression for n, t in new.items()})
    for name, tag in new.items():
        text = _own_text(tag.expression, name, pair.new_names)
        if name in renamed:
            yield _renaming("tag", renamed[name], name, "the same expression under a new name")
        elif name not in old:
            yield Change("tag", name, "added", "", text, new=text)
        elif name in pair.moved_tags:
            before = _own_text(old[name].expression, name, pair.old_names)
            users = _users(pair, name)
            note = f"; it is read by {_listed(users)}" if users else ""
            change = f"{before} -> {text}" if before != text else f"{text}, through the tags that it reads"
            yield Change("tag", name, "changed", "", f"{change}{note}", before, text)
    for name in old:
        if name not in new and name not in renamed.values():
            yield Change("tag", name, "removed", "", "removed")


def _own_text(node: Node, name: str, names: Names) -> str:
    """The expression of a tag; not by its own name, but by those of others."""
    return expression_text(node, {tree: other for tree, other in names.items() if other != name})


def _users(pair: _Pair, name: str) -> list[str]:
    """The models, segments and tiers of the new catalog that read a tag themselves."""
    users = [f"model {model.name}" for model in pair.new.models.values() if name in model.reads]
    users += [f"segment {segment.name}" for segment in pair.new.segments.values() if name in segment.reads]
    return users + [f"tier {tier.name}" for tier in pair.new.tiers.values() if name in tier.reads]


def _listed(names: list[str]) -> str:
    shown = names if len(names) <= 6 else [*names[:5], f"{len(names) - 5} more"]
    return ", ".join(shown)


def _renamed(old: dict[str, Node], new: dict[str, Node]) -> dict[str, str]:
    """New names to old ones, where exactly one that is gone means what exactly one that is new does."""
    gone: dict[Node, list[str]] = {}
    come: dict[Node, list[str]] = {}
    for name, meaning in old.items():
        if name not in new:
            gone.setdefault(meaning, []).append(name)
    for name, meaning in new.items():
        if name not in old:
            come.setdefault(meaning, []).append(name)
    return {names[0]: gone[node][0] for node, names in come.items() if len(names) == len(gone.get(node, ())) == 1}


def _renaming(what: str, old: str, new: str, note: str) -> Change:
    return Change(what, new, "renamed", "", f"was {old}: {note}", old, new)


# Models


def _models(pair: _Pair) -> Iterator[Change]:
    old, new = pair.old.models, pair.new.models
    for name, model in new.items():
        if name not in old:
            text = model_text(model, pair.new_names)
            yield Change("model", name, "added", "", f"{text}: it has yet to learn", new=text)
            continue
        note = "" if model.fingerprint == old[name].fingerprint else ": it learns anew, and says nothing until it has"
        for aspect, before, after in describe_model(old[name], model, pair.old_names, pair.new_names):
            yield _value("model", name, aspect, before, after, note)
            note = ""
    for name in old:
        if name not in new:
            yield Change("model", name, "removed", "", "removed: what it says is missing from then on")


# Segments


def _segments(pair: _Pair) -> Iterator[Change]:
    old, new = pair.old.segments, pair.new.segments
    meanings = [{name: (segment.when, segment.exit) for name, segment in each.items()} for each in (old, new)]
    renamed = _renamed_pairs(*meanings)
    for name, segment in new.items():
        if name in renamed:
            note = "its members leave the old one and enter the new one"
            yield _renaming("segment", renamed[name], name, note)
            yield from _segment(pair, old[renamed[name]], segment)
        elif name in old:
            yield from _segment(pair, old[name], segment)
        else:
            text = expression_text(segment.when, pair.new_names)
            yield Change("segment", name, "added", "", f"{segment.title}: {text}", new=text)
    for name in old:
        if name not in new and name not in renamed.values():
            yield Change("segment", name, "removed", "", "removed: its members leave it at once")


def _renamed_pairs(
    old: dict[str, tuple[Node, Node | None]], new: dict[str, tuple[Node, Node | None]]
) -> dict[str, str]:
    gone = {name: meaning for name, meaning in old.items() if name not in new}
    come = {name: meaning for name, meaning in new.items() if name not in old}
    found: dict[str, str] = {}
    for name, meaning in come.items():
        sources = [other for other, before in gone.items() if before == meaning]
        targets = [other for other, after in come.items() if after == meaning]
        if len(sources) == len(targets) == 1:
            found[name] = sources[0]
    return found


def _segment(pair: _Pair, old: Segment, new: Segment) -> Iterator[Change]:
    name = new.name
    yield from _condition(pair, "segment", name, "when", old.when, new.when, _ENTERING, new.reads)
    if old.exit is not None and new.exit is not None:
        yield from _condition(pair, "segment", name, "exit", old.exit, new.exit, _LEAVING, new.reads)
    elif new.exit is not None:
        text = expression_text(new.exit, pair.new_names)
        note = f"added: {text}; members stay until it holds, no longer only while when does"
        yield Change("segment", name, "changed", "exit", note, None, text)
    elif old.exit is not None:
        text = expression_text(old.exit, pair.old_names)
        note = f"removed: {text}; members leave as soon as when no longer holds"
        yield Change("segment", name, "changed", "exit", note, text, None)
    if old.min_stay_ms != new.min_stay_ms:
        yield _value("segment", name, "min_stay", duration_text(old.min_stay_ms), duration_text(new.min_stay_ms))
    yield from _appearance("segment", name, (old.title, old.titles, old.kind), (new.title, new.titles, new.kind))
    if old.indexed != new.indexed:
        yield _value("segment", name, "indexed", str(old.indexed).lower(), str(new.indexed).lower())
    if old.goal != new.goal:
        yield _value("segment", name, "goal", _goal_text(old.goal), _goal_text(new.goal))


def _condition(
    pair: _Pair, what: str, name: str, aspect: str, old: Node, new: Node, words: dict[str, str], reads: Iterable[str]
) -> Iterator[Change]:
    if old == new:
        return
    effect = effect_of(pair.reasoner, old, new)
    verdict = words.get(effect) or _OTHERWISE[effect]
    lines = describe_condition(old, new, pair.old_names, pair.new_names)
    if not lines:
        moved = [tag for tag in reads if tag in pair.moved_tags]
        through = f"the tag{'s' if len(moved) > 1 else ''} {', '.join(moved)}" if moved else "the tags that it reads"
        lines = [f"through {through}"]
    old_text, new_text = expression_text(old, pair.old_names), expression_text(new, pair.new_names)
    text = f"{'; '.join(lines)}: {verdict}"
    yield Change(what, name, "changed", aspect, text, old_text, new_text, effect)


def _appearance(
    what: str, name: str, old: tuple[str, dict[str, str], str], new: tuple[str, dict[str, str], str]
) -> Iterator[Change]:
    if old[:2] != new[:2]:
        yield _value(what, name, "title", old[0], new[0])
    if old[2] != new[2]:
        yield _value(what, name, "kind", old[2], new[2])


def _goal_text(goal: Goal | None) -> str:
    if goal is None:
        return "none"
    share = "" if goal.target is None else f", {goal.target:g} of the members"
    return f"{goal.event} within {duration_text(goal.within_ms)}{share}"


# Tiers


def _tiers(pair: _Pair) -> Iterator[Change]:
    old, new = pair.old.tiers, pair.new.tiers
    for name, tier in new.items():
        if name in old:
            yield from _tier(pair, old[name], tier)
            continue
        same = [other for other in old if other not in new and _conditions(old[other]) == _conditions(tier)]
        if len(same) == 1:
            yield _renaming("tier", same[0], name, "users leave the old one and get a level of the new one")
        else:
            yield Change("tier", name, "added", "", f"{tier.title}: {', '.join(tier.levels)}")
    for name, tier in old.items():
        if name not in new and not any(_conditions(other) == _conditions(tier) for other in new.values()):
            yield Change("tier", name, "removed", "", "removed: its users are on none of its levels any more")


def _conditions(tier: Tier) -> list[tuple[str, Node]]:
    return [(name, level.when) for name, level in tier.levels.items()]


def _tier(pair: _Pair, old: Tier, new: Tier) -> Iterator[Change]:
    for name, level in new.levels.items():
        aspect = f"level {name}"
        if name in old.levels:
            before = old.levels[name]
            yield from _condition(pair, "tier", new.name, aspect, before.when, level.when, _HOLDING, new.reads)
            if (before.title, before.titles) != (level.title, level.titles):
                yield _value("tier", new.name, f"title of the level {name}", before.title, level.title)
        else:
            text = expression_text(level.when, pair.new_names)
            place = [*new.levels].index(name) + 1
            yield Change("tier", new.name, "changed", aspect, f"added as number {place}: {text}", None, text)
    for name in old.levels:
        if name not in new.levels:
            yield Change("tier", new.name, "changed", f"level {name}", "removed: its users get another level")
    kept = [[name for name in tier.levels if name in old.levels and name in new.levels] for tier in (old, new)]
    if kept[0] != kept[1]:
        yield _value("tier", new.name, "order", ", ".join(kept[0]), ", ".join(kept[1]))
    yield from _appearance("tier", new.name, (old.title, old.titles, old.kind), (new.title, new.titles, new.kind))


# What rows do not have yet


def _backfill(pair: _Pair) -> Iterator[str]:
    known = set(_stored(pair.old))
    for node in dict.fromkeys(_stored(pair.new)):
        if node not in known:
            yield expression_text(node)


def _stored(catalog: Catalog) -> Iterator[Node]:
    """What a row keeps for a catalog: its aggregates, and the traits that it reads, for models too."""
    roots: list[Node] = [tag.expression for tag in catalog.tags.values()]
    for segment in catalog.segments.values():
        roots += [segment.when, *([] if segment.exit is None else [segment.exit])]
    roots += [level.when for tier in catalog.tiers.values() for level in tier.levels.values()]
    roots += [feature.expression for model in catalog.models.values() for feature in model.features]
    for root in roots:
        waiting = [root]
        while waiting:
            node = waiting.pop()
            match node:
                case Aggregate():
                    yield replace(node, kind=Kind.ANY)
                case Trait():
                    yield replace(node, kind=Kind.ANY)
                case Days():
                    waiting.append(node.operand)
                case _:
                    waiting += children(node)
