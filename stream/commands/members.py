"""`tagstream members`: who is in a segment, or on a level of a tier."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from stream.commands.options import AsJson, OptionalCatalog
from stream.commands.outcome import InputError
from stream.commands.output import counted, moment, note, print_json_line, print_line

__all__ = ["members"]


def members(
    segment: Annotated[
        str, typer.Argument(metavar="SEGMENT", help="The segment's name, or a tier's and its level's: TIER=LEVEL.")
    ],
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Print so many at most.")] = None,
    catalog: OptionalCatalog = None,
    as_json: AsJson = False,
) -> None:
    """The users in a segment (or on a level of a tier) and since when, one a line, in no order; --json: one object.

    Members of a segment with indexed: true come at once, for others all users are looked through.
    The catalog is the one that the workers run; --catalog is only needed where its text is not to be had.
    """
    from stream.commands.given_settings import given_settings
    from stream.commands.logs import quiet_libraries
    from stream.commands.names import no_such_level, unknown_name
    from stream.commands.running_catalog import open_reader
    from stream.embedded import resolve_addresses

    quiet_libraries()
    settings = given_settings()
    reader, loaded = open_reader(settings, resolve_addresses(settings), catalog)
    name, _, level = segment.partition("=")
    with reader:
        if not level and name in loaded.tiers:
            levels = ", ".join(f"{name}={each}" for each in loaded.tiers[name].levels)
            raise InputError(f"{name} is a tier: everybody is on one of its levels.", remedy=f"Name one: {levels}.")
        if level and name in loaded.tiers:
            if level not in loaded.tiers[name].levels:
                raise no_such_level(loaded, name, level)
        elif "=" in segment or name not in loaded.segments:
            names = [
                *loaded.segments,
                *(f"{tier}={each}" for tier in loaded.tiers for each in loaded.tiers[tier].levels),
            ]
            raise unknown_name(f"The catalog {loaded.name} has no segment", segment, names)
        printed = 0
        for member in islice(reader.members(name, level or None), limit):
            printed += 1
            if as_json:
                print_json_line({"user": member.user, "since": moment(member.since_ms)})
            else:
                print_line(f"{member.user}\t{moment(member.since_ms)}")
        size = reader.sizes()[segment]
    some = "" if printed == size else f"{printed:,} of "
    note(f"{some}{counted(size, 'member')} of {segment}")
