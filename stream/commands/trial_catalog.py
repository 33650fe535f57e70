"""A catalog to try out: what can be evaluated is, though `check` and `apply` would refuse it as not meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.commands.output import note

if TYPE_CHECKING:
    from rules.catalog import Catalog

__all__ = ["load_for_trial"]


def load_for_trial(source: str) -> Catalog:
    """The catalog of a file or pack; conditions that never or always hold are told of on stderr and let pass.

    Raises CatalogError for everything else that is wrong with it.
    """
    from rules.catalog import load_catalog
    from rules.checking.lint import LINT_CODES
    from rules.errors import CatalogError

    try:
        return load_catalog(source)
    except CatalogError as error:
        if not all(problem.code in LINT_CODES for problem in error.problems if problem.severity == "error"):
            raise
        for problem in error.problems:
            note(str(problem))
        note(f"{source} can be tried out all the same; `tagstream apply` would refuse it.")
    return load_catalog(source, with_lint=False)
