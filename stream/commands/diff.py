"""`tagstream diff`: what changed from one catalog to another, in words."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from stream.commands.options import AsJson
from stream.commands.output import colour, print_json, print_line

if TYPE_CHECKING:
    from rules.describe import Change, Difference

__all__ = ["diff"]

_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "renamed": ("=", "cyan"), "changed": ("~", "yellow")}


def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The catalog before: a file, or the name of a pack.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The catalog after.")],
    as_json: AsJson = False,
) -> None:
    """Say in words what changed from one catalog to another: by meaning, not by lines of text.

    Exit code 0 whether anything changed or not, 2 when one of the two is wrong.
    """
    from rules.catalog import load_catalog
    from rules.describe import describe

    catalogs = load_catalog(old, with_lint=False), load_catalog(new)
    difference = describe(*catalogs)
    if as_json:
        heads = [
            {"source": source, "catalog": catalog.name, "version": catalog.version}
            for source, catalog in zip((old, new), catalogs, strict=True)
        ]
        print_json({"old": heads[0], "new": heads[1], **asdict(difference)})
    else:
        _print(difference)


def _print(difference: Difference) -> None:
    if not difference.changes:
        print_line("nothing has changed in what the catalog means")
    for (what, name), group in groupby(difference.changes, key=lambda change: (change.what, change.name)):
        changes = [*group]
        head = changes[0]
        sign, style = _SIGNS[head.change]
        title = f"{colour(sign, style)} {what} {colour(name, 'bold')}"
        if not head.aspect:
            print_line(f"{title}  {head.text}")
            changes = changes[1:]
        else:
            print_line(title)
        for change in changes:
            print_line(f"    {_line(change)}")
    if difference.backfill:
        print_line("to be filled from the events that the log still keeps:")
        for text in difference.backfill:
            print_line(f"    {text}")


def _line(change: Change) -> str:
    return f"{change.aspect}: {change.text}"
