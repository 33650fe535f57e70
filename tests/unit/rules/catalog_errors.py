"""What is wrong with a catalog, for tests that are not about warnings."""

from __future__ import annotations

from rules.catalog import parse_catalog
from rules.errors import CatalogError, CatalogProblem


def errors_of(text: str, *, with_lint: bool = True) -> list[CatalogProblem]:
    """The errors found, in the order of the text; none if it can be used."""
    try:
        parse_catalog(text, with_lint=with_lint)
    except CatalogError as error:
        return [problem for problem in error.problems if problem.severity == "error"]
    return []
