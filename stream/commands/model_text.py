"""`tagstream models` for people: a table of all models, and everything about one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stream.commands.output import colour, counted, print_line, print_table, span

__all__ = ["print_model", "print_models"]

_REPORTS = 10
_UNTOLD = "–"


def print_models(records: Sequence[Mapping[str, Any]]) -> None:
    """One line a model, then what somebody should know of."""
    rows = [
        (
            each["name"],
            each["kind"] or _UNTOLD,
            each["algorithm"] or _UNTOLD,
            _UNTOLD if each["version"] is None else each["version"],
            each.get("made_at", _UNTOLD),
            f"{each['samples']:,}" if "samples" in each else _UNTOLD,
            _headline(each),
        )
        for each in records
    ]
    sides = {
        "model": "<",
        "kind": "<",
        "algorithm": "<",
        "version": ">",
        "made at": "<",
        "samples": ">",
        "quality": "<",
    }
    print_table(sides, rows)
    remarks = [remark for each in records for remark in _remarks(each)]
    if remarks:
        print_line()
    for remark in remarks:
        print_line(remark)


def print_model(record: Mapping[str, Any]) -> None:
    """Everything about one model."""
    title = "" if record["title"] == record["name"] else f"  {record['title']}"
    print_line(f"{colour(record['name'], 'bold')}{title}  {record['kind']}, {record['algorithm']}")
    if "made_at" in record:
        made = f"version {record['version']}, made {record['made_at']} of {counted(record['samples'], 'sample')}"
        print_line(f"{made}: {record['reason']}")
    elif record["learning"]:
        print_line(_progress(record["learning"]))
    for remark in _remarks(record):
        print_line(remark)
    if "clusters" in record:
        _print_clusters(record)
    elif "fields" in record:
        _print_fields(record["fields"])
    elif "rules" in record:
        print_line()
        print_line(colour("what it goes by", "dim"))
        for line in record["rules"].splitlines():
            print_line(f"  {line}")
    if record.get("quality"):
        print_line()
        print_table({"quality": "<", "": "<"}, _quality_rows(record))
    if record.get("calibration"):
        print_line()
        _print_calibration(record["calibration"])
    _print_reports(record["reports"])


def _headline(record: Mapping[str, Any]) -> str:
    quality = record.get("quality") or {}
    if "clusters" in record:
        return f"{len(record['clusters'])} clusters, silhouette {_number(quality.get('silhouette'))}, moved " + _share(
            record["moved"]
        )
    if "fields" in record:
        bins = len(record["fields"][0]["boundaries"]) + 1
        return f"{bins} bins, {_counted_in(quality)}"
    if "rules" in record:
        return _classifier_headline(quality)
    return _progress(record["learning"]) if record["learning"] else "nothing published yet"


def _progress(learning: Mapping[str, int]) -> str:
    return f"learning: {learning['samples']:,} of {counted(learning['wanted'], 'sample')}"


def _counted_in(quality: Mapping[str, Any]) -> str:
    """What the values behind the boundaries are of."""
    if "users" in quality:
        return counted(quality["users"], "user")
    return f"{counted(max(quality['values']), 'value')} sampled at events"


def _classifier_headline(quality: Mapping[str, Any]) -> str:
    if quality.get("auc") is None:
        return "not judged yet: no label has come for what it foretold"
    last = quality.get("last_value", {}).get("auc")
    base = quality.get("base_rate", {}).get("log_loss")
    return (
        f"AUC {_number(quality['auc'])} (last value {_number(last)}), "
        f"log loss {_number(quality['log_loss'])} (base rate {_number(base)})"
    )


def _remarks(record: Mapping[str, Any]) -> Iterator[str]:
    """What stands in the way, or stood at the last time."""
    name = record["name"]
    if record["problem"] is not None:
        yield f"{colour(name, 'yellow')}: not used. {record['problem']}"
    elif not record["in_catalog"]:
        yield f"{colour(name, 'yellow')}: the newest catalog has no such model."
    if record["learning"] and "made_at" in record:
        yield f"{colour(name, 'yellow')}: it is declared anew. {_progress(record['learning'])}"
    asked = [each for each in record["reports"] if each["kind"] == "model"]
    if asked and not asked[-1]["accepted"]:
        last = asked[-1]
        word = "waits" if last["code"] == "waiting" else "refused"
        which = "" if last["version"] is None else f" version {last['version']}"
        yield f"{colour(name, 'yellow')}: {word}{which} ({last['at']}): {last['reason']}"
    passed = [each for each in record["reports"] if each["kind"] == "samples"]
    if passed:
        last = passed[-1]
        counts = ", ".join(f"{count:,} {reason}" for reason, count in last["passed_over"].items())
        yield f"{colour(name, 'yellow')}: samples passed over ({last['at']}): {counts}. {last['last']}"


def _print_clusters(record: Mapping[str, Any]) -> None:
    print_line()
    rows = [
        (
            each["id"],
            each["name"] or _UNTOLD,
            f"{each['size']:,}",
            _share(each["share"]),
            each["description"],
            ", ".join(f"{one['feature']} {one['difference']:+.1f}" for one in each["distinctive"][:4]) or _UNTOLD,
        )
        for each in record["clusters"]
    ]
    sides = {"id": ">", "name": "<", "users": ">", "share": ">", "description": "<", "apart by (in spreads)": "<"}
    print_table(sides, rows)
    if "groups" in record:
        print_line()
        labels = {each["id"]: each["name"] or f"{each['id']}" for each in record["clusters"]}
        shares = {each["id"]: each["share"] for each in record["clusters"]}
        print_line(colour(f"cut at {len(record['groups'])}", "dim"))
        for group in record["groups"]:
            members = ", ".join(labels[each] for each in group)
            print_line(f"  {_share(sum(shares[each] for each in group)):>6}  {members}")


def _print_fields(fields: Sequence[Mapping[str, Any]]) -> None:
    print_line()
    rows = [
        (
            each["name"],
            "lower is better" if each["lower_is_better"] else "higher is better",
            "  ".join(span(round(one)) if each["duration"] else _number(one) for one in each["boundaries"]),
        )
        for each in fields
    ]
    print_table({"field": "<", "": "<", "boundaries": "<"}, rows)


def _quality_rows(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    quality = record["quality"]
    if "clusters" in record:
        yield "silhouette", f"{_number(quality['silhouette'])} (−1 to 1; above 0.5 clear, below 0.25 blurred)"
        yield "users moved by this snapshot", _share(record["moved"])
        yield "mean squared distance", _number(quality["inertia"])
        yield "users looked at", f"{quality['users']:,}"
    elif "rules" in record and quality.get("auc") is not None:
        base, last = quality["base_rate"], quality["last_value"]
        yield "ROC AUC", f"{_number(quality['auc'])}  (base rate 0.5, last value {_number(last['auc'])})"
        yield "log loss", f"{_number(quality['log_loss'])}  (base rate {_number(base['log_loss'])})"
        beside = f"base rate {_share(base['accuracy'])}, last value {_share(last['accuracy'])}"
        yield "accuracy", f"{_share(quality['accuracy'])}  ({beside})"
        yield "calibration error", _number(quality["calibration_error"])
        yield "labels judged", f"{quality['labels']:,}, {_share(quality['positives'])} of them positive"
    elif "fields" in record:
        yield "looked at", _counted_in(quality)
    for name, at in (quality.get("drift") or {}).items():
        yield f"drift of {name}", f"last at {at}"


def _print_calibration(bins: Sequence[Mapping[str, float]]) -> None:
    rows = [(_share(each["foretold"]), _share(each["came"]), f"{int(each['samples']):,}") for each in bins]
    print_table({"foretold": ">", "came": ">", "labels": ">"}, rows)


def _print_reports(reports: Sequence[Mapping[str, Any]]) -> None:
    asked = [each for each in reports if each["kind"] in {"model", "drift"}]
    if not asked:
        return
    print_line()
    rows = [(each["at"], *_report_cells(each)) for each in asked[-_REPORTS:]]
    print_table({"at": "<", "version": ">", "": "<", "silhouette or AUC": ">", "why": "<"}, rows)


def _report_cells(report: Mapping[str, Any]) -> tuple[str, str, str, str]:
    if report["kind"] == "drift":
        what = f"from {_number(report['before'])} to {_number(report['after'])}"
        if report["feature"] is None:
            return "", "drift", "", f"the model's error: {what}"
        return "", "drift", "", f"{report['feature']}: {what}, in scaled units"
    quality = report["quality"]
    number = quality.get("silhouette", quality.get("auc"))
    version = _UNTOLD if report["version"] is None else str(report["version"])
    return version, report["code"], _number(number), report["reason"]


def _number(value: float | None) -> str:
    return _UNTOLD if value is None else f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"


def _share(value: float) -> str:
    return f"{value:.1%}"
