"""Samples of known make for the tests of `stream.learning`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stream.learning import DeclaredLabel, DeclaredModel, Sample

DAY_MS = 86_400_000
WINDOW_MS = 3_600_000
FEATURES = ("orders_90d", "spend_90d", "top_hour")


def cluster_model(**changes: object) -> DeclaredModel:
    settings: dict[str, object] = {"name": "behaviour", "kind": "clusters", "features": FEATURES, "clusters": 3}
    return DeclaredModel(**(settings | changes))  # type: ignore[arg-type]  # a test's choice


def churn_model(**changes: object) -> DeclaredModel:
    settings: dict[str, object] = {
        "name": "churn",
        "kind": "classifier",
        "features": ("since", "orders"),
        "durations": (True, False),
        "label": DeclaredLabel("absent", None, WINDOW_MS),
    }
    return DeclaredModel(**(settings | changes))  # type: ignore[arg-type]  # a test's choice


def samples_of(
    model: DeclaredModel, values: npt.NDArray[np.float64], *, start: int = 0, step_ms: int = 1_000
) -> list[Sample]:
    """One sample a row, each of another user."""
    return [
        Sample(model.name, f"user-{start + number}", (start + number) * step_ms, "moment", tuple(row))
        for number, row in enumerate(values.tolist())
    ]


def three_groups(count: int, seed: int, centres: Sequence[Sequence[float]] | None = None) -> npt.NDArray[np.float64]:
    """Half of the rows around the first centre, the rest around the others by 3 to 2; the spread is 1."""
    generator = np.random.default_rng(seed)
    middle = np.array([[5.0, 50.0, 9.0], [15.0, 50.0, 20.0], [5.0, 90.0, 15.0]] if centres is None else centres)
    which = generator.choice(3, count, p=(0.5, 0.3, 0.2))
    return np.asarray(middle[which] + generator.normal(0, (0.5, 4, 0.5), (count, 3)))


def labelled(count: int, seed: int, *, slope: float = 2.0, start: int = 0) -> list[Sample]:
    """Churn of users over days: each opened, and labelled an hour later or earlier; the likelier the longer `since`.

    Positives come at their deadline, negatives at an event before; all in the order of their moments.
    """
    generator = np.random.default_rng(seed)
    found = []
    for number in range(start, start + count):
        opened_ms = number * 60_000
        hidden = generator.normal()
        values = (max(0.0, 5 + hidden) * DAY_MS, float(generator.poisson(3)))
        churned = bool(generator.random() < 1 / (1 + np.exp(-slope * hidden)))
        at_ms = opened_ms + (WINDOW_MS if churned else int(generator.integers(1, WINDOW_MS)))
        user = f"user-{number % 700}-{number}"
        found.append(Sample("churn", user, opened_ms, "moment", values))
        found.append(Sample("churn", user, at_ms, "label", values, churned, opened_ms))
    return sorted(found, key=lambda sample: (sample.at_ms, sample.why))
