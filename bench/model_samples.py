"""Samples for the bench of the models: groups of known membership, and the logs of CDNOW and the shop.

A log's samples are made as a worker makes them: each user's model moment once a day, by the hash of the user; a
classifier's sample is opened at a moment if none is open, and labelled at the event that settles it or at its deadline.
"""

from __future__ import annotations

import gzip
import heapq
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stream.learning.samples import Sample

__all__ = ["CDNOW", "SHOP", "Groups", "History", "churn_samples", "groups", "histories", "moment_samples"]

Doubles = npt.NDArray[np.float64]

DAY_MS = 86_400_000
_EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
GROUP_SHARES = (0.30, 0.20, 0.15, 0.12, 0.10, 0.06, 0.04, 0.03)


@dataclass(frozen=True)
class Groups:
    """`values` (n, 6), three of them heavy-tailed and positive; `labels` (n,): the group each row is from."""

    values: Doubles
    labels: npt.NDArray[np.int64]


def groups(count: int, seed: int, *, shifted: bool = False) -> Groups:
    """Rows from 8 groups of unequal size, with noise from Student's t of 3 degrees. `shifted`: other centres."""
    generator = np.random.default_rng(seed)
    centres = _apart(generator)
    if shifted:
        centres = _apart(np.random.default_rng(seed + 1_000_000))
    labels = generator.choice(len(GROUP_SHARES), count, p=GROUP_SHARES)
    values = centres[labels] + 0.5 * generator.standard_t(3, (count, centres.shape[1]))
    values[:, :3] = 10 * np.exp(values[:, :3])
    return Groups(values, labels)


def _apart(generator: np.random.Generator) -> Doubles:
    """8 centres in 6 dimensions, of which no two are nearer than 6 standard deviations of the noise's normal part."""
    while True:
        centres = generator.uniform(-4, 4, (len(GROUP_SHARES), 6))
        apart = np.linalg.norm(centres[:, None] - centres[None, :], axis=2) + np.eye(len(centres)) * 99
        if apart.min() >= 3:
            return centres


@dataclass(frozen=True)
class History:
    """One user's events in order: `at_ms` (n,), `events` the name of each, `revenue` (n,) of orders, else 0."""

    user: str
    at_ms: npt.NDArray[np.int64]
    events: npt.NDArray[np.str_]
    revenue: Doubles


@dataclass(frozen=True)
class Log:
    """A log of `examples/`: its features with whether each is a duration, how to compute them, and what churn is."""

    name: str
    features: dict[str, bool]
    values: Callable[[History, int], tuple[float | None, ...]]
    churn_event: str | None
    within_ms: int


def _since(times: npt.NDArray[np.int64], now_ms: int) -> float | None:
    return float(now_ms - times[-1]) if len(times) else None


def _cdnow_values(history: History, now_ms: int) -> tuple[float | None, ...]:
    times = history.at_ms[: np.searchsorted(history.at_ms, now_ms, side="right")]
    first = np.searchsorted(times, now_ms - 90 * DAY_MS)
    spend = history.revenue[: len(times)]
    since_first = float(now_ms - times[0]) if len(times) else None
    return (
        _since(times, now_ms),
        since_first,
        float(len(times)),
        float(len(times) - first),
        float(spend.sum()),
        float(spend[first:].sum()),
    )


def _shop_values(history: History, now_ms: int) -> tuple[float | None, ...]:
    end = int(np.searchsorted(history.at_ms, now_ms, side="right"))
    times, events = history.at_ms[:end], history.events[:end]
    week, month = np.searchsorted(times, (now_ms - 7 * DAY_MS, now_ms - 30 * DAY_MS))
    orders = events == "Order Completed"
    days = len(np.unique(times[month:] // DAY_MS))
    views = float((events[month:] == "Product Viewed").sum())
    since_first = float(now_ms - times[0]) if end else None
    return (
        _since(times, now_ms),
        since_first,
        float(end - week),
        float(end - month),
        float(days),
        views,
        _since(times[orders], now_ms),
        float(orders.sum()),
    )


CDNOW = Log(
    "cdnow",
    {
        "since_order": True,
        "since_first": True,
        "orders": False,
        "orders_90d": False,
        "spend": False,
        "spend_90d": False,
    },
    _cdnow_values,
    "Order Completed",
    60 * DAY_MS,
)
SHOP = Log(
    "shop",
    {
        "since": True,
        "since_first": True,
        "steps_7d": False,
        "steps_30d": False,
        "days_30d": False,
        "views_30d": False,
        "since_order": True,
        "orders": False,
    },
    _shop_values,
    None,
    14 * DAY_MS,
)


def histories(log: Log) -> list[History]:
    """The users of a log, with their `track`, `page` and `screen` events."""
    rows: dict[str, list[tuple[int, str, float]]] = {}
    with gzip.open(_EXAMPLES / log.name / "events.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if record["type"] in {"track", "page", "screen"}:
                at_ms = int(datetime.fromisoformat(record["timestamp"]).timestamp() * 1000)
                name = record.get("event") or f"{record['type'].title()} Viewed"
                revenue = float(record.get("properties", {}).get("revenue") or 0.0)
                rows.setdefault(record["userId"], []).append((at_ms, name, revenue))
    found = []
    for user, events in rows.items():
        events.sort(key=lambda event: event[0])
        times, names, revenues = zip(*events, strict=True)
        found.append(History(user, np.array(times), np.array(names), np.array(revenues)))
    return found


def next_moment(user: str, after_ms: int) -> int:
    """The user's first model moment after `after_ms`."""
    offset = zlib.crc32(user.encode()) % DAY_MS
    return after_ms + DAY_MS - (after_ms + offset) % DAY_MS


def moment_samples(log: Log, users: list[History], model: str, from_ms: int, to_ms: int) -> list[Sample]:
    """The samples of all model moments from `from_ms` (not itself) to `to_ms`, in their order."""
    found = []
    for history in users:
        at_ms = next_moment(history.user, max(from_ms, int(history.at_ms[0])))
        while at_ms <= to_ms:
            found.append(Sample(model, history.user, at_ms, "moment", log.values(history, at_ms)))
            at_ms += DAY_MS
    return sorted(found, key=lambda sample: sample.at_ms)


def churn_samples(log: Log, users: list[History], model: str, until_ms: int) -> list[Sample]:
    """The samples opened and labelled up to `until_ms`, in the order of their moments."""
    return list(heapq.merge(*(_churn(log, each, model, until_ms) for each in users), key=lambda sample: sample.at_ms))


def _churn(log: Log, history: History, model: str, until_ms: int) -> Iterator[Sample]:
    settling = history.at_ms if log.churn_event is None else history.at_ms[history.events == log.churn_event]
    opened_ms = next_moment(history.user, int(history.at_ms[0]))
    while opened_ms <= until_ms:
        values = log.values(history, opened_ms)
        yield Sample(model, history.user, opened_ms, "moment", values)
        place = int(np.searchsorted(settling, opened_ms, side="right"))
        deadline_ms = opened_ms + log.within_ms
        came = place < len(settling) and int(settling[place]) <= deadline_ms
        at_ms = int(settling[place]) if came else deadline_ms
        if at_ms > until_ms:
            return
        yield Sample(model, history.user, at_ms, "label", values, not came, opened_ms)
        opened_ms = next_moment(history.user, at_ms)
