"""Pictures of models: what must not depend on how much is drawn."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from stream.commands import model_plot
from stream.commands.outcome import InputError

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


def test_a_long_description_is_broken_into_lines_below_the_picture_and_a_dollar_is_a_dollar(tmp_path: Path) -> None:
    features = [{"name": "spend", "transform": "none", "unit": 1.0, "centre": 0.0, "scale": 1.0, "missing": 0.0}]
    snapshot = {"features": features, "clusters": [{"centre": [0.0]}, {"centre": [1.0]}]}
    record = {
        "clusters": [
            {"id": 1, "name": r"\frac $100 to $200", "share": 0.25, "description": "spends " * 60},
            {"id": 2, "name": None, "share": 0.75, "description": "spends little"},
        ]
    }
    with mpl.rc_context({"text.parse_math": False}):
        figure = Figure(layout="constrained")
        axes = figure.subplots()
        model_plot._clusters(axes, snapshot, record, [[0.1], [0.9]])
        _, labels = axes.get_legend_handles_labels()
        model_plot._save(figure, tmp_path / "out.png")
    assert labels[0].startswith(r"1  \frac $100 to $200  25%  spends")
    assert max(map(len, labels[0].splitlines())) <= 160
    assert labels[1] == "2  75%  spends little"


@pytest.mark.parametrize("name", ["out", "out.strange", "nowhere/out.png"])
def test_what_can_not_be_drawn_is_told_before_anything_is_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be drawn"):
        model_plot._check_target(tmp_path / name)
