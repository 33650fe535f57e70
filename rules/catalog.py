"""A catalog: from YAML text to tags, segments and tiers with resolved conditions, or to all that is wrong with it.

1. The text becomes a tree with places (`rules.document`).
2. The tree is held to the schema (`rules.shape`, `rules.schema`), and templates are written out (`rules.templates`).
3. Names are held to their rules and every expression is parsed (`rules.parse`), whatever was found before.
4. Tags are resolved in the order of their uses (`rules.dependencies`), then all conditions (`rules.types`).
5. The examples are read (`rules.examples`).

Only then, if anything was found, all of it is raised at once. Where nothing was, the conditions are looked at for what
they can come to (`rules.checking.lint`).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from rules.checking.lint import lint
from rules.define import Definitions, define
from rules.document import MAX_ERRORS, AbandonedError, Document, Mapping, read_document
from rules.errors import CatalogError, CatalogProblem, ProblemCode, clip
from rules.examples import Example, Known, read_examples
from rules.features import goes_by_local_time
from rules.keys import REPEATED
from rules.models import ALGORITHMS, QUANTILES, Model, ModelFeature, ModelLabel, Sampling
from rules.nodes import Kind, Node
from rules.packs import pack_names, pack_text
from rules.reading import TitleDocument
from rules.schema import CatalogDocument
from rules.schema_models import ANY_EVENT, ModelDocument
from rules.shape import read_shape
from rules.suggest import Suggester
from rules.unseen import report_unseen

__all__ = [
    "MAX_CATALOG_BYTES",
    "Catalog",
    "Example",
    "Goal",
    "Segment",
    "Tag",
    "Tier",
    "TierLevel",
    "load_catalog",
    "parse_catalog",
]

MAX_CATALOG_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Tag:
    """A named expression, its tags written out. `kind` is ANY for a bare trait: it is what the user's value is."""

    name: str
    expression: Node
    kind: Kind


@dataclass(frozen=True, slots=True)
class Goal:
    """The event that members are to bring about within a time of entering, and the share of them hoped for."""

    event: str
    within_ms: int
    target: float | None


@dataclass(frozen=True, slots=True)
class Segment:
    """A named condition. `exit` is None where leaving is `when` no longer holding.

    `titles` are by language, and empty where there is one title for all; `title` then is that one, else all of them.
    `reads` are the tags named in `when`, then `exit`, each once, in the order of the text.
    """

    name: str
    title: str
    titles: dict[str, str]
    kind: str
    when: Node
    exit: Node | None
    min_stay_ms: int
    indexed: bool
    goal: Goal | None
    reads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TierLevel:
    """One level of a tier; `when` of the last is true. Titles as a segment's, the name where there is none."""

    name: str
    title: str
    titles: dict[str, str]
    when: Node


@dataclass(frozen=True, slots=True)
class Tier:
    """Levels of which exactly one holds: the first, in the order of the file, whose `when` does.

    `reads` are the tags named in the levels' conditions, each once, in the order of the text. Titles as a segment's.
    """

    name: str
    title: str
    titles: dict[str, str]
    kind: str
    levels: dict[str, TierLevel]
    reads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalog:
    """A valid catalog. Tags, models, segments, tiers and examples are in the order of the file; `text` is the file's.

    `order` names the segments and tiers as they are evaluated: each after those it reads, else as in the file.
    """

    name: str
    version: int
    timezone: str
    text: str
    tags: dict[str, Tag]
    segments: dict[str, Segment]
    tiers: dict[str, Tier] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    warnings: tuple[CatalogProblem, ...] = ()
    models: dict[str, Model] = field(default_factory=dict)


