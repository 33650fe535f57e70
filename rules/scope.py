"""The names that an expression may use, and what is said about one that it may not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from rules.errors import Flaw, ProblemCode, clip
from rules.nodes import Kind, Level, Membership, Node, TagName
from rules.suggest import Suggester

__all__ = ["BROKEN", "ResolvedTag", "Scope"]


@dataclass(frozen=True, slots=True)
class ResolvedTag:
    """A tag as others use it. `node` is None for a broken tag: those that use it say nothing more about it."""

    node: Node | None
    kind: Kind | None
    parts: int = 0
    depth: int = 0


BROKEN = ResolvedTag(None, None)


@dataclass(frozen=True, slots=True)
class Scope:
    """The catalog's tags, segments and tiers; the levels of a tier are empty where they could not be read."""

    tags: Mapping[str, ResolvedTag] = field(default_factory=dict)
    segments: Collection[str] = ()
    tiers: Mapping[str, Collection[str]] = field(default_factory=dict)
    suggester: Suggester = field(default_factory=Suggester)

    def flaw_of_tag(self, node: TagName) -> Flaw | None:
        """What is wrong with a name on its own, which is a tag's."""
        name = node.name
        if name in self.tags:
            return None
        for what, names, call in (("segment", self.segments, "in_segment"), ("tier", self.tiers, "level")):
            if name in names:
                message = f"{name} is a {what}, and a name on its own is a tag's; a {what} is read by {call}({name})"
                expected = "the name of a tag"
                return Flaw(ProblemCode.WRONG_SORT, message, node.span, name, expected, f"{call}({name})")
        nearest = self.suggester.nearest(name, self.tags)
        message = f'there is no tag "{clip(name)}"'
        if nearest is None:
            message += "; a string stands in quotes"
        return Flaw(ProblemCode.UNKNOWN_NAME, message, node.span, clip(name), "the name of a tag", nearest)

    def flaw_of_unit(self, node: Membership | Level) -> Flaw | None:
        """What is wrong with the name in `in_segment(…)` or `level(…)`."""
        unit: Collection[str] = self.segments if isinstance(node, Membership) else self.tiers
        other_unit: Collection[str] = self.tiers if isinstance(node, Membership) else self.segments
        if isinstance(node, Membership):
            name, what, call, other, other_call = node.segment, "segment", "in_segment", "tier", "level"
        else:
            name, what, call, other, other_call = node.tier, "tier", "level", "segment", "in_segment"
        if name in unit:
            return None
        expected = f"the name of a {what}"
        meant: str | None = None
        if name in other_unit:
            meant = f"{other_call}({name})"
            message = f"{name} is a {other}, and {call} takes a {what}; a {other} is read by {meant}"
            return Flaw(ProblemCode.WRONG_SORT, message, node.span, name, expected, meant)
        if name in self.tags:
            message = f"{name} is a tag, and {call} takes a {what}; a tag is read by its name alone"
            return Flaw(ProblemCode.WRONG_SORT, message, node.span, name, expected, name)
        nearest = self.suggester.nearest(name, unit)
        meant = None if nearest is None else f"{call}({nearest})"
        message = f'there is no {what} "{clip(name)}"'
        return Flaw(ProblemCode.UNKNOWN_NAME, message, node.span, clip(name), expected, meant)
