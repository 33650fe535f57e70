"""What goes into the engine and what comes out of it: plain frozen data, no I/O.

A worker (or `replay`) hands over `Records` of one partition in log order and gets a `StepResult` a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rules.compiled import Fact
from rules.interpret import Value
from rules.nodes import Aggregate, Days

__all__ = [
    "NEVER_MS",
    "FactReading",
    "Message",
    "Profile",
    "Reading",
    "Records",
    "Reject",
    "SampleRow",
    "Standing",
    "StepResult",
    "UnitReading",
]

NEVER_MS = 2**62
"""The due time of a user whom time alone changes nothing for."""


@dataclass(frozen=True, slots=True)
class Records:
    """Raw records of one partition, in log order; ticks and other control records are not among them.

    values: the records' values as they came, None for a null value.
    offsets: `(n,) int64`, log offsets (in `replay`: ordinal of the record in the log of all files).
    watermark_ms: `(n,) int64`, the watermark W at each record (its own log time counted, the grace taken off).
    horizon_ms: `(n,) int64`, the newest timestamp that is not too far ahead: log time of the record + 1 h.
    forwarded: `(n,) bool`, records that another partition forwarded here.
    """

    values: list[bytes | None]
    offsets: npt.NDArray[np.int64]
    watermark_ms: npt.NDArray[np.int64]
    horizon_ms: npt.NDArray[np.int64]
    forwarded: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that is no event. `reason` is a code (counted by it), `detail` a sentence for people."""

    index: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Message:
    """A change to publish on `segment-changes`: CloudEvents JSON in `value`, the user's bytes as `key`."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class SampleRow:
    """What a model's features were for one user at one moment; `values` in their order, durations in ms, missing None.

    why: `moment` (the user's model moment), `event`, or `label`: then the values are those of `opened_ms`, and `at_ms`
    is when the label was known.
    """

    model: str
    user: str
    at_ms: int
    why: str
    values: tuple[float | None, ...]
    label: bool | None = None
    opened_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """One user as of a moment; segments, tiers and models in the order of the catalog.

    tags: durations in ms, missing None.  since_ms: entry time of each segment held.  levels: by tier.  clusters: by
    model, for those that have put the user into one, and cluster_since_ms: when.
    """

    user: str
    version: int
    incarnation: int
    tags: dict[str, object]
    segments: list[str]
    since_ms: dict[str, int]
    levels: dict[str, str]
    clusters: dict[str, int]
    cluster_since_ms: dict[str, int]
    due_ms: int


@dataclass(frozen=True, slots=True)
class Reading:
    """An aggregate's value as expressions see it (durations in ms; None: missing), and how it changes.

    changed_ms: when it last came to another side of a threshold, None if never; by_time: by time alone.
    timeline: the moments to come at which time alone changes it, ascending, with the value from each on; at most 61,
    none where it grows with time itself.
    """

    value: float | int | None
    changed_ms: int | None
    by_time: bool
    timeline: Sequence[tuple[int, float | int | None]]


@dataclass(frozen=True, slots=True)
class FactReading:
    """The value of what no window gives (`rules.interpret.PRESENT` of an object), and its time.

    That is a trait, `latest`, `top`, `top_hour`, or what a model says. time_ms: the timestamp of a trait or `latest`,
    the moment at which a score was computed, None of the others and where there never was one.
    """

    value: Value
    time_ms: int | None


@dataclass(frozen=True, slots=True)
class UnitReading:
    """Where a user is: in a segment or not, on a level of a tier, in a cluster; since when, and by what cause.

    inside: in the segment.  cluster: the id, None if the model has put the user into none.  since_ms, cause: None if
    the user never moved there.
    """

    inside: bool
    level: str | None
    since_ms: int | None
    cause: str | None
    cluster: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """All that is known of a user, for people to ask about.

    moment_ms: the moment that values are of.  values, facts: by what the catalog's expressions read.  units: segments,
    tiers and clusters by name.  due_ms: when time alone may next change something (`NEVER_MS`: never).
    """

    moment_ms: int
    values: dict[Aggregate | Days, Reading]
    facts: dict[Fact, FactReading]
    units: dict[str, UnitReading]
    due_ms: int


@dataclass(slots=True)
class StepResult:
    """Everything one step changes; nothing of it has happened yet outside the engine's own table.

    start, end: the records `[start, end)` of the batch that this step covers (both 0 for a step of due users).
    changes: in the order of the records that brought them out, per user in version order.
    change_times_ms: effective time of each change.  change_events: record index of each change in the batch (of the
    record that brought it out), -1 in a step of due users.
    rejects: by record index.  misplaced: record indices of events that belong to another partition, to be forwarded.
    rows: user and encoded row, each user once.  sizes: change of the number of members by segment, `tier=level` or
    `model=cluster`.  samples: for the models to learn from, each user's in order.
    entered, left: users by indexed segment.  due: users whose entry in the due set is to be set; `NEVER_MS` removes it.
    """

    start: int = 0
    end: int = 0
    changes: list[Message] = field(default_factory=list)
    change_times_ms: list[int] = field(default_factory=list)
    change_events: list[int] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    misplaced: list[int] = field(default_factory=list)
    rows: list[tuple[str, bytes]] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    entered: dict[str, list[str]] = field(default_factory=dict)
    left: dict[str, list[str]] = field(default_factory=dict)
    due: list[tuple[str, int]] = field(default_factory=list)
    samples: list[SampleRow] = field(default_factory=list)
    accepted: int = 0
    duplicates: int = 0