def load_catalog(source: str | Path, *, text: str | None = None, with_lint: bool = True) -> Catalog:
    """The catalog in a file, or the pack of that name where there is no such file.

    With `text` nothing is read, and `source` is only the name in messages. Raises CatalogError with all problems,
    a file that is not there or cannot be read among them. Blocks while it reads. `with_lint` as for `parse_catalog`.
    """
    if text is not None:
        return parse_catalog(text, str(source), with_lint=with_lint)
    name = str(source)
    try:
        with Path(source).open("rb") as file:
            content = file.read(MAX_CATALOG_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        if name in pack_names():
            return parse_catalog(pack_text(name), f"{name}.yaml", with_lint=with_lint)
        if isinstance(error, IsADirectoryError):
            raise _failure(name, ProblemCode.UNREADABLE_FILE, "this is a folder; name a file or a pack") from error
        packs = pack_names()
        message = f"there is no such file, and no such pack; the packs are {', '.join(packs)}"
        nearest = Suggester().nearest(name, packs)
        raise _failure(name, ProblemCode.NO_SUCH_CATALOG, message, nearest) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"the file cannot be read: {reason}"
        raise _failure(name, ProblemCode.UNREADABLE_FILE, message) from error
    if len(content) > MAX_CATALOG_BYTES:
        raise _failure(name, ProblemCode.FILE_TOO_LARGE, f"the catalog is larger than {MAX_CATALOG_BYTES:,} bytes")
    try:
        return parse_catalog(content.decode("utf-8"), name, with_lint=with_lint)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        message = "this is not UTF-8 text; save the file as UTF-8"
        found = f"the byte 0x{content[error.start]:02x}"
        problem = CatalogProblem(ProblemCode.NOT_UTF8, message, name, line, column, found, "UTF-8 text")
        raise CatalogError([problem]) from error


@contextmanager
def _no_collection() -> Iterator[None]:
    """Python looks for no cyclic garbage: reading makes much and throws little away, so looking would find nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@_no_collection()
def parse_catalog(text: str, file: str = "<catalog>", *, with_lint: bool = True) -> Catalog:
    """The catalog in a text; `file` is its name in messages. Raises CatalogError with all problems.

    Without lint, what is valid but cannot be meant (a condition that never holds) is let pass: a catalog that has been
    accepted once is read that way, so that a later version, which sees more, does not refuse it.
    """
    text = text.removeprefix("\ufeff")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_CATALOG_BYTES:
        raise _failure(file, ProblemCode.FILE_TOO_LARGE, f"the catalog is larger than {MAX_CATALOG_BYTES:,} bytes")
    document = read_document(text, file)
    if not isinstance(document.root, Mapping):
        if not document.problems:
            _report_no_mapping(document)
        raise _error_of(document)
    try:
        return _read(document, document.root, with_lint=with_lint)
    except AbandonedError as error:
        raise _error_of(document) from error


def _read(document: Document, root: Mapping, *, with_lint: bool) -> Catalog:
    suggester = Suggester()
    if with_lint:
        report_unseen(document, root)
    shape, templates = read_shape(document, root, suggester)
    definitions = define(document, root, templates, suggester)
    known = _known(root, definitions, "UTC" if shape is None else shape.timezone)
    examples = read_examples(document, root.values.get("tests"), known, suggester)
    if shape is None or any(problem.severity == "error" for problem in document.problems):
        raise _error_of(document)
    catalog = _assemble(shape, definitions, examples, document)
    if not with_lint:
        return catalog
    lint(catalog, document)
    if any(problem.severity == "error" for problem in document.problems):
        raise _error_of(document)
    return replace(catalog, warnings=tuple(_ordered(document.problems)))


def _report_no_mapping(document: Document) -> None:
    if document.root is None or getattr(document.root, "is_null", False):
        message = "the catalog is empty; it begins with catalog: and a name"
        document.report(0, ProblemCode.EMPTY_DOCUMENT, message, "nothing", "catalog, version, tags, segments, tiers")
        return
    message = "a catalog is a mapping of keys to values, as in catalog: retail"
    document.report(document.root.start, ProblemCode.WRONG_SHAPE, message, expected="a mapping")


def _known(root: Mapping, definitions: Definitions, timezone: str) -> Known:
    """What the examples may name, broken or not."""

    def names(section: str) -> list[str]:
        value = root.values.get(section)
        return [name for name in value.keys if REPEATED not in name] if isinstance(value, Mapping) else []

    tags = {name: definitions.tags.get(name) for name in names("tags")}
    return Known(tags, names("segments"), {name: definitions.levels.get(name, ()) for name in names("tiers")}, timezone)


def _assemble(
    shape: CatalogDocument, definitions: Definitions, examples: tuple[Example, ...], document: Document
) -> Catalog:
    tags = {name: Tag(name, *definitions.tags[name]) for name in shape.tags}
    models = {name: _model(name, model, definitions, shape.timezone) for name, model in shape.models.items()}
    segments = {}
    for name, segment in shape.segments.items():
        if REPEATED in name:
            continue  # a template that nothing uses
        conditions = definitions.conditions[name]
        title, titles = _titles(name, segment.title)
        goal = segment.goal
        segments[name] = Segment(
            name=name,
            title=title,
            titles=titles,
            kind=segment.kind,
            when=conditions["when"],
            exit=conditions.get("exit"),
            min_stay_ms=segment.min_stay,
            indexed=segment.indexed,
            goal=None if goal is None else Goal(goal.event, goal.within, goal.target),
            reads=definitions.reads[name],
        )
    tiers = {}
    for name, tier in shape.tiers.items():
        conditions = definitions.conditions[name]
        levels = {
            level: TierLevel(level, *_titles(level, value.title), conditions[level])
            for level, value in tier.levels.items()
        }
        tiers[name] = Tier(name, *_titles(name, tier.title), tier.kind, levels, definitions.reads[name])
    return Catalog(
        name=shape.catalog,
        version=shape.version,
        timezone=shape.timezone,
        text=document.text,
        tags=tags,
        segments=segments,
        tiers=tiers,
        order=definitions.order,
        examples=examples,
        warnings=tuple(_ordered(document.problems)),
        models=models,
    )


def _model(name: str, model: ModelDocument, definitions: Definitions, timezone: str) -> Model:
    title, titles = _titles(name, model.title)
    features = tuple(ModelFeature(each, *defined) for each, defined in definitions.features[name].items())
    is_quantiles, label = model.kind == QUANTILES, model.label
    lower = [model.fields[each.name].lower_is_better if is_quantiles else None for each in features]
    event = None if label is None else label.event or label.absent
    return Model(
        name=name,
        title=title,
        titles=titles,
        kind=model.kind,
        algorithm=model.algorithm or ALGORITHMS[model.kind][0],
        features=features,
        reads=definitions.reads[name],
        clusters=model.clusters,
        bins=model.bins,
        margin=model.margin,
        label=None
        if label is None
        else ModelLabel(
            kind="absent" if label.event is None else "event",
            event=None if event == ANY_EVENT else event,
            within_ms=label.within,
        ),
        names=model.names,
        lower_is_better=tuple(
            each.kind is Kind.DURATION if is_better is None else is_better
            for each, is_better in zip(features, lower, strict=True)
        )
        if is_quantiles
        else (),
        sampling=Sampling(model.sample.at, model.sample.share),
        timezone=timezone if any(goes_by_local_time(each.expression) for each in features) else "",
    )


def _titles(name: str, title: TitleDocument | None) -> tuple[str, dict[str, str]]:
    return (name, {}) if title is None else (title.text, title.by_language)


def _ordered(problems: list[CatalogProblem]) -> list[CatalogProblem]:
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.line, problem.column))


def _error_of(document: Document) -> CatalogError:
    problems = _ordered(document.problems)
    if sum(problem.severity == "error" for problem in problems) > MAX_ERRORS:
        last = problems[-1]
        message = f"there are more than {MAX_ERRORS:,} errors, and the others are not listed; repair these first"
        more = CatalogProblem(ProblemCode.TOO_MANY_PROBLEMS, message, document.file, last.line, last.column)
        problems = [*problems[:-1], more]
    return CatalogError(problems)


def _failure(file: str, code: ProblemCode, message: str, suggestion: str | None = None) -> CatalogError:
    return CatalogError([CatalogProblem(code, message, file, 1, 1, clip(file), suggestion=suggestion)])
