"""The names that an expression may use, and what is said about one that it may not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from rules.errors import Flaw, ProblemCode, clip
from rules.models import CLASSIFIER, CLUSTERS, QUANTILES
from rules.nodes import ClusterOf, Kind, Level, Membership, Node, QuantileOf, ScoreOf, Span, TagName
from rules.suggest import Suggester

__all__ = ["BROKEN", "KnownModel", "ResolvedTag", "Scope"]

_CALLS: dict[str, str] = {CLUSTERS: "cluster", QUANTILES: "quantile", CLASSIFIER: "score"}
"""The function that reads a model of each kind."""


@dataclass(frozen=True, slots=True)
class ResolvedTag:
    """A tag as others use it. `node` is None for a broken tag: those that use it say nothing more about it."""

    node: Node | None
    kind: Kind | None
    parts: int = 0
    depth: int = 0


BROKEN = ResolvedTag(None, None)


@dataclass(frozen=True, slots=True)
class KnownModel:
    """What expressions may ask of a model. `kind` is None where it could not be read; `names` are of clusters."""

    kind: str | None
    fields: Collection[str] = ()
    names: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scope:
    """The catalog's tags, segments, tiers and models; the levels of a tier are empty where they could not be read."""

    tags: Mapping[str, ResolvedTag] = field(default_factory=dict)
    segments: Collection[str] = ()
    tiers: Mapping[str, Collection[str]] = field(default_factory=dict)
    models: Mapping[str, KnownModel] = field(default_factory=dict)
    suggester: Suggester = field(default_factory=Suggester)

    def flaw_of_tag(self, node: TagName) -> Flaw | None:
        """What is wrong with a name on its own, which is a tag's."""
        name = node.name
        if name in self.tags:
            return None
        other = self._other(name, "tag")
        if other is not None:
            what, call = other
            message = f"{name} is a {what}, and a name on its own is a tag's; a {what} is read by {call}"
            return Flaw(ProblemCode.WRONG_SORT, message, node.span, name, "the name of a tag", call)
        nearest = self.suggester.nearest(name, self.tags)
        message = f'there is no tag "{clip(name)}"'
        if nearest is None:
            message += "; a string stands in quotes"
        return Flaw(ProblemCode.UNKNOWN_NAME, message, node.span, clip(name), "the name of a tag", nearest)

    def flaw_of_unit(self, node: Membership | Level) -> Flaw | None:
        """What is wrong with the name in `in_segment(…)` or `level(…)`."""
        if isinstance(node, Membership):
            return self._flaw_of_name(node.segment, node.span, "segment", "in_segment", self.segments)
        return self._flaw_of_name(node.tier, node.span, "tier", "level", self.tiers)

    def flaw_of_model(self, node: ClusterOf | ScoreOf | QuantileOf) -> Flaw | None:
        """What is wrong with the name in `cluster(…)` or `score(…)`, or with those in `quantile(…, …)`."""
        wanted = CLUSTERS if isinstance(node, ClusterOf) else CLASSIFIER if isinstance(node, ScoreOf) else QUANTILES
        call = _CALLS[wanted]
        name = node.model
        model = self.models.get(name)
        if model is None:
            # Of the kind that the function is for, if there is one.
            candidates = [other for other, each in self.models.items() if each.kind == wanted] or [*self.models]
            return self._flaw_of_name(name, node.span, "model", call, candidates)
        if model.kind is not None and model.kind != wanted:
            meant = self._call_of_model(name)
            kinds = {CLUSTERS: "has clusters", QUANTILES: "has quantiles", CLASSIFIER: "is a classifier"}
            message = f"the model {name} {kinds[model.kind]}, which {call} does not read; it is read by {meant}"
            return Flaw(ProblemCode.WRONG_SORT, message, node.span, name, f"a model that {call} reads", meant)
        if isinstance(node, QuantileOf) and model.fields and node.field not in model.fields:
            nearest = self.suggester.nearest(node.field, model.fields)
            expected = f"one of {clip(', '.join(model.fields))}"
            message = f'the model {name} has no field "{clip(node.field)}"; it has {clip(", ".join(model.fields))}'
            suggestion = None if nearest is None else f"quantile({name}, {nearest})"
            return Flaw(ProblemCode.UNKNOWN_NAME, message, node.span, clip(node.field), expected, suggestion)
        return None

    def cluster_named(self, model: str, name: str, span: Span) -> int | Flaw:
        """The id of the cluster that has this name, or what is wrong with it. The model is one of clusters."""
        names = self.models[model].names
        if name in names:
            return names[name]
        if not names:
            message = f'the clusters of {model} have no names; give them, as in names: {{3: "{clip(name)}"}}'
            return Flaw(ProblemCode.UNKNOWN_NAME, message, span, clip(name), "a cluster's number, or its name")
        nearest = self.suggester.nearest(name, names)
        expected = f"one of {clip(', '.join(names))}"
        message = f'no cluster of {model} is named "{clip(name)}"'
        suggestion = None if nearest is None else f'"{nearest}"'
        return Flaw(ProblemCode.UNKNOWN_NAME, message, span, clip(name), expected, suggestion)

    def _flaw_of_name(self, name: str, span: Span, what: str, call: str, names: Collection[str]) -> Flaw | None:
        """The flaw of a name that is not among those of its sort."""
        if name in names:
            return None
        expected = f"the name of a {what}"
        other = self._other(name, what)
        if other is not None:
            sort, meant = other
            read = "by its name alone" if sort == "tag" else f"by {meant}"
            message = f"{name} is a {sort}, and {call} takes a {what}; a {sort} is read {read}"
            return Flaw(ProblemCode.WRONG_SORT, message, span, name, expected, meant)
        nearest = self.suggester.nearest(name, names)
        if nearest is not None:
            nearest = self._call_of_model(nearest) if what == "model" else f"{call}({nearest})"
        return Flaw(ProblemCode.UNKNOWN_NAME, f'there is no {what} "{clip(name)}"', span, clip(name), expected, nearest)

    def _other(self, name: str, what: str) -> tuple[str, str] | None:
        """The sort that a name is of, if not `what`, and how it is read."""
        for sort, names, meant in (
            ("segment", self.segments, f"in_segment({name})"),
            ("tier", self.tiers, f"level({name})"),
            ("model", self.models, self._call_of_model(name)),
            ("tag", self.tags, name),
        ):
            if sort != what and name in names:
                return sort, meant
        return None

    def _call_of_model(self, name: str) -> str:
        """How a model is read: by the function of its kind."""
        model = self.models.get(name)
        kind = CLUSTERS if model is None or model.kind is None else model.kind
        if model is None or kind != QUANTILES:
            return f"{_CALLS[kind]}({name})"
        return f"quantile({name}, {next(iter(model.fields), 'field')})"
