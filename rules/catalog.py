"""A catalog: from YAML text to tags and segments with resolved conditions, or to everything that is wrong with it.

1. The text becomes a tree with places (`rules.document`).
2. The tree is held to the schema (`rules.shape`, `rules.schema`), and the names to their rules.
3. Every expression is parsed (`rules.parse`), whatever was found before.
4. Tags are resolved in the order of their uses, then the segments' conditions (`rules.types`).

Only then, if anything was found, all of it is raised at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rules.define import Definitions, define
from rules.document import Document, Mapping, read_document
from rules.errors import CatalogError, CatalogProblem, ProblemCode, clip
from rules.nodes import Kind, Node
from rules.packs import pack_names, pack_text
from rules.schema import CatalogDocument
from rules.shape import read_shape
from rules.suggest import Suggester

__all__ = ["MAX_CATALOG_BYTES", "Catalog", "Goal", "Segment", "Tag", "load_catalog", "parse_catalog"]

MAX_CATALOG_BYTES = 1_048_576
MAX_PROBLEMS = 1_000
"""Problems listed of one catalog; a file that is no catalog at all has hundreds of thousands."""


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
class Catalog:
    """A valid catalog. Tags and segments are in the order of the file; `text` is the file's."""

    name: str
    version: int
    timezone: str
    text: str
    tags: dict[str, Tag]
    segments: dict[str, Segment]
    warnings: tuple[CatalogProblem, ...] = ()


def load_catalog(source: str | Path, *, text: str | None = None) -> Catalog:
    """The catalog in a file, or the pack of that name where there is no such file.

    With `text` nothing is read, and `source` is only the name in messages. Raises CatalogError with all problems,
    a file that is not there or cannot be read among them. Blocks while it reads.
    """
    if text is not None:
        return parse_catalog(text, str(source))
    name = str(source)
    try:
        with Path(source).open("rb") as file:
            content = file.read(MAX_CATALOG_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        if name in pack_names():
            return parse_catalog(pack_text(name), f"{name}.yaml")
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
        return parse_catalog(content.decode("utf-8"), name)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        message = "this is not UTF-8 text; save the file as UTF-8"
        found = f"the byte 0x{content[error.start]:02x}"
        problem = CatalogProblem(ProblemCode.NOT_UTF8, message, name, line, column, found, "UTF-8 text")
        raise CatalogError([problem]) from error


def parse_catalog(text: str, file: str = "<catalog>") -> Catalog:
    """The catalog in a text; `file` is its name in messages. Raises CatalogError with all problems."""
    text = text.removeprefix("\ufeff")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_CATALOG_BYTES:
        raise _failure(file, ProblemCode.FILE_TOO_LARGE, f"the catalog is larger than {MAX_CATALOG_BYTES:,} bytes")
    document = read_document(text, file)
    if not isinstance(document.root, Mapping):
        if not document.problems:
            _report_no_mapping(document)
        raise _error_of(document)
    suggester = Suggester()
    shape = read_shape(document, document.root, suggester)
    definitions = define(document, document.root, suggester)
    if shape is None or any(problem.severity == "error" for problem in document.problems):
        raise _error_of(document)
    return _assemble(shape, definitions, document)


def _report_no_mapping(document: Document) -> None:
    if document.root is None or getattr(document.root, "is_null", False):
        message = "the catalog is empty; it begins with catalog: and a name"
        document.report(0, ProblemCode.EMPTY_DOCUMENT, message, "nothing", "catalog, version, tags, segments")
        return
    message = "a catalog is a mapping of keys to values, as in catalog: retail"
    document.report(document.root.start, ProblemCode.WRONG_SHAPE, message, expected="a mapping")


def _assemble(shape: CatalogDocument, definitions: Definitions, document: Document) -> Catalog:
    tags = {}
    for name in shape.tags:
        expression, kind = definitions.tags[name]
        tags[name] = Tag(name, expression, kind)
    segments = {}
    for name, segment in shape.segments.items():
        conditions = definitions.segments[name]
        title = segment.title
        goal = segment.goal
        segments[name] = Segment(
            name=name,
            title=name if title is None else title.text,
            titles={} if title is None else title.by_language,
            kind=segment.kind,
            when=conditions["when"],
            exit=conditions.get("exit"),
            min_stay_ms=segment.min_stay,
            indexed=segment.indexed,
            goal=None if goal is None else Goal(goal.event, goal.within, goal.target),
            reads=definitions.reads[name],
        )
    warnings = tuple(_ordered(document.problems))
    return Catalog(shape.catalog, shape.version, shape.timezone, document.text, tags, segments, warnings)


def _ordered(problems: list[CatalogProblem]) -> list[CatalogProblem]:
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.line, problem.column))


def _error_of(document: Document) -> CatalogError:
    problems = _ordered(document.problems)
    if len(problems) > MAX_PROBLEMS:
        last = problems[MAX_PROBLEMS]
        message = f"{len(problems) - MAX_PROBLEMS:,} more problems are not listed; repair those listed first"
        more = CatalogProblem(ProblemCode.TOO_MANY_PROBLEMS, message, document.file, last.line, last.column)
        problems = [*problems[:MAX_PROBLEMS], more]
    return CatalogError(problems)


def _failure(file: str, code: ProblemCode, message: str, suggestion: str | None = None) -> CatalogError:
    return CatalogError([CatalogProblem(code, message, file, 1, 1, clip(file), suggestion=suggestion)])
