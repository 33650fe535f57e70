"""`tagstream test`: do the examples inside a catalog hold; if not, what was expected, what is, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stream.commands.options import AsJson
from stream.commands.outcome import FAILED, REFUSED
from stream.commands.output import colour, counted, note, print_json, print_line

if TYPE_CHECKING:
    from rules.catalog import Catalog
    from stream.examples import Failure, Outcome

__all__ = ["run_tests"]


def run_tests(
    catalogs: Annotated[list[str], typer.Argument(metavar="C...", help="Catalogs: files, or names of packs.")],
    as_json: AsJson = False,
) -> None:
    """Run the examples that catalogs have under tests:, each by the engine and by the reference interpreter.

    Of one that fails: what was expected beside what is, and why. Exit code 0 when all hold, 1 when one does not, 2 when
    a catalog is wrong.
    """
    from rules.catalog import load_catalog
    from rules.errors import CatalogError
    from stream.commands.patience import compiling

    reports: list[dict[str, object]] = []
    for source in catalogs:
        try:
            catalog = load_catalog(source)
        except CatalogError as error:
            reports.append({"source": source, "ok": None, "problems": [str(problem) for problem in error.problems]})
            if not as_json:
                print_line(str(error))
                print_line(f"{colour('wrong', 'red')}  {source}: not tested")
            continue
        outcomes: list[Outcome] = []
        if catalog.examples:
            from stream.examples import run_examples

            with compiling():
                outcomes = list(run_examples(catalog))
        else:
            note(f"{source}: the catalog has no tests; write some under tests: (see docs/catalog.md).")
        reports.append(_report(source, catalog, outcomes))
        if not as_json:
            _print(source, catalog, outcomes)
    if as_json:
        print_json(reports)
    if any(report["ok"] is None for report in reports):
        raise typer.Exit(REFUSED)
    if not all(report["ok"] for report in reports):
        raise typer.Exit(FAILED)


def _report(source: str, catalog: Catalog, outcomes: list[Outcome]) -> dict[str, object]:
    return {
        "source": source,
        "ok": all(outcome.holds for outcome in outcomes),
        "catalog": catalog.name,
        "version": catalog.version,
        "tests": [
            {
                "name": outcome.example.name,
                "ok": outcome.holds,
                "file": outcome.example.place[0],
                "line": outcome.example.place[1],
                "failures": [_failure_report(failure) for failure in outcome.failures],
                "differences": list(outcome.differences),
            }
            for outcome in outcomes
        ],
    }


def _failure_report(failure: Failure) -> dict[str, object]:
    from stream.commands.explanations import tree_report

    report: dict[str, object] = {
        "what": failure.what,
        "name": failure.name,
        "expected": failure.expected,
        "actual": failure.actual,
    }
    if failure.why is not None:
        report["conditions"] = {each.label: tree_report(each.tree) for each in failure.why.conditions}
    return report


def _print(source: str, catalog: Catalog, outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.holds:
            print_line(f"{colour('✓', 'green')} {outcome.example.name}")
            continue
        file, line = outcome.example.place
        print_line(f"{colour('✗', 'red')} {outcome.example.name}  ({file}:{line})")
        for failure in outcome.failures:
            _print_failure(failure, catalog)
        for difference in outcome.differences:
            print_line(f"    {colour('a bug of Tagstream', 'red')}, not of the catalog; please report it: {difference}")
    if outcomes:
        held = sum(outcome.holds for outcome in outcomes)
        word, style = ("ok", "green") if held == len(outcomes) else ("failed", "red")
        print_line(
            f"{colour(word, style)}  {source}: {catalog.name}, version {catalog.version}, "
            f"{held} of {counted(len(outcomes), 'test')} {'holds' if len(outcomes) == 1 else 'hold'}"
        )


def _print_failure(failure: Failure, catalog: Catalog) -> None:
    from stream.commands.explanations import tree_lines

    print_line(f"    {failure.what} {failure.name}: expected {_shown(failure.expected)}, is {_shown(failure.actual)}")
    for condition in () if failure.why is None else failure.why.conditions:
        print_line(f"      {condition.label}:")
        for line in tree_lines(condition.tree, catalog.timezone, 4):
            print_line(line)


def _shown(value: object) -> str:
    from rules.explain.words import value_text

    return value if value in ("in", "not in") and isinstance(value, str) else value_text(value)
