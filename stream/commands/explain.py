"""`tagstream explain`: why a user is in a segment or out of it, or on a level, and what would change that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.commands.options import AsJson, OptionalCatalog, User
from stream.commands.output import print_json, print_line

if TYPE_CHECKING:
    from rules.catalog import Catalog
    from rules.explain import Explanation
    from stream.engine import Standing
    from stream.worker.position import Position

__all__ = ["explain"]


def explain(
    user: User,
    segment: Annotated[str, typer.Argument(metavar="SEGMENT", help="The segment's name, or a tier's.")],
    catalog: OptionalCatalog = None,
    as_json: AsJson = False,
) -> None:
    """Why a user is in a segment or out of it (or on a level of a tier), and what would change that.

    Since when, and by which cause; the condition with the value and verdict of each part; what holds a member; what
    would flip it, cheapest first, each of which has been tried on the user's own numbers.
    """
    from stream.commands.explanations import explanation_lines, explanation_report
    from stream.commands.given_settings import given_settings
    from stream.commands.logs import quiet_libraries
    from stream.commands.names import check_unit, no_such_user
    from stream.commands.running_catalog import open_reader
    from stream.embedded import resolve_addresses

    quiet_libraries()
    settings = given_settings()
    reader, _ = open_reader(settings, resolve_addresses(settings), catalog)
    with reader:
        standing = reader.standing(user, lambda running: _part(running, segment))
        snapshots = {} if standing is None else reader.snapshots_of(standing[1])
    check_unit(reader.catalog if standing is None else standing[0], segment)
    if standing is None:
        raise no_such_user(user)
    found = explained(user, segment, *standing, snapshots)
    if as_json:
        print_json(explanation_report(user, found))
    else:
        for line in explanation_lines(user, found):
            print_line(line)


def _part(catalog: Catalog, name: str) -> Catalog:
    """What of the catalog has to do with a segment or tier. InputError if there is none of that name."""
    from rules.explain import part_about
    from stream.commands.names import check_unit

    check_unit(catalog, name)
    return part_about(catalog, name)


def explained(
    user: str,
    name: str,
    catalog: Catalog,
    position: Position,
    standing: Standing,
    snapshots: Mapping[str, Mapping[str, Any]],
) -> Explanation:
    """The explanation of a user's standing with a segment or tier, with what is still warming there.

    snapshots: those in force, by model.
    """
    from rules.explain import explain as explain_standing
    from rules.history import hash_of_user

    return explain_standing(
        catalog, standing, name, user_hash=hash_of_user(user), warming=position.warming, snapshots=snapshots
    )
