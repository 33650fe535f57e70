"""`tagstream profile`: what is known of one user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.commands.options import AsJson, OptionalCatalog, User
from stream.commands.output import counted, moment, print_json, print_line, print_table
from stream.commands.tag_texts import tag_text

if TYPE_CHECKING:
    from rules.catalog import Catalog
    from stream.engine import Profile, Standing
    from stream.worker.position import Position

__all__ = ["profile"]


def profile(
    user: User,
    catalog: OptionalCatalog = None,
    as_json: AsJson = False,
) -> None:
    """One user's tags, segments and levels, as of the newest event or as far as time has passed in the log.

    And what the models say: clusters, and the scores and quantiles that the catalog reads.
    The catalog is the one that the workers run; --catalog is only needed where its text is not to be had.
    """
    from stream.commands.given_settings import given_settings
    from stream.commands.logs import quiet_libraries
    from stream.commands.names import no_such_user
    from stream.commands.running_catalog import open_reader
    from stream.embedded import resolve_addresses

    quiet_libraries()
    settings = given_settings()
    reader, _ = open_reader(settings, resolve_addresses(settings), catalog)
    with reader:
        position = reader.position_of(user)
        found = reader.profile(user, _passed_ms(position))
        loaded = reader.catalog_of(position)
        asked = reader.standing(user) if loaded.models else None
    if found is None:
        raise no_such_user(user)
    if as_json:
        print_json(_report(found, position, loaded, None if asked is None else asked[2]))
    else:
        _print(found, loaded, position, None if asked is None else asked[2])


def _passed_ms(position: Position) -> int | None:
    """How far time has passed for the user, None if nothing has been read on the user's partition."""
    return None if position.watermark_ms <= 0 else position.watermark_ms


def _due(found: Profile) -> str | None:
    from stream.engine import NEVER_MS

    return None if found.due_ms >= NEVER_MS else moment(found.due_ms)


def _warming(position: Position, catalog: Catalog) -> dict[str, str | None]:
    """By tag, from when on its value is whole, where it is not yet; None: at no moment, the log does not reach back."""
    from rules.explain import whole_from_ms
    from stream.engine import NEVER_MS

    found: dict[str, str | None] = {}
    for name, tag in catalog.tags.items() if position.warming else ():
        from_ms = whole_from_ms(tag.expression, position.warming)
        if from_ms is not None:
            found[name] = None if from_ms >= NEVER_MS else moment(from_ms)
    return found


def _scores(standing: Standing | None) -> dict[str, float]:
    """By classifier, what it says of the user."""
    from rules.nodes import ScoreOf

    facts = {} if standing is None else standing.facts
    return {
        node.model: float(reading.value)
        for node, reading in facts.items()
        if isinstance(node, ScoreOf) and isinstance(reading.value, int | float)
    }


def _quantiles(standing: Standing | None) -> dict[str, dict[str, int]]:
    """By model and field, where the user is among all."""
    from rules.nodes import QuantileOf

    found: dict[str, dict[str, int]] = {}
    for node, reading in ({} if standing is None else standing.facts).items():
        if isinstance(node, QuantileOf) and isinstance(reading.value, int | float):
            found.setdefault(node.model, {})[node.field] = int(reading.value)
    return found


def _report(found: Profile, position: Position, catalog: Catalog, standing: Standing | None) -> dict[str, object]:
    passed_ms = _passed_ms(position)
    return {
        "user": found.user,
        "version": found.version,
        "incarnation": found.incarnation,
        "catalog_version": catalog.version,
        "model_versions": position.model_versions,
        "time_passed_to": None if passed_ms is None else moment(passed_ms),
        "tags": found.tags,
        "segments": found.segments,
        "levels": found.levels,
        "clusters": found.clusters,
        "scores": _scores(standing),
        "quantiles": _quantiles(standing),
        "since": {name: moment(since_ms) for name, since_ms in (found.since_ms | found.cluster_since_ms).items()},
        "due": _due(found),
        "warming": _warming(position, catalog),
    }


def _print(found: Profile, catalog: Catalog, position: Position, standing: Standing | None) -> None:
    passed_ms = _passed_ms(position)
    passed = "" if passed_ms is None else f"; time has passed to {moment(passed_ms)}"
    print_line(f"{found.user}: {counted(found.version, 'change')} so far{passed}")
    print_line()
    warming = _warming(position, catalog)
    rows = []
    for name, value in found.tags.items():
        rows.append((name, tag_text(catalog.tags[name], value), *([_warming_text(warming, name)] if warming else [])))
    print_table({"tag": "<", "value": "<"} | ({"warming": "<"} if warming else {}), rows)
    print_line()
    if found.segments:
        print_table(
            {"segment": "<", "since": "<", "title": "<"},
            [(name, moment(found.since_ms[name]), catalog.segments[name].title) for name in found.segments],
        )
    else:
        print_line("in no segment")
    if found.levels:
        print_line()
        print_table(
            {"tier": "<", "level": "<", "title": "<"},
            [(name, level, catalog.tiers[name].levels[level].title) for name, level in found.levels.items()],
        )
    _print_learned(found, catalog, standing)
    due = _due(found)
    print_line()
    print_line(f"time alone may change something from {due} on" if due else "time alone changes nothing")


def _print_learned(found: Profile, catalog: Catalog, standing: Standing | None) -> None:
    """What the models say."""
    rows = [
        (name, f"cluster {number}", catalog.models[name].names.get(number, ""), moment(found.cluster_since_ms[name]))
        for name, number in found.clusters.items()
    ]
    rows += [(name, f"{score:.0%}", catalog.models[name].title, "") for name, score in _scores(standing).items()]
    for name, fields in _quantiles(standing).items():
        of = catalog.models[name].bins
        rows += [(name, f"{value} of {of}", field, "") for field, value in fields.items()]
    if rows:
        print_line()
        print_table({"model": "<", "says": "<", "of": "<", "since": "<"}, rows)


def _warming_text(warming: dict[str, str | None], name: str) -> str:
    if name not in warming:
        return ""
    from_when = warming[name]
    return "the log does not reach back" if from_when is None else f"whole from {from_when}"
