"""Golden cases: hand-worked logs with the changes, rejects, profiles and samples that must come of them.

A case is a YAML file. `records` are fed in order, offsets counting from 0: `value` is an event, `raw` a record's text;
with `log` (its log time) on every record the case is live, and a `tick` moves the watermark (`expect` is how many
changes are out by then), as does a `switch` with the `catalog` or the `snapshot` that takes effect there (`expect`:
once all users have been looked at by it); without, the case is a file for `replay`, whose watermark moves at the end
only.

A `snapshot` is one of a model of the catalog in force, whose kind and declaration it gets; what it does not say of the
scaling of a feature changes nothing: `{name: orders}` is a feature taken as it is, 0 where it is missing. `samples` are
those that users give to learn from; a case that states none has users that give none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from rules.catalog import Catalog, parse_catalog
from rules.reference_messages import ReferenceProfile
from rules.reference_models import ReferenceSample
from stream.engine import Profile, SampleRow

__all__ = ["CASES", "GoldenCase", "brief_profile", "load_case", "milliseconds", "text_of_moment"]

FOLDER = Path(__file__).parent
CASES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
GRACE_MS = 2_000
HOUR_MS = 3_600_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NO_WATERMARK_MS = -(2**40)
FAR_MS = 2**45


Sample = SampleRow | ReferenceSample


@dataclass(frozen=True, slots=True)
class GoldenRecord:
    """One record, or (`value` None) a tick or a switch to `catalog` or `snapshot`; `expect` changes are out by then."""

    value: bytes | None
    watermark_ms: int
    horizon_ms: int
    expect: int = 0
    catalog: str | None = None
    snapshot: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """What goes in (`records`, `until_ms`) and what must come out. None where a case states none."""

    catalog: str
    live: bool
    records: list[GoldenRecord]
    until_ms: int
    changes: list[dict[str, Any]] | None
    messages: list[dict[str, Any]] | None
    rejects: dict[int, str]
    profiles: list[dict[str, Any]] | None
    samples: list[dict[str, Any]] | None = None

    def check_changes(self, changes: list[dict[str, Any]]) -> None:
        """Hold changes, as decoded from their messages, to what the case states of each."""
        if self.messages is not None:
            assert changes == self.messages
        if self.changes is not None:
            stated = [_brief(change, expected) for change, expected in zip(changes, self.changes, strict=False)]
            assert stated + changes[len(stated) :] == self.changes

    def check_rejects(self, rejects: dict[int, str]) -> None:
        assert rejects == self.rejects

    def check_profiles(self, profiles: list[dict[str, Any]]) -> None:
        """Hold profiles to those stated; levels and clusters where they are stated, else there are none."""
        if self.profiles is not None:
            assert profiles == [{"levels": {}, "clusters": {}, **profile} for profile in self.profiles]

    def check_samples(self, samples: Iterable[Sample]) -> None:
        """Hold samples to those stated, each user's in their order."""
        if self.samples is None:
            return
        found = [
            {
                "user": sample.user,
                "model": sample.model,
                "at": text_of_moment(sample.at_ms),
                "why": sample.why,
                "values": [*sample.values],
                **({} if sample.label is None else {"label": sample.label}),
                **({} if sample.opened_ms is None else {"opened": text_of_moment(sample.opened_ms)}),
            }
            for sample in sorted(samples, key=lambda sample: sample.user)
        ]
        stated = [{key: _as_moment(key, value) for key, value in sample.items()} for sample in self.samples]
        assert found == sorted(stated, key=lambda sample: str(sample["user"]))


def _as_moment(key: str, value: object) -> object:
    return text_of_moment(milliseconds(str(value))) if key in ("at", "opened") else value


def _brief(change: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """A change in the words of the case: what it always states, and tags, offset and the like where it does."""
    data = change["data"]
    brief = {
        "time": change["time"],
        "user": data["user"],
        "change": change["type"].rpartition(".")[2],
        **{key: data[key] for key in ("segment", "tier", "model", "from", "to") if key in data},
        "version": data["version"],
        "cause": data["cause"],
    }
    if data["record"] is not None:
        brief["offset"] = data["record"]["offset"]
    if "stayed_ms" in data:
        brief["stayed_ms"] = data["stayed_ms"]
    return brief | {key: data[key] for key in ("tags", "from_name", "to_name", "model_versions") if key in expected}


def brief_profile(profile: Profile | ReferenceProfile) -> dict[str, Any]:
    """A profile in the words of a case."""
    names = ("user", "version", "tags", "segments", "levels", "clusters")
    return {name: getattr(profile, name) for name in names}


def milliseconds(text: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 time."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)


def text_of_moment(t_ms: int) -> str:
    """RFC 3339 of a moment."""
    return (EPOCH + timedelta(milliseconds=t_ms)).isoformat(timespec="milliseconds")


def load_case(name: str) -> GoldenCase:
    """Read a case. A replayed file's `until` defaults to its newest event, as the command's does."""
    document = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    live = any("log" in record for record in document["records"])
    records: list[GoldenRecord] = []
    newest_log_ms = newest_event_ms = NO_WATERMARK_MS
    catalog = document["catalog"]
    for offset, record in enumerate(document["records"]):
        value = record["raw"] if "raw" in record else json.dumps(record.get("value"), ensure_ascii=False)
        is_event = "tick" not in record and "switch" not in record
        if live:
            log_ms = milliseconds(next(record[key] for key in ("tick", "switch", "log") if key in record))
            newest_log_ms = max(newest_log_ms, log_ms)
            times = (newest_log_ms - GRACE_MS, log_ms + HOUR_MS)
        else:
            times = (NO_WATERMARK_MS, FAR_MS)
        encoded = value.encode() if is_event else None
        catalog = record.get("catalog", catalog)
        snapshot = _snapshot(record["snapshot"], parse_catalog(catalog)) if "snapshot" in record else None
        records.append(GoldenRecord(encoded, *times, record.get("expect", 0), record.get("catalog"), snapshot))
        if offset not in document.get("rejects", {}) and "value" in record:
            newest_event_ms = max(newest_event_ms, milliseconds(record["value"]["timestamp"]))
    return GoldenCase(
        catalog=document["catalog"],
        live=live,
        records=records,
        until_ms=milliseconds(document["until"]) if "until" in document else newest_event_ms,
        changes=document.get("changes"),
        messages=document.get("messages"),
        rejects=document.get("rejects", {}),
        profiles=document.get("profiles"),
        samples=document.get("samples"),
    )


def _snapshot(stated: dict[str, Any], catalog: Catalog) -> dict[str, Any]:
    """A snapshot as it is published."""
    model = catalog.models[stated["model"]]
    plain = {"transform": "identity", "unit": 1, "centre": 0, "scale": 1, "missing": 0}
    features = {"features": [plain | feature for feature in stated["features"]]} if "features" in stated else {}
    return {**stated, **features, "kind": model.kind, "fingerprint": model.fingerprint}
