"""What goes to `ops-metrics`: how a model did each time it was asked for a snapshot, drifts, samples passed over, and
how far a model is that has no snapshot yet.

JSON, key = the model's name, so that a model's reports keep their order. Reports are for people and their dashboards:
nothing acts on them, and they may be lost or come twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

__all__ = [
    "DriftReport",
    "LearningReport",
    "ModelReport",
    "Report",
    "SamplesReport",
    "drifts_text",
    "encode_report",
    "parse_report",
]


@dataclass(frozen=True, slots=True)
class ModelReport:
    """A snapshot was made, or refused. Times in ms.

    version: of the snapshot; of a refused one the number it would have had; None while there is too little to make one.
    code: `published`, `waiting`, `unsound` or `worse`.  reason: a sentence.  samples: learned from so far.
    quality: as in the snapshot, with `moved` (of clusters: the share of users who change).
    """

    kind: ClassVar[str] = "model"
    at: int
    model: str
    version: int | None
    accepted: bool
    code: str
    reason: str
    samples: int = 0
    catalog_version: int = 0
    quality: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DriftReport:
    """A feature's level has changed, or a model's error (`feature` None). `before`, `after`: means; features scaled."""

    kind: ClassVar[str] = "drift"
    at: int
    model: str
    feature: str | None
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class SamplesReport:
    """Samples that nothing was learned from since the last report, by reason; `last`: a sentence on the last one."""

    kind: ClassVar[str] = "samples"
    at: int
    model: str
    passed_over: Mapping[str, int]
    last: str


@dataclass(frozen=True, slots=True)
class LearningReport:
    """How far a model is of which nothing is published yet. wanted: a first snapshot is tried after so many samples."""

    kind: ClassVar[str] = "learning"
    at: int
    model: str
    samples: int
    wanted: int
    catalog_version: int = 0


Report = ModelReport | DriftReport | SamplesReport | LearningReport
_KINDS: dict[str, type[Report]] = {
    each.kind: each for each in (ModelReport, DriftReport, SamplesReport, LearningReport)
}


def encode_report(report: Report) -> bytes:
    """The report as a JSON object."""
    record = {"at": report.at, "kind": report.kind} | asdict(report)
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def parse_report(data: bytes) -> Report | None:
    """The report in a record's value; None if it is one of another kind, or none at all."""
    try:
        record = json.loads(data)
        kind = _KINDS[record["kind"]]
        known = {each.name for each in fields(kind)}
        return kind(**{name: value for name, value in record.items() if name in known})
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def drifts_text(reports: Sequence[DriftReport]) -> str:
    """For people: how many features of a model have drifted, which the farthest, and whether its error has."""
    spans: dict[str | None, tuple[float, float]] = {}
    for each in reports:
        first, _ = spans.get(each.feature, (each.before, each.after))
        spans[each.feature] = (first, each.after)
    error = spans.pop(None, None)
    said = []
    if spans:
        farthest, (before, after) = max(spans.items(), key=lambda item: abs(item[1][1] - item[1][0]))
        many = f"{len(spans)} features have drifted, the most {farthest}"
        what = many if len(spans) > 1 else f"the feature {farthest} has drifted"
        said.append(f"{what}, from {before:.3g} to {after:.3g} in scaled units")
    if error is not None:
        said.append(f"its error has drifted, from {error[0]:.3g} to {error[1]:.3g}")
    return "; ".join(said)
