"""What models read of a user: each feature a number or a duration, from events and traits alone."""

from __future__ import annotations

from collections.abc import Iterator

from rules.document import Mapping, Scalar
from rules.errors import Flaw, ProblemCode, clip
from rules.keys import REPEATED
from rules.leaning import Leaning
from rules.models import MODEL_KINDS
from rules.nodes import (
    Aggregate,
    ClusterOf,
    Days,
    Kind,
    Level,
    Membership,
    Node,
    QuantileOf,
    ScoreOf,
    Span,
    TagName,
    Trait,
    children,
)
from rules.reading import Text, whole_of
from rules.remarks import KIND_NAMES
from rules.scope import BROKEN, KnownModel, Scope
from rules.shape_models import features_of
from rules.types import Resolved, resolve

__all__ = ["goes_by_local_time", "known_models", "resolve_feature"]

_EXPECTED = "a number or a duration over events and traits"


def known_models(section: Mapping) -> dict[str, KnownModel]:
    """What expressions may ask of each model, as far as it can be read: problems are spoken of elsewhere."""
    found: dict[str, KnownModel] = {}
    for name in [name for name in section.keys if REPEATED not in name]:
        model = section.values.get(name)
        kind = model.values.get("kind") if isinstance(model, Mapping) else None
        is_known = isinstance(kind, Scalar) and kind.text in MODEL_KINDS
        fields = [field for field, _ in features_of(model) if REPEATED not in field]
        found[name] = KnownModel(kind.text if is_known and isinstance(kind, Scalar) else None, fields, _names(model))
    return found


def _names(model: object) -> dict[str, int]:
    names = model.values.get("names") if isinstance(model, Mapping) else None
    if not isinstance(names, Mapping):
        return {}
    found: dict[str, int] = {}
    for text, name in names.values.items():
        number = whole_of(Text(text))
        if number is not None and isinstance(name, Scalar):
            found.setdefault(" ".join(name.text.split()), number)
    return found


def resolve_feature(node: Node, scope: Scope) -> Resolved:
    """The resolved tree of a parsed feature, and all its flaws."""
    kind = Leaning(scope.tags).of(node)
    resolved = resolve(node, scope, Kind.NUMBER if kind in (Kind.NUMBER, Kind.ANY, None) else Kind.ANY)
    if resolved.tag.node is None or resolved.tag.kind is None:
        return resolved
    flaw = _flaw(node, resolved.tag.node, resolved.tag.kind, scope)
    return resolved if flaw is None else Resolved(BROKEN, (*resolved.flaws, flaw))


def _flaw(written: Node, resolved: Node, kind: Kind, scope: Scope) -> Flaw | None:
    if kind not in (Kind.NUMBER, Kind.DURATION):
        message = f"a feature is a number or a duration, and this is {KIND_NAMES[kind]}"
        if kind is Kind.STRING:
            message += "; models do not read texts"
        return Flaw(ProblemCode.WRONG_TYPE, message, written.span, KIND_NAMES[kind], _EXPECTED)
    stranger = _stranger(written, scope, set())
    if stranger is not None:
        what, span, through = stranger
        message = f"a feature reads events and traits only, and {through}this reads {what}"
        return Flaw(ProblemCode.WRONG_SORT, message, span, what, _EXPECTED)
    if not any(isinstance(part, Aggregate | Trait) for part in _parts(resolved)):
        message = "this reads nothing of the user, so it tells no two users apart"
        return Flaw(ProblemCode.BAD_VALUE, message, written.span, "a constant", _EXPECTED)
    return None


def _stranger(written: Node, scope: Scope, seen: set[int]) -> tuple[str, Span, str] | None:
    """What a feature may not read: what it is, where it stands, and the tag that it is read through.

    `seen` are nodes by their identity: a tag that is used again and again is looked into once.
    """
    waiting = [written]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, TagName):
            meant = scope.tags.get(node.name, BROKEN).node
            inner = None if meant is None else _stranger(meant, scope, seen)
            if inner is not None:
                return inner[0], node.span, f"through the tag {clip(node.name)} "
        match node:
            case Membership():
                return f"in_segment({clip(node.segment)})", node.span, ""
            case Level():
                return f"level({clip(node.tier)})", node.span, ""
            case ClusterOf():
                return f"cluster({clip(node.model)})", node.span, ""
            case ScoreOf():
                return f"score({clip(node.model)})", node.span, ""
            case QuantileOf():
                return f"quantile({clip(node.model)}, {clip(node.field)})", node.span, ""
            case _:
                waiting.extend(reversed(children(node)))
    return None


def goes_by_local_time(node: Node) -> bool:
    """Whether the value depends on the catalog's time zone: on local days, or on hours of the day."""
    return any(
        isinstance(each, Days) or (isinstance(each, Aggregate) and each.function == "top_hour") for each in _parts(node)
    )


def _parts(root: Node) -> Iterator[Node]:
    """The node and all below it, each once: a tag that is used again and again is the very same tree."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            waiting += children(node)
