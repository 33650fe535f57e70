"""Pictures of models: what must not depend on how much is drawn."""

from __future__ import annotations

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from stream.commands import model_plot

REPORTS = [
    {"kind": "model", "at": f"2026-11-0{day}T00:00:00+00:00", "accepted": True, "quality": {"users": day}}
    for day in range(1, 5)
]


def test_no_legend_looks_for_the_best_place_which_is_slow_and_warns_where_there_is_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    places: list[object] = []
    axes = Figure().subplots()
    monkeypatch.setattr(axes, "legend", lambda **options: places.append(options.get("loc", mpl.rcParams["legend.loc"])))
    model_plot._quantiles(axes, {"fields": [{"name": "recency", "boundaries": [1.0, 2.0]}]})
    model_plot._calibration(axes, [{"samples": 3, "foretold": 0.2, "came": 0.3}])
    model_plot._over_time(axes, "quantiles", REPORTS)
    assert (len(places), "best" in places) == (3, False)
