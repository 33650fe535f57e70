"""`tagstream members`: who is in a segment."""

from __future__ import annotations

import difflib
from itertools import islice
from typing import Annotated

import typer

from stream.commands.options import AsJson, OptionalCatalog
from stream.commands.outcome import InputError
from stream.commands.output import counted, moment, note, print_json_line, print_line

__all__ = ["members"]


def members(
    segment: Annotated[str, typer.Argument(metavar="SEGMENT", help="The segment's name.")],
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Print so many at most.")] = None,
    catalog: OptionalCatalog = None,
    as_json: AsJson = False,
) -> None:
    """The users in a segment and since when, one a line, in no order; with --json one object a line.

    Members of a segment with indexed: true come at once, for others all users are looked through.
    The catalog is that of the workers; --catalog is only needed where they run on another machine.
    """
    from stream.commands.logs import quiet_libraries
    from stream.commands.running_catalog import open_reader
    from stream.embedded import resolve_addresses
    from stream.settings import load_settings

    quiet_libraries()
    settings = load_settings()
    addresses = resolve_addresses(settings)
    reader, loaded = open_reader(settings, addresses, catalog)
    with reader:
        if segment not in loaded.segments:
            close = difflib.get_close_matches(segment, loaded.segments, n=1)
            hint = f": did you mean {close[0]}?" if close else "."
            raise InputError(
                f"The catalog {loaded.name} has no segment {segment!r}{hint}",
                remedy=f"It has {', '.join(loaded.segments) or 'none'}.",
            )
        printed = 0
        for member in islice(reader.members(segment), limit):
            printed += 1
            if as_json:
                print_json_line({"user": member.user, "since": moment(member.since_ms)})
            else:
                print_line(f"{member.user}\t{moment(member.since_ms)}")
        size = reader.sizes()[segment]
    some = "" if printed == size else f"{printed:,} of "
    note(f"{some}{counted(size, 'member')} of {segment}")
