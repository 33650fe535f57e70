"""Options and arguments that several commands share, so that they are called and described alike."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["AsJson", "Catalog", "OptionalCatalog", "User"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Catalog = Annotated[
    str, typer.Option("--catalog", "-c", metavar="C", help="The catalog: a file, or the name of a pack.")
]
OptionalCatalog = Annotated[
    str | None,
    typer.Option("--catalog", "-c", metavar="C", help="The catalog: a file, or the name of a pack."),
]


def _named(user: str) -> str:
    if not user:
        raise typer.BadParameter("a user has a name; this one is empty")
    return user


User = Annotated[str, typer.Argument(metavar="USER", help="The user, as in the events' userId.", callback=_named)]
