"""`tagstream check`: is a catalog right, and if not, everything that is wrong with it and where."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from stream.commands.outcome import REFUSED
from stream.commands.output import colour, counted, print_json, print_line

if TYPE_CHECKING:
    from collections.abc import Sized

    from rules.catalog import Catalog
    from rules.errors import CatalogProblem

__all__ = ["check"]

_WARNINGS_LISTED = 100
"""Nobody reads more of them; errors, of which a thousand are looked for, are all listed."""


def check(
    catalogs: Annotated[list[str], typer.Argument(metavar="C...", help="Catalogs: files, or names of packs.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say whether catalogs are right, and all that is wrong with them, each with its place.

    Exit code 0 when all are right (warnings are not errors), 2 when one is not.
    """
    from rules.catalog import load_catalog
    from rules.errors import CatalogError

    reports = []
    for source in catalogs:
        catalog: Catalog | None = None
        try:
            catalog = load_catalog(source)
            problems = tuple(catalog.warnings)
        except CatalogError as error:
            problems = tuple(error.problems)
        reports.append(_report(source, catalog, problems))
        if not as_json:
            _print(source, catalog, problems)
    if as_json:
        print_json(reports)
    if not all(report["ok"] for report in reports):
        raise typer.Exit(REFUSED)


def _report(source: str, catalog: Catalog | None, problems: tuple[CatalogProblem, ...]) -> dict[str, object]:
    return {
        "source": source,
        "ok": catalog is not None,
        "catalog": catalog.name if catalog else None,
        "version": catalog.version if catalog else None,
        "tags": list(catalog.tags) if catalog else [],
        "segments": list(catalog.segments) if catalog else [],
        "tiers": list(catalog.tiers) if catalog else [],
        "models": list(catalog.models) if catalog else [],
        "tests": [example.name for example in catalog.examples] if catalog else [],
        "problems": [asdict(problem) for problem in problems],
    }


def _print(source: str, catalog: Catalog | None, problems: tuple[CatalogProblem, ...]) -> None:
    warnings = [problem for problem in problems if problem.severity == "warning"]
    unlisted = set(warnings[_WARNINGS_LISTED:])
    for problem in problems:
        if problem not in unlisted:
            print_line(str(problem))
    if unlisted:
        print_line(f"{source}: {counted(len(unlisted), 'warning')} more; --json lists them all")
    if catalog is None:
        errors = [problem for problem in problems if problem.severity == "error"]
        print_line(f"{colour('wrong', 'red')}  {source}: {counted(len(errors), 'error')}")
    else:
        sections: dict[str, Sized] = {"tier": catalog.tiers, "model": catalog.models, "test": catalog.examples}
        others = "".join(f", {counted(len(section), word)}" for word, section in sections.items() if section)
        print_line(
            f"{colour('ok', 'green')}  {source}: {catalog.name}, version {catalog.version}, "
            f"{counted(len(catalog.tags), 'tag')}, {counted(len(catalog.segments), 'segment')}{others}"
        )
