"""`tagstream status`: where everything stands: catalogs, models, workers, partitions."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from stream.commands.options import AsJson
from stream.commands.output import counted, moment, print_json, print_line, print_table
from stream.commands.standings import (
    catalog_text,
    look_with_ends,
    models_text,
    pauses,
    print_pauses,
    progress_text,
    watermark_text,
)

if TYPE_CHECKING:
    from stream.catalogs import AppliedCatalogs
    from stream.models import PublishedModels
    from stream.settings import Settings
    from stream.worker.overview import Overview, PartitionStanding

__all__ = ["status"]


def status(as_json: AsJson = False) -> None:
    """Where everything stands: the catalogs that were applied and the one that runs, models, workers, partitions.

    For each partition: who has it, its position, how far behind it is, how far time has passed, the versions of the
    models that it evaluates with and those that wait for another catalog, and how far it is with a switch; where it is
    paused, why, and what to do.
    """
    from stream.catalogs import read_catalogs
    from stream.commands.given_settings import given_settings
    from stream.commands.log_reader import open_log
    from stream.commands.logs import quiet_libraries
    from stream.embedded import resolve_addresses
    from stream.models import read_models
    from stream.worker.overview import open_store

    quiet_libraries()
    settings = given_settings()
    addresses = resolve_addresses(settings)
    with (
        open_log(addresses, settings.events_topic, client=f"tagstream-status-{settings.app}") as log,
        closing(open_store(settings, addresses, log.partition_count)) as store,
    ):
        overview, ends = look_with_ends(store, log)
    applied = read_catalogs(settings, addresses)
    models = read_models(settings, addresses)
    if as_json:
        print_json(_report(settings, applied, models, overview, ends))
    else:
        _print(settings, applied, models, overview, ends)


def _catalogs(applied: AppliedCatalogs, overview: Overview) -> list[dict[str, object]]:
    """The versions that were applied, newest first; one that can't be read says why."""
    from stream.errors import ConfigurationError

    running = {position.catalog_version for position in overview.positions}
    found: list[dict[str, object]] = []
    for version in sorted(applied.versions, reverse=True):
        entry: dict[str, object] = {"version": version, "runs": version in running}
        try:
            record = applied.record(version)
            entry |= {"applied_at": moment(applied.applied_ms(version)), "written_by": record.written_by}
        except ConfigurationError as error:
            entry |= {"problem": str(error)}
        found.append(entry)
    return found


def _models(models: PublishedModels, overview: Overview) -> list[dict[str, object]]:
    """By model what was published last, what partitions evaluate with, and what waits for another catalog."""
    positions = overview.positions
    named = {name for position in positions for name in (*position.model_versions, *position.models_waiting)}
    found: list[dict[str, object]] = []
    for name in sorted({*models.names, *named}):
        newest = models.newest(name)
        entry: dict[str, object] = {
            "model": name,
            "newest": newest,
            "in_force": sorted({position.model_versions.get(name, 0) for position in positions} - {0}),
            "waiting": sorted({position.models_waiting.get(name, 0) for position in positions} - {0}),
        }
        problem = None if newest is None else models.problem(name, newest)
        found.append(entry if problem is None else {**entry, "problem": problem})
    return found


def _warming(overview: Overview) -> dict[str, str | None]:
    from stream.worker.apply_run import warming_values

    return {
        value: None if until_ms is None else moment(until_ms) for value, until_ms in warming_values(overview).items()
    }


def _lag(standing: PartitionStanding, end: int) -> int | None:
    return None if standing.position is None else max(end - standing.position.next_offset, 0)


def _report(
    settings: Settings, applied: AppliedCatalogs, models: PublishedModels, overview: Overview, ends: list[int]
) -> dict[str, object]:
    return {
        "app": settings.app,
        "catalog": {
            "name": applied.name,
            "running": overview.running_version,
            "applied": _catalogs(applied, overview),
            "warming": _warming(overview),
        },
        "models": _models(models, overview),
        "workers": {
            name: {
                "host": report.host,
                "process": report.process,
                "tagstream": report.tagstream,
                "partitions": sorted(report.partitions),
                "waits_for": report.waits_for,
            }
            for name, report in overview.workers.items()
        },
        "partitions": [_partition(each, ends[each.partition]) for each in overview.partitions],
        "paused": pauses(overview),
    }


