"""`tagstream watch`: who enters, leaves and changes level, live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stream.commands.output import colour, moment, note, print_json_line, print_line, span

if TYPE_CHECKING:
    from stream.commands.tag_texts import TagTexts
    from stream.embedded import Addresses
    from stream.settings import Settings
    from tagstream import Change

__all__ = ["watch"]

_STYLES = {"entered": "green", "exited": "red", "moved": "cyan"}


def watch(
    segments: Annotated[
        list[str] | None,
        typer.Option("--segment", "-s", metavar="SEGMENT", help="Only this segment or tier. May be repeated."),
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the oldest change that is kept, not with the next.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Leave after so many changes.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print changes as on the topic, one a line.")] = False,
) -> None:
    """Print changes of segments and tiers as they are published, until Ctrl-C.

    Reads beside everybody else: it joins no consumer group and commits nothing.
    """
    import json

    from stream.commands.given_settings import given_settings
    from stream.commands.log_reader import open_log
    from stream.commands.logs import note_lost_kafka
    from stream.commands.tag_texts import TagTexts
    from stream.embedded import resolve_addresses
    from tagstream import InvalidMessageError, parse_change

    settings = given_settings()
    addresses = resolve_addresses(settings, redis_needed=False)
    note_lost_kafka(addresses.kafka)
    wanted = None if segments is None else {segment.encode() for segment in segments}
    texts = TagTexts(settings, addresses)
    shown = 0
    with open_log(addresses, settings.segment_changes_topic, client=f"tagstream-watch-{settings.app}") as log:
        records = log.records(from_start=from_start, idle=lambda: _check_stack(settings, addresses))
        note(f"Watching {settings.segment_changes_topic} at {addresses.kafka}. Ctrl-C ends it.")
        for record in records:
            if wanted is not None and dict(record.headers).get("segment") not in wanted:
                continue
            try:
                change = parse_change(record.value or b"")
            except InvalidMessageError as error:
                note(f"partition {record.partition}, offset {record.offset}: {error}")
                continue
            if as_json:
                print_json_line(json.loads(record.value))
            else:
                print_line(_line(change, texts))
            shown += 1
            if shown == limit:
                return


def _check_stack(settings: Settings, addresses: Addresses) -> None:
    """Raise UnavailableError if the embedded stack has ended: it will not come back at that address."""
    from stream.embedded import find_stack
    from stream.errors import UnavailableError

    if addresses.embedded and find_stack(settings) != addresses:
        raise UnavailableError(
            "The embedded stack has ended.", remedy="Start one with `tagstream up`, then watch again."
        )


def _line(change: Change, texts: TagTexts) -> str:
    """One change for people: when, who, what, why, and the tags that the condition read."""
    from tagstream import ClusterChanged, LevelChanged, SegmentExited

    if isinstance(change, LevelChanged):
        before = "" if change.from_level is None else f"from {change.from_level} "
        what, name = "moved", f"{change.tier}: {before}to {change.to_level or 'nothing: the catalog has it no more'}"
    elif isinstance(change, ClusterChanged):
        before = "" if change.from_cluster is None else f"from {_cluster(change.from_cluster, change.from_name)} "
        after = (
            "none: the model has no snapshot"
            if change.to_cluster is None
            else _cluster(change.to_cluster, change.to_name)
        )
        what, name = "moved", f"{change.model}: {before}to {after}"
    else:
        name = change.segment or ""
        what = "entered" if change.entered else "exited" if change.exited else change.type
    stayed = f" after {span(change.stayed_ms)}" if isinstance(change, SegmentExited) else ""
    when = moment(round(change.time.timestamp() * 1000))
    what = colour(what, _STYLES.get(what, "bold"))
    rest = colour(f"({change.cause})  {texts.of(change)}".rstrip(), "dim")
    return f"{colour(when, 'dim')}  {change.user}  {what} {name}{stayed}  {rest}"


def _cluster(number: int, name: str | None) -> str:
    """A cluster as people know it."""
    return f"cluster {number}" if name is None else f"{name} ({number})"
