"""`tagstream profile`: what is known of one user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stream.commands.options import AsJson, OptionalCatalog
from stream.commands.output import counted, moment, print_json, print_line, print_table, span, value_text
from stream.errors import TagstreamError

if TYPE_CHECKING:
    from rules.catalog import Catalog
    from stream.engine import Profile
    from stream.worker import Reader

__all__ = ["profile"]


def profile(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user, as in the events' userId.")],
    catalog: OptionalCatalog = None,
    as_json: AsJson = False,
) -> None:
    """One user's tags and segments, as of the newest event or as far as time has passed in the log.

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
        passed_ms = _passed_ms(reader, user)
        found = reader.profile(user, passed_ms)
    if found is None:
        raise TagstreamError(
            f"There is no user {user!r}.", remedy="Users exist from their first accepted event; case matters."
        )
    if as_json:
        print_json(_report(found, passed_ms))
    else:
        _print(found, loaded, passed_ms)


def _passed_ms(reader: Reader, user: str) -> int | None:
    """How far time has passed for the user, None if nothing has been read on the user's partition."""
    from tagstream.partitioning import partition_of

    positions = reader.positions()
    if not positions:
        return None
    count = next(iter(positions.values())).partition_count
    position = positions.get(partition_of(user, count))
    return None if position is None or position.watermark_ms <= 0 else position.watermark_ms


def _due(found: Profile) -> str | None:
    from stream.engine import NEVER_MS

    return None if found.due_ms >= NEVER_MS else moment(found.due_ms)


def _report(found: Profile, passed_ms: int | None) -> dict[str, object]:
    return {
        "user": found.user,
        "version": found.version,
        "incarnation": found.incarnation,
        "time_passed_to": None if passed_ms is None else moment(passed_ms),
        "tags": found.tags,
        "segments": found.segments,
        "levels": {},
        "clusters": {},
        "since": {name: moment(since_ms) for name, since_ms in found.since_ms.items()},
        "due": _due(found),
    }


def _print(found: Profile, catalog: Catalog, passed_ms: int | None) -> None:
    from rules.nodes import Kind

    passed = "" if passed_ms is None else f"; time has passed to {moment(passed_ms)}"
    print_line(f"{found.user}: {counted(found.version, 'change')} so far{passed}")
    print_line()
    rows = []
    for name, value in found.tags.items():
        if catalog.tags[name].kind is Kind.DURATION and isinstance(value, int):
            rows.append((name, span(value)))
        else:
            rows.append((name, value_text(value)))
    print_table({"tag": "<", "value": "<"}, rows)
    print_line()
    if found.segments:
        print_table(
            {"segment": "<", "since": "<", "title": "<"},
            [(name, moment(found.since_ms[name]), catalog.segments[name].title) for name in found.segments],
        )
    else:
        print_line("in no segment")
    due = _due(found)
    print_line()
    print_line(f"time alone may change something from {due} on" if due else "time alone changes nothing")