def _partition(standing: PartitionStanding, end: int) -> dict[str, Any]:
    import msgspec

    position = standing.position
    switch = None if position is None else position.switch
    return {
        "partition": standing.partition,
        "owner": standing.owner,
        "stage": standing.stage,
        "next_offset": None if position is None else position.next_offset,
        "end_offset": end,
        "lag": _lag(standing, end),
        "watermark": watermark_text(standing),
        "catalog_version": None if position is None else position.catalog_version,
        "model_versions": {} if position is None else position.model_versions,
        "models_waiting": {} if position is None else position.models_waiting,
        "walk": None if position is None or position.walk is None else position.walk.bucket,
        "backfill": None if position is None or position.backfill is None else msgspec.to_builtins(position.backfill),
        "switch": None if switch is None else msgspec.to_builtins(switch),
    }


def _print(
    settings: Settings, applied: AppliedCatalogs, models: PublishedModels, overview: Overview, ends: list[int]
) -> None:
    running = overview.running_version
    if applied.name is None:
        print_line(f"app {settings.app}: no catalog has been applied yet")
    else:
        runs = "no version runs yet" if running is None else f"version {running} runs"
        print_line(f"app {settings.app}: catalog {applied.name}, {runs}")
        print_table(
            {"version": ">", "applied": "<", "by tagstream": "<", "": "<"},
            [
                (
                    each["version"],
                    each.get("applied_at", "–"),
                    each.get("written_by", "–"),
                    each.get("problem", "runs" if each["runs"] else ""),
                )
                for each in _catalogs(applied, overview)
            ],
            indent=2,
        )
    learned = _models(models, overview)
    if learned:
        print_line()
        print_table(
            {"model": "<", "newest": ">", "in force": ">", "waiting": ">", "": "<"},
            [
                (
                    each["model"],
                    each["newest"] or "–",
                    _listed(each["in_force"]),
                    _listed(each["waiting"]),
                    each.get("problem", ""),
                )
                for each in learned
            ],
            indent=2,
        )
    print_line()
    print_line(f"{counted(len(overview.workers), 'worker')} alive" + ("" if overview.workers else ": start one"))
    for name, report in overview.workers.items():
        held = ", ".join(map(str, sorted(report.partitions))) or "none"
        waits = f"; waits: {report.waits_for}" if report.waits_for else ""
        print_line(f"  {name} on {report.host}, process {report.process}: partitions {held}{waits}")
    print_line()
    print_table(
        {
            "partition": ">",
            "worker": "<",
            "next": ">",
            "end": ">",
            "lag": ">",
            "time has passed to": "<",
            "catalog": "<",
            **({"models": "<"} if learned else {}),
            "state": "<",
        },
        [_row(each, ends[each.partition], with_models=bool(learned)) for each in overview.partitions],
    )
    warming = _warming(overview)
    if warming:
        print_line()
        print_line("not yet whole, as the log didn't reach back far enough when they were new:")
        for value, until in warming.items():
            print_line(f"  {value}: {'warming until ' + until if until else 'counts what the log still had'}")
    print_pauses(overview)


def _listed(versions: object) -> str:
    return ", ".join(map(str, versions)) if isinstance(versions, list) and versions else "–"


def _row(standing: PartitionStanding, end: int, *, with_models: bool) -> tuple[object, ...]:
    position = standing.position
    lag = _lag(standing, end)
    return (
        standing.partition,
        standing.owner or "–",
        "–" if position is None else f"{position.next_offset:,}",
        f"{end:,}",
        "–" if lag is None else f"{lag:,}",
        watermark_text(standing) or "–",
        catalog_text(standing) or "–",
        *([models_text(standing) or "–"] if with_models else []),
        progress_text(standing),
    )
