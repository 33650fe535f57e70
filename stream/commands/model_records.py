"""What is known of each model, as plain data: what `tagstream models` prints, and its `--json` as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from stream.commands.output import moment

if TYPE_CHECKING:
    from rules.catalog import Catalog
    from rules.models import Model
    from stream.control.reports import Report
    from stream.models import PublishedModels

__all__ = ["model_records"]


def model_records(
    catalog: Catalog | None,
    published: PublishedModels,
    reports: Mapping[str, Sequence[Report]],
    *,
    cut: int | None = None,
) -> list[dict[str, Any]]:
    """A record a model: those of the catalog in its order, then those that only snapshots are left of."""
    declared = {} if catalog is None else catalog.models
    names = [*declared, *(name for name in published.names if name not in declared)]
    return [_record(name, catalog, published, reports.get(name, ()), cut) for name in names]


def _record(
    name: str, catalog: Catalog | None, published: PublishedModels, reports: Sequence[Report], cut: int | None
) -> dict[str, Any]:
    model = None if catalog is None else catalog.models.get(name)
    version, snapshot, problem = _newest(name, catalog, published)
    record: dict[str, Any] = {
        "name": name,
        "title": model.title if model is not None else name,
        "kind": model.kind if model is not None else (snapshot or {}).get("kind"),
        "algorithm": model.algorithm if model is not None else (snapshot or {}).get("algorithm"),
        "in_catalog": model is not None,
        "version": version,
        "problem": problem,
        "learning": _learning(reports),
    }
    if snapshot is not None:
        record |= _of_snapshot(snapshot, model, cut)
    return record | {"reports": [_of_report(each) for each in reports if each.kind != "learning"]}


def _learning(reports: Sequence[Report]) -> dict[str, int] | None:
    """How far a model is that has no snapshot for its declaration; None once it has, or if nothing was heard of it."""
    from stream.control.reports import LearningReport, ModelReport

    for each in reversed(reports):
        if isinstance(each, LearningReport):
            return {"samples": each.samples, "wanted": each.wanted}
        if isinstance(each, ModelReport) and each.accepted:
            return None
    return None


def _newest(
    name: str, catalog: Catalog | None, published: PublishedModels
) -> tuple[int | None, Mapping[str, Any] | None, str | None]:
    """The newest version that the catalog can use, else the newest that can be read; its snapshot; what is wrong with
    it, or with one that is newer and can't be read.
    """
    from stream.models import unfit_reason

    unreadable: str | None = None
    newest: tuple[int | None, Mapping[str, Any] | None, str | None] | None = None
    for version in reversed(published.versions(name)):
        problem = published.problem(name, version)
        if problem is not None:
            unreadable = unreadable or problem
            continue
        snapshot = published.record(name, version)
        unfit = None if catalog is None else unfit_reason(snapshot, catalog)
        if unfit is None:
            return version, snapshot, unreadable
        newest = newest or (version, snapshot, unfit)
    return newest or (published.newest(name), None, unreadable)


def _of_snapshot(snapshot: Mapping[str, Any], model: Model | None, cut: int | None) -> dict[str, Any]:
    record: dict[str, Any] = {
        "made_at": moment(snapshot["made_at"]),
        "catalog_version": snapshot["catalog_version"],
        "samples": snapshot["samples"],
        "reason": snapshot["reason"],
        "quality": _legible_drift(snapshot["quality"]),
    }
    if snapshot["kind"] == "clusters":
        names = {} if model is None else model.names
        record["moved"] = snapshot["moved"]
        record["clusters"] = [
            {
                "id": each["id"],
                "name": names.get(each["id"], each["name"]),
                **{key: each[key] for key in ("size", "share", "description", "distinctive")},
            }
            for each in snapshot["clusters"]
        ]
        record["hierarchy"] = snapshot["hierarchy"]
        if cut is not None:
            from stream.learning.hierarchy import cut_at

            record["groups"] = cut_at(snapshot, cut)
    elif snapshot["kind"] == "quantiles":
        durations = {} if model is None else {each.name: each.kind.value == "duration" for each in model.features}
        record["fields"] = [
            dict(each) | {"duration": durations.get(each["name"], False)} for each in snapshot["fields"]
        ]
    else:
        record |= {"rules": snapshot["rules"], "calibration": snapshot["calibration"]}
    return record


def _of_report(report: Report) -> dict[str, Any]:
    record = {"at": moment(report.at), "kind": report.kind} | {
        key: value for key, value in asdict(report).items() if key not in {"at", "model"}
    }
    if "quality" in record:
        record["quality"] = _legible_drift(record["quality"])
    return record


def _legible_drift(quality: Mapping[str, Any]) -> dict[str, Any]:
    drift = quality.get("drift")
    return dict(quality) | ({"drift": {name: moment(at_ms) for name, at_ms in drift.items()}} if drift else {})
